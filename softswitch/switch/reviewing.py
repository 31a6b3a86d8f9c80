"""Reviews as the command line asks for them: whoever is named by ``--as`` is asked the policy, as over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from softswitch.api import present, reviews
from softswitch.api.http.sight import subject_of
from softswitch.api.reviews import meant, subject_of_review
from softswitch.api.views import ReviewRow, ReviewView
from softswitch.directory.permissions import Action, Subject, allowed, reason
from softswitch.errors import NoSuch, NotPermitted
from softswitch.events import AccessRefused
from softswitch.records.cdr import Cdr
from softswitch.records.reviews import ReviewRecord, ReviewSearch

if TYPE_CHECKING:
    from softswitch.switch.switch import Switch

__all__ = ["SwitchReviews"]


class SwitchReviews:
    """The part of ``api.commands.Commands`` that is about reviews, for one switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    async def listed(self, last: int, *, closed: bool) -> list[ReviewRow]:
        found = await self._switch.records.reviews(ReviewSearch(open=None if closed else True, limit=last))
        return [present.review_row(review, cdr) for review, cdr in reversed(found)]

    async def one(self, conversation: str, employee: str | None) -> ReviewView:
        cdr = await self._cdr(conversation)
        return present.review_view(meant(cdr, employee), cdr)

    async def ask(self, conversation: str, employee: str, note: str) -> ReviewView:
        switch = self._switch
        async with switch.reviewing:
            cdr = await self._cdr(conversation)
            self._check(employee, Action.ASK_REVIEW, subject_of(cdr))
            switch.bus.publish(reviews.ask(cdr, employee, note, "cli", switch.settings.directory))
        return await self.one(cdr.conversation, employee)

    async def comment(
        self, conversation: str, employee: str | None, by: str, text: str, position: float | None, recording: int
    ) -> ReviewView:
        async with self._reviewing(conversation, employee, by, Action.REVIEW) as (cdr, review):
            self._switch.bus.publish(reviews.comment(cdr, review, by, text, position, recording))
        return await self.one(cdr.conversation, review.employee)

    async def mark(self, conversation: str, employee: str | None, by: str, value: int) -> ReviewView:
        async with self._reviewing(conversation, employee, by, Action.REVIEW) as (cdr, review):
            self._switch.bus.publish(reviews.mark(review, by, value))
        return await self.one(cdr.conversation, review.employee)

    async def close(self, conversation: str, employee: str | None, by: str) -> ReviewView:
        async with self._reviewing(conversation, employee, by, Action.CLOSE_REVIEW) as (cdr, review):
            self._switch.bus.publish(reviews.close(review, by))
        return await self.one(cdr.conversation, review.employee)

    # ----------------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _reviewing(
        self, conversation: str, employee: str | None, by: str, action: Action
    ) -> AsyncIterator[tuple[Cdr, ReviewRecord]]:
        async with self._switch.reviewing:
            cdr = await self._cdr(conversation)
            review = meant(cdr, employee)
            self._check(by, action, subject_of_review(cdr, review.employee))
            yield cdr, review

    def _check(self, by: str, action: Action, subject: Subject) -> None:
        """Raise NoSuch where ``by`` is nobody, NotPermitted where the policy says no, which is an event too."""
        directory = self._switch.settings.directory
        person = directory.people.get(by)
        if person is None:
            raise NoSuch("person", by)
        decision = allowed(person, action, subject, directory)
        if not decision:
            about = tuple(sorted(subject.talkers))
            self._switch.bus.publish(AccessRefused(by=by, action=action, about=about, reason=decision.reason))
            raise NotPermitted(reason(decision))

    async def _cdr(self, beginning: str) -> Cdr:
        conversation = await self._switch.records.find(beginning)
        fold = self._switch.live.conversations.get(conversation)
        return fold.cdr() if fold is not None else await self._switch.records.cdr(conversation)
