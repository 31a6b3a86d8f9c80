"""How good each second of a port sounded, from its counters."""

from __future__ import annotations

from softswitch.rtp.mos import mos

__all__ = ["Quality"]

FIXED = 0.04
"""Seconds of delay that every path has: 20 ms of packet, 10 of the microphone's and 10 of the ear's side."""

LEAST = 0.01
"""Seconds that a buffer waits at least: half a packet, until both clocks agree."""

UNKNOWN = 0.02
"""Seconds of the network one way while no round trip is known."""


class Quality:
    """Remembers the counters of one port from second to second."""

    __slots__ = ("_late", "_lost", "_received")

    def __init__(self) -> None:
        self._received = self._lost = self._late = 0

    def score(
        self, codec: str, received: int, lost: int, late: int, jitter: float, round_trip: float | None, delay: float
    ) -> float | None:
        """Return what a listener would say of the second that ended with these counters; None when nothing came.

        ``delay`` is how long the sound waits in our own play-out, 0 where packets are only passed on.
        """
        came, gone, waited = received - self._received, max(0, lost - self._lost), max(0, late - self._late)
        self._received, self._lost, self._late = received, lost, late
        if came <= 0:
            return None
        one_way = round_trip / 2 if round_trip is not None else UNKNOWN
        # Where the listener's telephone plays it out, we guess: its buffer holds back about twice the jitter.
        waits = delay or LEAST + 2 * jitter
        return mos(codec, min(1.0, (gone + waited) / (came + gone)), FIXED + one_way + waits)
