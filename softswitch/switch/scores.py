"""The opinion scores of all legs, second by second, as a monitoring system reads them."""

from __future__ import annotations

from bisect import bisect_left

__all__ = ["BOUNDS", "Scores"]

BOUNDS = (1.5, 2.0, 2.5, 3.0, 3.6, 4.0, 4.2, 4.35, 4.5)
"""Upper bounds of the classes. From 3.6 on most are content, from 4.0 all but a few (ITU-T G.107 annex B); G.711
without loss on a near network has 4.35 to 4.4."""


class Scores:
    """Counts leg-seconds by the score that a listener would have given them (MOS, 1 to 4.5)."""

    def __init__(self) -> None:
        self._counts = [0] * len(BOUNDS)
        self._total = 0.0

    def add(self, mos: float) -> None:
        self._counts[min(bisect_left(BOUNDS, mos), len(BOUNDS) - 1)] += 1
        self._total += mos

    def histogram(self) -> tuple[list[tuple[str, float]], float]:
        """Return the classes, each with those below it, and the sum of all scores."""
        seen, buckets = 0, []
        for bound, count in zip(BOUNDS, self._counts, strict=True):
            seen += count
            buckets.append((f"{bound:g}", float(seen)))
        buckets.append(("+Inf", float(seen)))
        return buckets, self._total
