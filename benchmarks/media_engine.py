"""The media engine alone on one core: CPU of the media thread per bridged call and second.

``python -m benchmarks.media_engine 200 500 --mode relay --mode plain --mode recorded``. The load
generator has the other core and the same scheduling class as the engine. ``relay`` is a bare C
relay of the same packets: what the kernel's UDP path costs here and now.
"""

from __future__ import annotations

import os
import select
import tempfile
import threading
import time
from pathlib import Path

import click

from benchmarks.loadgen_media import Media
from softswitch.ids import Ids
from softswitch.media.engine import Codec, MediaSession, SourceId, Track
from softswitch.media.ports import PortPool
from softswitch.media.socket_engine import SocketEngine
from softswitch.media.writer import Writer

ENGINE_CPU, LOAD_CPU = 0, 1
HOST = "127.0.0.1"
MODES = ("relay", "plain", "recorded", "transcoded", "mixed")


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


def measure(calls: int, mode: str, seconds: float, directory: Path) -> str:
    media_before = set(threading.enumerate())
    writer = Writer()
    engine = SocketEngine(threads=1, pool=PortPool(20_000, 29_999, Ids()), writer=writer, ids=Ids())
    assert media_before
    other = Codec.PCMA if mode == "transcoded" else Codec.PCMU
    gain = 0.9 if mode == "mixed" else 1.0
    with Media(2 * calls, cpu=LOAD_CPU) as phones:
        os.sched_setscheduler(phones.pid, os.SCHED_FIFO, os.sched_param(10))
        for call in range(calls):
            room = engine.open_room()
            ports = [engine.open_port(room, HOST) for _ in range(2)]
            for side, (port, codec) in enumerate(zip(ports, (Codec.PCMU, other), strict=True)):
                leg = 2 * call + side
                session = MediaSession(
                    remote=(HOST, phones.ports[leg]), codec=codec, payload_type=0 if codec is Codec.PCMU else 8
                )
                engine.set_session(port.id, session)
                engine.hear(port.id, {ports[1 - side].id: gain})
                phones.peer(leg, HOST, port.local[1], codec.value, 2 * call + 1 - side)
            if mode == "recorded":
                tracks: dict[Track, list[SourceId]] = {Track.LEFT: [ports[0].id], Track.RIGHT: [ports[1].id]}
                engine.record(room, tracks, directory / f"{calls}-{call}.wav")
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
    engine.close()
    writer.stop()
    per_call = 1000 / took / calls
    return (
        f"{mode:10} {calls:5} calls  media {cost * per_call:.3f}  writer {disk * per_call:.3f}  "
        f"process {whole * per_call:.3f} ms per call and second | lost {heard.lost} of {heard.expected}, "
        f"delay p50 {heard.delay_p50} p99 {heard.delay_p99} ms, load late p99 {heard.late_p99} | "
        f"ticks late p99 < {percentile(ticks, 0.99):.3f} ms, skipped {counters['slots_skipped']}, "
        f"pool empty {counters['pool_empty']}"
    )


def measure_relay(calls: int, seconds: float) -> str:
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
        heard = phones.result(seconds + 10)
    return (
        f"{'relay':10} {calls:5} calls  relay {cost * 1000 / took / calls:.3f} ms per call and second | "
        f"lost {heard.lost} of {heard.expected}, delay p50 {heard.delay_p50} p99 {heard.delay_p99} ms, "
        f"load late p99 {heard.late_p99}"
    )


def percentile(classes: list[int], share: float) -> float:
    """The bound in milliseconds of the class in which that share of the ticks is reached."""
    total, seen = sum(classes), 0
    for i, count in enumerate(classes):
        seen += count
        if seen >= share * total:
            return float(2**i) / 1000
    return 0.0


@click.command()
@click.argument("calls", nargs=-1, type=int)
@click.option("--mode", "modes", multiple=True, type=click.Choice(MODES))
@click.option("--seconds", default=6.0)
@click.option("--repeat", default=1)
def main(calls: tuple[int, ...], modes: tuple[str, ...], seconds: float, repeat: int) -> None:
    """Measure the engine at each number of calls, in each mode."""
    os.sched_setaffinity(0, {ENGINE_CPU})
    for count in calls or (200, 500):
        for _ in range(repeat):
            for mode in modes or ("relay", "plain"):
                if mode == "relay":
                    click.echo(measure_relay(count, seconds))
                    continue
                with tempfile.TemporaryDirectory() as directory:
                    click.echo(measure(count, mode, seconds, Path(directory)))


if __name__ == "__main__":
    main()
