"""The database: private, in UTC, read beside a writer, and not touched by readers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateTable

from softswitch.store.database import Database
from softswitch.store.schema import PROJECTIONS, bindings, events, legs, meta, metadata

EVENT = {"node": "n1", "seq": 1, "kind": "SwitchStopped", "conversation": None, "body": "{}"}


async def test_times_come_back_aware_and_in_utc(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    await database.prepare()
    noon_in_moscow = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=3)))
    async with database.writing() as connection:
        await connection.execute(events.insert().values(at=noon_in_moscow, **EVENT))
    async with database.reading() as connection:
        at = (await connection.execute(select(events.c.at))).scalar_one()
    assert at == datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)
    assert at.utcoffset() == timedelta(0)
    await database.close()


async def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    database = Database(tmp_path / "office" / "a.db")
    await database.prepare()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "office").iterdir()} == {0o600}
    assert (tmp_path / "office").stat().st_mode & 0o777 == 0o700
    await database.close()


async def test_any_file_name_will_do(tmp_path: Path) -> None:
    database = Database(tmp_path / "контора №1 100%?#.db")
    await database.prepare()
    assert (tmp_path / "контора №1 100%?#.db").exists()
    await database.close()


async def test_a_reader_makes_no_file_and_changes_none(tmp_path: Path) -> None:
    reader = Database(tmp_path / "a.db", create=False)
    with pytest.raises(OperationalError, match="unable to open"):
        async with reader.reading():
            pass
    assert list(tmp_path.iterdir()) == []
    writer = Database(tmp_path / "a.db")
    await writer.prepare()
    with pytest.raises(OperationalError, match="readonly"):
        async with reader.reading() as connection:
            await connection.execute(meta.delete())
    await reader.close()
    await writer.close()


async def test_a_reader_sees_one_state_while_a_writer_goes_on(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    await database.prepare()
    async with database.reading() as before:
        assert (await before.execute(select(events.c.seq))).all() == []
        async with database.writing() as connection:
            await connection.execute(events.insert().values(at=datetime.now(UTC), **EVENT))
        assert (await before.execute(select(events.c.seq))).all() == []
    async with database.reading() as after:
        assert (await after.execute(select(events.c.seq))).scalars().all() == [1]
    await database.close()


async def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    await database.prepare()

    async def fail() -> None:
        async with database.writing() as connection:
            await connection.execute(events.insert().values(at=datetime.now(UTC), **EVENT))
            await connection.run_sync(legs.drop)  # tables too: SQLite's DDL is part of the transaction
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.reading() as connection:
        assert (await connection.execute(select(events.c.seq))).all() == []
        assert (await connection.execute(select(legs.c.leg))).all() == []
    await database.close()


async def test_hardened_commits_are_in_the_main_file(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    await database.prepare()
    async with database.writing() as connection:
        await connection.execute(events.insert().values(at=datetime.now(UTC), **(EVENT | {"kind": "NeedleInAStack"})))
    assert b"NeedleInAStack" not in (tmp_path / "a.db").read_bytes()
    assert await database.harden()
    assert b"NeedleInAStack" in (tmp_path / "a.db").read_bytes()
    await database.close()


def test_postgresql_understands_the_same_tables_and_statements() -> None:
    database = Database("postgresql://softswitch@db/office")
    assert database.url.drivername == "postgresql+asyncpg"
    dialect = postgresql.dialect()
    tables = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    assert len(tables) == len(PROJECTIONS) + 4
    assert all("TIMESTAMP WITH TIME ZONE" in table for table in tables if " at " in table or "_at " in table)
    upsert = str(database.upsert(bindings, ["person", "contact"]).compile(dialect=dialect))
    assert "ON CONFLICT (person, contact) DO UPDATE SET node = excluded.node" in upsert
    assert str(database.insert_new(events).compile(dialect=dialect)).endswith("ON CONFLICT DO NOTHING")
