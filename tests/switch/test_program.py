"""Starting and ending the program: what it says, what it leaves behind, and with which exit code."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from softswitch.records.query import Records
from tests.switch.program import Program
from tests.switch.real import Desk, configuration, fresh_host, office


class Machine:
    """Programs that are gone when the test is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, fresh_host()
        self.config = folder / "office.toml"
        self._programs: list[Program] = []
        configuration(folder, self.host)

    def run(self, **how: object) -> Program:
        program = Program(self.config, **how)  # type: ignore[arg-type]
        self._programs.append(program)
        return program

    def close(self) -> None:
        for program in self._programs:
            program.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


# Starting ------------------------------------------------------------------------------------------------------------


async def test_a_taken_port_is_named(machine: Machine):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((machine.host, 5060))
        program = machine.run()
        assert await program.ended() == 1
    assert f"cannot listen on udp:{machine.host}:5060: Address already in use" in " ".join(program.output.split())


async def test_an_address_of_another_machine_is_named(machine: Machine):
    configuration(machine.folder, "192.0.2.1")
    program = machine.run()
    assert await program.ended() == 1
    assert "192.0.2.1" in program.output
    assert "Traceback" not in program.output


async def test_a_data_folder_has_one_switch(machine: Machine):
    first = machine.run()
    await first.ready()
    configuration(machine.folder, fresh_host())
    second = machine.run()
    assert await second.ended() == 1
    assert "in use by another switch" in " ".join(second.output.split())


async def test_no_rtp_port_left_is_told_at_the_start(machine: Machine):
    machine.config.write_text(machine.config.read_text().replace('"20000-20999"', '"20000-20007"'))
    with contextlib.ExitStack() as others:
        for port in (20000, 20002, 20004, 20006):
            others.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((machine.host, port))
        program = machine.run()
        assert await program.ended() == 1
    assert "rtp.ports 20000-20007: no RTP port left" in " ".join(program.output.split())


@pytest.mark.parametrize("key", ["switch.data", "recording.folder"])
async def test_a_folder_that_cannot_be_written_is_named(machine: Machine, key: str):
    in_the_way = machine.folder / "file"
    in_the_way.touch()
    text = machine.config.read_text()
    if key == "switch.data":
        text = text.replace(f'data = "{machine.folder}/var"', f'data = "{in_the_way}/var"')
    else:
        text += f'\n[recording]\nfolder = "{in_the_way}/audio"\n'
    machine.config.write_text(text)
    program = machine.run()
    assert await program.ended() == 1
    assert f"{key}: {in_the_way}" in " ".join(program.output.split())
    assert "Traceback" not in program.output


async def test_the_file_limit_is_raised_and_what_is_missing_is_told(machine: Machine):
    program = machine.run(files=(256, 512))
    await program.ready()
    # 500 pairs of ports want 1000 descriptors, 2 people 2, all else 128; (512 - 130) / 2 = 191 legs.
    await program.until(lambda: "the process may open 512 files" in " ".join(program.output.split()))
    assert "from about 191 legs on" in " ".join(program.output.split())


# Ending --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_calls_and_closes_everything(machine: Machine, number: signal.Signals):
    program = machine.run()
    await program.ready()
    desk = Desk(machine.host)
    anna, boris = desk.phone("101", tone=440), desk.phone("102", tone=880, answer=0.1)
    await desk.registered(anna, boris)
    anna.call("102")
    await desk.until(lambda: len(boris.heard) > 30)
    program.signal(number)
    await desk.until(lambda: anna.idle and boris.idle)
    assert await program.ended() == 0
    desk.close()
    records = Records.open(machine.folder / "var")
    (cdr,) = await records.conversations()
    await records.close()
    assert (cdr.result, cdr.ended_at is not None, cdr.recordings[0].repaired) == ("answered", True, False)
    with wave.open(str(machine.folder / "var" / "recordings" / cdr.recording)) as file:
        assert file.getnframes() > 0.4 * 8000
    assert not (machine.folder / "var" / "control.sock").exists()


async def test_a_phone_that_does_not_answer_bye_holds_up_the_end_for_five_seconds_at_most(machine: Machine):
    program = machine.run()
    await program.ready()
    desk = Desk(machine.host)
    anna, boris = desk.phone("101"), desk.phone("102", answer=0.1)
    await desk.registered(anna, boris)
    anna.call("102")
    await desk.until(lambda: anna.talking and boris.talking)
    desk.dead.add(boris.host)
    asked = time.monotonic()
    program.signal(signal.SIGTERM)
    await desk.until(lambda: anna.idle)
    assert await program.ended(9.0) == 0
    assert 4.5 < time.monotonic() - asked < 8.0
    desk.close()


async def test_a_second_interrupt_leaves_at_once_and_the_next_start_cleans_up(machine: Machine):
    program = machine.run()
    await program.ready()
    desk = Desk(machine.host)
    anna, boris = desk.phone("101"), desk.phone("102", answer=0.1)
    await desk.registered(anna, boris)
    anna.call("102")
    await desk.until(lambda: anna.talking and boris.talking)
    desk.dead.add(boris.host)
    program.signal(signal.SIGINT)
    await desk.until(lambda: anna.idle)
    program.signal(signal.SIGINT)
    assert await program.ended(2.0) == 130
    again = machine.run()
    await again.ready()
    again.signal(signal.SIGTERM)
    assert await again.ended() == 0
    records = Records.open(machine.folder / "var")
    (cdr,) = await records.conversations()
    await records.close()
    assert cdr.ended_at is not None
    desk.close()


async def test_sighup_reloads_and_a_bad_file_is_refused_with_its_reason(machine: Machine):
    program = machine.run()
    await program.ready()
    program.signal(signal.SIGHUP)
    await program.until(lambda: "configuration reloaded" in program.output)
    machine.config.write_text(office(machine.folder, machine.host).replace("[rtp]", "[rpt]"))
    program.signal(signal.SIGHUP)
    await program.until(lambda: "configuration refused" in program.output)
    assert "did you mean" in program.output
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
