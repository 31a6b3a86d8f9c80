"""Digits that come as sound (ITU-T Q.23, Q.24), found in 8 kHz audio.

Two banks of Goertzel filters at the eight frequencies, each over blocks of 102
samples, one half a block behind the other. A tone of 40 ms holds four whole
blocks wherever it begins, and one of 20 ms at most three that are pure enough:
four of one digit in a row are a digit. Speech is rejected by what is not in the
two strongest tones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softswitch.rtp.dtmf import Began, Ended

__all__ = ["InbandReceiver", "suspect"]

BLOCK, HOP = 102, 51
HITS = 4
MISSES = 5
"""A break of 10 ms spoils three blocks and is bridged, a pause of 40 ms at least six."""
QUIET = 269_706
"""-36 dBov: Q.24 asks for -25 dBm0 in each tone, which is -28 dBov together."""

f32 = np.float32
LIKELY, PURE = (f32(f32(share * f32(BLOCK)) / f32(2)) for share in (f32(0.5), f32(0.82)))
"""A pure tone's Goertzel power is its energy times half the block.

Of a tone 1.8 % off (Q.24 table A-1) the filters at the nominal frequencies find
0.66; then the nearest of three filters 1.2 % apart finds 0.95 of it, and of
speech, and of a tone cut in the middle, less than 0.82.
"""
TWIST, REVERSE, PEAK = f32(12.6), f32(4.0), f32(4.0)
"""Columns above rows 8 dB, rows above columns 4, and what leaks between them in so short a block; above others 6."""

COEFFICIENTS = np.array(
    [1.7077378, 1.6452810, 1.5686870, 1.4782046, 1.1641040, 0.99637021, 0.79861839, 0.56853271], dtype=f32
)
"""2 cos(2 pi f / 8000) of 697, 770, 852, 941, 1209, 1336, 1477 and 1633 Hz."""

BESIDE = tuple(
    np.array(row, dtype=f32)
    for row in (
        (1.7145392, 1.6534898, 1.5785986, 1.4900941, 1.1825591, 1.0181261, 0.82406508, 0.59797566),
        (1.7008628, 1.6369856, 1.5586742, 1.4661988, 1.1454979, 0.97445636, 0.77301694, 0.53895509),
    )
)
"""The same 1.2 % lower and higher."""

EVENTS = ((1, 2, 3, 12), (4, 5, 6, 13), (7, 8, 9, 14), (10, 0, 11, 15))
"""By row and column of the keypad, the code of RFC 4733."""

Floats = NDArray[np.float32]


class _Bank:
    def __init__(self, filled: int) -> None:
        self.filled = filled
        self._clear()

    def _clear(self) -> None:
        self._s1, self._s2 = np.zeros(8, f32), np.zeros(8, f32)
        self._samples: list[np.int16] = []

    def add(self, sample: np.int16) -> int | None:
        """Take one sample; at the end of a block return its digit, or -1 for none."""
        self._s1, self._s2 = COEFFICIENTS * self._s1 - self._s2 + f32(sample), self._s1
        self._samples.append(sample)
        self.filled += 1
        if self.filled < BLOCK:
            return None
        digit = _judge(_powers(self._s1, self._s2), self._samples)
        self.filled = 0
        self._clear()
        return digit


class InbandReceiver:
    """Makes one ``Began`` and one ``Ended`` of each digit that sounds; durations are samples."""

    def __init__(self) -> None:
        self._banks = (_Bank(0), _Bank(HOP))
        self._candidate, self._hits = -1, 0
        self._current: int | None = None
        self._misses = self._hops = self._duration = 0

    def receive(self, pcm: NDArray[np.int16]) -> list[Began | Ended]:
        """Take at most 160 samples: they tell at most one end and then one beginning."""
        told: list[Began | Ended] = []
        for sample in pcm:
            for bank in self._banks:
                digit = bank.add(sample)
                if digit is not None:
                    self._block(digit, told)
        return told

    def _block(self, digit: int, told: list[Began | Ended]) -> None:
        if digit < 0:
            self._hits = 0
        else:
            self._hits = min(self._hits + 1, HITS) if digit == self._candidate and self._hits else 1
        self._candidate = digit
        if self._current is not None:
            self._hops += HOP
            if digit == self._current:
                self._misses, self._duration = 0, self._hops
            else:
                self._misses += 1
                if self._misses >= MISSES:
                    self._end(told)
        if self._hits == HITS and digit != self._current:
            if self._current is not None:
                self._end(told)
            self._current, self._misses = digit, 0
            self._hops = self._duration = BLOCK + (HITS - 1) * HOP
            told.append(Began(digit))

    def _end(self, told: list[Began | Ended]) -> None:
        assert self._current is not None
        told.append(Ended(self._current, self._duration))
        self._current = None


def suspect(pcm: NDArray[np.int16]) -> bool:
    """Whether 10 ms might be part of a digit: half of what sounds is in one row and one column.

    It is asked where nothing of a digit may get through, so speech is suspected too now and then.
    """
    energy = int(np.sum(pcm.astype(np.int64) ** 2))
    if energy < 10_737 * len(pcm):
        return False
    s1, s2 = np.zeros(8, f32), np.zeros(8, f32)
    for sample in pcm:
        s1, s2 = COEFFICIENTS * s1 - s2 + f32(sample), s1
    power = _powers(s1, s2)
    low, high = power[:4].max(), power[4:].max()
    both = low + high
    pure = both >= f32(f32(0.5) * f32(len(pcm) // 2)) * f32(energy)
    return bool(pure and low * f32(20) >= both and high * f32(20) >= both)


def _powers(s1: Floats, s2: Floats) -> Floats:
    power: Floats = s1 * s1 + s2 * s2 - COEFFICIENTS * s1 * s2
    return power


def _judge(power: Floats, samples: list[np.int16]) -> int:
    energy = sum(int(sample) ** 2 for sample in samples)
    if energy < QUIET * BLOCK:
        return -1
    row, column = int(np.argmax(power[:4])), int(np.argmax(power[4:]))
    low, high = power[row], power[4 + column]
    if low + high < LIKELY * f32(energy):
        return -1
    others = [power[k] * PEAK > low for k in range(4) if k != row]
    others += [power[4 + k] * PEAK > high for k in range(4) if k != column]
    if any(others):
        return -1
    beside = [_power(samples, np.array([side[row], side[4 + column]])) for side in BESIDE]
    low, high = max(low, *(b[0] for b in beside)), max(high, *(b[1] for b in beside))
    if low + high < PURE * f32(energy):
        return -1
    return -1 if high > low * TWIST or low > high * REVERSE else EVENTS[row][column]


def _power(samples: list[np.int16], coefficients: Floats) -> Floats:
    s1, s2 = np.zeros_like(coefficients), np.zeros_like(coefficients)
    for sample in samples:
        s1, s2 = coefficients * s1 - s2 + f32(sample), s1
    power: Floats = s1 * s1 + s2 * s2 - coefficients * s1 * s2
    return power
