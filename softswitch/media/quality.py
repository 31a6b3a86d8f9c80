"""How good each second of a port sounded, from its counters."""

from __future__ import annotations

from softswitch.media.engine import PortStats
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

    def score(self, stats: PortStats, codec: str) -> float | None:
        """Return what a listener would say of the second that ended with these counters; None when nothing came."""
        received = stats.received - self._received
        lost = max(0, stats.lost - self._lost)
        late = max(0, stats.late - self._late)
        self._received, self._lost, self._late = stats.received, stats.lost, stats.late
        if received <= 0:
            return None
        one_way = stats.round_trip / 2 if stats.round_trip is not None else UNKNOWN
        # What jitter costs is delay: a buffer holds back about twice of it.
        return mos(codec, min(1.0, (lost + late) / (received + lost)), FIXED + one_way + 2 * stats.jitter)
