"""What was going on when the journal stopped: read from the database, or, when that is away, from the spool alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select

from softswitch.events import (
    AccountBanned,
    BanLifted,
    DeviceBound,
    DeviceReachability,
    DeviceUnbound,
    Event,
    SwitchStarted,
    SwitchStopped,
    WaitingDialog,
)
from softswitch.ids import ConversationId, LegId, NodeId
from softswitch.records.cdr import ConversationFold
from softswitch.records.codec import decode
from softswitch.records.live import Device, apply_device
from softswitch.records.projection import binding_event
from softswitch.records.recovery import OpenConversation, Recovered, open_conversation
from softswitch.store.database import Database
from softswitch.store.schema import bindings, conversations, events, recordings

__all__ = ["recovered_from_database", "recovered_from_spool"]

LATELY = 5000
"""The last events outside of conversations, among which bans and waiting telephones are looked for: in ten minutes
there are hardly more."""


async def recovered_from_database(database: Database, node: NodeId, now: datetime) -> Recovered:
    """Return what one node left open. Raises SQLAlchemyError."""
    async with database.reading() as connection:
        mine = conversations.c.node == node
        open_now = select(conversations.c.conversation).where(conversations.c.ended_at.is_(None), mine)
        bodies = (
            select(events.c.body)
            .where(events.c.node == node, events.c.conversation.in_(open_now))
            .order_by(events.c.seq)
        )
        folds: dict[ConversationId, ConversationFold] = {}
        for (body,) in (await connection.execute(bodies)).all():
            _fold(folds, body)
        rows = (await connection.execute(select(bindings).where(bindings.c.node == node))).mappings().all()
        bound = sorted((binding_event(row) for row in rows), key=lambda event: event.seq)
        unfinished = select(recordings.c.conversation, recordings.c.path).where(
            recordings.c.finished_at.is_(None), recordings.c.error == ""
        )
        files = (await connection.execute(unfinished.order_by(recordings.c.started_at))).all()
        mine_alone = events.c.node == node, events.c.conversation.is_(None)
        lately = select(events.c.seq, events.c.kind, events.c.body).where(*mine_alone).order_by(events.c.seq.desc())
        latest = lately.limit(LATELY).subquery()
        wanted = select(latest.c.body).where(latest.c.kind.in_([kind.__name__ for kind in _LATE]))
        told = [decode(body) for (body,) in (await connection.execute(wanted.order_by(latest.c.seq))).all()]
        late = [record.event for record in told if record is not None]
        last = select(events.c.at, events.c.kind).where(events.c.node == node).order_by(events.c.seq.desc()).limit(1)
        final = (await connection.execute(last)).first()
    return Recovered(
        conversations=_open(folds.values()),
        bindings=tuple(event for event in bound if event.expires_at > now),
        expired=tuple(event for event in bound if event.expires_at <= now),
        bans=_in_force(late, now),
        waiting=_waiting(late),
        recordings=tuple((ConversationId(conversation), path) for conversation, path in files),
        alive_at=final.at if final else None,
        orderly=final is None or final.kind == SwitchStopped.__name__,
    )


def recovered_from_spool(records: Iterable[tuple[int, bytes]], now: datetime) -> Recovered:
    """Return what these records leave open, as far as they go back."""
    folds: dict[ConversationId, ConversationFold] = {}
    devices: dict[tuple[str, str], Device] = {}
    late: list[Event | None] = []
    alive_at, orderly = None, True
    for _, body in records:
        record = decode(body)
        if record is None:
            continue
        alive_at, orderly = record.at, record.kind == SwitchStopped.__name__
        match record.event:
            case DeviceBound() | DeviceUnbound() | DeviceReachability():
                apply_device(devices, record.event)
            case AccountBanned() | BanLifted() | WaitingDialog() | SwitchStarted():
                late.append(record.event)
            case _:
                _fold(folds, body)
    bound = [device.bound for device in devices.values()]
    return Recovered(
        conversations=_open(folds.values()),
        bindings=tuple(event for event in bound if event.expires_at > now),
        expired=tuple(event for event in bound if event.expires_at <= now),
        bans=_in_force(late, now),
        waiting=_waiting(late),
        recordings=tuple((fold.conversation, path) for fold in folds.values() for path in fold.open_recordings),
        alive_at=alive_at,
        orderly=orderly,
        complete=False,
    )


def _fold(folds: dict[ConversationId, ConversationFold], body: str | bytes) -> None:
    record = decode(body)
    if record is None or record.event is None or record.conversation is None:
        return
    fold = folds.get(record.conversation)
    if fold is None:
        fold = folds[record.conversation] = ConversationFold(record.event)
    fold.apply(record.event)


def _open(folds: Iterable[ConversationFold]) -> tuple[OpenConversation, ...]:
    return tuple(open_conversation(fold) for fold in folds if fold.arrived is not None and fold.ended is None)


_LATE = (AccountBanned, BanLifted, WaitingDialog, SwitchStarted)


def _waiting(told: Iterable[Event | None]) -> tuple[str, ...]:
    """Return the state of each telephone that waited when the last process died; those before it are released."""
    states: dict[LegId, str] = {}
    for event in told:
        match event:
            case SwitchStarted():
                states.clear()
            case WaitingDialog():
                states[event.leg] = event.state
    return tuple(state for state in states.values() if state)


def _in_force(told: Iterable[Event | None], now: datetime) -> tuple[AccountBanned, ...]:
    bans: dict[tuple[str, str], AccountBanned] = {}
    for event in told:
        match event:
            case AccountBanned():
                bans.pop((event.source, event.account), None)
                bans[event.source, event.account] = event
            case BanLifted():
                bans.pop((event.source, event.account), None)
    return tuple(ban for ban in bans.values() if ban.at + timedelta(seconds=ban.seconds) > now)
