"""The marks of the load generator in a recording: which frame of whom stands where, and what of it is wrong."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME", "Verdict", "judge"]

FRAME = 160
MARK = 12
SLOTS = 20
SAMPLES_A_MS = 8
EDGE = FRAME + 50 * SAMPLES_A_MS
"""Samples at either end of a file where no frame need begin: one frame, and what a packet may be late."""
MOST = 200
"""Numbers of missing frames that a verdict tells."""


def _symbols() -> NDArray[np.uint8]:
    """Of each sample, by its 16 bits: 16 levels, eight octaves of two signs (see loadgen_media.c)."""
    value = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    octave = np.clip(np.rint(np.log2(np.maximum(np.abs(value), 1) / 200.0)), 0, 7).astype(np.uint8)
    return np.where(value < 0, 8, 0).astype(np.uint8) + octave


SYMBOLS = _symbols()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one file holds. Lengths are in samples at 8 kHz.

    ``missing`` are frames that are not there between the first and the last of their track, ``bare`` frames for
    which there is room before the first or behind the last, ``doubled`` frames that begin before the one before has
    ended. ``absent`` names the missing ones: (leg, frame). ``apart`` is the most by which the tracks are not aligned,
    by the clock by which the frames were said; None where that is not known.
    """

    samples: int
    frames: int
    missing: int
    bare: int
    doubled: int
    apart: float | None
    absent: tuple[tuple[int, int], ...] = ()


def numbers(track: NDArray[np.int16]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Find the marks in a track: whose they are, the frame numbers in ascending order, and where those frames begin.

    A mark is 12 samples in 16 levels: two that never change, three of the leg, five of the number, two of the check.
    """
    symbol = SYMBOLS[track.view(np.uint16)]
    begins = np.flatnonzero((symbol[: -MARK + 1] == 7) & (symbol[1 : len(symbol) - MARK + 2] == 15))
    digits = symbol[begins[:, np.newaxis] + np.arange(MARK)].astype(np.int64)
    leg = digits[:, 2] << 8 | digits[:, 3] << 4 | digits[:, 4]
    frame = digits[:, 5] << 16 | digits[:, 6] << 12 | digits[:, 7] << 8 | digits[:, 8] << 4 | digits[:, 9]
    mixed = (leg * 2654435761 & 0xFFFFFFFF) ^ (frame * 2246822519 & 0xFFFFFFFF)
    right = (mixed ^ mixed >> 8 ^ mixed >> 16 ^ mixed >> 24) & 255 == (digits[:, 10] << 4 | digits[:, 11])
    begins, leg, frame = begins[right], leg[right], frame[right]
    if not begins.size:
        return -1, frame, begins
    # One in 256 windows has a right check by chance: those are of another leg, or far from where their number belongs.
    drift, whose = begins - FRAME * frame, int(np.bincount(leg).argmax())
    true = (leg == whose) & (np.abs(drift - np.median(drift)) < 50 * FRAME)
    found, first = np.unique(frame[true], return_index=True)
    return whose, found, begins[true][first]


def judge(path: Path) -> Verdict:
    """Read the two sides of one file back."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, file.getnchannels())
    tracks = [numbers(np.ascontiguousarray(samples[:, channel])) for channel in (0, 1)]
    frames = missing = bare = doubled = 0
    absent: list[tuple[int, int]] = []
    for leg, found, places in tracks:
        if not found.size:
            bare += len(samples) // FRAME
            continue
        frames += found.size
        missing += int(found[-1] - found[0]) + 1 - found.size
        gaps = np.setdiff1d(np.arange(found[0], found[-1] + 1), found, assume_unique=True)
        absent += [(leg, int(number)) for number in gaps[: MOST - len(absent)]]
        for edge in (int(places[0]), len(samples) - int(places[-1]) - FRAME):
            bare += max(0, edge - EDGE + FRAME - 1) // FRAME
        doubled += int(np.count_nonzero(np.diff(places) < FRAME))
    return Verdict(
        samples=len(samples),
        frames=frames,
        missing=missing,
        bare=bare,
        doubled=doubled,
        apart=_apart(tracks),
        absent=tuple(absent),
    )


def _apart(tracks: list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]) -> float | None:
    (left, first, first_places), (right, second, second_places) = tracks
    _, one, other = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    if not one.size:
        return None
    said = SAMPLES_A_MS * (left % SLOTS - right % SLOTS)
    return float(np.abs(first_places[one] - second_places[other] - said).max())
