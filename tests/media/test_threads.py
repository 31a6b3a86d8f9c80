"""Several media threads: conversations are spread over them, and none waits for Python."""

from __future__ import annotations

import select
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from softswitch.ids import Ids
from softswitch.media.engine import OpenPort
from softswitch.media.ports import PortPool
from softswitch.media.socket_engine import SocketEngine
from softswitch.media.writer import Writer

HOST = "127.0.0.1"
LONG = 0.1
"""Seconds; a thread that waited for a stalled interpreter would begin ticks later than this."""


def serve(engine: SocketEngine, seconds: float) -> None:
    """Let the threads work, and take what they tell."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        select.select([engine.fileno()], [], [], left)
        engine.events()


def thread_of(port: OpenPort) -> int:
    return port.id >> 48


@pytest.fixture
def engine() -> Iterator[SocketEngine]:
    writer = Writer()
    engine = SocketEngine(threads=3, pool=PortPool(17_000, 17_999, Ids()), writer=writer, ids=Ids(5), realtime=False)
    yield engine
    engine.close()
    writer.stop()


def test_rooms_go_to_the_thread_with_the_least_load(engine: SocketEngine) -> None:
    rooms = [engine.open_room() for _ in range(9)]
    threads = Counter(thread_of(engine.open_port(room, HOST)) for room in rooms)
    assert threads == {0: 3, 1: 3, 2: 3}


def test_a_large_room_keeps_others_away_from_its_thread(engine: SocketEngine) -> None:
    large = engine.open_room()
    busy = {thread_of(engine.open_port(large, HOST)) for _ in range(8)}
    assert len(busy) == 1
    others = {thread_of(engine.open_port(engine.open_room(), HOST)) for _ in range(4)}
    assert not busy & others


def test_each_thread_tells_what_it_carries_and_how_late_it_was(engine: SocketEngine) -> None:
    for _ in range(3):
        engine.open_port(engine.open_room(), HOST)
    serve(engine, 0.05)
    found = engine.describe()
    assert [thread.ports for thread in found] == [1, 1, 1]
    assert all(sum(count for _, count in thread.lateness) > 0 for thread in found)


def late(engine: SocketEngine) -> int:
    return sum(count for thread in engine.describe() for bound, count in thread.lateness if bound > LONG)


def test_an_interpreter_that_stalls_delays_no_tick(engine: SocketEngine) -> None:
    engine.open_port(engine.open_room(), HOST)
    serve(engine, 0.5)
    before, quiet = engine.counters(), late(engine)
    began = time.monotonic()
    while time.monotonic() - began < 0.5:
        sum(range(5_000_000))  # one call that keeps the interpreter's lock all the while
    took = time.monotonic() - began
    after = engine.counters()
    served = after["ticks"] - before["ticks"]
    # Other work on the machine may cost some: a thread that waited for the lock would have served next to none.
    assert served > 0.5 * took * 1000
    assert late(engine) - quiet <= quiet + 2
