"""Recorded calls for a long time, supervisors joining and leaving at random: nothing lost, late or misplaced.

``python -m benchmarks.soak --calls 500 --minutes 20`` drives the media engine on one core, the load
generator on the other. Each call is recorded in one file after another, about a minute and a half
each, and each finished file is read back: every frame carries a mark with its number, so that a
frame that is missing, doubled or not where it belongs is seen.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import select
import tempfile
import time
import wave
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.loadgen_media import Media
from benchmarks.media_engine import ENGINE_CPU, HOST, LOAD_CPU, percentile
from softswitch.ids import Ids
from softswitch.media.engine import Codec, MediaSession, OpenPort, PortId, RecordingEnded, RecordingId, RoomId, Track
from softswitch.media.ports import PortPool
from softswitch.media.socket_engine import SocketEngine
from softswitch.media.writer import Writer
from softswitch.mixer.roles import Role, rows

FRAME = 160
MARK = 12
LATE_MS = 10.0
MODES = (Role.LISTENER, Role.PROMPTER, Role.BARGER)


# ---- reading the recordings back -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Verdict:
    """What one file holds. ``missing`` and ``doubled`` count frames between the first and the last of each track;
    ``spread`` is by how many samples the two tracks moved against each other."""

    frames: int
    missing: int
    doubled: int
    spread: int


def numbers(track: NDArray[np.int16]) -> dict[int, int]:
    """Find the marks in a track: the sample at which each frame number begins.

    A mark is 12 samples in 16 levels, eight octaves of two signs: two that never change, three
    of the leg, five of the number, two of the check (see loadgen_media.c).
    """
    value = track.astype(np.int32)
    octave = np.clip(np.rint(np.log2(np.maximum(np.abs(value), 1) / 200.0)), 0, 7).astype(np.int64)
    symbol = np.where(value < 0, 8, 0) + octave
    begins = np.flatnonzero((symbol[: -MARK + 1] == 7) & (symbol[1 : len(symbol) - MARK + 2] == 15))
    digits = symbol[begins[:, np.newaxis] + np.arange(MARK)]
    leg = digits[:, 2] << 8 | digits[:, 3] << 4 | digits[:, 4]
    frame = digits[:, 5] << 16 | digits[:, 6] << 12 | digits[:, 7] << 8 | digits[:, 8] << 4 | digits[:, 9]
    mixed = (leg * 2654435761 & 0xFFFFFFFF) ^ (frame * 2246822519 & 0xFFFFFFFF)
    right = (mixed ^ mixed >> 8 ^ mixed >> 16 ^ mixed >> 24) & 255 == (digits[:, 10] << 4 | digits[:, 11])
    begins, leg, frame = begins[right], leg[right], frame[right]
    if not begins.size:
        return {}
    # One in 256 windows has a right check by chance: those are of another leg, or far from where their number belongs.
    drift = begins - FRAME * frame
    true = (leg == np.bincount(leg).argmax()) & (np.abs(drift - np.median(drift)) < 50 * FRAME)
    found: dict[int, int] = {}
    for number, at in zip(frame[true].tolist(), begins[true].tolist(), strict=True):
        found.setdefault(number, at)
    return found


def judge(path: Path) -> Verdict:
    """Read one stereo file back, and delete it."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    path.unlink()
    tracks = [numbers(np.ascontiguousarray(samples[:, channel])) for channel in (0, 1)]
    frames = missing = doubled = 0
    for track in tracks:
        if not track:
            missing += len(samples) // FRAME
            continue
        frames += len(track)
        missing += max(track) - min(track) + 1 - len(track)
        places = np.array([track[number] for number in sorted(track)])
        doubled += int(np.count_nonzero(np.diff(places) < FRAME))
    common = sorted(tracks[0].keys() & tracks[1].keys())
    apart = [tracks[0][number] - tracks[1][number] for number in common]
    return Verdict(frames, missing, doubled, max(apart) - min(apart) if apart else len(samples))


# ---- the calls -------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Call:
    room: RoomId
    ports: tuple[OpenPort, OpenPort]
    supervisors: dict[PortId, Role] = field(default_factory=dict)

    def set_rows(self, engine: SocketEngine) -> None:
        members = {self.ports[0].id: Role.CUSTOMER, self.ports[1].id: Role.AGENT, **self.supervisors}
        for listener, row in rows(members).items():
            engine.hear(listener, dict(row))


@dataclass(slots=True, kw_only=True)
class Tally:
    recordings: int = 0
    errors: int = 0
    frames: int = 0
    missing: int = 0
    doubled: int = 0
    worst_spread: int = 0
    joins: int = 0
    modes: int = 0


