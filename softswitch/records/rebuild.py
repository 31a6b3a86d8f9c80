"""``softswitch rebuild``: all projections computed again from the journal, into fresh tables that replace the old.

It may run beside a running switch. The old tables stay in use while the fresh
ones are filled, in several transactions; the last one takes in what has been
added meanwhile and swaps, and for that moment the switch's events wait in its spool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import MetaData, Table, and_, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from softswitch.records.codec import Record, decode
from softswitch.records.projection import Projection, Tables
from softswitch.store import schema
from softswitch.store.database import Database

__all__ = ["Rebuilt", "rebuild"]

CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many events were read and how many of them could not be (a newer version wrote them)."""

    events: int
    unread: int


async def rebuild(database: Database, progress: Callable[[int], None] = lambda _: None) -> Rebuilt:
    """Make all projection tables anew; ``progress`` hears the number of events read so far. Raises SQLAlchemyError."""
    await database.prepare()
    fresh = _fresh_tables()
    async with database.writing() as connection:
        await _drop(connection, fresh)
        for table in fresh:
            await connection.run_sync(table.create)
    projection = Projection(database, Tables(*fresh))
    position, read, unread = ("", 0), 0, 0
    last = False
    while not last:
        async with database.writing() as connection:
            records, position, count = await _next_records(connection, position)
            read, unread = read + count, unread + count - len(records)
            await _apply(projection, connection, records)
            last = count < CHUNK
            if last:
                await _swap(connection)
        progress(read)
    return Rebuilt(read, unread)


async def _next_records(
    connection: AsyncConnection, position: tuple[str, int]
) -> tuple[list[Record], tuple[str, int], int]:
    table = schema.events
    node, seq = position
    behind = or_(table.c.node > node, and_(table.c.node == node, table.c.seq > seq))
    chunk = select(table.c.node, table.c.seq, table.c.body).where(behind).order_by(table.c.node, table.c.seq)
    rows = (await connection.execute(chunk.limit(CHUNK))).all()
    if rows:
        position = (rows[-1].node, rows[-1].seq)
    found = [record for row in rows if (record := decode(row.body)) is not None and record.event is not None]
    return found, position, len(rows)


async def _apply(projection: Projection, connection: AsyncConnection, records: list[Record]) -> None:
    """Apply records of one or several nodes, each node's by themselves."""
    begin = 0
    for index in range(1, len(records) + 1):
        if index == len(records) or records[index].node != records[begin].node:
            await projection.apply(connection, records[begin:index])
            begin = index


def _fresh_tables() -> list[Table]:
    apart = MetaData()
    fresh = [table.to_metadata(apart, name=f"fresh_{table.name}") for table in schema.PROJECTIONS]
    for table in fresh:
        table.indexes.clear()  # an index has its name for itself; they are made after the swap
    return fresh


async def _drop(connection: AsyncConnection, tables: list[Table]) -> None:
    for table in tables:
        await connection.run_sync(table.drop, True)


_TAKE_PLACE = (
    (schema.conversations, text("ALTER TABLE fresh_conversations RENAME TO conversations")),
    (schema.legs, text("ALTER TABLE fresh_legs RENAME TO legs")),
    (schema.recordings, text("ALTER TABLE fresh_recordings RENAME TO recordings")),
    (schema.reviews, text("ALTER TABLE fresh_reviews RENAME TO reviews")),
    (schema.review_comments, text("ALTER TABLE fresh_review_comments RENAME TO review_comments")),
    (schema.bindings, text("ALTER TABLE fresh_bindings RENAME TO bindings")),
)


async def _swap(connection: AsyncConnection) -> None:
    for table, take_place in _TAKE_PLACE:
        await connection.run_sync(table.drop)
        await connection.execute(take_place)
        for index in table.indexes:
            await connection.run_sync(index.create)
