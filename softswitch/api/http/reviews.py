"""Reviews: an employee asks heads to hear an own conversation; they comment on places of the recording, and mark it.

Whoever is not concerned is refused before anything is looked up, so that he does
not learn whether there is a review. What is heard are the recordings of the conversation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from typing_extensions import TypedDict

from softswitch.api import present, reviews
from softswitch.api.http.access import Access, GuardedRoute, needs
from softswitch.api.http.conversations import MISSING, Id, found
from softswitch.api.http.people import Extension
from softswitch.api.http.sessions import Wish
from softswitch.api.http.sight import subject_of
from softswitch.api.reviews import LONGEST, review_of, subject_of_review
from softswitch.api.views import CommentRow, ReviewRow, ReviewView
from softswitch.directory.people import Role
from softswitch.directory.permissions import Action, Subject, reach
from softswitch.errors import NoSuch
from softswitch.events import Event
from softswitch.records.cdr import Cdr
from softswitch.records.reviews import OfReview, ReviewRecord, ReviewSearch, apply_review, place, place_of

__all__ = ["routes"]

routes = APIRouter(prefix="/api/v1", route_class=GuardedRoute)

GONE: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such review."}}
CLOSED: dict[int | str, dict[str, Any]] = {409: {"description": "It is not possible now; the detail says why."}}
LONGEST_RECORDING = 7 * 86400.0
"""Seconds; what is behind the end of a shorter one is a 409."""


class AskWish(Wish):
    """``note``: what the head should listen to."""

    note: Annotated[str, Field(max_length=LONGEST)] = ""


class CommentWish(Wish):
    """``position`` is in seconds of the recording with the number ``recording``; without it, it is about the whole."""

    text: Annotated[str, Field(pattern=r"\S", max_length=LONGEST)]
    position: Annotated[float, Field(ge=0.0, le=LONGEST_RECORDING)] | None = None
    recording: Annotated[int, Field(ge=1, le=1000)] = 1


class MarkWish(Wish):
    """``mark``: 5 is the best."""

    mark: Annotated[int, Field(ge=1, le=5)]


class ReviewPage(TypedDict):
    """``next`` is the cursor of the next page, null on the last one."""

    reviews: list[ReviewRow]
    next: str | None


@routes.get("/reviews", tags=["reviews"], responses={404: {"description": "No page gave out this cursor."}})
async def tasks(
    access: Annotated[Access, needs(Action.SEE_REVIEW)],
    state: Annotated[Literal["open", "closed"] | None, Query(description="Only these.")] = None,
    person: Annotated[str | None, Query(pattern=r"^[0-9]{2,8}$", description="Asked for by this extension.")] = None,
    cursor: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,200}$", description="`next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ReviewPage:
    """List the reviews that whoever asks has asked for himself, and those of the people he heads; the latest first."""
    after = None if cursor is None else place(cursor)
    if cursor is not None and after is None:
        raise NoSuch("page", cursor)
    everybody = access.person.role in (Role.DIRECTOR, Role.ADMIN)
    people = None if everybody else reach(access.person, access.exchange.directory)
    if person is not None:
        people = frozenset({person}) if people is None else people & {person}
    access.decided = True  # what may be seen is part of the search, and asked again of each one found
    search = ReviewSearch(people=people, open=None if state is None else state == "open", after=after, limit=limit + 1)
    rows = await access.exchange.records.reviews(search)
    return ReviewPage(
        reviews=[
            present.review_row(review, cdr)
            for review, cdr in rows[:limit]
            if access.decide(Subject.of(review.employee))
        ],
        next=place_of(rows[limit - 1][0]) if len(rows) > limit else None,
    )


@routes.post(
    "/conversations/{conversation}/reviews", status_code=201, tags=["reviews"], responses={**MISSING, **CLOSED}
)
async def ask(conversation: Id, wish: AskWish, access: Annotated[Access, needs(Action.ASK_REVIEW)]) -> ReviewRow:
    """Ask heads for a review of an own conversation, while it goes on or afterwards."""
    exchange, me = access.exchange, access.person.extension
    async with exchange.reviewing:
        cdr = await found(access, conversation)
        access.require(subject_of(cdr), cdr.conversation)
        event = exchange.bus.publish(reviews.ask(cdr, me, wish.note.strip(), "api", exchange.directory))
    return present.review_row(_after(cdr, event), cdr)


@routes.get("/conversations/{conversation}/reviews/{extension}", tags=["reviews"], responses=GONE)
async def review(
    conversation: Id, extension: Extension, access: Annotated[Access, needs(Action.SEE_REVIEW)]
) -> ReviewView:
    """One review, with its comments and the recordings to be heard; `extension` asked for it."""
    access.require(Subject.of(extension))
    cdr = await found(access, conversation)
    found_one = review_of(cdr, extension)
    about, whole = subject_of_review(cdr, extension), subject_of(cdr)
    may = [Action.DOWNLOAD_RECORDING] if access.decide(whole, Action.DOWNLOAD_RECORDING) else []
    again = (Action.ASK_REVIEW,) if found_one.closed_at is not None else (Action.REVIEW, Action.CLOSE_REVIEW)
    may += [action for action in again if access.decide(about, action)]
    return present.review_view(found_one, cdr, (action.value for action in may))


@routes.post(
    "/conversations/{conversation}/reviews/{extension}/comments",
    status_code=201,
    tags=["reviews"],
    responses={**GONE, **CLOSED},
)
async def comment(
    conversation: Id, extension: Extension, wish: CommentWish, access: Annotated[Access, needs(Action.REVIEW)]
) -> CommentRow:
    """Comment on a place of the recording, or on the whole conversation."""
    async with _reviewing(access, conversation, extension) as (cdr, old):
        by, text = access.person.extension, wish.text.strip()
        event = access.exchange.bus.publish(reviews.comment(cdr, old, by, text, wish.position, wish.recording))
    new = _after(cdr, event)
    return next(one for one in present.review_view(new, cdr)["comments"] if one["number"] == new.comments)


@routes.put("/conversations/{conversation}/reviews/{extension}/mark", tags=["reviews"], responses={**GONE, **CLOSED})
async def mark(
    conversation: Id, extension: Extension, wish: MarkWish, access: Annotated[Access, needs(Action.REVIEW)]
) -> ReviewRow:
    """Give a mark; a later one takes its place."""
    async with _reviewing(access, conversation, extension) as (cdr, old):
        event = access.exchange.bus.publish(reviews.mark(old, access.person.extension, wish.mark))
    return present.review_row(_after(cdr, event), cdr)


@routes.post("/conversations/{conversation}/reviews/{extension}/close", tags=["reviews"], responses={**GONE, **CLOSED})
async def close(
    conversation: Id, extension: Extension, access: Annotated[Access, needs(Action.CLOSE_REVIEW)]
) -> ReviewRow:
    """End a review: it is done, or whoever asked for it withdraws it."""
    async with _reviewing(access, conversation, extension) as (cdr, old):
        event = access.exchange.bus.publish(reviews.close(old, access.person.extension))
    return present.review_row(_after(cdr, event), cdr)


@asynccontextmanager
async def _reviewing(access: Access, conversation: str, employee: str) -> AsyncIterator[tuple[Cdr, ReviewRecord]]:
    """Keep everybody else from changing a review. Raises Forbidden before NoSuch."""
    access.require(Subject.of(employee))
    async with access.exchange.reviewing:
        cdr = await found(access, conversation)
        old = review_of(cdr, employee)
        # Not under the conversation's name: heads of others in it read that.
        access.require(subject_of_review(cdr, employee))
        yield cdr, old


def _after(cdr: Cdr, event: Event) -> ReviewRecord:
    """Return the review as it is with one more event."""
    assert isinstance(event, OfReview)
    now = {one.employee: one for one in cdr.reviews}
    apply_review(now, event)
    return now[event.employee]
