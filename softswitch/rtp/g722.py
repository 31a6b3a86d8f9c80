"""ITU-T G.722 at 64 kbit/s (mode 1), block by block as section 6.2 of the recommendation names them. Slow, to be read.

A pair of 16 kHz samples is split by a quadrature mirror filter into two
sub-bands of 8 kHz; each is an ADPCM of its own, six bits for the lower one and
two for the higher. One byte holds a pair: the two bits above the six.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Decoder", "Encoder"]

QMF = (3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)
"""Every second coefficient of the filter, Q13; the others are these in reverse, as it is symmetric."""

# fmt: off
LEVELS = (
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
)
"""Decision levels of the lower band's quantizer, Q12 of the scale."""

INVERSE_4 = (
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
)
INVERSE_6 = (
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
)
INVERSE_2 = (-7408, -1616, 7408, 1616)
"""What the codes of four, six and two bits stand for, Q15 of the scale."""

STEP_4 = (-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60)
STEP_2 = (798, -214, 798, -214)
"""How a code moves the logarithm of the scale."""

POWERS = (
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
)
"""2^(i/32), Q11."""
# fmt: on


def _limit(value: int, low: int = -32768, high: int = 32767) -> int:
    return max(low, min(high, value))


class _Band:
    """The adaptive predictor and scale of one sub-band; encoder and decoder keep the same."""

    def __init__(self, scale: int, octaves: int, most: int) -> None:
        self.log_scale, self.scale = 0, scale
        self.octaves, self.most = octaves, most
        self.zeros = self.prediction = 0
        self.poles = [0, 0]
        self.reconstructed = [0, 0]
        self.partial = [0, 0]
        self.zero = [0] * 6
        self.differences = [0] * 6

    def adapt(self, difference: int, step: int) -> None:
        """Take a quantized difference; predict the next sample."""
        self._rescale(step)
        reconstructed = _limit(self.prediction + difference)
        self._move_poles(_limit(self.zeros + difference))
        self._move_zeros(difference)
        self.reconstructed = [reconstructed, self.reconstructed[0]]
        # FILTEP, FILTEZ, PREDIC
        poles = sum(a * _limit(2 * r) >> 15 for a, r in zip(self.poles, self.reconstructed, strict=True))
        zeros = sum(b * _limit(2 * d) >> 15 for b, d in zip(self.zero, self.differences, strict=True))
        self.zeros = _limit(zeros)
        self.prediction = _limit(_limit(poles) + self.zeros)

    def _rescale(self, step: int) -> None:
        """LOGSCL and SCALEL, LOGSCH and SCALEH."""
        self.log_scale = _limit((self.log_scale * 127 >> 7) + step, 0, self.most)
        mantissa, shift = POWERS[self.log_scale >> 6 & 31], self.octaves - (self.log_scale >> 11)
        self.scale = (mantissa << -shift if shift < 0 else mantissa >> shift) << 2

    def _move_poles(self, partial: int) -> None:
        """UPPOL2, then UPPOL1, by the signs of the partially reconstructed signal."""
        same = [(partial < 0) == (before < 0) for before in self.partial]
        four = _limit(4 * self.poles[0])
        second = _limit(-four if same[0] else four) >> 7
        second += (128 if same[1] else -128) + (self.poles[1] * 32512 >> 15)
        second = _limit(second, -12288, 12288)
        first = _limit((192 if same[0] else -192) + (self.poles[0] * 32640 >> 15))
        bound = 15360 - second
        self.poles = [_limit(first, -bound, bound), second]
        self.partial = [partial, self.partial[0]]

    def _move_zeros(self, difference: int) -> None:
        """UPZERO and DELAYA."""
        gain = 128 if difference else 0
        for i, before in enumerate(self.differences):
            same = (difference < 0) == (before < 0)
            self.zero[i] = _limit((gain if same else -gain) + (self.zero[i] * 32640 >> 15))
        self.differences = [difference, *self.differences[:5]]


class _Codec:
    def __init__(self) -> None:
        self._low = _Band(scale=32, octaves=8, most=18432)
        self._high = _Band(scale=8, octaves=10, most=22528)
        self._line = [0] * 24

    def _filter(self, newest: tuple[int, int]) -> tuple[int, int]:
        """Shift a pair into the line; return the sums over its even and its odd places."""
        self._line = [*self._line[2:], *newest]
        odd = sum(h * x for h, x in zip(QMF, self._line[0::2], strict=True))
        even = sum(h * x for h, x in zip(reversed(QMF), self._line[1::2], strict=True))
        return even, odd

    def _adapt(self, low: int, high: int) -> None:
        """The lower band adapts by the upper four of its six bits, so that two may be robbed on the way."""
        four = low >> 2
        self._low.adapt(self._low.scale * INVERSE_4[four] >> 15, STEP_4[four])
        self._high.adapt(self._high.scale * INVERSE_2[high] >> 15, STEP_2[high])


class Encoder(_Codec):
    def encode(self, samples: Sequence[int]) -> bytes:
        """Return one byte for each pair of samples."""
        return bytes(self._pair(*pair) for pair in zip(samples[0::2], samples[1::2], strict=True))

    def _pair(self, first: int, second: int) -> int:
        even, odd = self._filter((first, second))
        low = self._quantize_low((even + odd) >> 14)
        high = self._quantize_high((even - odd) >> 14)
        self._adapt(low, high)
        return high << 6 | low

    def _quantize_low(self, sample: int) -> int:
        """QUANTL: the codes count down as the magnitude grows, from 61 and, below zero, from 63, 62, 31."""
        difference = _limit(sample - self._low.prediction)
        magnitude = ~difference if difference < 0 else difference
        interval = sum(magnitude >= level * self._low.scale >> 12 for level in LEVELS)
        if difference >= 0:
            return 61 - interval
        return 63 - interval if interval < 2 else 33 - interval

    def _quantize_high(self, sample: int) -> int:
        """QUANTH"""
        difference = _limit(sample - self._high.prediction)
        magnitude = ~difference if difference < 0 else difference
        outer = magnitude >= 564 * self._high.scale >> 12
        return (1 if difference < 0 else 3) - outer


class Decoder(_Codec):
    def decode(self, payload: bytes) -> list[int]:
        """Return a pair of samples for each byte; nothing in a payload is illegal."""
        return [sample for code in payload for sample in self._pair(code & 63, code >> 6)]

    def _pair(self, low: int, high: int) -> tuple[int, int]:
        sounds_low = self._low.prediction + (self._low.scale * INVERSE_6[low] >> 15)
        sounds_high = self._high.prediction + (self._high.scale * INVERSE_2[high] >> 15)
        sounds_low, sounds_high = _limit(sounds_low, -16384, 16383), _limit(sounds_high, -16384, 16383)
        self._adapt(low, high)
        even, odd = self._filter((sounds_low + sounds_high, sounds_low - sounds_high))
        return _limit(even >> 11), _limit(odd >> 11)
