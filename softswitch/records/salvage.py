"""Bringing back what can still be read of a database that was set aside as damaged."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from softswitch.records.codec import Record, decode
from softswitch.records.projection import event_row
from softswitch.records.rebuild import rebuild
from softswitch.store.database import Database
from softswitch.store.rows import Rows
from softswitch.store.schema import events

__all__ = ["salvage"]

CHUNK = 500


async def salvage(database: Database, damaged: Path) -> int:
    """Put every readable event of the ``damaged`` SQLite file into the journal and rebuild; returns how many were read.

    Events that the journal has already are left alone. Best done while the switch
    does not run: the rows of conversations that are going on are otherwise right
    only after the next rebuild. Raises SQLAlchemyError.
    """
    await database.prepare()
    rows, found = Rows(database, events, database.insert_new(events)), 0
    chunks = _chunks(damaged)
    while chunk := await asyncio.to_thread(next, chunks, None):
        found += len(chunk)
        async with database.writing() as connection:
            await rows.put(connection, [event_row(record) for record in chunk])
    await rebuild(database)
    return found


def _chunks(path: Path) -> Iterator[list[Record]]:
    """Yield the readable events in the order in which they were written; never empty lists, never raises."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    except sqlite3.Error:
        return
    with closing(connection):
        last, row = _last_row(connection), 0
        while row < last:
            bodies = _bodies(connection, row + 1, min(row + CHUNK, last))
            records = [record for body in bodies if isinstance(body, str) and (record := decode(body)) is not None]
            if records := [record for record in records if record.seq > 0]:
                yield records
            row += CHUNK


def _bodies(connection: sqlite3.Connection, first: int, last: int) -> list[object]:
    """Return the texts of these rows; a range that cannot be read is halved until the row that is broken is alone."""
    wanted = "SELECT body FROM events NOT INDEXED WHERE rowid BETWEEN ? AND ?"
    try:
        return [body for (body,) in connection.execute(wanted, (first, last))]
    except sqlite3.Error:
        if first == last:
            return []
    middle = (first + last) // 2
    return _bodies(connection, first, middle) + _bodies(connection, middle + 1, last)


def _last_row(connection: sqlite3.Connection) -> int:
    """Return the highest row that can be reached, by ever smaller steps when the right edge of the table is broken."""
    try:
        return int(connection.execute("SELECT max(rowid) FROM events").fetchone()[0] or 0)
    except sqlite3.Error:
        pass
    reached, step = 0, 1 << 32
    while step:
        try:
            if connection.execute("SELECT 1 FROM events WHERE rowid >= ? LIMIT 1", (reached + step,)).fetchone():
                reached += step
                continue
        except sqlite3.Error:
            pass
        step //= 2
    return reached
