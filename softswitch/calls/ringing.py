"""Ringing those who are to stand beside a conversation: all telephones of one, or of several people turn by turn."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from softswitch.calls import offering
from softswitch.calls.chronicle import Wish
from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg
from softswitch.calls.office import Office
from softswitch.calls.policy import Policy
from softswitch.calls.telephone import Telephone
from softswitch.directory.people import Person
from softswitch.errors import NotPossible
from softswitch.media.engine import Tone
from softswitch.sip.events import Hangup, Reason, SessionId

if TYPE_CHECKING:
    from softswitch.calls.call import Call

__all__ = ["Ringing"]

NOBODY = Tone((400.0,), level=-24.0, cadence=(0.2, 0.1), repeat=3)
"""What an employee hears for whom nobody could be found."""


class Ringing(Telephone):
    """Begin with ``ring``. Who answers first, and what comes after, is the heirs' affair."""

    def __init__(self, desk: Desk, office: Office, policy: Policy, wish: Wish, now: float) -> None:
        super().__init__(desk, office, wish, now)
        self._policy = policy
        self._ringing: dict[SessionId, Leg] = {}
        self._turns: deque[Sequence[Person]] = deque()
        self._each: float | None = None
        self._ring_until: float | None = None

    @abstractmethod
    def _attach(self, call: Call) -> None:
        """Be told from now on what happens in the conversation."""

    @abstractmethod
    def _close(self) -> None:
        """It is over for good."""

    def ring(
        self, call: Call | None, turns: Sequence[Sequence[Person]], now: float, *, each: float | None = None
    ) -> None:
        """Ring the telephones of these people, turn by turn; the first that answers takes part in ``call``, or waits.

        ``each`` is how long a turn rings, as long as its people want without it. Raises NotPossible.
        """
        if call is not None and not self.wish.follow:
            self._attach(call)
        self._turns.extend(turns)
        self._each = each
        self._ring_next(now)
        if not self._ringing:
            self._close()
            raise NotPossible("no telephone of the supervisor can be reached")
        if call is not None and self.call is None:
            self._attach(call)

    def _ring_next(self, now: float) -> None:
        """Ring those whose turn it is, and who are free still where there were others before."""
        while self._turns and not self._ringing:
            people = self._turns.popleft()
            for person in people:
                if self._each is None or self._policy.free(person):
                    self._ring(person)
            if self._ringing:
                self._set_ring_limit(now + (self._each or max(person.ring for person in people)))

    def _ring(self, person: Person) -> None:
        legs = self._place
        for binding in self._policy.devices_of(person):
            leg = self._new_leg(f"person:{person.extension}")
            try:
                leg.media = legs.open_media(leg, binding.flow.remote[0])
            except NotPossible:
                continue
            self._said = self._direction
            description = leg.media.offer(self._codecs, self._said)
            employee = self._office.directory.people[self.wish.employee]
            invite = offering.to_supervisor(self.wish.mode, employee, binding, person, self._office)
            leg.session = self._desk.invite(self, replace(invite, offer=description))
            self._ringing[leg.session] = leg
            self._tell_of_leg(leg, str(invite.target))

    def _ring_on(self, now: float) -> None:
        """Ring the next ones once these have rung for as long as they may."""
        if self._ring_until is not None and now >= self._ring_until:
            for leg in self._ringing.values():
                self._release_ringing(leg, "no answer", Reason(protocol="Q.850", cause=19, text="No answer"))
            self._ringing.clear()
            self._ring_next_or_end(now)

    def _ring_next_or_end(self, now: float) -> None:
        if not self._ringing:
            self._ring_next(now)
        if not self._ringing:
            self._tell_employee(NOBODY)
            self._nobody("no telephone answered")

    def _tell_employee(self, sound: Tone) -> None:
        """Let who asked for help hear something, beside what he hears."""
        employee = self.call.leg_of(self.wish.employee) if self.call is not None and self.call.talking else None
        if self.call is not None and employee in self.call.sides and employee is not None and self.wish.helps:
            self.call.audience.tell(sound, employee)

    def _nobody(self, reason: str) -> None:
        """It comes to nothing before it began."""
        self._tell_failure(reason)
        self._close()

    def _release_ringing(self, leg: Leg, cause: str, reason: Reason | None) -> None:
        self._tell_leg_end(leg, cause, 0, remote=False)
        self._desk.command(leg.session, Hangup(reason=reason))

    def _set_ring_limit(self, at: float | None) -> None:
        self._ring_until = at
        self._desk.wake(self, at)
