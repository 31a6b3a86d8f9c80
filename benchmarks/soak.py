"""Recorded calls for a long time, supervisors joining and leaving at random: nothing lost, late or misplaced.

``python -m benchmarks.soak --calls 500 --minutes 20`` drives the media engine on one core, the load
generator on the other. Each call is recorded in one file after another, about a minute and a half
each, and each finished file is read back: every frame carries a mark with its number, so that a
frame that is missing, doubled or not where it belongs is seen.

What the machine did is told apart from what the engine did. A witness on each core wants to wake
every millisecond above everybody else (``witness.c``); a tick that was late while nobody could run,
or while the media thread could have run and others did, is the machine's. So are frames that the
generator was kept from saying, and packets that the kernel counts as thrown away before any socket.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import select
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult
from pathlib import Path

import click

from benchmarks.loadgen_media import Heard, Media
from benchmarks.marks import SAMPLES_A_MS, SLOTS, Verdict, judge
from benchmarks.media_engine import ENGINE_CPU, HOST, LOAD_CPU, native_thread, percentile
from benchmarks.witness import LEAST_MS, Stall, Witness
from softswitch.ids import Ids
from softswitch.media.engine import (
    Codec,
    MediaSession,
    OpenPort,
    PortId,
    RecordingEnded,
    RecordingId,
    RoomId,
    SourceId,
    Track,
)
from softswitch.media.ports import PortPool
from softswitch.media.socket_engine import SocketEngine
from softswitch.media.writer import Writer
from softswitch.mixer.roles import Role, rows

LATE_MS = 10.0
LOOK = 0.1
"""Seconds between two looks at how late ticks were."""
TELL = 30.0
ALIGNED_MS = 20.0
FLAT = 1.02
"""Resident memory at the end, against that of the first fifth."""
PORTS = range(20_000, 32_000)
MODES = (Role.LISTENER, Role.PROMPTER, Role.ADVISER, Role.BARGER)


# ---- the calls -------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Call:
    room: RoomId
    ports: tuple[OpenPort, OpenPort]
    supervisors: dict[PortId, Role] = field(default_factory=dict)

    def set_rows(self, engine: SocketEngine) -> None:
        members = {self.ports[0].id: Role.CUSTOMER, self.ports[1].id: Role.AGENT, **self.supervisors}
        for listener, row in rows(members).items():
            engine.hear(listener, {SourceId(source): gain for source, gain in row.items()})


@dataclass(slots=True, kw_only=True)
class Tally:
    """What came of the recordings. ``wrong_length``: files whose length is not the time between start and stop.

    ``absent`` are the milliseconds, by the generator's clock, in which the missing frames were to be said.
    """

    recordings: int = 0
    errors: int = 0
    frames: int = 0
    missing: int = 0
    bare: int = 0
    doubled: int = 0
    wrong_length: int = 0
    unaligned: int = 0
    most_apart_ms: float = 0.0
    joins: int = 0
    modes: int = 0
    absent: array[int] = field(default_factory=lambda: array("q"))


class Lateness:
    """Ticks that began late, each with what the machine did then."""

    def __init__(self, engine: SocketEngine, witness: Witness) -> None:
        self._engine, self._witness = engine, witness
        self._counts = self._late()
        self._skipped = engine.counters()["slots_skipped"]
        self._recent: list[Stall] = []
        self._looked = time.monotonic()
        self._thread = native_thread("media-0")
        self._waited = _waited(self._thread)
        self.late = self.late_excused = self.skipped = self.skipped_excused = 0

    def look(self) -> None:
        """Count what came since the last look; call every ``LOOK`` seconds."""
        now = time.monotonic()
        self._recent = [stall for stall in self._recent + self._witness.look() if stall.began > now - 2.0]
        counts, skipped = self._late(), self._engine.counters()["slots_skipped"]
        late, slots = counts - self._counts, skipped - self._skipped
        self._counts, self._skipped = counts, skipped
        waited, self._waited = _waited(self._thread) - self._waited, _waited(self._thread)
        excused = waited > LEAST_MS / 1000 or any(
            stall.cpu == ENGINE_CPU and stall.began + stall.lasted > self._looked - LOOK and stall.began < now
            for stall in self._recent
        )
        self._looked = now
        self.late += late
        self.skipped += slots
        if excused:
            self.late_excused += late
            self.skipped_excused += slots

    def _late(self) -> int:
        """Ticks whose class of lateness reaches beyond 10 ms: those that were 8.2 ms late and more."""
        return sum(count for bound, count in self._engine.lateness() if 1000 * bound > LATE_MS)


class Soak:
    def __init__(
        self, engine: SocketEngine, phones: Media, heads: Media, witness: Witness, directory: Path, seed: int
    ) -> None:
        self.tally = Tally()
        self.lateness = Lateness(engine, witness)
        self._engine, self._phones, self._heads, self._directory = engine, phones, heads, directory
        self._random = random.Random(seed)
        self._calls: list[Call] = []
        self._recording: dict[RecordingId, Call] = {}
        self._lasted: dict[RecordingId, float] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._entries = 0
        self._judges = get_context("spawn").Pool(1, initializer=_aside)
        self._verdicts: list[AsyncResult[Verdict]] = []
        self._over = False
        self._spread = 90.0

    @property
    def unread(self) -> int:
        """Files that are written and not yet read back."""
        return len(self._verdicts)

    def close(self) -> None:
        self._judges.terminate()

    def open_calls(self, count: int) -> None:
        for number in range(count):
            room = self._engine.open_room()
            ports = (self._engine.open_port(room, HOST), self._engine.open_port(room, HOST))
            for side, port in enumerate(ports):
                self._connect(port, self._phones, 2 * number + side)
            call = Call(room, ports)
            call.set_rows(self._engine)
            self._calls.append(call)

    def begin(self, supervisors: int, seconds: float) -> None:
        """Let recordings begin spread over a minute and a half, and supervisors come."""
        self._spread = min(90.0, seconds / 4)
        for call in self._calls:
            self._later(self._random.uniform(0, self._spread), partial(self._record, call))
        for number in range(supervisors):
            self._later(self._random.uniform(0, 10), partial(self._join, number))

    def follow(self, seconds: float) -> None:
        """Do what is due, and read the engine's events, for so long."""
        until, looked = time.monotonic() + seconds, 0.0
        while (now := time.monotonic()) < until:
            while self._agenda and self._agenda[0][0] <= now:
                heapq.heappop(self._agenda)[2]()
            wake = min(until, now + LOOK, self._agenda[0][0] if self._agenda else until)
            select.select([self._engine.fileno()], [], [], max(0.0, wake - time.monotonic()))
            if time.monotonic() >= looked + LOOK:
                looked = time.monotonic()
                self.lateness.look()
            for event in self._engine.events():
                if isinstance(event, RecordingEnded):
                    self._recorded(event)

    def finish(self) -> None:
        """End all recordings, and wait for what the last of them hold."""
        self._over = True
        for recording in list(self._recording):
            self._stop(recording)
        give_up = time.monotonic() + 60
        while self._recording and time.monotonic() < give_up:
            self.follow(0.2)
        self.tally.errors += len(self._recording)
        for verdict in self._verdicts:
            self._judged(verdict.get(600))

    def _connect(self, port: OpenPort, phones: Media, leg: int) -> None:
        session = MediaSession(remote=(HOST, phones.ports[leg]), codec=Codec.PCMU, payload_type=0, timeout=0.0)
        self._engine.set_session(port.id, session)
        phones.peer(leg, HOST, port.local[1])

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._entries += 1
        heapq.heappush(self._agenda, (time.monotonic() + seconds, self._entries, what))

    # Recordings -------------------------------------------------------------------------------------------------------

    def _record(self, call: Call) -> None:
        if self._over:
            return
        self._entries += 1
        tracks = {Track.LEFT: [call.ports[0].id], Track.RIGHT: [call.ports[1].id]}
        recording = self._engine.record(call.room, tracks, self._directory / f"{self._entries}.wav")
        self._recording[recording] = call
        self._lasted[recording] = -time.monotonic()
        self._later(self._random.uniform(60, 120), partial(self._stop, recording))

    def _stop(self, recording: RecordingId) -> None:
        if recording in self._recording and self._lasted[recording] < 0:
            self._lasted[recording] += time.monotonic()
            self._engine.stop_recording(recording)

    def _recorded(self, event: RecordingEnded) -> None:
        call = self._recording.pop(event.recording)
        self.tally.recordings += 1
        self.tally.errors += event.error is not None
        self.tally.wrong_length += abs(event.duration - self._lasted.pop(event.recording)) * 1000 > ALIGNED_MS
        self._verdicts.append(self._judges.apply_async(_judge_and_delete, (event.path,)))
        while self._verdicts and self._verdicts[0].ready():
            self._judged(self._verdicts.pop(0).get())
        self._record(call)

    def _judged(self, verdict: Verdict) -> None:
        self.tally.frames += verdict.frames
        self.tally.missing += verdict.missing
        self.tally.bare += verdict.bare
        self.tally.doubled += verdict.doubled
        self.tally.absent.extend(SLOTS * number + leg % SLOTS for leg, number in verdict.absent)
        if verdict.apart is None:
            self.tally.unaligned += 1
            return
        apart = verdict.apart / SAMPLES_A_MS
        self.tally.unaligned += apart > ALIGNED_MS
        self.tally.most_apart_ms = max(self.tally.most_apart_ms, apart)

    # Supervisors ------------------------------------------------------------------------------------------------------

    def _join(self, number: int) -> None:
        if self._over:
            return
        self.tally.joins += 1
        call = self._random.choice(self._calls)
        port = self._engine.open_port(call.room, HOST)
        self._connect(port, self._heads, number)
        call.supervisors[port.id] = Role.LISTENER
        call.set_rows(self._engine)
        self._change(number, call, port, time.monotonic() + self._random.uniform(5, 30))

    def _change(self, number: int, call: Call, port: OpenPort, until: float) -> None:
        if time.monotonic() >= until:
            del call.supervisors[port.id]
            call.set_rows(self._engine)
            self._heads.hush(number)
            self._engine.close_port(port.id)
            self._later(self._random.uniform(0, 5), partial(self._join, number))
            return
        self.tally.modes += 1
        call.supervisors[port.id] = self._random.choice(MODES)
        call.set_rows(self._engine)
        self._later(self._random.uniform(0.5, 5), partial(self._change, number, call, port, until))


