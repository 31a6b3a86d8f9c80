"""Sound for virtual phones: tones out, levels in. Independent of the code under test.

G.711 here is ITU-T G.711 by its segment formula on numpy arrays, not the
switch's tables, so that an error in one shows against the other.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import ClassVar, Literal

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
        self._decoded = 0
        if name == "G722":
            self._in = G722.G722(16_000, 64_000)
        elif name == "opus":
            self._in = _opus("r")

    def encode(self, frequency: float, frame: int) -> bytes:
        """20 ms of a tone."""
        match self.name:
            case "G722" | "opus":
                return Said.of(self.name, frequency).frame(frame)
            case "G729":
                return f"{frequency:010.3f}".encode() * 2
        # A second holds whole periods of a whole number of Hz.
        return _encoded_tone(frequency, frame % 50 if frequency == int(frequency) else frame, self.name)

    def key(self, frequencies: tuple[float, float], frame: int) -> bytes:
        """20 ms of two tones at once, in G.711."""
        return encode(sum((tone(f, 1, frame) for f in frequencies), np.zeros(FRAME, np.int16)), self.name)

    def decode(self, payload: bytes) -> Samples:
        self._decoded += 1
        match self.name:
            case "G722":
                return np.asarray(self._in.decode(payload), dtype=np.int16)[::2]
            case "opus":
                frames = self._in.decode(av.Packet(payload))
                pcm = [frame.to_ndarray().reshape(-1) for frame in frames]
                flat = np.concatenate(pcm)[::6] if pcm else np.zeros(FRAME)
                return (flat * 32767 if flat.dtype.kind == "f" else flat).astype(np.int16)
            case "G729":
                return tone(float(payload[:10]), 1, self._decoded)
        return decode(payload, self.name)


class Said:
    """A tone through an encoder with a memory, kept: every telephone that says it in this process says the same."""

    _all: ClassVar[dict[tuple[str, float], Said]] = {}

    def __init__(self, name: str, frequency: float) -> None:
        self._name, self._frequency = name, frequency
        self._frames: list[bytes] = []
        self._encoder = G722.G722(16_000, 64_000) if name == "G722" else _opus("w")

    @classmethod
    def of(cls, name: str, frequency: float) -> Said:
        found = cls._all.get((name, frequency))
        if found is None:
            found = cls._all[name, frequency] = cls(name, frequency)
        return found

    def frame(self, number: int) -> bytes:
        while len(self._frames) <= number:
            self._frames.append(self._encode(len(self._frames)))
        return self._frames[number]

    def _encode(self, number: int) -> bytes:
        if self._name == "G722":
            return bytes(self._encoder.encode(_wide(self._frequency, number, 16_000)))
        pcm = av.AudioFrame.from_ndarray(
            _wide(self._frequency, number, 48_000).reshape(1, -1), format="s16", layout="mono"
        )
        pcm.sample_rate, pcm.pts = 48_000, number * 960
        return b"".join(map(bytes, self._encoder.encode(pcm)))


@lru_cache(maxsize=4096)
def _encoded_tone(frequency: float, frame: int, law: str) -> bytes:
    return encode(tone(frequency, 1, frame), law)


def _opus(mode: Literal["r", "w"]) -> av.AudioCodecContext:
    context = av.CodecContext.create("libopus", mode)
    context.sample_rate, context.layout, context.format = 48_000, "mono", "s16"
    if mode == "w":
        context.bit_rate = 32_000
    return context


def _wide(frequency: float, frame: int, rate: int) -> Samples:
    n = np.arange(frame * rate // 50, (frame + 1) * rate // 50)
    return np.round(32767 * 10 ** (-16 / 20) * np.sin(2 * math.pi * frequency * n / rate)).astype(np.int16)
