"""A party from whom nothing is heard: a fault that ends the call, or only somebody on hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from softswitch import events as facts
from softswitch.calls.leg import Leg, LegState
from softswitch.calls.legs import Legs
from softswitch.events import Event
from softswitch.media.engine import PortStats
from softswitch.sip.events import Reason
from softswitch.sip.session import is_private

__all__ = ["Silence"]

MEDIA_LOST = "media lost"

ONE_WAY = 5
"""Seconds of sending after the answer in which nothing comes back. Telephones send from the answer on."""


class Silence:
    """Judges the silence of a conversation's legs; ``publish`` adds the conversation."""

    def __init__(self, legs: Legs, sides: Callable[[], Sequence[Leg]], publish: Callable[[Event], None]) -> None:
        """``sides`` tells the two who talk with each other, none before the answer."""
        self._legs, self._sides, self._publish = legs, sides, publish

    def fell(self, leg: Leg, seconds: float) -> None:
        """Nothing has come from a leg for so long."""
        if leg.state is not LegState.TALKING or leg.holds or self._held:
            # Who holds may well be silent, and so may who is held: he has nobody to talk to.
            leg.silent = True
            return
        remote = leg.media.session.remote if leg.media is not None and leg.media.session is not None else None
        where = f"{remote[0]}:{remote[1]}" if remote else "nowhere"
        self._publish(facts.MediaLost(leg=leg.id, silent=seconds, sent_to=where))
        # A telephone that lost its power says nothing more: it is released, and so is the other side.
        self._legs.release(leg, MEDIA_LOST, Reason(protocol="Q.850", cause=27, text="Media lost"))

    def measured(self, leg: Leg, stats: PortStats) -> None:
        """Look at the counters of a leg, once a second: does anything come back from where we send to?"""
        if leg.unheard < 0:
            return
        session = leg.media.session if leg.media is not None else None
        if stats.received:
            if leg.unheard >= ONE_WAY:
                self._publish(facts.MediaRegained(leg=leg.id))
            leg.unheard = -1
        elif leg.state is LegState.TALKING and session is not None and session.receives and session.sends:
            if leg.ended_as is not None or leg.holds or self._held:
                return
            leg.unheard += 1
            if leg.unheard == ONE_WAY:
                where = f"{session.remote[0]}:{session.remote[1]}" if session.remote else "nowhere"
                why = "" if session.remote else "no address"
                if session.remote and is_private(session.remote[0]) and not is_private(leg.remote):
                    why = "nat"
                self._publish(facts.OneWayAudio(leg=leg.id, silent=float(ONE_WAY), sent_to=where, why=why))

    def broken(self, leg: Leg) -> None:
        """Something comes from the leg again."""
        leg.silent = False
        if leg.ended_as == MEDIA_LOST:
            self._publish(facts.MediaRegained(leg=leg.id))

    def listen_again(self) -> None:
        """Once nobody holds the call any more, silence is a fault again."""
        if self._held:
            return
        for leg in self._talking:
            if leg.silent and not leg.holds and leg.media is not None:
                leg.silent = False
                leg.media.listen_again()

    @property
    def _talking(self) -> list[Leg]:
        return [leg for leg in self._legs if leg.state is LegState.TALKING and leg.ended_as is None]

    @property
    def _held(self) -> bool:
        """Whether one of the two holds the call; an employee in whose place another talks holds nobody."""
        return any(leg.holds for leg in self._sides() or self._talking)