def _waited(thread: int) -> float:
    """Seconds that a thread of ours could have run while others did."""
    return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[1]) / 1e9


def kernel_drops() -> int:
    """Packets that the kernel threw away before they came to a socket, because a core was behind."""
    return sum(int(line.split()[1], 16) for line in Path("/proc/net/softnet_stat").read_text().splitlines())


def socket_drops() -> int:
    """Datagrams that found no room in the engine's sockets."""
    rows = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
    return sum(int(row[-1]) for row in rows if int(row[1].rsplit(":", 1)[1], 16) in PORTS)


def _judge_and_delete(path: Path) -> Verdict:
    try:
        return judge(path)
    finally:
        path.unlink()


def _aside() -> None:
    """Judge on the generator's core, after it."""
    os.sched_setaffinity(0, {LOAD_CPU})
    os.nice(19)


def resident() -> float:
    """Return the process's resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def unsaid(absent: Sequence[int], skipped: Sequence[Sequence[int]]) -> int:
    """How many of the frames of these milliseconds the generator left unsaid."""
    return sum(any(first <= at < first + count for first, count in skipped) for at in absent)


def sentence(holds: bool, what: str, found: str) -> bool:
    """Say one sentence of the verdict."""
    click.echo(f"{'yes' if holds else 'NO ':3}  {what}: {found}")
    return holds


def verdict(tally: Tally, heard: Heard, lateness: Lateness, memory: Sequence[float], counters: dict[str, int]) -> bool:
    """Say whether each sentence of the promise holds, and why not."""
    excused = unsaid(tally.absent, heard.skipped)
    lost = tally.missing - excused
    late, skipped = lateness.late - lateness.late_excused, lateness.skipped - lateness.skipped_excused
    early = memory[len(memory) // 5 :][:1] or [0.0]
    drops = {name: counters[name] for name in ("ring_full", "out_full", "pool_empty", "refused") if counters[name]}
    held = [
        sentence(
            lost == 0 and heard.mixed_gaps == 0 and skipped == 0 and not drops and heard.overflowed == 0,
            "0 lost packets",
            f"{lost} of {tally.frames + tally.missing} frames lost on the way in, {heard.mixed_gaps} gaps in"
            f" {heard.packets} packets on the way out, {skipped} milliseconds not served"
            f" (machine: {excused} frames unsaid, {lateness.skipped_excused} milliseconds slept)"
            f"{f', {drops}' if drops else ''}",
        ),
        sentence(
            late == 0,
            f"0 ticks later than {LATE_MS:g} ms",
            f"{late} that the engine answers for, {lateness.late_excused} that the machine slept through",
        ),
        sentence(memory[-1] <= early[0] * FLAT, "flat memory", f"{early[0]} MB, and {memory[-1]} MB at the end"),
        sentence(
            tally.errors == 0 and lost == 0 and tally.bare == 0 and tally.doubled == 0 and tally.wrong_length == 0,
            "every recording complete",
            f"{tally.recordings} recordings, {tally.errors} with errors, {lost} frames missing,"
            f" {tally.bare} at the ends, {tally.doubled} doubled, {tally.wrong_length} of a wrong length",
        ),
        sentence(
            tally.unaligned == 0,
            "every recording aligned",
            f"tracks at most {tally.most_apart_ms:.1f} ms apart,"
            f" {tally.unaligned} recordings by more than {ALIGNED_MS:g} ms",
        ),
    ]
    return all(held)


@click.command()
@click.option("--calls", default=500, show_default=True)
@click.option("--supervisors", default=40, show_default=True)
@click.option("--minutes", default=20.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--directory", type=click.Path(path_type=Path), help="Where recordings go until they are read back.")
@click.option("--json", "to_file", type=click.Path(path_type=Path))
def main(calls: int, supervisors: int, minutes: float, seed: int, directory: Path | None, to_file: Path | None) -> None:
    """Soak the media engine; exit with 1 when a sentence of the promise does not hold."""
    os.sched_setaffinity(0, {ENGINE_CPU})
    with ExitStack() as open_now:
        folder = Path(open_now.enter_context(tempfile.TemporaryDirectory(dir=directory)))
        writer = Writer()
        engine = SocketEngine(threads=1, pool=PortPool(PORTS[0], PORTS[-1], Ids()), writer=writer, ids=Ids())
        open_now.callback(writer.stop)
        open_now.callback(engine.close)
        phones = open_now.enter_context(Media(2 * calls, cpu=LOAD_CPU))
        heads = open_now.enter_context(Media(supervisors, cpu=LOAD_CPU))
        witness = open_now.enter_context(Witness())
        for generator in (phones, heads):
            os.sched_setscheduler(generator.pid, os.SCHED_FIFO, os.sched_param(10))
        soak = Soak(engine, phones, heads, witness, folder, seed)
        open_now.callback(soak.close)
        soak.open_calls(calls)
        soak.follow(2.0)
        soak.lateness = Lateness(engine, witness)
        witness.stalls.clear()
        soak.begin(supervisors, 60 * minutes)
        lateness = [count for _, count in engine.lateness()]
        before, dropped, full = engine.counters(), kernel_drops(), socket_drops()
        memory: list[float] = []
        phones.begin(60 * minutes)
        began = time.monotonic()
        while (left := began + 60 * minutes - time.monotonic()) > 0:
            soak.follow(min(TELL, left))
            memory.append(round(resident(), 1))
            click.echo(f"{time.monotonic() - began:6.0f} s  {memory[-1]:6.1f} MB  {progress(soak, witness)}", err=True)
        heard = phones.result(30)
        ticks = [now - then for (_, now), then in zip(engine.lateness(), lateness, strict=True)]
        counters = {name: value - before[name] for name, value in engine.counters().items()}
        stalls = list(witness.stalls)
        dropped, full = kernel_drops() - dropped, socket_drops() - full
        soak.finish()
    held = verdict(soak.tally, heard, soak.lateness, memory, counters)
    absent = Counter(soak.tally.absent)
    result = {
        "calls": calls,
        "minutes": minutes,
        "held": held,
        "packets": heard.packets,
        "gaps": heard.mixed_gaps,
        "unsaid": heard.unsaid,
        "ticks": sum(ticks),
        "ticks_late_p99_ms": percentile(ticks, 0.99),
        "ticks_late": soak.lateness.late,
        "ticks_late_while_the_machine_slept": soak.lateness.late_excused,
        "machine_stalls": {cpu: _stalled(stalls, cpu) for cpu in (ENGINE_CPU, LOAD_CPU)},
        "generator_late_p99_ms": heard.late_p99,
        "generator_late_max_ms": heard.late_max,
        "generator_late_ticks": heard.late_ticks,
        "generator_send_errors": heard.send_errors,
        "kernel_drops": dropped,
        "socket_drops": full,
        "frames_missing_by_millisecond": dict(absent.most_common(10)),
        "memory_mb": memory,
        **{name: counters[name] for name in ("slots_skipped", "pool_empty", "ring_full", "out_full")},
        **{name: value for name, value in asdict(soak.tally).items() if name != "absent"},
    }
    click.echo(json.dumps(result, indent=1))
    if to_file is not None:
        to_file.write_text(json.dumps(result))
    raise SystemExit(0 if held else 1)


def progress(soak: Soak, witness: Witness) -> str:
    tally, lateness = soak.tally, soak.lateness
    return (
        f"{tally.recordings} recordings ({soak.unread} to be read)  {tally.joins} joins  {tally.modes} modes"
        f"  missing {tally.missing}  apart {tally.most_apart_ms:.1f} ms"
        f"  late ticks {lateness.late} ({lateness.late_excused} asleep)  skipped {lateness.skipped}"
        f"  stalls {len(witness.stalls)}"
    )


def _stalled(stalls: Sequence[Stall], cpu: int) -> dict[str, float]:
    lasted = [1000 * stall.lasted for stall in stalls if stall.cpu == cpu]
    return {"count": len(lasted), "longest_ms": round(max(lasted, default=0.0), 1)}


if __name__ == "__main__":
    main()
