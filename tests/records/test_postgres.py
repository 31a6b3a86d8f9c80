"""The journal and its folds on a real PostgreSQL server, also while that is locked, away, or comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from softswitch.clock import VirtualClock
from softswitch.records.journal import Journal
from softswitch.records.query import Records
from softswitch.records.rebuild import rebuild
from softswitch.records.recovery import Recovered, closing_events
from softswitch.store.database import Database
from softswitch.store.schema import PROJECTIONS
from softswitch.store.spool import Alarm, Spool
from tests.records.office import NODE
from tests.records.story import NINE, call
from tests.store.postgres import Postgres, required


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    postgres = Postgres(required())
    try:
        yield postgres
    finally:
        postgres.close()


class Office:
    """A journal with its spool in ``folder`` and its database at ``where``."""

    def __init__(self, folder: Path, where: str | Path) -> None:
        self.alarms: list[Alarm] = []
        self.database = Database(where)
        spool = Spool(folder / "journal", alarm=self.alarms.append)
        clock = VirtualClock(start=NINE)
        self.journal = Journal(self.database, spool, node=NODE, clock=clock, alarm=self.alarms.append)
        self.recovered = Recovered()

    async def start(self, patience: float = 10.0) -> Office:
        self.recovered = await self.journal.recover(patience)
        return self

    def publish(self, *events: Any) -> None:
        for event in events:
            self.journal.append(event)

    @property
    def complaints(self) -> list[tuple[str, bool]]:
        return [(alarm.subject, alarm.raised) for alarm in self.alarms]


def numbers(server: Postgres, url: str) -> list[int]:
    """The events that the database has, asked of psql."""
    return [int(line) for line in server.ask(url, "SELECT seq FROM events ORDER BY seq").split()]


async def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    async with database.reading() as connection:
        found = {table.name: (await connection.execute(select(table))).mappings().all() for table in PROJECTIONS}
    return {name: sorted((dict(row) for row in some), key=repr) for name, some in found.items()}


async def test_the_rows_are_those_of_sqlite_and_a_rebuild_gives_them_again(tmp_path: Path, server: Postgres) -> None:
    url = server.database()
    found = []
    for folder, where in ((tmp_path / "pg", url), (tmp_path / "lite", tmp_path / "lite" / "a.db")):
        office = await Office(folder, where).start()
        office.publish(*call("c1"), *call("c2", 100.0))
        assert await office.journal.flush(10)
        before = await rows(office.database)
        await rebuild(office.database)
        assert await rows(office.database) == before
        found.append(before)
        await office.journal.close()
    assert found[0] == found[1]
    assert len(found[0]["conversations"]) == 2
    assert numbers(server, url) == list(range(1, 31))


async def test_conversations_are_listed_and_told(tmp_path: Path, server: Postgres) -> None:
    url = server.database()
    office = await Office(tmp_path, url).start()
    office.publish(*call("c1"), *call("c2", 100.0))
    assert await office.journal.flush(10)
    records = Records.open(tmp_path, url)
    assert [cdr.conversation for cdr in await records.conversations()] == ["c2", "c1"]
    assert await records.find("c1") == "c1"
    assert (await records.cdr("c1")).talk == 40.0
    await records.close()
    await office.journal.close()


async def test_what_a_crash_leaves_open_is_closed_once(tmp_path: Path, server: Postgres) -> None:
    url = server.database()
    office = await Office(tmp_path, url).start()
    office.publish(*call()[:8])
    assert await office.journal.flush(10)
    await office.journal.close()
    for left in (1, 0):
        office = await Office(tmp_path, url).start()
        assert len(office.recovered.conversations) == left
        office.publish(*closing_events(office.recovered, NINE))
        assert await office.journal.flush(10)
        await office.journal.close()
    assert server.ask(url, "SELECT cause FROM conversations").strip() == "switch died"


async def test_while_the_server_is_away_events_wait_and_follow_in_order(tmp_path: Path, server: Postgres) -> None:
    url = server.database()
    office = await Office(tmp_path, url).start()
    office.publish(*call("c1"))
    assert await office.journal.flush(10)
    await asyncio.to_thread(server.stop)
    try:
        office.publish(*call("c2", 100.0))
        assert await office.journal.durable()
        assert not await office.journal.flush(1.0)
        assert office.complaints == [("database", True)]
    finally:
        await asyncio.to_thread(server.start)
    assert await office.journal.flush(20)
    assert numbers(server, url) == list(range(1, 31))
    assert office.complaints == [("database", True), ("database", False)]
    await office.journal.close()


async def test_a_start_while_the_server_is_away_knows_what_the_spool_knows(tmp_path: Path, server: Postgres) -> None:
    url = server.database()
    await asyncio.to_thread(server.stop)
    try:
        office = await Office(tmp_path, url).start(patience=0.3)
        assert not office.recovered.complete
        office.publish(*call())
        assert await office.journal.durable()
    finally:
        await asyncio.to_thread(server.start)
    assert await office.journal.flush(20)
    assert numbers(server, url) == list(range(1, 16))
    await office.journal.close()


async def test_while_a_table_is_locked_events_wait_and_follow_in_order(tmp_path: Path, server: Postgres) -> None:
    url = server.database()
    office = await Office(tmp_path, url).start()
    other = Database(url)
    async with other.writing() as connection:
        await connection.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        office.publish(*call())
        assert await office.journal.durable()
        assert not await office.journal.flush(3.0)
        assert office.complaints == [("database", True)]
    assert await office.journal.flush(20)
    assert numbers(server, url) == list(range(1, 16))
    await other.close()
    await office.journal.close()
