"""The resampler's specification: between 8, 16 and 48 kHz, a frame at a time, knowing only the frame before.

A pure function: 20 ms are whole samples at each rate, so the phase starts anew
with every frame, and no state exists but the last 4 ms of what came before.
The filter is one Nyquist low-pass per ratio (a sinc in a Kaiser window), 32
taps a phase, linear in phase. It delays by less than 2 ms, is flat within
0.02 dB up to 3.4 kHz (7 kHz between 16 and 48 kHz) and holds images and aliases
60 dB down from 4.6 kHz (9 kHz) on.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["RATES", "TAPS", "delay", "resample", "tail_of"]

RATES = (8000, 16000, 48000)

TAPS = 32
"""Of one phase, at the lower rate."""

BETA = 6.2
"""Of the Kaiser window."""


def tail_of(rate: int) -> int:
    """Return how many samples of the frame before a conversion from this rate looks at: 4 ms."""
    return rate // 250


def delay(source: int, target: int) -> float:
    """Return how much later the sound comes out than it went in, in seconds."""
    if source == target:
        return 0.0
    ratio = max(source, target) // min(source, target)
    # Upwards the centre of the filter; downwards the newest of ``ratio`` samples is already in the first output.
    samples = ratio * TAPS // 2 - 1 if target > source else (ratio * TAPS // 2 - 1) - (ratio - 1)
    return samples / max(source, target)


def resample(source: int, target: int, tail: NDArray[np.int16], pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """Convert samples at ``source`` Hz that follow ``tail`` (``tail_of(source)`` samples) to ``target`` Hz."""
    if source == target:
        return pcm.copy()
    line = np.concatenate((np.zeros(TAPS * 6, dtype=np.int64), tail, pcm)).astype(np.int64)
    start, n = len(line) - len(pcm), len(pcm)
    if target > source:
        ratio = target // source
        taps = _upwards(ratio)
        past = np.lib.stride_tricks.sliding_window_view(line, TAPS)[start - TAPS + 1 :][:n]
        return _saturated((past @ taps.T + (1 << 13)) >> 14).reshape(n * ratio)
    ratio = source // target
    width = TAPS * ratio
    past = np.lib.stride_tricks.sliding_window_view(line, width)[start + ratio - width :: ratio][: n // ratio]
    return _saturated((past @ _downwards(ratio) + (1 << 14)) >> 15)


def _saturated(samples: NDArray[np.int64]) -> NDArray[np.int16]:
    return samples.clip(-32768, 32767).astype(np.int16)


def _bessel(x: float) -> float:
    """Return the modified Bessel function of order zero, by its series."""
    term = total = 1.0
    for k in range(1, 40):
        term *= x / (2.0 * k) * (x / (2.0 * k))
        total += term
    return total


@cache
def _prototype(ratio: int) -> tuple[float, ...]:
    """Return the low-pass at the higher rate: an odd number of taps, so that it delays by whole samples, and a zero."""
    centre = (TAPS * ratio - 2) // 2
    taps = []
    for j in range(TAPS * ratio - 1):
        at, edge = (j - centre) / ratio, (j - centre) / centre
        window = _bessel(BETA * math.sqrt(1.0 - edge * edge)) / _bessel(BETA)
        taps.append(1.0 if j == centre else math.sin(math.pi * at) / (math.pi * at) * window)
    return (*taps, 0.0)


@cache
def _downwards(ratio: int) -> NDArray[np.int64]:
    """Return the taps for every ``ratio``-th sample, Q15, oldest sample first."""
    taps = _prototype(ratio)
    return _whole(taps[::-1], sum(taps), 1 << 15)


@cache
def _upwards(ratio: int) -> NDArray[np.int64]:
    """Return the taps of each phase, ``[phase, tap]``, Q14, oldest sample first."""
    taps = _prototype(ratio)
    phases = [taps[phase::ratio] for phase in range(ratio)]
    return np.stack([_whole(phase[::-1], sum(phase), 1 << 14) for phase in phases])


def _whole(taps: tuple[float, ...], total: float, one: int) -> NDArray[np.int64]:
    """Round taps so that they sum up to ``one``: a constant passes exactly, in every phase alike."""
    rounded = np.array([round(tap / total * one) for tap in taps], dtype=np.int64)
    rounded[int(np.argmax(rounded))] += one - int(rounded.sum())
    return rounded
