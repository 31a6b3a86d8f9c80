"""Tones: sine waves with a cadence, rendered once into linear PCM that players share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["RATE", "render"]

RATE = 8000

_FADE = 40
"""Samples (5 ms) over which each part of a cadence swells and dies away: a hard edge would click."""


@lru_cache(maxsize=64)
def render(frequencies: tuple[float, ...], level: float, cadence: tuple[float, ...], *, in_turn: bool = False) -> bytes:
    """Return one period of the tone as 16-bit linear PCM at 8 kHz, so that it can be repeated without a seam.

    ``frequencies`` in Hz, ``level`` of each in dBov (0 is a full-scale square
    wave, ITU-T G.711 and RFC 6464; a full-scale sine is -3.01), ``cadence``
    in seconds on, off, on, off...; empty is continuous. A continuous tone's
    period is at most ten seconds: frequencies are kept to a tenth of a hertz.
    ``in_turn``: each "on" has the next of the frequencies alone.
    """
    if in_turn and cadence:
        pairs = [cadence[i : i + 2] for i in range(0, len(cadence), 2)]
        turns = (frequencies[i % len(frequencies)] for i in range(len(pairs)))
        return b"".join(render((one,), level, pair) for one, pair in zip(turns, pairs, strict=True))
    wave = _wave(frequencies, level, _period(frequencies) if not cadence else max(1, round(sum(cadence) * RATE)))
    if cadence:
        wave *= _envelope(cadence, len(wave))
    return wave.round().clip(-32768, 32767).astype("<i2").tobytes()


def _period(frequencies: Sequence[float]) -> int:
    """Samples after which all frequencies have made whole turns."""
    return RATE if all(f == int(f) for f in frequencies) else 10 * RATE


def _wave(frequencies: Sequence[float], level: float, samples: int) -> NDArray[np.float64]:
    amplitude = 32768.0 * 10.0 ** (level / 20.0) * 2.0**0.5
    time = np.arange(samples) / RATE
    wave = np.zeros(samples)
    for frequency in frequencies:
        wave += amplitude * np.sin(2.0 * np.pi * round(frequency, 1) * time)
    return wave


def _envelope(cadence: Sequence[float], samples: int) -> NDArray[np.float64]:
    envelope = np.zeros(samples)
    start = 0.0
    for i, seconds in enumerate(cadence):
        first, last = round(start * RATE), min(round((start + seconds) * RATE), samples)
        start += seconds
        if i % 2 or last <= first:
            continue
        fade = min(_FADE, (last - first) // 2)
        envelope[first:last] = 1.0
        if fade:
            ramp = (np.arange(fade) + 1) / (fade + 1)
            envelope[first : first + fade] = ramp
            envelope[last - fade : last] = ramp[::-1]
    return envelope
