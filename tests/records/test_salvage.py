"""A damaged database gives back what can still be read of it."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from softswitch.records.query import Records
from softswitch.records.salvage import salvage
from softswitch.store.database import Database
from tests.records.office import Office
from tests.records.story import call


async def damaged(folder: Path, places: int) -> Path:
    """Return a database of 200 calls of which some pages were overwritten."""
    office = await Office(folder / "office").start()
    for index in range(200):
        office.publish(*call(f"c{index:03}", start=index * 100))
    await office.stop()
    path = folder / "office" / "softswitch.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    chance = random.Random(places)
    for _ in range(places):
        page = chance.randrange(2, len(content) // 4096)
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    broken = folder / "broken.db"
    broken.write_bytes(bytes(content))
    return broken


async def test_most_events_of_a_damaged_database_are_brought_back(tmp_path: Path) -> None:
    broken = await damaged(tmp_path, places=5)
    database = Database(tmp_path / "new" / "softswitch.db")
    found = await salvage(database, broken)
    assert 1500 < found < 3000  # of 3,000; a page of 4,096 bytes has some 15 events
    await database.close()
    records = Records.open(tmp_path / "new")
    whole = [cdr for cdr in await records.conversations(200) if cdr.result == "answered"]
    assert len(whole) > 80
    await records.close()


async def test_an_undamaged_database_is_brought_back_whole_and_twice_is_once(tmp_path: Path) -> None:
    broken = await damaged(tmp_path, places=0)
    database = Database(tmp_path / "new" / "softswitch.db")
    assert await salvage(database, broken) == 3000
    assert await salvage(database, broken) == 3000
    await database.close()
    with sqlite3.connect(tmp_path / "new" / "softswitch.db") as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (3000,)
    connection.close()


async def test_what_is_no_database_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"garbage" * 1000)
    database = Database(tmp_path / "softswitch.db")
    assert await salvage(database, tmp_path / "garbage") == 0
    assert await salvage(database, tmp_path / "missing") == 0
    await database.close()
