"""The media engine alone on one core: CPU of the media thread per call and second, in each kind of work.

``python -m benchmarks.media_engine 200 500 --work relay --work plain --work recorded``. The load
generator has the other core and the same scheduling class as the engine. ``relay`` is a bare C
relay of the same packets: what the kernel's UDP path costs here and now. ``--most`` looks for the
largest number of calls that one core carries with less than 0.1 % loss, within three minutes for
each kind of work, the relay among them.
"""

from __future__ import annotations

import json
import os
import select
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.loadgen_media import PAYLOAD_TYPES, Heard, Media
from benchmarks.voices import voice_file
from softswitch.ids import Ids
from softswitch.media.engine import Codec, MediaSession, OpenPort, SourceId, Track
from softswitch.media.ports import PortPool
from softswitch.media.socket_engine import SocketEngine
from softswitch.media.writer import Writer

ENGINE_CPU, LOAD_CPU = 0, 1
HOST = "127.0.0.1"
MOST_LOSS = 0.1
"""Percent of the packets beyond which a core carries too much."""

SEARCH = 170.0
"""Seconds after which the search for the most calls takes what it has."""

LEGS, ROOM = 4096, 256
"""The legs that the generator has, and the ports of the largest room."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one room does. ``hears[i][j]``: with what gain port i hears port j, absent: not at all.

    A port that hears one other at unity in its own codec is sent that one's own packets,
    which the generator recognises; what the others get is counted.
    """

    what: str
    codecs: Sequence[str]
    hears: Mapping[int, Mapping[int, float]]
    tracks: Mapping[Track, Sequence[int]] = field(default_factory=dict)

    def partner(self, port: int) -> int | None:
        """Whose packets the port gets as they are."""
        row = self.hears[port]
        if len(row) != 1:
            return None
        other, gain = next(iter(row.items()))
        return other if gain == 1.0 and self.codecs[other] == self.codecs[port] in ("PCMU", "PCMA") else None


def each_other(gain: float) -> dict[int, dict[int, float]]:
    return {0: {1: gain}, 1: {0: gain}}


STEREO = {Track.LEFT: (0,), Track.RIGHT: (1,)}
WORKS: Mapping[str, Work] = {
    "plain": Work("plain", ("PCMU", "PCMU"), each_other(1.0)),
    "recorded": Work("plain, recorded in stereo", ("PCMU", "PCMU"), each_other(1.0), STEREO),
    "mixed": Work("both ways decoded and mixed, recorded in stereo", ("PCMU", "PCMU"), each_other(0.9), STEREO),
    "transcoded": Work("PCMU and PCMA", ("PCMU", "PCMA"), each_other(1.0)),
    "supervised": Work(
        "customer, employee and prompter, recorded",
        ("PCMU",) * 3,
        {0: {1: 1.0}, 1: {0: 1.0, 2: 1.0}, 2: {0: 1.0, 1: 1.0}},
        STEREO,
    ),
    "g722": Work("G.722 and PCMU", ("G722", "PCMU"), each_other(1.0)),
    "opus": Work("Opus and PCMU", ("opus", "PCMU"), each_other(1.0)),
}


def conference(ports: int) -> Work:
    everybody = range(ports)
    hears = {one: {other: 1.0 for other in everybody if other != one} for one in everybody}
    return Work(f"one conference of {ports}", ("PCMU",) * ports, hears)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one run. CPU in milliseconds of one core per call and second; ``busy`` is the media thread's share of its."""

    work: str
    calls: int
    media: float
    writer: float
    process: float
    busy: float
    loss: float
    """Percent, of recognised packets and of what mixed legs are due."""
    gaps: int
    silent: int
    delay_p50: float | None
    delay_p99: float | None
    ticks_late_p99: float
    skipped: int
    pool_empty: int
    load_late_p99: float | None

    def __str__(self) -> str:
        return (
            f"{self.work:11} {self.calls:5}  media {self.media:6.3f}  writer {self.writer:.3f}"
            f"  process {self.process:6.3f}  busy {100 * self.busy:3.0f} %"
            f"  lost {self.loss:7.3f} %  gaps {self.gaps}  silent {self.silent}"
            f"  delay {milliseconds(self.delay_p50)} / {milliseconds(self.delay_p99)}"
            f"  ticks late p99 {self.ticks_late_p99:.3f}  skipped {self.skipped}  pool empty {self.pool_empty}"
            f"  load late {milliseconds(self.load_late_p99)}"
        )


def milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def running(thread: int) -> float:
    """Seconds that a thread of ours has been on a CPU; exact, unlike the ticks of /proc/stat."""
    return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[0]) / 1e9


