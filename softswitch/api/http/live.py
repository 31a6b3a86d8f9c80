"""``/api/v1/live``: a WebSocket with the present of the office, and then each change of it, numbered.

    -> {"type": "snapshot", "seq": 1041, "conversations": [...], "people": [...], "reviews": [...]}
    -> {"type": "delta", "seq": 1042, "at": "...", "event": "LegAnswered", "conversation": {...}, "people": [...]}
    -> {"type": "delta", "seq": 1043, "at": "...", "event": "ReviewMarked", "conversation": null, "people": [],
        "review": {...}}

``seq`` is the number of the event in the journal. A delta carries the whole new
state of what changed, so that one may be applied twice and order never matters.
Who comes back with ``?since=1042`` gets the deltas after that, or a new snapshot
when they are gone. Everybody is sent what he may see, under the directory in
force at that moment; a reload of the configuration sends a new snapshot. The
reviews of a snapshot are the open ones, null when the database cannot be read; only whoever asked, his heads and
directors are told of them.

The feed itself only notes what changed; rows are made when there is somebody to
send them to. Readers share it, each at a place of his own, so that memory does not
grow with them; one who falls behind by all of it is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket
from sqlalchemy.exc import SQLAlchemyError
from starlette.websockets import WebSocketDisconnect

from softswitch import events as facts
from softswitch.api import present
from softswitch.api.http.access import Access, admit, follows
from softswitch.api.http.exchange import Exchange, present_of
from softswitch.api.http.problems import OtherSite, Unauthorized
from softswitch.api.http.sight import HIDDEN, OF_REVIEWS, SUPERVISOR, discreet, kept_from, subject_of
from softswitch.api.views import PersonRow, ReviewRow
from softswitch.directory.permissions import Action, Subject
from softswitch.errors import NoSuch
from softswitch.events import Event
from softswitch.ids import ConversationId
from softswitch.records.cdr import Cdr
from softswitch.records.reviews import ReviewRecord, ReviewSearch
from softswitch.records.search import parties

__all__ = ["Change", "Feed", "routes"]

routes = APIRouter(prefix="/api/v1")

KEPT = 5000
"""Changes that are kept: minutes of a busy office."""

PATIENCE = 10.0
"""Seconds that one message may take to be written; then the reader has gone to sleep."""

LOOK = 20.0
"""Seconds between two looks at whether a quiet reader may still read."""

MOST_READERS = 200

MOST_REVIEWS = 500
"""Open ones of a snapshot, the latest; more than that nobody works through. The list of the API has all."""

LOGGED_OUT, NOT_ALLOWED, TOO_SLOW, TOO_MANY, STOPPING = 4401, 4403, 4408, 4429, 1012
"""Close codes; those from 4000 on are ours (RFC 6455 section 7.4.2)."""

_SILENT = frozenset({facts.LegDialog, facts.MediaQuality})


@dataclass(frozen=True, slots=True)
class Change:
    """What one event touched; ``leg`` is empty where it is not about a leg. ``person`` asked for a review."""

    seq: int
    at: datetime
    kind: str
    conversation: ConversationId | None
    person: str
    leg: str


class Feed:
    """Listens to the bus; ``changes`` are those after ``floor``, in order."""

    def __init__(self, exchange: Exchange) -> None:
        self.changes: deque[Change] = deque(maxlen=KEPT)
        self.floor = 0
        self.reloads = 0
        self.readers = 0
        self._exchange = exchange
        self._woken = asyncio.Event()
        self._final: dict[ConversationId, Cdr] = {}
        self._made = -1
        self._rows: dict[str, PersonRow] = {}
        self._cdrs: dict[ConversationId, Cdr] = {}
        self._reviews: list[tuple[ReviewRecord, Cdr]] | None = None
        self._reviewed = 0
        exchange.bus.listen(self.apply)

    @property
    def last(self) -> int:
        return self.changes[-1].seq if self.changes else self.floor

    def apply(self, event: Event) -> None:
        kind = type(event)
        if kind in _SILENT:
            return
        person = getattr(event, "person", "") if event.conversation is None else ""
        if kind.__name__ in OF_REVIEWS:
            person, self._reviews = getattr(event, "employee", ""), None
            self._reviewed += 1
            if event.conversation is not None:
                self._final.pop(event.conversation, None)
        if kind is facts.ConfigReloaded:
            self.reloads += 1
        elif event.conversation is None and kind not in _OF_DEVICES:
            return
        if len(self.changes) == KEPT:
            self.floor = self.changes[0].seq
        elif not self.changes:
            self.floor = self.floor or event.seq - 1
        leg = getattr(event, "leg", "")
        self.changes.append(Change(event.seq, event.at, kind.__name__, event.conversation, person, leg))
        self.wake()

    def wake(self) -> None:
        self._woken.set()
        self._woken = asyncio.Event()

    async def news(self, within: float) -> None:
        """Wait for the next change, or so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._woken.wait()

    def after(self, seq: int) -> list[Change] | None:
        """Return the changes after this one, None if some of them are gone, or it is none of ours."""
        if not self.floor <= seq <= self.last:
            return None
        newest = len(self.changes)
        while newest and self.changes[newest - 1].seq > seq:
            newest -= 1
        return [self.changes[index] for index in range(newest, len(self.changes))]

    def people(self, only: frozenset[str]) -> list[PersonRow]:
        """Return how these people are; all readers of one moment share the rows."""
        self._refresh()
        if not self._rows:
            rows = present.people(self._exchange.directory, self._exchange.live, self._exchange.clock.utc())
            self._rows = {row["extension"]: row for row in rows}
        return [self._rows[one] for one in sorted(only) if one in self._rows]

    def _refresh(self) -> None:
        """Forget what was made before the last change."""
        if self._made != self.last:
            self._made, self._rows, self._cdrs = self.last, {}, {}

    async def reviews(self) -> list[tuple[ReviewRecord, Cdr]] | None:
        """Return the open reviews and their conversations, which all readers share; None: the database is away."""
        if self._reviews is None:
            reviewed = self._reviewed
            try:
                found = await self._exchange.records.reviews(ReviewSearch(open=True, limit=MOST_REVIEWS))
            except (SQLAlchemyError, OSError):
                return None
            if reviewed != self._reviewed:
                return found
            self._reviews = found
        return self._reviews

    async def cdr(self, conversation: ConversationId) -> Cdr | None:
        """Return the present of a conversation, or its end."""
        self._refresh()
        if conversation in self._cdrs:
            return self._cdrs[conversation]
        fold = self._exchange.live.conversations.get(conversation)
        if fold is not None:
            self._cdrs[conversation] = fold.cdr()
            return self._cdrs[conversation]
        if conversation not in self._final:
            last = self.last
            try:
                cdr = await self._exchange.records.cdr(conversation)
            except NoSuch:
                return None
            if last != self.last:
                return cdr  # what came meanwhile may be about it
            if len(self._final) > 100:
                self._final.clear()
            self._final[conversation] = cdr
        return self._final[conversation]


