"""The journal: what an event costs its publisher, and how fast events reach the database.

    .venv/bin/pytest benchmarks/test_journal.py --benchmark-columns=min,median,mean,ops

Aims: one ``append``, JSON and write included, at most 25 us; the drain at least 5,000 events a second. The baseline
is what could not be less: JSON by the standard library and one ``pwrite`` of the same size.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from softswitch.clock import SystemClock
from softswitch.events import (
    CallArrived,
    CallRouted,
    ConversationEnded,
    DeviceBound,
    Event,
    LegAnswered,
    LegEnded,
    LegOffered,
    LegRinging,
    RecordingFinished,
    RecordingStarted,
)
from softswitch.ids import ConversationId, LegId, NodeId
from softswitch.records.codec import decode, stamp
from softswitch.records.journal import Journal
from softswitch.records.rebuild import rebuild
from softswitch.store.database import Database

NODE = NodeId("bench")
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ANSWERED = LegAnswered(conversation=ConversationId("0123456789ab"), leg=LegId("ba9876543210"), codec="PCMA")
BOUND = DeviceBound(
    person="101",
    contact="sip:101@192.168.1.20:5060;transport=udp;ob",
    transport="udp",
    remote_host="192.168.1.20",
    remote_port=5060,
    local_host="192.168.1.1",
    local_port=5060,
    call_id="3848276298220188511@192.168.1.20",
    cseq=31862,
    expires_at=NOW + timedelta(hours=1),
    registered_at=NOW,
    user_agent="Telephone/1.5.2",
)
CALLS = 500  # of 11 events each: 5,500, fewer than the journal holds in memory
DIALOG = json.dumps(dict.fromkeys(("call_id", "local", "remote", "target", "route"), "sip:101@192.168.1.20:5060"))


def call(number: int) -> list[Event]:
    c, a, b = ConversationId(f"call{number:08}"), LegId(f"a{number}"), LegId(f"b{number}")
    arrived = CallArrived(
        conversation=c,
        leg=a,
        origin="person:101",
        caller="101",
        caller_name="Анна Орлова",
        called="102",
        call_id="x",
        dialog=DIALOG,
    )
    return [
        arrived,
        CallRouted(conversation=c, to="person:102", rule="extension"),
        LegOffered(
            conversation=c, leg=b, party="person:102", target="sip:102@192.168.1.21:5060", call_id="y", dialog=DIALOG
        ),
        LegRinging(conversation=c, leg=b, status=180),
        LegAnswered(conversation=c, leg=b, codec="PCMA", dialog=DIALOG),
        LegAnswered(conversation=c, leg=a, codec="PCMA", dialog=DIALOG),
        RecordingStarted(conversation=c, path=f"2026/11/23/{c}.wav"),
        LegEnded(conversation=c, leg=a, cause="hung up"),
        LegEnded(conversation=c, leg=b, cause="local", remote=False),
        ConversationEnded(conversation=c, result="answered", cause="hung up"),
        RecordingFinished(conversation=c, path=f"2026/11/23/{c}.wav", duration=60.0),
    ]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def journal(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[Journal]:
    async def opened() -> Journal:
        journal = Journal.open(tmp_path, node=NODE, clock=SystemClock())
        await journal.recover()
        return journal

    journal = loop.run_until_complete(opened())
    yield journal
    loop.run_until_complete(journal.close())


def test_baseline_json_and_pwrite(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    fields = dataclasses.asdict(ANSWERED) | {"at": NOW.isoformat()}
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, 1 << 20)
    benchmark(lambda: os.pwrite(fd, json.dumps(fields).encode(), 0))
    os.close(fd)


@pytest.mark.parametrize("event", [ANSWERED, BOUND], ids=["answered", "bound"])
def test_stamp(benchmark: BenchmarkFixture, event: Event) -> None:
    benchmark(stamp, event, 1, NODE, NOW)


def test_decode(benchmark: BenchmarkFixture) -> None:
    benchmark(decode, stamp(ANSWERED, 1, NODE, NOW).body)


@pytest.mark.parametrize("event", [ANSWERED, BOUND], ids=["answered", "bound"])
def test_append(benchmark: BenchmarkFixture, journal: Journal, event: Event) -> None:
    benchmark.pedantic(journal.append, (event,), iterations=500, rounds=30, warmup_rounds=1)


def test_drain_of_5500_events(benchmark: BenchmarkFixture, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
    """Rounds per second times 5,500 is events per second, everything but ``append`` included."""
    numbers = iter(range(10**9))

    def publish() -> None:
        for _ in range(CALLS):
            for event in call(next(numbers)):
                journal.append(event)

    benchmark.pedantic(lambda: loop.run_until_complete(journal.flush()), setup=publish, rounds=5)


def test_rebuild_of_5500_events(
    benchmark: BenchmarkFixture, journal: Journal, loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    for number in range(CALLS):
        for event in call(number):
            journal.append(event)
    loop.run_until_complete(journal.flush())
    database = Database(tmp_path / "softswitch.db")
    benchmark.pedantic(lambda: loop.run_until_complete(rebuild(database)), rounds=3)
    loop.run_until_complete(database.close())
