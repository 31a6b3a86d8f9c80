"""Reviews: what an employee asked a head to hear, and what was said to it; folded from a conversation's events.

There is one of each employee and conversation. It is a task until it is closed,
and one again when it is asked for again; comments and mark stay.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, or_

from softswitch.events import ReviewAsked, ReviewClosed, ReviewCommented, ReviewMarked
from softswitch.frozen import dataclass
from softswitch.ids import ConversationId
from softswitch.store.rows import clean
from softswitch.store.schema import reviews

__all__ = [
    "KINDS",
    "CommentRecord",
    "OfReview",
    "Place",
    "ReviewRecord",
    "ReviewSearch",
    "apply_review",
    "conditions",
    "fits",
    "place",
    "place_of",
]

OfReview: TypeAlias = ReviewAsked | ReviewCommented | ReviewMarked | ReviewClosed
KINDS = frozenset({ReviewAsked, ReviewCommented, ReviewMarked, ReviewClosed})

Place = tuple[datetime, ConversationId, str]
"""Where a page of reviews ends: when it was asked for, the conversation and the employee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentRecord:
    """One comment; ``number`` counts from 1, ``position`` in seconds of the recording, None: about the whole."""

    conversation: ConversationId
    employee: str
    number: int
    at: datetime
    by: str
    recording: int
    position: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRecord:
    """One review; ``closed_at`` None while it is somebody's task, ``mark`` None before there is one."""

    conversation: ConversationId
    employee: str
    asked_at: datetime
    note: str
    mark: int | None = None
    marked_by: str = ""
    closed_at: datetime | None = None
    closed_by: str = ""
    said: tuple[CommentRecord, ...] = ()

    @property
    def comments(self) -> int:
        return len(self.said)


def apply_review(found: dict[str, ReviewRecord], event: OfReview) -> None:
    """Fold one event into the reviews of its conversation, by employee. Never raises."""
    # By the civil clock, days after the conversation: the machine may have been started anew in between.
    employee, conversation = clean(event.employee), event.conversation
    assert conversation is not None
    review = found.get(employee)
    if review is None:
        if isinstance(event, ReviewAsked):
            found[employee] = ReviewRecord(
                conversation=conversation, employee=employee, asked_at=event.at, note=event.note
            )
        return
    match event:
        case ReviewAsked() if review.closed_at is not None:
            review = replace(review, asked_at=event.at, note=event.note, closed_at=None, closed_by="")
        case ReviewCommented():
            comment = CommentRecord(
                conversation=conversation,
                employee=employee,
                number=review.comments + 1,
                at=event.at,
                by=event.by,
                recording=event.recording,
                position=event.position,
                text=event.text,
            )
            review = replace(review, said=(*review.said, comment))
        case ReviewMarked():
            review = replace(review, mark=event.mark, marked_by=event.by)
        case ReviewClosed() if review.closed_at is None:
            review = replace(review, closed_at=event.at, closed_by=event.by)
        case _:
            return
    found[employee] = review


# Looking for them ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSearch:
    """What is looked for; None does not restrict. ``people``: one of these asked; ``after``: where a page ends."""

    people: frozenset[str] | None = None
    open: bool | None = None
    after: Place | None = None
    limit: int = 50


def conditions(search: ReviewSearch) -> list[ColumnElement[bool]]:
    """Return the search as conditions on the table of reviews, all of which must hold."""
    table = reviews.c
    found: list[ColumnElement[bool]] = []
    if search.people is not None:
        found.append(table.employee.in_(sorted(search.people)))
    if search.open is not None:
        found.append(table.closed_at.is_(None) if search.open else table.closed_at.is_not(None))
    if search.after is not None:
        at, conversation, employee = search.after
        earlier = or_(
            table.conversation < conversation, and_(table.conversation == conversation, table.employee < employee)
        )
        found.append(or_(table.asked_at < at, and_(table.asked_at == at, earlier)))
    return found


def fits(search: ReviewSearch, review: ReviewRecord) -> bool:
    """Tell the same of a review that is not in the table yet."""
    return (
        (search.people is None or review.employee in search.people)
        and (search.open is None or (review.closed_at is None) is search.open)
        and (search.after is None or _place(review) < search.after)
    )


def place_of(review: ReviewRecord) -> str:
    """Return the place of a review as a word for an address."""
    at, conversation, employee = _place(review)
    text = f"{at.astimezone(UTC).isoformat()} {conversation} {employee}"
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def place(word: str) -> Place | None:
    """Return the place that ``place_of`` made a word of, None if it did not."""
    try:
        text = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True).decode()
        at, conversation, employee = text.split(" ")
        instant = datetime.fromisoformat(at)
    except (binascii.Error, ValueError, OverflowError):
        return None
    return (instant, ConversationId(conversation), employee) if instant.tzinfo is not None else None


def _place(review: ReviewRecord) -> Place:
    return review.asked_at, review.conversation, review.employee
