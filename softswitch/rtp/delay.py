"""How late packets come, and how long sound must therefore wait.

Positions and times are in units of the RTP clock. The histogram of how much
later than the fastest packets came forgets slowly; the target is what 31 of 32
packets keep within, 5 ms to 200 ms.
"""

from __future__ import annotations

__all__ = ["Delay"]

CLASSES = 41
"""Of 5 ms; the last is for all that comes 200 ms late and more."""
WHOLE = 1 << 30
FORGET, FORGET_FIRST = 8, 3
"""A packet's weight is 1/256 of all before it, more while few have come."""
MISS = 5
"""1/32 of the packets may come too late."""
WINDOW = 2
"""Seconds after which the least delay may grow."""


class Delay:
    """What is known of one stream's arrivals; ``clock`` in Hz, a multiple of 200."""

    def __init__(self, clock: int) -> None:
        self._clock, self._class = clock, clock // 200
        self._share = [0] * CLASSES
        self._least: list[int | None] = [None, None]
        self._window = 0
        self._seen = 0
        self.target = self._class
        """How long the fastest packet must wait, so that most others come in time."""

    def restart(self) -> None:
        """Forget which delay is the least: another timeline begins. What is known of the jitter stays."""
        self._least = [None, None]

    @property
    def least(self) -> int | None:
        """Arrival minus timestamp of the fastest packet in the last two to four seconds, None while unknown."""
        return min((least for least in self._least if least is not None), default=None)

    def learn(self, timestamp: int, now: int) -> int:
        """A packet has come at ``now``; return how much later than the fastest."""
        if now - self._window >= self._clock * WINDOW:
            self._window = now
            self._least = [None, self._least[0]]
        transit = now - timestamp
        self._least[0] = transit if self._least[0] is None else min(transit, self._least[0])
        least = self.least
        assert least is not None
        late = transit - least
        forget = min(max(self._seen.bit_length(), FORGET_FIRST), FORGET)
        self._seen = min(self._seen + 1, 255)
        self._share = [share - (share >> forget) for share in self._share]
        self._share[min(late // self._class, CLASSES - 1)] += WHOLE >> forget
        allowed = sum(self._share) >> MISS
        most, tail = CLASSES - 1, 0
        while most > 0 and (tail := tail + self._share[most]) <= allowed:
            most -= 1
        self.target = self._class * min(most + 1, CLASSES - 1)
        return late
