"""The period of a voice, by normalised cross-correlation: roughly at 4 kHz, then exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pcm", "Pitch", "find"]

Pcm = NDArray[np.int64]
"""Samples of 16 bits, in integers wide enough for their products."""

COARSE = 4000


@dataclass(frozen=True, slots=True)
class Pitch:
    """``product`` of a window and the one ``lag`` samples before it, and the ``energy`` of both."""

    lag: int
    product: int
    energy: tuple[int, int]


def find(x: Pcm, at: int, window: int, low: int, high: int, rate: int) -> Pitch:
    """The lag in ``low`` to ``high`` at which the samples before ``x[at]`` are most like the ``window`` from there on.

    Of several that are equally like it, the shortest. ``rate`` is a multiple of 4000.
    """
    step = rate // COARSE
    before, after = high // step, window // step
    steps = x[at - before * step : at + after * step].reshape(-1, step)
    coarse = steps.sum(axis=1) * (65_536 // step) >> 16
    rough = step * _search(coarse, before, after, low // step, before)
    lag = _search(x, at, window, max(rough - step + 1, low), min(rough + step - 1, high))
    now, then = x[at : at + window], x[at - lag : at - lag + window]
    return Pitch(lag, int(now @ then), (int(now @ now), int(then @ then)))


def _search(x: Pcm, at: int, window: int, low: int, high: int) -> int:
    now = x[at : at + window]
    earlier = [x[at - lag : at - lag + window] for lag in range(low, high + 1)]
    scores = [_score(int(now @ then), int(then @ then)) for then in earlier]
    return low + scores.index(max(scores))


def _score(product: int, energy: int) -> float:
    return float(product) * float(product) / float(energy + 1) if product > 0 else 0.0
