"""Sound for virtual phones: tones out, levels in. Independent of the code under test.

G.711 here is ITU-T G.711 by its segment formula on numpy arrays, not the
switch's tables, so that an error in one shows against the other.
"""

from __future__ import annotations

import math

import av
import G722
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


class Coder:
    """One telephone's codec, both ways, at 8 kHz outside. A codec that nobody here knows has the tone's Hz in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.raw: list[bytes] = []
        if name == "G722":
            self._out, self._in = G722.G722(16_000, 64_000), G722.G722(16_000, 64_000)
        elif name == "opus":
            self._out, self._in = (av.CodecContext.create("libopus", mode) for mode in "wr")
            for context in (self._out, self._in):
                context.sample_rate, context.layout, context.format = 48_000, "mono", "s16"
            self._out.bit_rate = 32_000

    def encode(self, frequency: float, frame: int) -> bytes:
        """20 ms of a tone."""
        match self.name:
            case "G722":
                return bytes(self._out.encode(self._wide(frequency, frame, 16_000)))
            case "opus":
                pcm = av.AudioFrame.from_ndarray(
                    self._wide(frequency, frame, 48_000).reshape(1, -1), format="s16", layout="mono"
                )
                pcm.sample_rate, pcm.pts = 48_000, frame * 960
                return b"".join(map(bytes, self._out.encode(pcm)))
            case "G729":
                return f"{frequency:010.3f}".encode() * 2
        return encode(tone(frequency, 1, frame), self.name)

    def decode(self, payload: bytes) -> Samples:
        self.raw.append(payload)
        match self.name:
            case "G722":
                return np.asarray(self._in.decode(payload), dtype=np.int16)[::2]
            case "opus":
                frames = self._in.decode(av.Packet(payload))
                pcm = [frame.to_ndarray().astype(np.float64) for frame in frames]
                flat = np.concatenate([one.reshape(-1) for one in pcm]) if pcm else np.zeros(960)
                scale = 32767 if frames and frames[0].format.name.startswith("flt") else 1
                return (flat[::6] * scale).astype(np.int16)
            case "G729":
                return tone(float(payload[:10]), 1, len(self.raw))
        return decode(payload, self.name)

    def _wide(self, frequency: float, frame: int, rate: int) -> Samples:
        n = np.arange(frame * rate // 50, (frame + 1) * rate // 50)
        return np.round(32767 * 10 ** (-16 / 20) * np.sin(2 * math.pi * frequency * n / rate)).astype(np.int16)
