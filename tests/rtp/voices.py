"""Sounds for the tests of play-out: a synthetic voice of known pitch, noise, silence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["pcm_of", "voice"]

Pcm = NDArray[np.int64]


def voice(rate: int, seconds: float = 1.0, pitch: float = 110.0, amplitude: float = 6000.0) -> Pcm:
    """Harmonics of a pitch that glides by 10 %, as loud as they are in a vowel."""
    time = np.arange(round(rate * seconds)) / rate
    phase = 2 * np.pi * pitch * (time + 0.05 / np.pi * np.sin(2 * np.pi * time))
    harmonics = [np.sin(k * phase + k * k) / k for k in range(1, 20) if k * pitch * 1.2 < rate / 2]
    sound = np.sum(harmonics, axis=0)
    return np.round(amplitude * sound / np.abs(sound).max()).astype(np.int64)


def pcm_of(kind: str, rate: int, n: int, seed: int) -> Pcm:
    """``n`` samples of 16 bits: "voice", "noise", "loud" (full scale noise) or "silence"."""
    random = np.random.default_rng(seed)
    match kind:
        case "voice":
            return voice(rate, (n + 1) / rate, pitch=float(random.uniform(70, 300)))[:n]
        case "noise":
            return random.integers(-500, 500, n)
        case "loud":
            return random.integers(-32_768, 32_768, n)
    return np.zeros(n, np.int64)
