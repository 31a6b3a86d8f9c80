"""Packet loss concealment: what is heard in place of a lost frame."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["GAINS", "conceal"]

GAINS = (32_768, 22_938, 11_469, 0)
"""Q15 gains at the borders of concealed frames: 1.0, 0.7, 0.35, silence."""


def conceal(last: Sequence[int], run: int) -> list[int]:
    """Return the ``run``-th concealed frame in a row (from 1): the last good one, fading out in three."""
    n = len(last)
    if not 1 <= run < len(GAINS):
        return [0] * n
    start, drop = GAINS[run - 1], GAINS[run - 1] - GAINS[run]
    return [sample * (start - drop * (i + 1) // n) >> 15 for i, sample in enumerate(last)]
