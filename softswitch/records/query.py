"""Reading the records: of a running switch from inside or beside it, or of one that does not run.

What the database has not yet is taken from the spool, so that a conversation is
complete right after a crash too, before any restart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, and_, func, inspect, or_, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from softswitch.errors import NoSuch
from softswitch.events import DigitPressed, Event, LegDialog
from softswitch.ids import ConversationId
from softswitch.records import reviews as of_reviews
from softswitch.records.cdr import Cdr, ConversationFold, LegRecord
from softswitch.records.codec import Record, decode
from softswitch.records.journey import Line, journey
from softswitch.records.reviews import ReviewRecord, ReviewSearch
from softswitch.records.search import Search, conditions, fits
from softswitch.store.database import Database
from softswitch.store.schema import conversations, events, reviews
from softswitch.store.segment import SpoolReader

__all__ = ["Records"]


class Records:
    """The read side. It never writes, and works while another process does."""

    def __init__(self, database: Database, spool: Path | None = None) -> None:
        """``spool`` is the folder of the spool, None to see only what the database has."""
        self._database = database
        self._spool = None if spool is None else SpoolReader(spool)
        self._reading_spool = asyncio.Lock()

    @classmethod
    def open(cls, data: Path, url: str | None = None) -> Records:
        """Open the records of a data folder; an office that never ran has none."""
        return cls(Database(url or data / "softswitch.db", create=False), data / "journal")

    async def close(self) -> None:
        await self._database.close()

    async def conversations(
        self, limit: int = 50, before: datetime | None = None, running: bool | None = None
    ) -> list[Cdr]:
        """Return conversations, the latest first, begun before ``before``; ``running`` selects by state if not None."""
        wanted = select(conversations.c.conversation)
        if before is not None:
            wanted = wanted.where(conversations.c.started_at < before)
        wanted = wanted.order_by(conversations.c.started_at.desc(), conversations.c.conversation.desc())
        tail = await self._tail()
        in_tail = {record.conversation for record in tail if record.conversation is not None}
        if running is not None:
            # One that ended only in the tail is open in the table still.
            ended = conversations.c.ended_at.is_not(None)
            unsure = conversations.c.conversation.in_(in_tail)
            wanted = wanted.where(or_(unsure, ended if running is False else conversations.c.ended_at.is_(None)))
        async with _reading(self._database) as connection:
            names: list[str] = []
            if connection is not None:
                names = list((await connection.execute(wanted.limit(limit + len(in_tail)))).scalars())
            found = await self._folds(connection, {ConversationId(name) for name in names} | in_tail, tail)
        cdrs = [
            cdr
            for cdr in (fold.cdr() for fold in found.values())
            if (before is None or cdr.started_at < before) and (running is None or (cdr.ended_at is None) is running)
        ]
        return sorted(cdrs, key=lambda cdr: (cdr.started_at, cdr.conversation), reverse=True)[:limit]

    async def search(self, search: Search) -> list[Cdr]:
        """Return the conversations that fit, the latest first, at most ``search.limit``."""
        tail = await self._tail()
        in_tail = {record.conversation for record in tail if record.conversation is not None}
        # What the spool has more of may fit by now, or no longer: it is looked at below.
        wanted = select(conversations.c.conversation).where(
            or_(and_(true(), *conditions(search)), conversations.c.conversation.in_(in_tail))
        )
        wanted = wanted.order_by(conversations.c.started_at.desc(), conversations.c.conversation.desc())
        async with _reading(self._database) as connection:
            names: list[str] = []
            if connection is not None:
                names = list((await connection.execute(wanted.limit(search.limit + len(in_tail)))).scalars())
            found = await self._folds(connection, {ConversationId(name) for name in names} | in_tail, tail)
        cdrs = [cdr for cdr in (fold.cdr() for fold in found.values()) if fits(search, cdr)]
        return sorted(cdrs, key=lambda cdr: (cdr.started_at, cdr.conversation), reverse=True)[: search.limit]

    async def reviews(self, search: ReviewSearch) -> list[tuple[ReviewRecord, Cdr]]:
        """Return the reviews that fit with their conversations, the latest first, at most ``search.limit``."""
        tail = await self._tail()
        in_tail = {record.conversation for record in tail if type(record.event) in of_reviews.KINDS}
        names = {name for name in in_tail if name is not None}
        table = reviews.c
        # What the spool has more of may fit by now, or no longer: it is looked at below.
        wanted = select(table.conversation).where(table.conversation.not_in(names), *of_reviews.conditions(search))
        wanted = wanted.order_by(table.asked_at.desc(), table.conversation.desc(), table.employee.desc())
        async with _reading(self._database) as connection:
            # An older version, which knew none, may have made the database.
            if connection is not None and await connection.run_sync(_has_reviews):
                names |= set((await connection.execute(wanted.limit(search.limit))).scalars())
            found = await self._folds(connection, names, tail)
        cdrs = [fold.cdr() for name, fold in found.items() if name in names]
        fitting = [(review, cdr) for cdr in cdrs for review in cdr.reviews if of_reviews.fits(search, review)]
        fitting.sort(key=lambda one: (one[0].asked_at, one[0].conversation, one[0].employee), reverse=True)
        return fitting[: search.limit]

    async def events(self, conversation: str) -> list[Event]:
        """Return the events of one conversation in order. Raises NoSuch."""
        records = await self._records(conversation)
        return [record.event for record in records if record.event is not None]

    async def since(self, seq: int, *, chunk: int = 500) -> AsyncIterator[Event]:
        """Yield the events with a higher number, in order: those of the database, then those only in the spool."""
        while True:
            # The spool first, as below: what the drain moves in between is then seen in the database.
            tail = await self._tail()
            async with _reading(self._database) as connection:
                bodies: list[str] = []
                if connection is not None:
                    wanted = select(events.c.body).where(events.c.seq > seq).order_by(events.c.seq).limit(chunk)
                    bodies = list((await connection.execute(wanted)).scalars())
            records = [record for body in bodies if (record := decode(body)) is not None]
            if not records:
                records = [record for record in tail if record.seq > seq]
            if not records:
                return
            for record in records:
                if record.event is not None:
                    yield record.event
            seq = records[-1].seq

    async def timeline(self, conversation: str) -> list[Line]:
        """Return the timeline of one conversation. Raises NoSuch."""
        return journey(await self.events(conversation))

    async def cdr(self, conversation: str) -> Cdr:
        """Return the detail record of one conversation. Raises NoSuch."""
        fold: ConversationFold | None = None
        for event in await self.events(conversation):
            if fold is None:
                fold = ConversationFold(event)
            fold.apply(event)
        if fold is None:
            raise NoSuch("conversation", conversation)
        return fold.cdr()

    async def legs(self, conversation: str) -> tuple[LegRecord, ...]:
        """Return the legs of one conversation in the order in which they began. Raises NoSuch."""
        return (await self.cdr(conversation)).legs

    async def find(self, beginning: str) -> ConversationId:
        """Return the one conversation whose id begins so. Raises NoSuch if there is none or more than one."""
        escaped = beginning.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        alike = conversations.c.conversation.like(f"{escaped}%", escape="\\")
        names: set[str] = {
            record.conversation
            for record in await self._tail()
            if record.conversation is not None and record.conversation.startswith(beginning)
        }
        async with _reading(self._database) as connection:
            if connection is not None:
                found = await connection.execute(select(conversations.c.conversation).where(alike).limit(2))
                names |= set(found.scalars())
        exact = names & {beginning}
        if len(exact or names) != 1 or not beginning:
            raise NoSuch("conversation", beginning)
        return ConversationId((exact or names).pop())

    # ----------------------------------------------------------------------------------------------------------------

    async def _records(self, conversation: str) -> list[Record]:
        # The spool first: what the drain moves in between is then seen twice, not never.
        late = [record for record in await self._tail() if record.conversation == conversation]
        async with _reading(self._database) as connection:
            bodies: list[str] = []
            if connection is not None:
                mine = select(events.c.body).where(events.c.conversation == conversation)
                bodies = list((await connection.execute(mine.order_by(events.c.node, events.c.seq))).scalars())
        stored = [record for body in bodies if (record := decode(body)) is not None]
        known = {(record.node, record.seq) for record in stored}
        found = stored + [record for record in late if (record.node, record.seq) not in known]
        if not found:
            raise NoSuch("conversation", conversation)
        return found

    async def _tail(self) -> list[Record]:
        """Return the records that only the spool has."""
        if self._spool is None:
            return []
        async with self._reading_spool:
            through = await self._through()
            # The numbers of a spool are those of its one node, of which the name stands in its records only.
            after = min(through.values(), default=0)
            # A file of it is parsed in some tenths of a second, which the calls of this loop must not wait for.
            tail = await asyncio.to_thread(_records_after, self._spool, after)
        return [record for record in tail if record.seq > through.get(record.node, 0)]

    async def _through(self) -> dict[str, int]:
        """Return the last number that the database has of each node, without looking at the rest of its events."""
        through: dict[str, int] = {}
        async with _reading(self._database) as connection:
            if connection is not None:
                node = (await connection.execute(select(func.min(events.c.node)))).scalar()
                while node is not None:
                    last = select(func.max(events.c.seq)).where(events.c.node == node)
                    through[node] = (await connection.execute(last)).scalar() or 0
                    following = select(func.min(events.c.node)).where(events.c.node > node)
                    node = (await connection.execute(following)).scalar()
        return through

    async def _folds(
        self, connection: AsyncConnection | None, names: set[ConversationId], tail: Iterable[Record]
    ) -> dict[ConversationId, ConversationFold]:
        bodies: list[str] = []
        if connection is not None and names:
            wanted = select(events.c.body).where(events.c.conversation.in_(names), events.c.kind.not_in(_UNFOLDED))
            bodies = list((await connection.execute(wanted.order_by(events.c.node, events.c.seq))).scalars())
        # Thousands of events are read in some tenths of a second, which the calls of this loop must not wait for.
        return await asyncio.to_thread(_folded, bodies, tail)


_UNFOLDED = tuple(kind.__name__ for kind in (LegDialog, DigitPressed))
"""Kinds of which there are many, and which a detail record has nothing of."""


def _has_reviews(connection: Connection) -> bool:
    return inspect(connection).has_table(reviews.name)


def _folded(bodies: Iterable[str], tail: Iterable[Record]) -> dict[ConversationId, ConversationFold]:
    folds: dict[ConversationId, ConversationFold] = {}
    records = [record for body in bodies if (record := decode(body)) is not None]
    known = {(record.node, record.seq) for record in records}
    for record in [*records, *(late for late in tail if (late.node, late.seq) not in known)]:
        if record.event is None or record.conversation is None:
            continue
        if record.conversation not in folds:
            folds[record.conversation] = ConversationFold(record.event)
        folds[record.conversation].apply(record.event)
    return folds


def _records_after(spool: SpoolReader, after: int) -> list[Record]:
    return [record for _, body in spool.after(after) if (record := decode(body)) is not None]


@contextlib.asynccontextmanager
async def _reading(database: Database) -> AsyncIterator[AsyncConnection | None]:
    """Open a reading transaction; None where there is no database yet, or none that can be read."""
    async with contextlib.AsyncExitStack() as stack:
        connection = None
        try:
            connection = await stack.enter_async_context(database.reading())
            await connection.execute(select(events.c.seq).limit(1))
        except (SQLAlchemyError, OSError):
            connection = None
        yield connection
