"""A party from whom nothing is heard: a fault that ends the call, or only somebody on hold."""

from __future__ import annotations

from collections.abc import Callable

from softswitch import events as facts
from softswitch.calls.leg import Leg, LegState
from softswitch.calls.legs import Legs
from softswitch.events import Event
from softswitch.sip.events import Reason

__all__ = ["Silence"]

MEDIA_LOST = "media lost"


class Silence:
    """Judges the silence of a conversation's legs; ``publish`` adds the conversation."""

    def __init__(self, legs: Legs, publish: Callable[[Event], None]) -> None:
        self._legs, self._publish = legs, publish

    def fell(self, leg: Leg, seconds: float) -> None:
        """Nothing has come from a leg for so long."""
        if leg.state is not LegState.TALKING or any(other.holds for other in self._legs):
            # Who holds may well be silent, and so may who is held: he has nobody to talk to.
            leg.silent = True
            return
        remote = leg.media.session.remote if leg.media is not None and leg.media.session is not None else None
        where = f"{remote[0]}:{remote[1]}" if remote else "nowhere"
        self._publish(facts.MediaLost(leg=leg.id, silent=seconds, sent_to=where))
        # A telephone that lost its power says nothing more: it is released, and so is the other side.
        self._legs.release(leg, MEDIA_LOST, Reason(protocol="Q.850", cause=27, text="Media lost"))

    def broken(self, leg: Leg) -> None:
        """Something comes from the leg again."""
        leg.silent = False
        if leg.ended_as == MEDIA_LOST:
            self._publish(facts.MediaRegained(leg=leg.id))

    def listen_again(self) -> None:
        """Once nobody holds the call any more, silence is a fault again."""
        talking = [leg for leg in self._legs if leg.state is LegState.TALKING]
        if any(leg.holds for leg in talking):
            return
        for leg in talking:
            if leg.silent and leg.media is not None:
                leg.silent = False
                leg.media.listen_again()
