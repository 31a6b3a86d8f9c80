"""From the spool into the database: batches of records in order, each batch and its projections in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from softswitch.ids import NodeId
from softswitch.records.codec import Record
from softswitch.records.projection import Projection, event_row
from softswitch.store.database import Database, is_damaged
from softswitch.store.rows import Rows
from softswitch.store.schema import events

__all__ = ["Drain", "is_away"]


def is_away(error: Exception) -> bool:
    """Whether the database is locked, full, broken or out of reach: what was to be written must wait."""
    if isinstance(error, OperationalError | InterfaceError | OSError | TimeoutError) or is_damaged(error):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(AWAY)


AWAY = ("08", "25006", "40", "53", "55", "57", "58")
"""PostgreSQL's classes of errors (its appendix A) that pass: connection, read-only after a change of the primary,
a transaction that must be repeated, no disk or memory, a lock, an administrator, the system."""


class Drain:
    """The one writer of ``events`` of one node. A record whose number is in the database is never written again."""

    def __init__(self, database: Database, node: NodeId) -> None:
        self._database, self._node = database, node
        self._projection = Projection(database)
        self._events = Rows(database, events, database.insert_new(events))
        self._through: int | None = None

    async def through(self) -> int:
        """Return the number of the last record in the database. Raises SQLAlchemyError."""
        async with self._database.reading() as connection:
            last = select(func.max(events.c.seq)).where(events.c.node == self._node)
            self._through = (await connection.execute(last)).scalar() or 0
        return self._through

    async def store(self, records: Sequence[Record]) -> list[Record]:
        """Store records, in order; returns those of which only the event could be stored, not what follows from it.

        Raises what ``is_away`` knows when nothing was stored, or when that is uncertain: then ask ``through``.
        """
        try:
            await self._store(records)
        except Exception as error:
            if is_away(error):
                raise
        else:
            return []
        # A record that a projection cannot take, or a fault in a fold, must not hold up what comes after it.
        return [record for record in records if not await self._store_alone(record)]

    async def _store_alone(self, record: Record) -> bool:
        try:
            await self._store([record])
        except Exception as error:
            if is_away(error):
                raise
        else:
            return True
        async with self._database.writing() as connection:
            await self._events.put(connection, [event_row(record)])
        self._through = record.seq
        return False

    async def _store(self, records: Sequence[Record]) -> None:
        through = await self.through() if self._through is None else self._through
        new = [record for record in records if record.seq > through]
        if not new:
            return
        try:
            async with self._database.writing() as connection:
                await self._events.put(connection, [event_row(record) for record in new])
                await self._projection.apply(connection, new)
        except BaseException:
            # The transaction may have failed before or after it was kept; the folds in memory are ahead of it.
            self._projection.forget()
            self._through = None
            raise
        self._through = new[-1].seq