_OF_DEVICES = frozenset({facts.DeviceBound, facts.DeviceUnbound, facts.DeviceReachability})


@routes.websocket("/live")
async def live(
    socket: WebSocket,
    _: Annotated[None, follows(Action.FOLLOW)],
    since: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> None:
    """Send the snapshot and the changes."""
    feed: Feed = socket.app.state.feed
    try:
        access = await admit(socket, Action.FOLLOW)
    except (Unauthorized, OtherSite) as error:
        # Accepted first: a browser does not tell a script the status of a refused handshake.
        await socket.accept()
        await socket.close(LOGGED_OUT if isinstance(error, Unauthorized) else NOT_ALLOWED)
        return
    await socket.accept()
    if feed.readers >= MOST_READERS:
        await socket.close(TOO_MANY)
        return
    feed.readers += 1
    sending = asyncio.ensure_future(_Reader(socket, access, feed).run(since))
    leaving = asyncio.ensure_future(_until_gone(socket))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        feed.readers -= 1
        for task in (sending, leaving):
            task.cancel()
        done = await asyncio.gather(sending, leaving, return_exceptions=True)
        for one in done:
            if isinstance(one, Exception) and not isinstance(one, WebSocketDisconnect | RuntimeError):
                socket.app.state.log.error("a live connection failed", error=repr(one))


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass  # nothing is expected from a reader, and nothing is made of it


class _Reader:
    """One connection, at ``_at`` in the feed."""

    def __init__(self, socket: WebSocket, access: Access, feed: Feed) -> None:
        self._socket, self._access, self._feed = socket, access, feed
        self._exchange = access.exchange
        self._at = 0
        self._reloads = feed.reloads

    async def run(self, since: int | None) -> None:
        code: int | None = None
        if since is not None and self._feed.after(since) is not None:
            self._at = since
        elif not await self._snapshot():
            code = TOO_SLOW
        while True:
            code = code or await self._send_news()
            if code is not None:
                # To one who reads nothing the close cannot be written either; leaving ends the connection all the same.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await self._socket.close(code)
                return
            if self._feed.last <= self._at:
                await self._feed.news(LOOK)

    async def _send_news(self) -> int | None:
        """Send what there is; return the close code if that was the end of it."""
        if not self._access.login.holds(self._access.grant):
            return LOGGED_OUT
        # The person as the directory in force has him: another role counts from here on.
        self._access.person = self._exchange.directory.people[self._access.grant.person]
        if self._reloads != self._feed.reloads and not await self._snapshot():
            return TOO_SLOW
        changes = self._feed.after(self._at)
        if changes is None:
            return TOO_SLOW
        for change in changes:
            delta = await self._delta(change)
            if delta is not None and not await self._send(delta):
                return TOO_SLOW
            self._at = change.seq
            await asyncio.sleep(
                0
            )  # a socket with room never waits, and calls must not wait for a reader who comes back
            if not self._access.login.holds(self._access.grant):
                return LOGGED_OUT
        return None

    async def _send(self, message: dict[str, Any]) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._socket.send_text(json.dumps(message))
        except TimeoutError:
            return False
        return True

    async def _snapshot(self) -> bool:
        self._reloads, self._at = self._feed.reloads, self._feed.last
        rows = [
            row
            for fold in self._exchange.live.conversations.values()
            if (row := self._row(fold.cdr(), fold.state)) is not None
        ]
        visible = frozenset(one for one in self._exchange.directory.people if self._sees(Subject.of(one)))
        people = self._feed.people(visible)
        return await self._send(
            {
                "type": "snapshot",
                "seq": self._at,
                "conversations": rows,
                "people": people,
                "reviews": await self._reviews(),
            }
        )

    async def _reviews(self) -> list[ReviewRow] | None:
        found = await self._feed.reviews()
        if found is None:
            return None
        return [
            present.review_row(review, cdr)
            for review, cdr in found
            if self._access.decide(Subject.of(review.employee), Action.SEE_REVIEW)
        ]

    async def _delta(self, change: Change) -> dict[str, Any] | None:
        """Return one change as this reader may see it, None if he may not."""
        if change.kind in OF_REVIEWS:
            return await self._review_delta(change)
        row, concerned = None, {change.person}
        if change.conversation is not None:
            cdr = await self._feed.cdr(change.conversation)
            row = None if cdr is None or self._hidden(change, cdr) else self._row(cdr)
            if cdr is None or row is None:
                return None
            concerned = set(parties(cdr))
        visible = frozenset(
            one for one in concerned if one in self._exchange.directory.people and self._sees(Subject.of(one))
        )
        if row is None and not visible:
            return None
        return {
            "type": "delta",
            "seq": change.seq,
            "at": present.instant(change.at),
            "event": change.kind,
            "conversation": row,
            "people": self._feed.people(visible),
        }

    async def _review_delta(self, change: Change) -> dict[str, Any] | None:
        if change.conversation is None or not self._access.decide(Subject.of(change.person), Action.SEE_REVIEW):
            return None
        cdr = await self._feed.cdr(change.conversation)
        review = None if cdr is None else next((one for one in cdr.reviews if one.employee == change.person), None)
        if cdr is None or review is None:
            return None
        return {
            "type": "delta",
            "seq": change.seq,
            "at": present.instant(change.at),
            "event": change.kind,
            "conversation": None,
            "people": [],
            "review": present.review_row(review, cdr),
        }

    def _row(self, cdr: Cdr, state: str | None = None) -> Any:
        if not self._access.decide(subject_of(cdr), Action.SEE_CONVERSATION):
            return None
        if state is None and (fold := self._exchange.live.conversations.get(cdr.conversation)) is not None:
            state = fold.state
        scores = self._exchange.scores(cdr.conversation)
        row = present.call_row(cdr, present_of(self._exchange, cdr.conversation), state, scores)
        return discreet(row) if self._kept(cdr) else row

    def _hidden(self, change: Change, cdr: Cdr) -> bool:
        """Whether the change tells somebody that he is supervised."""
        beside = any(leg.leg == change.leg and leg.role == SUPERVISOR for leg in cdr.legs)
        return (beside or change.kind in HIDDEN) and self._kept(cdr)

    def _kept(self, cdr: Cdr) -> bool:
        return kept_from(self._access.person, cdr, self._exchange.directory)

    def _sees(self, subject: Subject) -> bool:
        return bool(self._access.decide(subject, Action.SEE_PERSON))
