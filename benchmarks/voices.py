"""Two seconds of something like speech, encoded by FFmpeg's encoders, for legs that do not speak G.711."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000
FRAME = RATE // 50
SECONDS = 2.0


def voice() -> NDArray[np.int16]:
    """Harmonics of a moving pitch, four syllables a second, a pause at the end: 16 kHz, at about -20 dBov."""
    at = np.arange(int(RATE * SECONDS)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * at)) / RATE
    sound = sum(np.sin(k * phase) / k * np.exp(-(((k * 120 - 500) / 900) ** 2)) for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 4 * at), 0, None) ** 0.5 * (at < SECONDS - 0.4)
    noise = np.random.default_rng(1).normal(0, 0.003, at.size)
    shaped = sound * syllables + noise
    return (shaped / np.max(np.abs(shaped)) * 9000).astype(np.int16)


def voice_file(codec: str, directory: Path) -> Path:
    """Write the frames of 20 ms in the form that the load generator reads; return the file."""
    encoder = av.CodecContext.create("libopus" if codec == "opus" else "g722", "w")
    encoder.sample_rate = RATE
    encoder.layout = "mono"
    encoder.format = av.AudioFormat("s16")
    if codec == "opus":
        encoder.bit_rate = 24_000
        encoder.options = {"application": "voip", "frame_duration": "20"}
    frames: list[bytes] = []
    sound = voice()
    for begin in range(0, sound.size - FRAME + 1, FRAME):
        frame = av.AudioFrame.from_ndarray(sound[np.newaxis, begin : begin + FRAME], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, begin
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    frames += [bytes(packet) for packet in encoder.encode(None)]
    path = directory / f"{codec}.frames"
    path.write_bytes(b"".join(struct.pack("<H", len(frame)) + frame for frame in frames))
    return path
