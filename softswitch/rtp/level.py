"""How loud a leg is, whether it speaks, and over what noise.

Powers are mean squares of 16-bit samples; 0 dBov is a full-scale square wave
(ITU-T G.100.1), a full-scale sine is -3.01. Whole numbers only, so that the
kernel and this twin agree exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SILENCE", "LevelMeter", "Second", "dbov"]

SILENCE = -96.0
"""dBov that stands for no sound at all; 16 bits reach no lower."""

QUIET = 10_737
"""-50 dBov: less is no speech, whatever the floor."""
FLOOR_LEAST = 340
FLOOR_FIRST = 107_374
"""-40 dBov: a call that begins with speech does not take it for noise."""
ABOVE = 8
"""Speech is 9 dB above the floor."""
HANG = 10
"""Frames that speech lasts after its last loud one: 200 ms (ITU-T P.56 section 7.1)."""


def dbov(power: float) -> float:
    """Return a mean square as dBov, ``SILENCE`` at least."""
    return max(SILENCE, 10.0 * log10(power / 2**30)) if power > 0 else SILENCE


@dataclass(frozen=True, slots=True)
class Second:
    """What was measured: the mean power, the noise floor's, and frames: all, of speech, of speech over another's."""

    power: int
    floor: int
    frames: int
    loud: int
    overlapped: int


class LevelMeter:
    """Takes 20 ms frames at any rate.

    The noise floor follows the quietest frames: down by a quarter of the
    distance per frame, up by 1/128 of itself (1.7 dB a second). The pauses of
    speech keep it down, and a noise that stays becomes the floor.
    """

    def __init__(self) -> None:
        self._floor = self._hang = 0
        self._power = self._frames = self._loud = self._overlapped = 0

    @property
    def speaks(self) -> bool:
        return self._hang > 0

    def add(self, pcm: NDArray[np.int16]) -> bool:
        """Measure one frame; return whether it is speech."""
        power = int((pcm.astype("int64") ** 2).sum()) // len(pcm)
        self._power += power
        self._frames += 1
        if not self._floor:
            self._floor = min(power, FLOOR_FIRST)
        elif power < self._floor:
            self._floor -= (self._floor - power) // 4
        else:
            self._floor += min(self._floor // 128 + 1, power - self._floor)
        self._floor = max(self._floor, FLOOR_LEAST)
        if power >= QUIET and power // ABOVE >= self._floor:
            self._hang = HANG
        elif self._hang:
            self._hang -= 1
        self._loud += self._hang > 0
        return self._hang > 0

    def miss(self) -> None:
        """Nothing came in this frame: silence that says nothing about the floor."""
        self._frames += 1
        self._hang = max(0, self._hang - 1)

    def overlap(self) -> None:
        """The leg and somebody whom it hears spoke in the same frame."""
        self._overlapped += 1

    def take(self) -> Second:
        """Return what was measured since the last call and begin anew; the floor is kept."""
        power = self._power // self._frames if self._frames else 0
        second = Second(power, self._floor, self._frames, self._loud, self._overlapped)
        self._power = self._frames = self._loud = self._overlapped = 0
        return second
