"""Tones: sine waves with a cadence, rendered once into linear PCM that players share."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache

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
    # Without NumPy: its import would hold up the loop of a switch that has just started, for a few milliseconds' work.
    if not cadence:
        samples = _wave(frequencies, level, 0, _period(frequencies))
        return struct.pack(f"<{len(samples)}h", *samples)
    samples = [0] * max(1, round(sum(cadence) * RATE))
    start = 0.0
    for i, seconds in enumerate(cadence):
        first, last = round(start * RATE), min(round((start + seconds) * RATE), len(samples))
        start += seconds
        if i % 2 == 0 and last > first:
            samples[first:last] = _wave(frequencies, level, first, last, fade=min(_FADE, (last - first) // 2))
    return struct.pack(f"<{len(samples)}h", *samples)


def _period(frequencies: Sequence[float]) -> int:
    """Samples after which all frequencies have made whole turns."""
    return RATE if all(f == int(f) for f in frequencies) else 10 * RATE


def _wave(frequencies: Sequence[float], level: float, first: int, last: int, fade: int = 0) -> list[int]:
    """Return the samples from ``first`` to before ``last``; the outermost ``fade`` of them swell and die away."""
    amplitude = 32768.0 * 10.0 ** (level / 20.0) * 2.0**0.5
    turns = [2.0 * math.pi * round(frequency, 1) / RATE for frequency in frequencies]
    wave = [amplitude * sum(math.sin(turn * at) for turn in turns) for at in range(first, last)]
    for i in range(fade):
        wave[i] *= (i + 1) / (fade + 1)
        wave[-1 - i] *= (i + 1) / (fade + 1)
    return [max(-32768, min(32767, round(sample))) for sample in wave]
