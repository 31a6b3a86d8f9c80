"""Keys pressed in a call: to whom they go, and in which form they are passed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from softswitch import events as facts
from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg, LegState
from softswitch.media import engine as media
from softswitch.sip.events import PressKeys

if TYPE_CHECKING:
    from softswitch.calls.call import Call

__all__ = ["Keys"]


class Keys:
    """Those of a visitor are his commands, those of who is parked reach nobody; the rest is for the other side.

    ``tell`` is told of each key that is told in the timeline.
    """

    def __init__(self, call: Call, desk: Desk, tell: Callable[[Leg, str], None]) -> None:
        self._call, self._desk, self._tell = call, desk, tell

    def tick(self, now: float) -> None:
        """Take the keys by INFO of which neither event nor sound came."""
        for leg in list(self._call.legs):
            self._take(leg, leg.keypad.tick(now), now, passed=False)

    def pressed(self, leg: Leg, digit: str, means: media.Means, now: float) -> None:
        """One of the legs told of a key in some way; each press is taken once."""
        new = leg.keypad.press(digit, means, now, heard=True)
        # What comes as sound or event is passed on by the media core itself.
        self._take(leg, new, now, passed=means is not media.Means.INFO)
        self._call.wake()

    def _take(self, leg: Leg, digits: str, now: float, *, passed: bool) -> None:
        if digits and leg in self._call.places:
            self._take_of_parked(leg, digits, now)
            return
        if leg.visitor is not None:
            for digit in digits:
                leg.visitor.pressed(digit, now)
            return
        for digit in digits:
            masked = leg.media is not None and leg.media.masked
            self._call.publish(facts.DigitPressed(leg=leg.id, digit="" if masked else digit))
            self._tell(leg, digit)
        if not digits or leg not in self._call.sides or any(side.holds or side.waits for side in self._call.sides):
            return  # who is on hold is heard by nobody, and his keys are no exception
        for other in self._call.sides:
            if other is leg or other.media is None or other.state is not LegState.TALKING:
                continue
            if other.media.told:
                self._desk.command(other.session, PressKeys(digits=digits))
            elif not passed:
                other.media.send_digits(digits)

    def refused(self, leg: Leg, digits: str, status: int) -> None:
        """What he does not take by INFO he may hear; who never answered would hear keys of half a minute ago."""
        if leg.media is not None:
            leg.media.takes_info(False)
            if status != 408:
                leg.media.send_digits(digits)

    def _take_of_parked(self, leg: Leg, digits: str, now: float) -> None:
        for digit in digits:
            holder = self._call.places.holder(leg)
            if digit == self._call.office.codes.back and holder is not None and holder.visitor is not None:
                holder.visitor.asked_back(now)
