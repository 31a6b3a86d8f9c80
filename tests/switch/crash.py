"""Kills a real switch at random instants and looks at what the next one makes of it (reliability F1).

Telephones on real sockets register once, make calls into all states, and see
the switch die with SIGKILL; sometimes the next one dies too, while it takes
over. Afterwards everything that the telephones have seen must be in the records
exactly once, and everybody must have been released.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import socket
import time
import wave
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from softswitch.config.load import Loaded
from softswitch.records.cdr import Cdr
from softswitch.records.query import Records
from softswitch.records.recovery import DIED
from softswitch.switch import run
from tests.sim.phone import Phone
from tests.switch.real import Desk, configuration, fresh_host

__all__ = ["Findings", "Round", "Victim", "play"]

PAIRS = 5
"""Pairs of telephones that call each other; one more pair proves after each restart that calls are routed."""

TOLERANCE = 1.0
"""Seconds by which an end time may be wrong, and a recording may lack."""


class Victim:
    """One data folder, and the processes that live and die on it. Modules are loaded once, in a fork server.

    ``people`` are lines of its configuration, those of the telephones of ``play`` unless told.
    """

    def __init__(self, folder: Path, people: str = "") -> None:
        self.host = fresh_host()
        people = people or "".join(
            f'[people.{101 + number}]\nname = "Person"\npassword = "secret-{101 + number}"\n'
            for number in range(2, 2 * PAIRS + 2)
        )
        self.loaded: Loaded = configuration(folder, self.host, people)
        self.settings = self.loaded.settings
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, "av", "softswitch.media.native"])
        self._process: ForkServerProcess | None = None

    def start(self) -> None:
        self._process = self._context.Process(target=_serve, args=(str(self.settings.path),), daemon=True)
        self._process.start()

    async def ready(self, limit: float = 60.0) -> None:
        """Wait until somebody answers at the control socket, which is the last thing that a start does."""
        end = time.monotonic() + limit
        while True:
            assert self._process is not None
            assert self._process.is_alive(), "the switch did not start"
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.settings.switch.data / "control.sock"))
                except OSError:
                    assert time.monotonic() < end, "the switch does not get ready"
                    await asyncio.sleep(0.01)
                else:
                    return

    def kill(self) -> float:
        """Kill the process; return the civil time of its death."""
        assert self._process is not None
        self._process.kill()
        self._process.join()
        return time.time()

    def end(self) -> None:
        """Ask for an orderly stop."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(10.0)


def _serve(path: str) -> None:
    run(path)


@dataclass
class Round:
    """What one round found: numbers for the table, and everything that is wrong."""

    conversations: int = 0
    cut: int = 0
    recordings: int = 0
    restart: float = 0.0
    routed: float = 0.0
    released: float = 0.0
    end_error: float = 0.0
    tail: float = 0.0
    tolerance: float = TOLERANCE
    faults: list[str] = field(default_factory=list)