def native_thread(name: str) -> int:
    found = next(thread.native_id for thread in threading.enumerate() if thread.name == name)
    assert found is not None
    return found


def follow(engine: SocketEngine, seconds: float) -> None:
    """Read events as the switch's event loop does."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        select.select([engine.fileno()], [], [], left)
        engine.events()


def open_room(engine: SocketEngine, work: Work, phones: Media, first_leg: int, recording: Path | None) -> None:
    room = engine.open_room()
    ports: list[OpenPort] = [engine.open_port(room, HOST) for _ in work.codecs]
    for index, (port, codec) in enumerate(zip(ports, work.codecs, strict=True)):
        leg, partner = first_leg + index, work.partner(index)
        session = MediaSession(
            remote=(HOST, phones.ports[leg]), codec=Codec(codec), payload_type=PAYLOAD_TYPES[codec], timeout=0.0
        )
        engine.set_session(port.id, session)
        phones.peer(leg, HOST, port.local[1], codec, -1 if partner is None else first_leg + partner)
    for index, row in work.hears.items():
        engine.hear(ports[index].id, {ports[other].id: gain for other, gain in row.items()})
    if work.tracks and recording is not None:
        tracks: dict[Track, list[SourceId]] = {
            track: [ports[index].id for index in taps] for track, taps in work.tracks.items()
        }
        engine.record(room, tracks, recording)


def measure(name: str, work: Work, calls: int, seconds: float, directory: Path) -> Figures:
    """Measure so many rooms of this work for some seconds."""
    size = len(work.codecs)
    writer = Writer()
    engine = SocketEngine(threads=1, pool=PortPool(20_000, 31_999, Ids()), writer=writer, ids=Ids())
    with ExitStack() as open_now:
        open_now.callback(writer.stop)
        open_now.callback(engine.close)
        phones = open_now.enter_context(Media(size * calls, cpu=LOAD_CPU))
        os.sched_setscheduler(phones.pid, os.SCHED_FIFO, os.sched_param(10))
        for codec in {*work.codecs} & {"G722", "opus"}:
            phones.voice(codec, 160 if codec == "G722" else 960, voice_file(codec, directory))
        for call in range(calls):
            open_room(engine, work, phones, size * call, directory / f"{name}-{calls}-{call}.wav")
        follow(engine, 2.0)
        media, writing = native_thread("media-0"), native_thread("recordings")
        before, wrote, process, began = running(media), running(writing), time.process_time(), time.monotonic()
        lateness = [count for _, count in engine.lateness()]
        phones.begin(seconds)
        follow(engine, seconds)
        took = time.monotonic() - began
        cost, disk = running(media) - before, running(writing) - wrote
        whole = time.process_time() - process
        ticks = [now - then for (_, now), then in zip(engine.lateness(), lateness, strict=True)]
        heard = phones.result(seconds + 10)
        counters = engine.counters()
    per_call = 1000 / took / calls
    return Figures(
        work=name,
        calls=calls,
        media=cost * per_call,
        writer=disk * per_call,
        process=whole * per_call,
        busy=cost / took,
        loss=max(heard.loss, heard.missing),
        gaps=heard.mixed_gaps,
        silent=heard.silent + heard.deaf,
        delay_p50=heard.delay_p50,
        delay_p99=heard.delay_p99,
        ticks_late_p99=percentile(ticks, 0.99),
        skipped=counters["slots_skipped"],
        pool_empty=counters["pool_empty"],
        load_late_p99=heard.late_p99,
    )


def measure_relay(calls: int, seconds: float) -> Figures:
    """Measure a C relay that only passes the packets of so many calls on."""
    with (
        Media(2 * calls, cpu=LOAD_CPU) as phones,
        Media(2 * calls, cpu=ENGINE_CPU, kind="relay") as bare,
    ):
        for pid in (phones.pid, bare.pid):
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(10))
        for leg in range(2 * calls):
            bare.peer(leg, HOST, phones.ports[leg])
            phones.peer(leg, HOST, bare.ports[leg], partner=leg ^ 1)
        time.sleep(1.0)
        schedstat = Path(f"/proc/{bare.pid}/schedstat")
        before, began = int(schedstat.read_text().split()[0]), time.monotonic()
        phones.begin(seconds)
        time.sleep(seconds)
        cost = (int(schedstat.read_text().split()[0]) - before) / 1e9
        took = time.monotonic() - began
        heard: Heard = phones.result(seconds + 10)
    per_call = cost * 1000 / took / calls
    return Figures(
        work="relay",
        calls=calls,
        media=per_call,
        writer=0.0,
        process=per_call,
        busy=cost / took,
        loss=heard.loss,
        gaps=0,
        silent=heard.deaf,
        delay_p50=heard.delay_p50,
        delay_p99=heard.delay_p99,
        ticks_late_p99=0.0,
        skipped=0,
        pool_empty=0,
        load_late_p99=heard.late_p99,
    )


def percentile(classes: list[int], share: float) -> float:
    """The bound in milliseconds of the class in which that share of the ticks is reached."""
    total, seen = sum(classes), 0
    for i, count in enumerate(classes):
        seen += count
        if seen >= share * total:
            return float(2**i) / 1000
    return 0.0


def run(name: str, calls: int, seconds: float) -> Figures:
    if name == "relay":
        return measure_relay(calls, seconds)
    with tempfile.TemporaryDirectory() as directory:
        if name == "conference":
            return measure(name, conference(calls), 1, seconds, Path(directory))
        return measure(name, WORKS[name], calls, seconds, Path(directory))


def fits(figures: Figures) -> bool:
    return figures.loss < MOST_LOSS and not figures.silent


def ceiling(name: str) -> int:
    """Return how many calls the generator has legs for, or how many ports a room holds."""
    if name == "conference":
        return ROOM
    return LEGS // (2 if name == "relay" else len(WORKS[name].codecs))


def most(name: str, start: int, seconds: float) -> Iterator[Figures]:
    """Look for the most calls that a core carries, to one part in twenty or as near as ``SEARCH`` allows."""
    top, until = ceiling(name), time.monotonic() + SEARCH
    good, bad, calls = 0, top + 1, min(start, top)
    while bad - good > max(1, good // 20):
        began = time.monotonic()
        figures = run(name, calls, seconds)
        yield figures
        if fits(figures):
            good = calls
        else:
            bad = calls
        if 2 * time.monotonic() - began > until:
            return
        if bad <= top:
            calls = (good + bad) // 2
        else:
            # What a core does when it is nearly full, so that few steps lead there.
            calls = min(top, round(calls * min(2.0, max(1.1, 0.95 / max(figures.busy, 0.1)))))


def show_most(found: Mapping[str, Figures | None]) -> None:
    """Print what each kind of work came to, against the relay."""
    relay = found.get("relay")
    table = Table(title=f"The most calls of one core with less than {MOST_LOSS} % loss")
    for column in ("work", "calls", "of the relay", "core", "loss", "load late p99", ""):
        table.add_column(column, justify="left" if column in ("work", "") else "right")
    for name, figures in found.items():
        if figures is None:
            table.add_row(name, "-", "-", "-", "-", "-", "not even the first")
            continue
        ratio = f"{figures.calls / relay.calls:.2f}" if relay and name != "conference" else "-"
        bound = "as many as there are legs" if figures.calls == ceiling(name) else ""
        table.add_row(
            name,
            str(figures.calls),
            ratio,
            f"{100 * figures.busy:.0f} %",
            f"{figures.loss:.3f} %",
            f"{milliseconds(figures.load_late_p99)} ms",
            bound,
        )
    Console(width=100).print(table)


@click.command()
@click.argument("calls", nargs=-1, type=int)
@click.option("--work", "works", multiple=True, type=click.Choice(["relay", *WORKS, "conference"]))
@click.option("--seconds", default=6.0, show_default=True)
@click.option("--repeat", default=1, show_default=True)
@click.option("--most", "search", is_flag=True, help="Find the most calls that one core carries.")
@click.option("--json", "to_file", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(
    calls: tuple[int, ...], works: tuple[str, ...], seconds: float, repeat: int, search: bool, to_file: Path | None
) -> None:
    """Measure the engine at each number of calls, in each kind of work."""
    os.sched_setaffinity(0, {ENGINE_CPU})
    taken: list[Figures] = []
    if search:
        best: dict[str, Figures | None] = {}
        for name in dict.fromkeys(("relay", *(works or ("plain",)))):
            best[name] = None
            for figures in most(name, calls[0] if calls else ceiling(name) // 4, seconds):
                click.echo(str(figures))
                taken.append(figures)
                if fits(figures):
                    best[name] = max(best[name] or figures, figures, key=lambda one: one.calls)
        show_most(best)
    for count in () if search else calls or (200, 500):
        for _ in range(repeat):
            for name in works or ("relay", "plain"):
                figures = run(name, count, seconds)
                click.echo(str(figures))
                taken.append(figures)
    if to_file is not None:
        to_file.write_text(json.dumps([asdict(figures) for figures in taken], indent=1))


if __name__ == "__main__":
    main()
