"""The switch as a library: inside a host's event loop, twice in one process, with actions of the host."""

from __future__ import annotations

import asyncio
import runpy
from io import StringIO
from pathlib import Path

import pytest

from softswitch import ActionCall, Switch
from softswitch.errors import NotPossible
from softswitch.events import CallArrived, ConversationEnded, Event
from softswitch.log import make_logger
from softswitch.media.engine import Tone
from tests.switch.real import Desk, configuration, fresh_host


async def test_a_call_on_real_sockets_is_heard_recorded_and_told(tmp_path: Path):
    host = fresh_host()
    async with Switch(configuration(tmp_path, host)) as switch:
        events = switch.events()
        desk = Desk(host)
        anna, boris = desk.phone("101", tone=440), desk.phone("102", tone=880, answer=0.1)
        await desk.registered(anna, boris)
        anna.call("102")
        await desk.until(lambda: len(anna.heard) > 100 and len(boris.heard) > 100)
        assert abs(anna.hears(880) + 16) < 3
        assert anna.hears(440) < -76
        assert abs(boris.hears(440) + 16) < 3
        anna.hang_up()
        told: list[Event] = []

        async def read() -> None:
            async for event in events:
                told.append(event)
                if isinstance(event, ConversationEnded):
                    return

        reading = asyncio.create_task(read())
        await desk.until(reading.done)
        assert told[-1].result == "answered"  # type: ignore[attr-defined]
        assert any(isinstance(event, CallArrived) for event in told)
        (recording,) = (tmp_path / "var" / "recordings").rglob("*.wav")
        assert recording.stat().st_size > 2 * 2 * 8000
        desk.close()


async def test_two_switches_live_in_one_process(tmp_path: Path):
    first, second = fresh_host(), fresh_host()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with (
        Switch(configuration(tmp_path / "a", first)) as one,
        Switch(configuration(tmp_path / "b", second)) as two,
    ):
        desks = Desk(first), Desk(second)
        phones = [desk.phone("101") for desk in desks]
        for desk, phone in zip(desks, phones, strict=True):
            await desk.registered(phone)
        assert [len(switch.live.devices) for switch in (one, two)] == [1, 1]
        for desk in desks:
            desk.close()


async def test_two_switches_on_one_port_are_one_too_many(tmp_path: Path):
    host = fresh_host()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with Switch(configuration(tmp_path / "a", host)):
        with pytest.raises(NotPossible, match="cannot listen"):
            await Switch(configuration(tmp_path / "b", host)).start()


async def test_an_action_answers_plays_reads_a_digit_and_sends_on(tmp_path: Path):
    host = fresh_host()
    switch = Switch(configuration(tmp_path, host))
    results: list[str] = []

    @switch.action("600")
    async def menu(call: ActionCall) -> None:
        await call.answer()
        await call.play(Tone((300.0,), cadence=(0.4, 0.1), repeat=1))
        results.append(str(await call.digit(within=10)))
        results.append(await call.dial("102"))

    async with switch:
        desk = Desk(host)
        anna, boris = desk.phone("101", tone=440), desk.phone("102", tone=880, answer=0.1)
        await desk.registered(anna, boris)
        anna.call("600")
        await desk.until(lambda: anna.talking and len(anna.heard) > 20)
        anna.press("2")
        await desk.until(lambda: boris.talking and boris.hears(440) > -19)
        assert results == ["2", "answered"]
        boris.hang_up()
        await desk.until(lambda: anna.idle)
        desk.close()


async def test_an_action_that_fails_costs_its_own_call_only(tmp_path: Path):
    host = fresh_host()
    switch = Switch(configuration(tmp_path, host))

    @switch.action("600")
    async def broken(call: ActionCall) -> None:
        raise RuntimeError("host's mistake")

    async with switch:
        desk = Desk(host)
        anna, boris = desk.phone("101"), desk.phone("102", answer=0.1)
        await desk.registered(anna, boris)
        anna.status = None
        anna.call("600")
        await desk.until(lambda: anna.idle and anna.status is not None)
        anna.call("102")
        await desk.until(lambda: anna.talking)
        desk.close()


async def test_an_action_that_asks_for_the_impossible_is_told_to_the_office(tmp_path: Path):
    host = fresh_host()
    log = StringIO()
    switch = Switch(configuration(tmp_path, host), log=make_logger(log))

    @switch.action("600")
    async def mute(call: ActionCall) -> None:
        await call.answer()
        await call.play(tmp_path / "no such sound.wav")

    async with switch:
        desk = Desk(host)
        anna = desk.phone("101")
        await desk.registered(anna)
        anna.status = None
        anna.call("600")
        await desk.until(lambda: anna.idle and anna.status is not None)
        desk.close()
    assert "action failed" in log.getvalue()
    assert "no such sound.wav" in log.getvalue()


def test_the_example_is_short_and_runs_to_its_first_event(tmp_path: Path):
    path = Path(__file__).parents[2] / "docs" / "examples" / "embed.py"
    assert len(path.read_text().splitlines()) <= 30
    configuration(tmp_path, fresh_host())
    host = runpy.run_path(str(path))["host"]

    async def some_of_it() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await host(str(tmp_path / "office.toml"))

    asyncio.run(some_of_it())