@dataclass
class Findings:
    """The sum of all rounds."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return [f"round {number}: {fault}" for number, found in enumerate(self.rounds) for fault in found.faults]

    def __str__(self) -> str:
        def worst(name: str) -> float:
            return max((float(getattr(one, name)) for one in self.rounds), default=0.0)

        def total(name: str) -> int:
            return sum(int(getattr(one, name)) for one in self.rounds)

        return "\n".join(
            (
                f"kills                            {len(self.rounds)}",
                f"conversations that rang          {total('conversations')}",
                f"  of them cut off by the kill    {total('cut')}",
                f"recordings of those              {total('recordings')}",
                f"faults                           {len(self.faults)}",
                f"start to ready, longest          {worst('restart'):.2f} s",
                f"start to a ringing call, longest {worst('routed'):.2f} s",
                f"start to all released, longest   {worst('released'):.2f} s",
                f"error of an end time, largest    {worst('end_error'):.2f} s",
                f"missing end of a WAV, largest    {worst('tail'):.2f} s",
            )
        )


class _Pair:
    """Two telephones and what they will do, drawn at the beginning of a round."""

    def __init__(self, caller: Phone, callee: Phone) -> None:
        self.phones = (caller, callee)
        self.caller, self.callee = caller, callee
        self._plan: list[tuple[float, str]] = []

    def prepare(self, chance: random.Random, now: float) -> None:
        self.callee.answer = chance.choice((None, 0.05, 0.2, 0.5))
        at = now + chance.uniform(0.0, 0.8)
        self._plan = [(at, "call")]
        for _ in range(3):
            at += chance.uniform(0.1, 1.2)
            act = chance.choice(("hold", "resume", "caller leaves", "callee leaves", "nothing", "nothing"))
            self._plan.append((at, act))
            if "leaves" in act:
                self._plan.append((at + chance.uniform(0.3, 0.6), "call"))

    def act(self, now: float) -> None:
        while self._plan and self._plan[0][0] <= now:
            self._do(self._plan.pop(0)[1])

    def _do(self, act: str) -> None:
        caller, callee = self.caller, self.callee
        match act:
            case "call" if caller.idle and callee.idle:
                caller.call(callee.name)
            case "hold" if caller.talking:
                caller.hold()
            case "resume" if caller.talking:
                caller.resume()
            case "caller leaves" if caller.dialog is not None and caller.dialog.state in ("talking", "inviting"):
                caller.hang_up()
            case "callee leaves" if callee.talking or callee.ringing:
                callee.hang_up()
            case _:
                pass


class _Stage:
    """The telephones, which live through all rounds and register only once."""

    def __init__(self, victim: Victim) -> None:
        self.desk = Desk(victim.host)
        names = [str(101 + number) for number in range(2 * PAIRS + 2)]
        phones = [self.desk.phone(name, tone=300.0 + 50 * number) for number, name in enumerate(names)]
        self.pairs = [_Pair(phones[2 * n], phones[2 * n + 1]) for n in range(PAIRS)]
        self.prober, self.probed = phones[-2:]
        self.phones = phones

    def forget(self) -> None:
        for phone in self.phones:
            phone.inbox.clear()
            phone.heard.clear()
            phone.wire.clear()
            phone.log.clear()


async def play(
    folder: Path, rounds: int, seed: int, told: Findings | None = None, tolerance: float = TOLERANCE
) -> Findings:
    """Play ``rounds`` rounds on one data folder; the instants come from ``seed``."""
    findings = told if told is not None else Findings()
    victim, chance = Victim(folder), random.Random(seed)
    victim.start()
    await victim.ready()
    stage = _Stage(victim)
    try:
        await stage.desk.registered(*stage.phones)
        for _ in range(rounds):
            findings.rounds.append(await _round(victim, stage, chance, Round(tolerance=tolerance)))
    finally:
        stage.desk.close()
        victim.end()
    return findings


async def _round(victim: Victim, stage: _Stage, chance: random.Random, found: Round) -> Round:
    desk = stage.desk
    stage.forget()
    began = desk.now
    for pair in stage.pairs:
        pair.prepare(chance, began)
    death = began + chance.uniform(0.05, 2.2)

    def dead() -> bool:
        for pair in stage.pairs:
            pair.act(desk.now)
        return desk.now >= death

    await desk.until(dead)
    killed = victim.kill()
    # Who has not heard anything goes on asking, and will call by the next switch: he must hang up by himself.
    carried = [pair.caller for pair in stage.pairs if _asks(pair.caller)]
    asked_twice = {caller.dialog.call_id for caller in carried if caller.dialog is not None}
    asleep = desk.now + chance.uniform(0.0, 0.5)
    await desk.until(lambda: desk.now >= asleep)
    if chance.random() < 0.2:
        victim.start()
        again = desk.now + chance.uniform(0.0, 0.6)
        await desk.until(lambda: desk.now >= again)
        victim.kill()
    restarted = desk.now
    victim.start()
    await victim.ready()
    found.restart = desk.now - restarted
    await _probe(stage, found, restarted)

    def released() -> bool:
        for caller in list(carried):
            if caller.talking or caller.status in (180, 183):
                carried.remove(caller)
                caller.hang_up()
        return all(phone.idle for phone in stage.phones)

    try:
        await desk.until(released, limit=8.0)
        found.released = desk.now - restarted
    except AssertionError:
        for phone in stage.phones:
            if phone.dialog is not None:
                found.faults.append(f"{phone.name} was not released: {phone.dialog.state} {phone.log[-14:]}")
                phone._over()
    await _examine(victim, stage, found, killed, asked_twice)
    return found


def _asks(phone: Phone) -> bool:
    return any(method == "INVITE" for _, method in phone._pending)


async def _probe(stage: _Stage, found: Round, restarted: float) -> None:
    """A call to a telephone that did not register again."""
    prober, probed, desk = stage.prober, stage.probed, stage.desk
    probed.answer = None
    called = -1.0

    def rings() -> bool:
        # A start on a machine that stops is answered 503 with Retry-After for a moment: who calls, calls again.
        nonlocal called
        if prober.idle and desk.now >= called + 1.0:
            called = desk.now
            prober.call(probed.name)
        return probed.ringing

    try:
        await desk.until(rings, limit=8.0)
    except AssertionError:
        found.faults.append(f"no call is routed after the restart: {prober.log[-8:]}")
    found.routed = desk.now - restarted
    prober.hang_up()


async def _examine(victim: Victim, stage: _Stage, found: Round, killed: float, asked_twice: set[str]) -> None:
    """Hold the records against what the telephones saw."""
    records = Records.open(victim.settings.switch.data)
    try:
        # What is over for the telephones is closed a little later: the ports and the recording come first.
        for _ in range(60):
            latest = await records.conversations(200)
            if all(cdr.ended_at is not None for cdr in latest):
                break
            await stage.desk.turn(0.1)
    finally:
        await records.close()
    by_call_id: dict[str, list[Cdr]] = {}
    for cdr in latest:
        for leg in cdr.legs:
            by_call_id.setdefault(leg.call_id, []).append(cdr)
    rang: dict[str, str] = {}
    for phone in stage.phones:
        for message in phone.inbox:
            invited = message.request == "INVITE" and ";tag=" not in message["to"]
            if invited or (message.method == "INVITE" and 180 <= message.status < 300):
                rang[message["call-id"]] = phone.name
    for call_id, name in rang.items():
        count = len(by_call_id.get(call_id, ()))
        # A caller to whom the 100 never came asked the next switch too, which rightly took a call of its own.
        if count != 1 and not (count == 2 and call_id in asked_twice):
            found.faults.append(f"{count} records of call {call_id} that {name} saw ringing")
    seen = {cdr.conversation: cdr for call_id in rang for cdr in by_call_id.get(call_id, ())}
    found.conversations = len(seen)
    if len({cdr.conversation for cdr in latest}) != len(latest):
        found.faults.append("a conversation is listed twice")
    for cdr in latest:
        if cdr.ended_at is None:
            found.faults.append(f"conversation {cdr.conversation} was not closed")
        elif cdr.conversation in seen and cdr.cause == DIED:
            found.cut += 1
            _examine_cut(victim, cdr, found, datetime.fromtimestamp(killed, UTC))
    parts = list(victim.settings.recording.folder.rglob("*.part"))
    if parts:
        found.faults.append(f"unfinished recordings: {parts}")


def _examine_cut(victim: Victim, cdr: Cdr, found: Round, killed: datetime) -> None:
    assert cdr.ended_at is not None
    if cdr.started_at > killed:
        return  # cut off by the second kill
    error = abs((cdr.ended_at - killed).total_seconds())
    found.end_error = max(found.end_error, error)
    if error > found.tolerance:
        found.faults.append(f"conversation {cdr.conversation} ended {error:.2f} s beside the kill")
    for recording in cdr.recordings:
        found.recordings += 1
        ended = min([killed, *(leg.ended_at for leg in cdr.legs if leg.ended_at is not None)])
        lasted = (ended - recording.started_at) / timedelta(seconds=1)
        try:
            with wave.open(str(victim.settings.recording.folder / recording.path)) as file:
                duration = file.getnframes() / file.getframerate()
                whole = len(file.readframes(file.getnframes())) == file.getnframes() * 2 * file.getnchannels()
        except (OSError, wave.Error, EOFError) as failure:
            if lasted > found.tolerance:
                found.faults.append(f"{recording.path} of {lasted:.2f} s cannot be played: {failure}")
            continue
        found.tail = max(found.tail, lasted - duration)
        if lasted - duration > found.tolerance or not whole:
            found.faults.append(f"{recording.path} plays {duration:.2f} s of {lasted:.2f} s")
        if recording.finished_at is None:
            found.faults.append(f"{recording.path} is still open in the records")
