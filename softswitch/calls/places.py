"""The places of the two who talk: who sits in each, and who waits with music until his is given back."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from softswitch import events as facts
from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg, LegState
from softswitch.sip.events import Reason

if TYPE_CHECKING:
    from softswitch.calls.call import Call

__all__ = ["Places"]

TAKEN_OVER = "taken over"


class Places:
    """Of one call. A supervisor takes an employee's place for good, or only for a while and the employee is parked.

    Whoever is parked stays a leg of the call, untouched but for its row. A supervisor who holds a place for a
    while keeps his ``visitor``: his keys are commands still, and a director may park him in turn.
    """

    def __init__(self, call: Call, desk: Desk) -> None:
        self._weakly, self._desk = weakref.ref(call), desk
        self._parked: dict[Leg, Leg] = {}
        """By who talks in his place."""

    @property
    def _call(self) -> Call:
        call = self._weakly()
        assert call is not None, "a part outlived its call"
        return call

    def __iter__(self) -> Iterator[Leg]:
        """Those who are parked."""
        return iter(self._parked.values())

    def take(self, former: Leg, heir: Leg, *, park: bool) -> None:
        """Let a visitor's leg talk in place of a side's, which is parked or released; the other side notices nothing.

        The heir's digits go on to reach nobody until ``Media.pass_digits``.
        """
        call = self._call
        assert former in call.sides
        call.publish(
            facts.TakenOver(leg=heir.id, supervisor=heir.name, employee=former.name, parked=former.id if park else None)
        )
        heir.role = former.role
        call.legs.add(heir)
        self._desk.adopt(call, heir.session)
        if park:
            self._parked[heir] = former
            self._sit(former, heir)
            call.hearing.park(former)
        else:
            heir.visitor = None
            self._sit(former, heir)
            self._release(former)
            self._release_parked(former)
        call.audience.forget(heir)

    def give_back(self, heir: Leg) -> None:
        """Let whoever was parked talk again; the heir is a visitor's leg once more, and in no row."""
        call, former = self._call, self._parked.pop(heir)
        assert heir in call.sides
        self._sit(heir, former)
        call.legs.remove(heir)
        if heir.holds:
            heir.holds = False
            call.publish(facts.LegResumed(leg=heir.id))
        self._tell_given_back(heir, former)
        call.audience.record()

    def keep(self, heir: Leg) -> None:
        """Let the heir have the place for good: whoever is parked for it is released."""
        heir.visitor = None
        self._release_parked(heir)

    def has_waiting(self, heir: Leg) -> bool:
        """Whether the heir talks in the place of somebody who is parked."""
        return heir in self._parked and heir in self._call.sides

    def holder(self, parked: Leg) -> Leg | None:
        """Return who talks in the place of somebody parked; None if he is not, or that one is parked himself."""
        found = next((heir for heir, former in self._parked.items() if former is parked), None)
        return found if found in self._call.sides else None

    def ended(self, leg: Leg, cause: str, now: float) -> bool:
        """A leg has ended: whoever is parked gets his place back. Return whether that was all that it meant."""
        call, visitor = self._call, leg.visitor
        former = self._parked.pop(leg, None)
        heir = next((one for one, parked in self._parked.items() if parked is leg), None)
        if heir is not None:
            self._left(heir, former)
            call.hearing.leave(leg)
        elif former is not None and leg in call.sides and former.state is LegState.TALKING and not former.ended_as:
            self._sit(leg, former)
            self._tell_given_back(leg, former)
            call.audience.record()
        else:
            former = None
        if visitor is not None:
            leg.visitor = None
            visitor.place_lost(now, cause)
        if heir is not None and heir not in self._parked and heir.visitor is not None:
            heir.visitor.place_kept(now)
        return heir is not None or former is not None

    # -----------------------------------------------------------------------------------------------------------------

    def _left(self, heir: Leg, behind: Leg | None) -> None:
        """Who was parked for ``heir`` has left; whoever was parked for him waits for the heir's place now."""
        if behind is None:
            del self._parked[heir]
        else:
            self._parked[heir] = behind

    def _sit(self, former: Leg, heir: Leg) -> None:
        call = self._call
        call.sides = tuple(heir if leg is former else leg for leg in call.sides)
        call.hearing.connect(call.sides)
        self._desk.engine.hear(former.port, {})
        call.silence.listen_again()

    def _release(self, leg: Leg) -> None:
        self._call.legs.release(leg, TAKEN_OVER, Reason(protocol="SIP", cause=200, text="Taken over"))

    def _release_parked(self, heir: Leg) -> None:
        """Release whoever is parked for the heir, and whoever was parked for him."""
        former = self._parked.pop(heir, None)
        if former is not None:
            self._release_parked(former)
            self._release(former)

    def _tell_given_back(self, heir: Leg, former: Leg) -> None:
        call = self._call
        call.publish(facts.GivenBack(leg=heir.id, supervisor=heir.name, employee=former.name, to=former.id))
        if former.holds:
            call.publish(facts.LegHeld(leg=former.id))  # he holds it still, or has begun to while he was parked
