"""Supervised and recorded calls through the whole switch: how late its ticks are while heads change their minds.

``python -m benchmarks.supervised`` registers telephones, places 40 calls between people (mu-law to A-law, so that
each is transcoded), lets a head of his own stand beside each, and changes every head's mode each half to two
seconds, by real signalling: joining, leaving and listening renegotiate his telephone. The switch is a process of
its own on one core, the load on the other.

The lateness is what the media threads say of themselves (``softswitch status``), in classes that double, so that
"p99" is the bound of a class. A witness on each core tells in the same run when nobody could run there at all:
what is late then is the machine's.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from benchmarks.loadgen import Telephones
from benchmarks.loadgen_calls import Caller
from benchmarks.loadgen_media import Media
from benchmarks.whole_switch import LOAD_CPU, SWITCH_CPU
from benchmarks.witness import LEAST_MS, Witness
from softswitch.api.client import Client, CommandFailed
from tests.interop.running import DOMAIN, HOST, RunningSwitch

CALLERS, EMPLOYEES, HEADS = 100_000, 100, 500
"""First extensions. The load generator takes a leg by the last five digits of who calls: of callers, and of employees
at whose calls heads are rung."""
MODES = ("listen", "whisper", "barge")
PROMISED_MS = 5.0


class Heads:
    """Each stands beside the call of one employee, and does something else every now and then."""

    def __init__(self, client: Client, calls: int, seed: int) -> None:
        self.took: list[float] = []
        self.done: Counter[str] = Counter()
        self._client = client
        self._random = random.Random(seed)
        self._beside = [False] * calls
        self._due = [self._random.uniform(0, 5) for _ in range(calls)]

    def follow(self, seconds: float) -> None:
        began = time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            number = min(range(len(self._due)), key=self._due.__getitem__)
            if self._due[number] > at:
                time.sleep(min(self._due[number], seconds) - at)
                continue
            self._change(number)
            self._due[number] = at + self._random.uniform(0.5, 2.0)

    def _change(self, number: int) -> None:
        head = str(HEADS + number)
        began = time.monotonic()
        try:
            if self._beside[number] and self._random.random() < 0.1:
                self._client.call("leave", supervisor=head)
                self._beside[number] = False
                self.done["leave"] += 1
            else:
                mode = self._random.choice(MODES)
                self._client.call("supervise", employee=str(EMPLOYEES + number), supervisor=head, mode=mode)
                self._beside[number] = True
                self.done[mode] += 1
        except CommandFailed as error:
            self.done[f"refused: {error.message}"] += 1
            self._beside[number] = False
        self.took.append(time.monotonic() - began)


def lateness(client: Client) -> Counter[float]:
    """Ticks by the bound of their class, in milliseconds."""
    found: Counter[float] = Counter()
    for thread in client.call("status")["media"]["each"]:
        for row in thread["lateness"]:
            found[row["below"] * 1000] += row["ticks"]
    return found


def bound(ticks: Counter[float], share: float) -> float:
    """The bound of the class that so many ticks stayed below."""
    wanted, seen = share * ticks.total(), 0
    for below in sorted(ticks):
        seen += ticks[below]
        if seen >= wanted:
            return below
    return 0.0


@click.command()
@click.option("--calls", default=40, show_default=True)
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "to_file", type=click.Path(path_type=Path))
def main(calls: int, seconds: float, seed: int, to_file: Path | None) -> None:
    """Measure supervised and recorded calls; exit with 1 when p99 is not under 5 ms."""
    people = [first + number for first in (CALLERS, EMPLOYEES, HEADS) for number in range(calls)]
    before = ("taskset", "-c", str(SWITCH_CPU)) if shutil.which("taskset") else ()
    os.sched_setaffinity(0, {LOAD_CPU})
    with ExitStack() as open_now:
        folder = Path(open_now.enter_context(tempfile.TemporaryDirectory(prefix="softswitch-bench-")))
        heads_of = range(HEADS, HEADS + calls)
        running = RunningSwitch(folder, people=people, directors=heads_of, codecs=("PCMU", "PCMA"), before=before)
        open_now.callback(running.end)
        running.start()
        voices = open_now.enter_context(Media(2 * calls, cpu=LOAD_CPU))
        ears = open_now.enter_context(Media(2 * (EMPLOYEES + calls), cpu=LOAD_CPU))
        server = (HOST, running.port)
        phones = Telephones(server, domain=DOMAIN, media=voices, caller_codec="PCMU", callee_codec="PCMA")
        heads = Telephones(server, domain=DOMAIN, media=ears)
        for telephones, first in ((phones, EMPLOYEES), (heads, HEADS)):
            secrets = [(str(first + number), f"secret-{first + number}") for number in range(calls)]
            tally = telephones.register(secrets, window=8, callees=True)
            if tally.completed != calls:
                raise SystemExit(f"{tally.completed} of {calls} telephones registered: {dict(tally.codes)}")
        pairs = [
            (Caller(number=str(CALLERS + number), secret=f"secret-{CALLERS + number}"), str(EMPLOYEES + number))
            for number in range(calls)
        ]
        phones.place(pairs, rate=20, hold=None)
        up = phones.running
        threads = [threading.Thread(target=one.idle, args=(seconds + 4.0,)) for one in (phones, heads)]
        for thread in threads:
            thread.start()
        client = open_now.enter_context(Client(running.data / "control.sock"))
        witness = open_now.enter_context(Witness())
        time.sleep(2.0)
        earlier = lateness(client)
        witness.look()
        witness.stalls.clear()
        beside = Heads(client, calls, seed)
        beside.follow(seconds)
        ticks = lateness(client) - earlier
        witness.look()
        stalls = [stall for stall in witness.stalls if stall.cpu == SWITCH_CPU]
        for thread in threads:
            thread.join()
        still = phones.running
        phones.hang_up()
        phones.idle(2.0)
        recordings = len(running.recordings())
    p99 = bound(ticks, 0.99)
    slept = sum(stall.lasted for stall in stalls)
    result: dict[str, Any] = {
        "calls": up,
        "calls_at_the_end": still,
        "recordings": recordings,
        "seconds": seconds,
        "commands": dict(beside.done),
        "command_p50_ms": round(1000 * statistics.median(beside.took), 2),
        "command_max_ms": round(1000 * max(beside.took), 1),
        "ticks": ticks.total(),
        "late_p50_ms": bound(ticks, 0.5),
        "late_p99_ms": p99,
        "late_p999_ms": bound(ticks, 0.999),
        "late_max_ms": bound(ticks, 1.0),
        f"machine_stalls_of_{LEAST_MS:g}_ms": len(stalls),
        "machine_stall_max_ms": round(1000 * max((stall.lasted for stall in stalls), default=0.0), 1),
        "machine_stalled_percent": round(100 * slept / seconds, 2),
    }
    click.echo(json.dumps(result, indent=1))
    held = p99 < PROMISED_MS and up == still == recordings == calls
    click.echo(
        f"{'yes' if held else 'NO '}  p99 of the ticks' lateness under {PROMISED_MS:g} ms in {still} supervised and"
        f" recorded calls: under {p99:.2f} ms (machine: {len(stalls)} stalls, {slept:.2f} s in all)"
    )
    if to_file is not None:
        to_file.write_text(json.dumps(result, indent=1) + "\n")
    raise SystemExit(0 if held else 1)


if __name__ == "__main__":
    main()
