"""One data folder with its journal, for the tests of the journal."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from softswitch.clock import VirtualClock
from softswitch.events import Event
from softswitch.ids import NodeId
from softswitch.records.journal import Journal
from softswitch.records.recovery import Recovered
from softswitch.store.database import Database
from softswitch.store.files import Files
from softswitch.store.spool import Alarm, Spool
from tests.records.story import NINE

__all__ = ["NODE", "Office", "until"]

NODE = NodeId("n1")


class Office:
    def __init__(
        self,
        folder: Path,
        *,
        clock: VirtualClock | None = None,
        files: Files | None = None,
        segment: int = 1 << 16,
        queue: int = 20_000,
    ) -> None:
        self.folder, self.clock = folder, clock or VirtualClock(start=NINE)
        self.alarms: list[Alarm] = []
        self.spool = Spool(folder / "journal", segment=segment, files=files, alarm=self.alarms.append)
        self.database = Database(folder / "softswitch.db", busy=0.05)
        self.journal = Journal(
            self.database, self.spool, node=NODE, clock=self.clock, alarm=self.alarms.append, queue=queue
        )
        self.recovered = Recovered()

    async def start(self, patience: float = 10.0) -> Office:
        self.recovered = await self.journal.recover(patience)
        return self

    async def stop(self) -> None:
        await self.journal.close()

    def publish(self, *events: Event) -> None:
        for event in events:
            self.journal.append(event)

    async def killed(self) -> Office:
        """Return an office on the files as a kill at this instant would leave them; this one is done."""
        after = self.folder.with_name(self.folder.name + "-after")
        (after / "journal").mkdir(parents=True)
        # The database before its log, and the spool last: what the first lack is in the second.
        for path in [*sorted(self.folder.glob("softswitch.db*")), *(self.folder / "journal").iterdir()]:
            if not path.name.endswith("-shm"):
                shutil.copy(path, after / path.relative_to(self.folder))
        await self.stop()
        return Office(after, clock=self.clock)

    def stored(self) -> list[tuple[int, str]]:
        """Return number and kind of each event in the database, read by other means than the program's own."""
        with sqlite3.connect(self.folder / "softswitch.db") as connection:
            return connection.execute("SELECT seq, kind FROM events ORDER BY seq").fetchall()

    def numbers(self) -> list[int]:
        return [seq for seq, _ in self.stored()]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody else has the database to himself."""
        other = sqlite3.connect(self.folder / "softswitch.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
        other.close()

    @property
    def complaints(self) -> list[tuple[str, bool]]:
        return [(alarm.subject, alarm.raised) for alarm in self.alarms]


async def until(fact: Callable[[], bool], patience: float = 10.0) -> None:
    """Wait for something that another thread or task will do soon."""
    async with asyncio.timeout(patience):
        while not fact():
            await asyncio.sleep(0.01)
