"""Looking for conversations: what fits, and where the next page begins."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, exists, or_

from softswitch.ids import ConversationId
from softswitch.records.cdr import Cdr
from softswitch.store.schema import conversations, legs

__all__ = ["Place", "Search", "conditions", "fits", "parties", "place", "place_of"]

Place = tuple[datetime, ConversationId]
"""Where a page ends: the latest conversations come first, of those begun at one instant the greatest id."""

_ASIDE = ("supervisor", "prompter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for; None and "" do not restrict.

    ``people``: one of these extensions took part or was called; ``person``: this one did. ``number`` is part of
    what called or was called. ``since`` and ``until`` bound the beginning, ``until`` itself excluded. ``after`` is
    the last of the page before.
    """

    people: frozenset[str] | None = None
    person: str | None = None
    number: str = ""
    result: str | None = None
    running: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: Place | None = None
    limit: int = 50


def conditions(search: Search) -> list[ColumnElement[bool]]:
    """Return the search as conditions on the table of conversations, all of which must hold."""
    table = conversations.c
    found: list[ColumnElement[bool]] = []
    for extensions in (search.people, None if search.person is None else {search.person}):
        if extensions is not None:
            took_part = and_(
                legs.c.conversation == table.conversation,
                legs.c.party.in_([f"person:{one}" for one in sorted(extensions)]),
                legs.c.role.not_in(_ASIDE),
            )
            found.append(exists().where(took_part))
    if search.number:
        numbers = (table.caller, table.called)
        found.append(or_(*(column.contains(search.number, autoescape=True) for column in numbers)))
    if search.result is not None:
        found.append(table.result == search.result)
    if search.running is not None:
        found.append(table.ended_at.is_(None) if search.running else table.ended_at.is_not(None))
    if search.since is not None:
        found.append(table.started_at >= search.since)
    if search.until is not None:
        found.append(table.started_at < search.until)
    if search.after is not None:
        at, conversation = search.after
        found.append(or_(table.started_at < at, and_(table.started_at == at, table.conversation < conversation)))
    return found


def fits(search: Search, cdr: Cdr) -> bool:
    """Tell the same of a conversation that is not in the table yet."""
    took_part = parties(cdr)
    return (
        (search.people is None or not search.people.isdisjoint(took_part))
        and (search.person is None or search.person in took_part)
        and (not search.number or search.number in cdr.caller or search.number in cdr.called)
        and (search.result is None or cdr.result == search.result)
        and (search.running is None or (cdr.ended_at is None) is search.running)
        and (search.since is None or cdr.started_at >= search.since)
        and (search.until is None or cdr.started_at < search.until)
        and (search.after is None or (cdr.started_at, cdr.conversation) < search.after)
    )


def parties(cdr: Cdr) -> frozenset[str]:
    """Return the extensions of those who took part or were called; who stands beside does not."""
    return frozenset(
        leg.party.partition(":")[2] for leg in cdr.legs if leg.party.startswith("person:") and leg.role not in _ASIDE
    )


def place_of(cdr: Cdr) -> str:
    """Return the place of a conversation as a word for an address."""
    text = f"{cdr.started_at.astimezone(UTC).isoformat()} {cdr.conversation}"
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def place(word: str) -> Place | None:
    """Return the place that ``place_of`` made a word of, None if it did not."""
    try:
        text = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True).decode()
        at, _, conversation = text.partition(" ")
        instant = datetime.fromisoformat(at)
    except (binascii.Error, ValueError, OverflowError):
        return None
    return (instant, ConversationId(conversation)) if instant.tzinfo is not None and conversation else None
