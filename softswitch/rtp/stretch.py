"""A little less or more time: one period of a voice taken out or put in, blended so that nobody hears it."""

from __future__ import annotations

from softswitch.rtp import pitch
from softswitch.rtp.pitch import Pcm
from softswitch.rtp.plc import blend

__all__ = ["ALIKE", "FADE_US", "HIGH_MS", "HURRY", "INSERT_MS", "LOW_US", "REMOVE_MS", "insert", "period", "remove"]

LOW_US, HIGH_MS, WINDOW_US = 2500, 15, 7500
FADE_US = 2500
"""The blend where nobody speaks, in microseconds."""
REMOVE_MS, INSERT_MS = 15, 5
"""The place of the seam, counted from the first sample that is not yet played."""
ALIKE, HURRY = 0.81, 0.25
"""The likeness of the two sides of a seam that is asked for, as a squared correlation."""


def period(x: Pcm, seam: int, rate: int, longest: int, squared: float) -> int:
    """The period at ``x[seam]`` if a blend there is inaudible, or 0; ``squared`` is how alike its sides must be."""
    ms = rate // 1000
    found = pitch.find(x, seam, WINDOW_US * ms // 1000, LOW_US * ms // 1000, HIGH_MS * ms, rate)
    if found.lag > longest or found.product <= 0:
        return 0
    needed = squared * float(found.energy[0]) * float(found.energy[1])
    return found.lag if float(found.product) * float(found.product) >= needed else 0


def remove(x: list[int], seam: int, length: int, fade: int) -> list[int]:
    """Take out the ``length`` samples before ``seam``, blending over ``fade`` <= ``length`` of them."""
    start = seam - length
    blended = [blend(x[start + i], x[seam + i], i, fade) for i in range(fade)]
    return x[:start] + blended + x[seam + fade :]


def insert(x: list[int], seam: int, length: int, fade: int) -> list[int]:
    """Play the ``length`` samples before ``seam`` once more, blending over ``fade`` <= ``length``."""
    before = seam - length
    blended = [blend(x[seam + i], x[before + i], i, fade) for i in range(fade)]
    return x[:seam] + blended + x[before + fade : seam] + x[seam:]
