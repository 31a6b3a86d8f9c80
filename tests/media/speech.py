"""Speech to measure sound by: espeak-ng speaks, a handset's band and level make it what a telephone sends."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import wave
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["MISSING", "SENTENCES", "missing", "speech"]

SENTENCES = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well. These days a chicken leg is a rare dish.",
    "Four hours of steady work faced us. A large size in stockings is hard to sell.",
    "The boy was there when the sun rose. A rod is used to catch pink salmon.",
)
"""The first of the Harvard sentences (IEEE 297-1969)."""

MISSING = "espeak-ng is not installed (Debian: apt install espeak-ng)"
LEVEL_DBOV = -26.0
"""ITU-T P.56: the level that speech for measurements has."""
NARROW, WIDE = (300.0, 3400.0), (100.0, 7000.0)


def missing() -> str | None:
    """Why there is no speech here, or None. Where SOFTSWITCH_REQUIRE_PEERS is set, that is an error."""
    if shutil.which("espeak-ng"):
        return None
    if os.environ.get("SOFTSWITCH_REQUIRE_PEERS"):
        raise AssertionError(MISSING)
    return MISSING


@cache
def speech(rate: int, sentence: int = 0, voice: str = "en-us+f3") -> NDArray[np.int16]:
    """One of the ``SENTENCES`` as a handset would send it, at 8 or 16 kHz, with 0.4 s of silence on both sides."""
    command = ["espeak-ng", "-v", voice, "-s", "160", "--stdout", SENTENCES[sentence]]
    spoken = subprocess.run(command, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        source = file.getframerate()
    # The sizes in the header are not true: espeak-ng writes it before it speaks.
    pcm = np.frombuffer(spoken[44 : len(spoken) // 2 * 2], "<i2").astype(float)
    spectrum = np.fft.rfft(pcm)
    frequency = np.fft.rfftfreq(len(pcm), 1 / source)
    low, high = NARROW if rate == 8000 else WIDE
    spectrum *= 1 / np.sqrt(1 + (low / np.maximum(frequency, 1)) ** 8) / np.sqrt(1 + (frequency / high) ** 16)
    samples = len(pcm) * rate // source
    sound = np.fft.irfft(spectrum[: samples // 2 + 1], samples)
    active = sound[np.abs(sound) > 0.05 * np.abs(sound).max()]
    sound *= 32_768 * 10 ** (LEVEL_DBOV / 20) / np.sqrt(np.mean(active**2))
    quiet = np.zeros(rate * 2 // 5)
    return np.clip(np.concatenate([quiet, sound, quiet]), -32_768, 32_767).astype(np.int16)
