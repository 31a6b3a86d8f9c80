"""The two tones of a digit (ITU-T Q.23), made at any rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["HIGH", "LOW", "PLACES", "DigitTone"]

LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
"""Rows and columns of the keypad, in Hz."""

PLACES = "123A456B789C*0#D"
"""The keypad, row by row."""

DIGITS = "0123456789*#ABCD"
LOW_PEAK, HIGH_PEAK = 6434, 8100
"""-11 and -9 dBm0 (ETSI ES 201 235-2): peaks of sines, where a full-scale one is +3.14 dBm0."""
FADES_PER_SECOND = 200
TURN = 1 << 32
TABLE = np.rint(32767 * np.sin(2 * np.pi * np.arange(1024) / 1024)).astype(np.int64)


class DigitTone:
    """Goes on from frame to frame without a click."""

    def __init__(self) -> None:
        self._phase = [0, 0]

    def frame(self, event: int, rate: int, first: bool, last: bool, samples: int) -> NDArray[np.int16]:
        """Return samples of a digit, by its RFC 4733 code; anything but the sixteen digits is silence.

        ``first`` fades them in from silence and begins a new tone, ``last`` fades them out.
        """
        if not 0 <= event < len(DIGITS):
            return np.zeros(samples, np.int16)
        row, column = divmod(PLACES.index(DIGITS[event]), 4)
        if first:
            self._phase = [0, 0]
        sound = np.zeros(samples, np.int64)
        for i, (frequency, peak) in enumerate(((LOW[row], LOW_PEAK), (HIGH[column], HIGH_PEAK))):
            step = frequency * TURN // rate
            phase = (self._phase[i] + step * np.arange(samples)) % TURN
            sound += TABLE[phase >> 22] * peak
            self._phase[i] = (self._phase[i] + step * samples) % TURN
        sound >>= 15
        fade = min(rate // FADES_PER_SECOND, samples)
        ramp = np.arange(fade)
        # Division toward zero, as in C.
        if first:
            sound[:fade] = np.trunc(sound[:fade] * ramp / fade)
        if last:
            sound[samples - fade :] = np.trunc(sound[samples - fade :] * ramp[::-1] / fade)
        return sound.astype(np.int16)
