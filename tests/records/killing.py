"""A switch's journal killed with SIGKILL at random instants, again and again, on the same data.

    python -c "from tests.records.killing import main; main()" 1000

prints how many events were lost or doubled, and how many conversations have not exactly one end.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from softswitch.clock import SystemClock
from softswitch.ids import NodeId
from softswitch.records.journal import Journal
from softswitch.records.recovery import closing_events
from softswitch.store.database import Database
from softswitch.store.segment import read_spool
from softswitch.store.spool import Spool
from tests.records.story import call

__all__ = ["Result", "kill_again_and_again"]

NODE = NodeId("n1")
SEGMENT = 1 << 15  # some 100 events, so that files begin and go under way


@dataclass
class Result:
    kills: int = 0
    acknowledged: int = 0
    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    wrong_conversations: list[str] = field(default_factory=list)


def _journal(folder: Path) -> Journal:
    spool = Spool(folder / "journal", segment=SEGMENT)
    return Journal(Database(folder / "softswitch.db"), spool, node=NODE, clock=SystemClock(), queue=50)


async def _begin(journal: Journal) -> None:
    recovered = await journal.recover()
    for event in closing_events(recovered, SystemClock().utc()):
        journal.append(event)


def _victim(folder: Path, round_number: int, acknowledge: Connection) -> None:
    """Publish calls, many at a time in all states, and tell the parent each number that ``append`` has given."""

    async def run() -> None:
        journal = _journal(folder)
        acknowledge.send_bytes(b"opened")
        await _begin(journal)
        chance, begun = random.Random(round_number), itertools.count()
        running = [iter(call(f"{round_number}-{next(begun)}")) for _ in range(20)]
        while True:
            for _ in range(chance.randrange(1, 40)):
                place = chance.randrange(len(running))
                event = next(running[place], None)
                if event is None:
                    running[place] = iter(call(f"{round_number}-{next(begun)}"))
                else:
                    acknowledge.send_bytes(str(journal.append(event).seq).encode())
            await asyncio.sleep(0)

    asyncio.run(run())


def _stored(folder: Path) -> Counter[int]:
    """Return how often each number is in the database or, where that lacks it, in the spool."""
    found: Counter[int] = Counter()
    database = folder / "softswitch.db"
    if database.exists():
        with sqlite3.connect(database) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
                found.update(seq for (seq,) in connection.execute("SELECT seq FROM events"))
        connection.close()
    last = max(found, default=0)
    for number, body in read_spool(folder / "journal"):
        assert json.loads(body)["seq"] == number
        if number > last:
            found[number] += 1
    return found


async def _close_all(folder: Path, result: Result) -> None:
    """Start once more and look whether every conversation that arrived has exactly one end and one row."""
    journal = _journal(folder)
    await _begin(journal)
    await journal.flush()
    await journal.close()
    with sqlite3.connect(folder / "softswitch.db") as connection:
        arrived = Counter(
            name for (name,) in connection.execute("SELECT conversation FROM events WHERE kind = 'CallArrived'")
        )
        ended = Counter(
            name for (name,) in connection.execute("SELECT conversation FROM events WHERE kind = 'ConversationEnded'")
        )
        rows = Counter(
            name for (name,) in connection.execute("SELECT conversation FROM conversations WHERE ended_at IS NOT NULL")
        )
    connection.close()
    once = Counter(arrived.keys())
    for counted in (arrived, ended, rows):
        result.wrong_conversations += [str(name) for name in (once | counted) if once[name] != counted[name]]


def kill_again_and_again(rounds: int, seed: int = 1, longest: float = 0.06) -> Result:
    """Kill a process ``rounds`` times, within ``longest`` seconds of its first event or, now and then, of its start."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["softswitch.records.journal"])
    chance = random.Random(seed)
    result = Result()
    with TemporaryDirectory() as name:
        folder, acknowledged = Path(name) / "office", set[int]()
        for number in range(rounds):
            ours, theirs = context.Pipe(duplex=False)
            victim = context.Process(target=_victim, args=(folder, number, theirs))
            victim.start()
            theirs.close()
            assert ours.recv_bytes() == b"opened"
            if chance.random() < 0.8:  # the others are killed while they start
                acknowledged.add(int(ours.recv_bytes()))
            deadline = time.monotonic() + chance.uniform(0, longest)
            while ours.poll(max(0.0, deadline - time.monotonic())) and time.monotonic() < deadline:
                acknowledged.add(int(ours.recv_bytes()))
            assert victim.pid is not None
            os.kill(victim.pid, signal.SIGKILL)
            with contextlib.suppress(EOFError, OSError):
                while True:
                    acknowledged.add(int(ours.recv_bytes()))
            victim.join()
            found = _stored(folder)
            result.kills += 1
            result.lost += sorted(acknowledged - found.keys())
            result.doubled += [seq for seq, times in found.items() if times > 1]
            if number % 25 == 24 or number == rounds - 1:
                asyncio.run(_close_all(folder, result))
                result.acknowledged += len(acknowledged)
                folder, acknowledged = Path(name) / f"office{number}", set()
    return result


def main() -> None:
    started = time.monotonic()
    told = kill_again_and_again(int(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(
        f"{told.kills} kills, {told.acknowledged} events acknowledged: {len(told.lost)} lost, "
        f"{len(told.doubled)} doubled, {len(told.wrong_conversations)} conversations wrong; "
        f"{time.monotonic() - started:.0f} s"
    )