class Soak:
    def __init__(self, engine: SocketEngine, phones: Media, heads: Media, directory: Path, seed: int) -> None:
        self.tally = Tally()
        self._engine, self._phones, self._heads, self._directory = engine, phones, heads, directory
        self._random = random.Random(seed)
        self._calls: list[Call] = []
        self._recording: dict[RecordingId, Call] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._entries = 0
        self._judges = get_context("spawn").Pool(1, initializer=_aside)
        self._verdicts: list[AsyncResult[Verdict]] = []
        self._over = False

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

    def begin(self, supervisors: int) -> None:
        for call in self._calls:
            self._later(self._random.uniform(0, 90), lambda call=call: self._record(call))  # type: ignore[misc]
        for number in range(supervisors):
            self._later(self._random.uniform(0, 10), lambda number=number: self._join(number))  # type: ignore[misc]

    def follow(self, seconds: float) -> None:
        """Do what is due, and read the engine's events, for so long."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            while self._agenda and self._agenda[0][0] <= now:
                heapq.heappop(self._agenda)[2]()
            wake = min(until, self._agenda[0][0] if self._agenda else until)
            select.select([self._engine.fileno()], [], [], max(0.0, wake - time.monotonic()))
            for event in self._engine.events():
                if isinstance(event, RecordingEnded):
                    self._recorded(event)

    def finish(self) -> None:
        """End all recordings, and wait for what the last of them hold."""
        self._over = True
        for recording in list(self._recording):
            self._engine.stop_recording(recording)
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
        self._later(self._random.uniform(60, 120), lambda: self._stop(recording))

    def _stop(self, recording: RecordingId) -> None:
        if recording in self._recording:
            self._engine.stop_recording(recording)

    def _recorded(self, event: RecordingEnded) -> None:
        call = self._recording.pop(event.recording)
        self.tally.recordings += 1
        self.tally.errors += event.error is not None
        self._verdicts.append(self._judges.apply_async(judge, (event.path,)))
        while self._verdicts and self._verdicts[0].ready():
            self._judged(self._verdicts.pop(0).get())
        self._record(call)

    def _judged(self, verdict: Verdict) -> None:
        self.tally.frames += verdict.frames
        self.tally.missing += verdict.missing
        self.tally.doubled += verdict.doubled
        self.tally.worst_spread = max(self.tally.worst_spread, verdict.spread)

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
            self._later(self._random.uniform(0, 5), lambda: self._join(number))
            return
        self.tally.modes += 1
        call.supervisors[port.id] = self._random.choice(MODES)
        call.set_rows(self._engine)
        self._later(self._random.uniform(0.5, 5), lambda: self._change(number, call, port, until))


def _aside() -> None:
    """Judge on the generator's core, after it."""
    os.sched_setaffinity(0, {LOAD_CPU})
    os.nice(19)


def resident() -> float:
    """Return the process's resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


@click.command()
@click.option("--calls", default=500, show_default=True)
@click.option("--supervisors", default=40, show_default=True)
@click.option("--minutes", default=20.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "to_file", type=click.Path(path_type=Path))
def main(calls: int, supervisors: int, minutes: float, seed: int, to_file: Path | None) -> None:
    """Soak the media engine."""
    os.sched_setaffinity(0, {ENGINE_CPU})
    with ExitStack() as open_now:
        directory = Path(open_now.enter_context(tempfile.TemporaryDirectory()))
        writer = Writer()
        engine = SocketEngine(threads=1, pool=PortPool(20_000, 31_999, Ids()), writer=writer, ids=Ids())
        open_now.callback(writer.stop)
        open_now.callback(engine.close)
        phones = open_now.enter_context(Media(2 * calls, cpu=LOAD_CPU))
        heads = open_now.enter_context(Media(supervisors, cpu=LOAD_CPU))
        for generator in (phones, heads):
            os.sched_setscheduler(generator.pid, os.SCHED_FIFO, os.sched_param(10))
        soak = Soak(engine, phones, heads, directory, seed)
        open_now.callback(soak.close)
        soak.open_calls(calls)
        soak.follow(2.0)
        soak.begin(supervisors)
        lateness = [count for _, count in engine.lateness()]
        before = engine.counters()
        memory: list[float] = []
        phones.begin(60 * minutes)
        end = time.monotonic() + 60 * minutes
        while (left := end - time.monotonic()) > 0:
            soak.follow(min(60.0, left))
            memory.append(round(resident(), 1))
            so_far = f"{soak.tally.recordings} recordings  {soak.tally.joins} joins"
            click.echo(f"{len(memory):3} min  {memory[-1]:6.1f} MB  {so_far}", err=True)
        heard = phones.result(30)
        ticks = [now - then for (_, now), then in zip(engine.lateness(), lateness, strict=True)]
        bounds = [1000 * bound for bound, _ in engine.lateness()]
        counters = {name: value - before[name] for name, value in engine.counters().items()}
        soak.finish()
    late = sum(count for bound, count in zip(bounds, ticks, strict=True) if bound / 2 >= LATE_MS)
    result = {
        "calls": calls,
        "minutes": minutes,
        "packets": heard.packets,
        "missing_percent": round(heard.missing, 4),
        "gaps": heard.mixed_gaps,
        "unsaid": heard.unsaid,
        "ticks": sum(ticks),
        "ticks_late_p99_ms": percentile(ticks, 0.99),
        "ticks_later_than_10_ms": late,
        "generator_late_p99_ms": heard.late_p99,
        "generator_late_ticks": heard.late_ticks,
        "memory_mb": memory,
        **{name: counters[name] for name in ("slots_skipped", "pool_empty", "ring_full", "out_full")},
        **asdict(soak.tally),
    }
    click.echo(json.dumps(result, indent=1))
    if to_file is not None:
        to_file.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
