"""The mixing matrix: a row is what one listener hears, a sum of (source, gain), saturated once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNITY", "mix", "scaled"]

UNITY = 4096
"""Gains are Q12 integers, 0 to 4.0."""


def scaled(pcm: NDArray[np.int16], start: int, end: int) -> NDArray[np.int32]:
    """Return a source's part of a sum, rounded to samples.

    The gain moves in a straight line from ``start``, the last frame's, to
    ``end``, which the frame's last sample has: a hard step would click.
    """
    n = len(pcm)
    steps = (end - start) * (np.arange(n, dtype=np.int64) + 1)
    gains = start + np.trunc(steps / n).astype(np.int64) if n else steps
    return ((pcm.astype(np.int64) * gains + UNITY // 2) >> 12).astype(np.int32)


def mix(row: Sequence[tuple[NDArray[np.int16], int, int]], samples: int) -> NDArray[np.int16]:
    """Return one frame of a row of (source's frame, gain before, gain now).

    The sum is saturated once, at its end: clipping source by source would make
    the result depend on their order.
    """
    total = np.zeros(samples, dtype=np.int32)
    for pcm, start, end in row:
        total += scaled(pcm, start, end)
    return total.clip(-32768, 32767).astype(np.int16)
