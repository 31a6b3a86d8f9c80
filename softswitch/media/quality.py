"""How good each second of a port sounded, from its counters."""

from __future__ import annotations

from softswitch.rtp.mos import mos

__all__ = ["Quality"]

FIXED = 0.05
"""Seconds of delay that every path has: 20 ms of packet, 20 to 30 of buffers at both ends."""

UNKNOWN = 0.02
"""Seconds of the network one way while no round trip is known."""


class Quality:
    """Remembers the counters of one port from second to second."""

    __slots__ = ("_late", "_lost", "_received")

    def __init__(self) -> None:
        self._received = self._lost = self._late = 0

    def score(
        self, codec: str, received: int, lost: int, late: int, jitter: float, round_trip: float | None
    ) -> float | None:
        """Return what a listener would say of the second that ended with these counters; None when nothing came."""
        came, gone, waited = received - self._received, max(0, lost - self._lost), max(0, late - self._late)
        self._received, self._lost, self._late = received, lost, late
        if came <= 0:
            return None
        one_way = round_trip / 2 if round_trip is not None else UNKNOWN
        # What jitter costs is delay: a buffer holds back about twice of it.
        return mos(codec, min(1.0, (gone + waited) / (came + gone)), FIXED + one_way + 2 * jitter)
