"""Test tones: made, written as WAV, and found again in what somebody heard."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

RATE = 8000
SILENCE = -120.0
"""dBov that stand for no power at all."""


@dataclass(frozen=True)
class Sound:
    """Channels of samples in -1..1, at ``RATE``."""

    channels: tuple[Samples, ...]

    @property
    def duration(self) -> float:
        return len(self.channels[0]) / RATE

    @property
    def mono(self) -> Samples:
        (only,) = self.channels
        return only


def tone(frequency: float, seconds: float, level: float = -12.0) -> Samples:
    """Return a sine whose RMS is ``level`` dBov; 0 dBov is a full-scale square wave, so -3.01 is the loudest sine."""
    at = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(10 ** (level / 20) * np.sqrt(2.0) * np.sin(2 * np.pi * frequency * at))


def write(path: Path, samples: Samples) -> Path:
    """Write 16-bit mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return path


def read(path: Path) -> Sound:
    """Read 16-bit PCM with any number of channels, at ours or a multiple of it: tones need no filter to be thinned."""
    with wave.open(str(path), "rb") as file:
        step, odd = divmod(file.getframerate(), RATE)
        assert odd == 0, f"{path.name} has {file.getframerate()} Hz"
        assert file.getsampwidth() == 2, f"{path.name} has {8 * file.getsampwidth()} bits"
        flat = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64) / 32768
        channels = file.getnchannels()
        return Sound(tuple(flat[channel :: channels * step] for channel in range(channels)))


def level(samples: Samples) -> float:
    """Return the RMS in dBov."""
    power = float(np.mean(samples**2)) if len(samples) else 0.0
    return 10 * float(np.log10(power)) if power > 0 else SILENCE


def goertzel(samples: Samples, frequency: float) -> float:
    """Return the level of one frequency in dBov (Goertzel, 1958), through a Hann window against leakage."""
    size = len(samples)
    if size == 0:
        return SILENCE
    window = np.hanning(size)
    turn = np.exp(-2j * np.pi * frequency / RATE * np.arange(size))
    amplitude = 2 * abs(np.dot(samples * window, turn)) / window.sum()
    return 20 * float(np.log10(amplitude / np.sqrt(2))) if amplitude > 0 else SILENCE


def steady(samples: Samples, frequency: float, seconds: float = 1.0, above: float = -30.0) -> Samples:
    """Return the piece of ``seconds`` in which the frequency is loudest and steadiest, away from starts and ends."""
    size = round(seconds * RATE)
    pieces = [samples[at : at + size] for at in range(0, max(1, len(samples) - size), size // 4)]
    best = max(pieces, key=lambda piece: goertzel(piece, frequency))
    assert goertzel(best, frequency) > above, f"{frequency:g} Hz is not there: {goertzel(best, frequency):.1f} dBov"
    return best


def difference(samples: Samples, wanted: float, unwanted: float) -> float:
    """Return how far below ``wanted`` lies ``unwanted``, in dB, where ``wanted`` is steady; more is better."""
    piece = steady(samples, wanted)
    return goertzel(piece, wanted) - goertzel(piece, unwanted)


def onset(samples: Samples, above: float = -40.0) -> float:
    """Return the second at which the sound begins: the first millisecond louder than ``above`` dBov."""
    for at in range(0, len(samples) - 8, 8):
        if level(samples[at : at + 8]) > above:
            return at / RATE
    raise AssertionError(f"nothing is louder than {above:g} dBov in {len(samples) / RATE:.2f} s")
