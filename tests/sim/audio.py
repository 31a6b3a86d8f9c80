"""Sound for virtual phones: tones out, levels in. Independent of the code under test.

G.711 here is ITU-T G.711 by its segment formula on numpy arrays, not the
switch's tables, so that an error in one shows against the other.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

RATE = 8000
FRAME = 160


def tone(frequency: float, frames: int, start: int = 0, level: float = -16.0) -> Samples:
    """A sine of ``level`` dBov (peak-referenced), continuing at frame ``start``."""
    n = np.arange(start * FRAME, (start + frames) * FRAME)
    amplitude = 32767 * 10 ** (level / 20)
    return np.round(amplitude * np.sin(2 * math.pi * frequency * n / RATE)).astype(np.int16)


def level_of(samples: Samples, frequency: float) -> float:
    """Level of one frequency in dBov (peak-referenced): a Goertzel bin under a Hann window."""
    if len(samples) < FRAME:
        return -120.0
    x = samples.astype(np.float64) / 32767
    window = np.hanning(len(x))
    n = np.arange(len(x))
    bin_ = np.sum(x * window * np.exp(-2j * math.pi * frequency * n / RATE))
    return max(-120.0, 20 * math.log10(max(2 * abs(bin_) / np.sum(window), 1e-6)))


def _decoded(code: int, law: str) -> int:
    if law == "PCMU":
        u = ~code & 0xFF
        value = ((u & 0x0F) << 3) + 0x84 << ((u & 0x70) >> 4)
        return (0x84 - value) if u & 0x80 else (value - 0x84)
    a = code ^ 0x55
    value = (a & 0x0F) << 4
    segment = (a & 0x70) >> 4
    value += 8 if segment == 0 else 0x108
    value <<= max(segment - 1, 0)
    return value if a & 0x80 else -value


_TABLE = {law: np.array([_decoded(c, law) for c in range(256)], dtype=np.int16) for law in ("PCMU", "PCMA")}
_ORDER = {law: np.argsort(table, kind="stable") for law, table in _TABLE.items()}
_SORTED = {law: table[_ORDER[law]].astype(np.int32) for law, table in _TABLE.items()}


def decode(payload: bytes, law: str) -> Samples:
    return _TABLE[law][np.frombuffer(payload, np.uint8)]


def encode(samples: Samples, law: str) -> bytes:
    """The nearest code of each sample."""
    ordered = _SORTED[law]
    x = samples.astype(np.int32)
    right = np.clip(np.searchsorted(ordered, x), 1, 255)
    nearer = np.where(x - ordered[right - 1] <= ordered[right] - x, right - 1, right)
    return _ORDER[law][nearer].astype(np.uint8).tobytes()
