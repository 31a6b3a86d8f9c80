"""Rows from events: conversations, legs, recordings, reviews and bindings, kept in step with the journal.

A conversation's rows are a pure function of its events, so it does not matter
whether they were written a hundred times as the call went on or once by a
rebuild. Folds of conversations that go on stay in memory; one that is not there is
folded again from the journal.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Table, bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from softswitch.events import DeviceBound, DeviceReachability, DeviceUnbound, Event
from softswitch.ids import ConversationId, NodeId
from softswitch.records.cdr import ConversationFold
from softswitch.records.codec import Record, decode
from softswitch.store import schema
from softswitch.store.database import Database
from softswitch.store.rows import Rows, clean

__all__ = ["Projection", "Tables", "binding_event", "event_row"]

RECENT = 2000  # conversations that go on whose folds stay in memory
_conversation_row = attrgetter(*(column.name for column in schema.conversations.columns))
_leg_row = attrgetter(*(column.name for column in schema.legs.columns))
_recording_row = attrgetter(*(column.name for column in schema.recordings.columns))
_review_row = attrgetter(*(column.name for column in schema.reviews.columns))
_comment_row = attrgetter(*(column.name for column in schema.review_comments.columns))


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the rows go: the projections in use, or fresh ones beside them."""

    conversations: Table = schema.conversations
    legs: Table = schema.legs
    recordings: Table = schema.recordings
    reviews: Table = schema.reviews
    review_comments: Table = schema.review_comments
    bindings: Table = schema.bindings


def event_row(record: Record) -> tuple[Any, ...]:
    """Return the row of ``events``."""
    return (record.node, record.seq, record.at, record.kind, record.conversation, record.body)


