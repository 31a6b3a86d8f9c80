"""Comfort noise (RFC 3389): what is heard while a sender that detects silence sends nothing.

A packet tells the level of the noise and, if it likes, reflection coefficients
that shape its spectrum. The noise is a linear congruential generator through
the lattice filter of the coefficients, in the fixed point of ``ext/cn.h``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["ComfortNoise", "payload"]

QUIETEST = 127
"""-dBov; section 3.1."""

ORDER = 10
"""Coefficients beyond these are left out: the lattice is stable without them."""

STEP = 4
"""dB by which the level follows a new one at most, a frame."""


class ComfortNoise:
    """The generator of one stream."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._level = self._aimed = QUIETEST
        self._reflection: list[int] = []
        self._delayed = [0] * ORDER

    def take(self, packet: bytes) -> bool:
        """Take a payload: a byte of level, and a byte for each coefficient, 127 being zero. An empty one is none."""
        if not packet:
            return False
        self._aimed = packet[0] & 0x7F
        if self._level == QUIETEST:
            self._level = self._aimed
        self._reflection = [max(-32000, min(32000, (byte - 127) * 258)) for byte in packet[1 : 1 + ORDER]]
        return True

    def make(self, n: int) -> list[int]:
        """Return the next ``n`` samples."""
        self._level += max(-STEP, min(STEP, self._aimed - self._level))
        loss = 1.0
        for k in self._reflection:
            loss *= 1.0 - k * k / 2**30
        # White noise that is even in -1..1 has an RMS of 1/sqrt(3); the filter amplifies by the product of 1/(1-k^2).
        loudest = round(32767.0 * math.sqrt(3.0) * 10.0 ** (-self._level / 20.0) * 256.0)
        amplitude = int(loudest * math.sqrt(loss))
        return [self._sample(amplitude) for _ in range(n)]

    def _sample(self, amplitude: int) -> int:
        self._seed = (self._seed * 1664525 + 1013904223) & 0xFFFFFFFF
        forward = (_signed(self._seed) >> 16) * amplitude >> 15
        order = len(self._reflection)
        for k in reversed(range(order)):
            forward -= self._reflection[k] * self._delayed[k] >> 15
            backward = self._delayed[k] + (self._reflection[k] * forward >> 15)
            if k + 1 < order:
                self._delayed[k + 1] = _limit(backward, 31)
        forward = _limit(forward, 31)
        if order:
            self._delayed[0] = forward
        return _limit((forward + 128) >> 8, 15)


def payload(pcm: Sequence[int]) -> bytes:
    """Return the packet that tells of the noise in these samples: its level alone."""
    power = sum(sample * sample for sample in pcm)
    if not power:
        return bytes([QUIETEST])
    level = round(-10.0 * math.log10(power / len(pcm) / (32767.0 * 32767.0)))
    return bytes([max(0, min(QUIETEST, level))])


def _signed(word: int) -> int:
    return word - (1 << 32) if word & 0x80000000 else word


def _limit(value: int, bits: int) -> int:
    return max(-(1 << bits), min((1 << bits) - 1, value))
