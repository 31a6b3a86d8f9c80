"""Projections: written as the call goes on or computed afterwards, the rows are the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, select

from softswitch.events import Event
from softswitch.ids import NodeId
from softswitch.records.codec import Record, stamp
from softswitch.records.drain import Drain
from softswitch.records.rebuild import rebuild
from softswitch.store import schema
from softswitch.store.database import Database
from softswitch.store.schema import metadata
from tests.records.story import at, call
from tests.records.strategies import event_sequences

NODE = NodeId("n1")


def numbered(events: Sequence[Event], first: int = 1) -> list[Record]:
    return [stamp(event, seq, NODE, event.at) for seq, event in enumerate(events, first)]


async def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    async with database.reading() as connection:
        for table in schema.PROJECTIONS:
            result = await connection.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in result.all()]
    return found


@settings(max_examples=settings().max_examples // 3)  # each example makes a database
@given(event_sequences, st.lists(st.integers(1, 8), max_size=10), st.sets(st.integers(0, 10)))
def test_any_sequence_gives_the_same_rows_in_any_batches_with_any_restarts_and_when_rebuilt(
    events: list[Event], batches: list[int], restarts: set[int]
) -> None:
    async def scenario(folder: str) -> None:
        database = Database(Path(folder) / "a.db")
        await database.prepare()
        drain = Drain(database, NODE)
        records = numbered(events)
        for index, size in enumerate([*batches, len(records)]):
            batch, records = records[:size], records[size:]
            if index in restarts:
                drain = Drain(database, NODE)
            if batch:
                assert await drain.store(batch) == []
        incremental = await rows(database)
        assert (await rebuild(database)).events == len(events)
        assert await rows(database) == incremental
        await database.close()

    with TemporaryDirectory() as folder:
        asyncio.run(scenario(folder))


async def test_a_rebuild_repairs_rows_that_somebody_has_changed(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    await database.prepare()
    await Drain(database, NODE).store(numbered([*call("c1"), *call("c2", start=100)]))
    right = await rows(database)
    async with database.writing() as connection:
        await connection.execute(schema.conversations.update().values(caller="nobody"))
        await connection.execute(schema.legs.delete())
    assert await rows(database) != right
    await rebuild(database)
    assert await rows(database) == right
    assert [row[:3] for row in right["conversations"]] == [("c1", "n1", at(0)), ("c2", "n1", at(100))]
    await database.close()


async def test_a_rebuild_leaves_the_indexes_as_they_were_and_no_fresh_tables(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    await database.prepare()
    await rebuild(database)
    await rebuild(database)

    def look(connection: Any) -> tuple[list[str], set[str | None]]:
        found = inspect(connection)
        return sorted(found.get_table_names()), {index["name"] for index in found.get_indexes("conversations")}

    async with database.engine.connect() as connection:
        tables, indexes = await connection.run_sync(look)
    assert tables == sorted(metadata.tables)
    assert indexes == {"conversations_open", "conversations_started"}
    await database.close()


async def test_events_that_come_during_a_rebuild_are_in_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", busy=30.0)
    await database.prepare()
    drain = Drain(database, NODE)
    records = numbered([event for index in range(600) for event in call(f"c{index:04}", start=index)])
    await drain.store(records[:7000])
    rebuilding = asyncio.create_task(rebuild(database))
    for begin in range(7000, len(records), 100):
        await drain.store(records[begin : begin + 100])
    done = await rebuilding
    after = await rows(database)
    assert 7000 <= done.events <= 9000
    await rebuild(database)
    assert await rows(database) == after
    assert len(after["conversations"]) == 600
    await database.close()


async def test_an_event_of_a_newer_version_stays_in_the_journal_and_out_of_the_rows(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    await database.prepare()
    unknown = Record(16, NODE, at(1), "HologramShown", None, '{"kind":"HologramShown","seq":16,"node":"n1"}', None)
    await Drain(database, NODE).store([*numbered(call()), unknown])
    done = await rebuild(database)
    assert (done.events, done.unread) == (16, 1)
    async with database.reading() as connection:
        kinds = (
            (await connection.execute(select(schema.events.c.kind).where(schema.events.c.seq == 16))).scalars().all()
        )
    assert kinds == ["HologramShown"]
    await database.close()


async def test_a_record_stored_twice_is_there_once(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    await database.prepare()
    records = numbered(call())
    await Drain(database, NODE).store(records[:9])
    once = Drain(database, NODE)
    await once.store(records)
    before = await rows(database)
    await once.store(records)
    assert await Drain(database, NODE).through() == 15
    assert await rows(database) == before
    (conversation,) = before["conversations"]
    names = [column.name for column in schema.conversations.columns]
    assert dict(zip(names, conversation, strict=True))["talk"] == 40.0
    await database.close()