class Projection:
    """The writer of all projections; ``apply`` inside a transaction, ``forget`` when one has failed."""

    def __init__(self, database: Database, tables: Tables | None = None) -> None:
        self._tables = tables = tables or Tables()
        self._folds: OrderedDict[ConversationId, ConversationFold] = OrderedDict()
        self._bindings: dict[tuple[str, str], dict[str, Any]] | None = None

        def put(table: Table, *key: str) -> Rows:
            return Rows(database, table, database.upsert(table, key))

        self._conversation_rows = put(tables.conversations, "conversation")
        self._leg_rows = put(tables.legs, "conversation", "leg")
        self._recording_rows = put(tables.recordings, "conversation", "path")
        self._review_rows = put(tables.reviews, "conversation", "employee")
        self._comment_rows = put(tables.review_comments, "conversation", "employee", "number")
        self._put_binding = database.upsert(tables.bindings, ["person", "contact"])
        self._drop_binding = delete(tables.bindings).where(
            tables.bindings.c.person == bindparam("gone_person"),
            tables.bindings.c.contact == bindparam("gone_contact"),
        )

    def forget(self) -> None:
        """Drop what is in memory: it may be ahead of the database."""
        self._folds.clear()
        self._bindings = None

    async def apply(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Bring the rows up to date with these records, which stand in ``events`` and follow those applied before."""
        await self._apply_conversations(connection, [record for record in records if record.conversation is not None])
        await self._apply_devices(connection, (record.event for record in records))

    # Conversations --------------------------------------------------------------------------------------------------

    async def _apply_conversations(self, connection: AsyncConnection, records: list[Record]) -> None:
        if not records:
            return
        touched: dict[ConversationId, ConversationFold] = {}
        await self._refold(connection, records)
        for record in records:
            event, name = record.event, clean(record.conversation)
            if event is None:
                continue
            fold = self._folds.get(name)
            if fold is None:
                fold = self._folds[name] = ConversationFold(event)
            fold.apply(event)
            touched[name] = fold
            self._folds.move_to_end(name)
        while len(self._folds) > RECENT:
            self._folds.popitem(last=False)
        await self._write(connection, touched.values())
        for name, fold in touched.items():
            if fold.ended is not None and not fold.open_recordings:
                del self._folds[name]  # as a rule nothing follows

    async def _refold(self, connection: AsyncConnection, records: list[Record]) -> None:
        """Fold again, from the journal, what went before in conversations that are not in memory."""
        first: dict[ConversationId, Record] = {}
        for record in records:
            first.setdefault(clean(record.conversation), record)
        missing = [name for name in first if name not in self._folds]
        if not missing:
            return
        table = schema.events
        before = (
            select(table.c.body)
            .where(table.c.node == records[0].node, table.c.seq < records[0].seq, table.c.conversation.in_(missing))
            .order_by(table.c.seq)
        )
        for (body,) in (await connection.execute(before)).all():
            old = decode(body)
            if old is None or old.event is None:
                continue
            name = clean(old.conversation)
            if name not in self._folds:
                self._folds[name] = ConversationFold(old.event)
            self._folds[name].apply(old.event)

    async def _write(self, connection: AsyncConnection, folds: Iterable[ConversationFold]) -> None:
        cdrs = [fold.cdr() for fold in folds]
        await self._conversation_rows.put(connection, [_conversation_row(cdr) for cdr in cdrs])
        await self._leg_rows.put(connection, [_leg_row(leg) for cdr in cdrs for leg in cdr.legs])
        await self._recording_rows.put(connection, [_recording_row(file) for cdr in cdrs for file in cdr.recordings])
        reviews = [review for cdr in cdrs for review in cdr.reviews]
        await self._review_rows.put(connection, [_review_row(review) for review in reviews])
        await self._comment_rows.put(connection, [_comment_row(said) for review in reviews for said in review.said])

    # Devices --------------------------------------------------------------------------------------------------------

    async def _apply_devices(self, connection: AsyncConnection, events: Iterable[Event | None]) -> None:
        touched: dict[tuple[str, str], None] = {}
        for event in events:
            match event:
                case DeviceBound() | DeviceUnbound() | DeviceReachability():
                    if self._bindings is None:
                        self._bindings = await self._load_bindings(connection)
                    key = (clean(event.person), clean(event.contact))
                    touched[key] = None
                    self._apply_device(self._bindings, key, event)
        if self._bindings is None or not touched:
            return
        kept = [self._bindings[key] for key in touched if key in self._bindings]
        gone = [
            {"gone_person": person, "gone_contact": contact}
            for person, contact in touched
            if (person, contact) not in self._bindings
        ]
        if gone:
            await connection.execute(self._drop_binding, gone)
        if kept:
            await connection.execute(self._put_binding, kept)

    async def _load_bindings(self, connection: AsyncConnection) -> dict[tuple[str, str], dict[str, Any]]:
        rows = (await connection.execute(select(self._tables.bindings))).mappings().all()
        return {(row["person"], row["contact"]): dict(row) for row in rows}

    @staticmethod
    def _apply_device(
        bindings: dict[tuple[str, str], dict[str, Any]],
        key: tuple[str, str],
        event: DeviceBound | DeviceUnbound | DeviceReachability,
    ) -> None:
        match event:
            case DeviceBound():
                bindings[key] = _binding_row(event)
            case DeviceUnbound():
                bindings.pop(key, None)
            case DeviceReachability():
                if key in bindings:
                    bindings[key] = bindings[key] | {"reachable": event.reachable}


_SAME = (
    *("person", "contact", "node", "seq", "at", "transport", "remote_host", "remote_port", "local_host", "local_port"),
    *("call_id", "cseq", "registered_at", "expires_at", "user_agent"),
)


def _binding_row(event: DeviceBound) -> dict[str, Any]:
    row = {name: clean(getattr(event, name)) for name in _SAME}
    # Route URIs contain no line ends (RFC 3261 section 25.1), so lines keep them apart.
    return row | {"path": clean("\n".join(event.path)), "reachable": True}


def binding_event(row: Any) -> DeviceBound:
    """Return the event that a row of ``bindings`` was made of."""
    at: datetime = row["at"]
    values = {name: row[name] for name in _SAME if name not in ("node", "seq", "at")}
    path = tuple(row["path"].split("\n")) if row["path"] else ()
    return DeviceBound(node=NodeId(row["node"]), seq=row["seq"], at=at, path=path, **values)
