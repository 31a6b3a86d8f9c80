"""Order, loss and jitter of one received RTP stream (RFC 3550 appendix A.1, A.3 and A.8)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Order", "Sequence"]

MAX_DROPOUT = 3000
"""Steps forward that are still the same stream (appendix A.1)."""

WINDOW = 64
"""Steps backward within which a packet is reordered rather than a sign of a restart; the width of our memory."""


class Order(IntEnum):
    """What a sequence number says about its packet."""

    FIRST = 0
    """The first of a stream: the SSRC is new."""
    NEXT = 1
    REORDERED = 2
    DUPLICATE = 3
    SUSPECT = 4
    """Far from all before; believed when its successor comes."""
    RESTARTED = 5
    """The second of two in order that were far from all before: the sender began anew."""


class Sequence:
    """Counts one stream after the other: an SSRC that changes begins a new one, what was lost stays counted."""

    def __init__(self) -> None:
        self.ssrc = 0
        self.first = 0
        self.highest = 0
        """The highest sequence number, extended by its cycles."""
        self.received = 0
        self.jitter = 0
        """Sixteen times the estimate of appendix A.8, in timestamp units."""
        self._started = False
        self._came: set[int] = set()
        self._suspect: int | None = None
        self._lost_before = 0
        self._transit: int | None = None

    @property
    def lost(self) -> int:
        """Packets that never came, of all streams so far (appendix A.3), not negative for any of them."""
        if not self._started:
            return self._lost_before
        return self._lost_before + max(0, self.highest - self.first + 1 - self.received)

    def receive(self, ssrc: int, number: int) -> Order:
        """Judge a packet; only DUPLICATE and SUSPECT ones are to be dropped."""
        if not self._started or ssrc != self.ssrc:
            self._begin(ssrc, number)
            return Order.FIRST
        ahead = (number - self.highest) % 65_536
        if ahead == 0:
            return Order.DUPLICATE
        if ahead < MAX_DROPOUT:
            self.highest += ahead
            self._came = {n for n in self._came if n > self.highest - WINDOW} | {self.highest}
            self.received += 1
            return Order.NEXT
        behind = 65_536 - ahead
        if behind < WINDOW:
            if self.highest - behind in self._came:
                return Order.DUPLICATE
            self._came.add(self.highest - behind)
            self.received += 1
            return Order.REORDERED
        if number != self._suspect:
            self._suspect = (number + 1) % 65_536
            return Order.SUSPECT
        self._begin(ssrc, number)
        return Order.RESTARTED

    def arrival(self, timestamp: int, at: int, clock: int = 8000) -> None:
        """Enter an audio packet into the jitter estimate; ``at`` is on the clock of the timestamps, ``clock`` Hz."""
        transit = (at - timestamp) % (1 << 32)
        if self._transit is not None:
            difference = (transit - self._transit) % (1 << 32)
            distance = min(difference, (1 << 32) - difference)
            # A jump of the timestamps is not jitter: one second at most enters the estimate.
            if distance <= clock:
                self.jitter += distance - (self.jitter + 8 >> 4)
        self._transit = transit

    def _begin(self, ssrc: int, number: int) -> None:
        self._lost_before = self.lost
        self._started = True
        self.ssrc = ssrc
        self.first = self.highest = number
        self.received = 1
        self.jitter = 0
        self._came = {number}
        self._suspect = None
        self._transit = None
