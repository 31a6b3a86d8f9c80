"""Sounds to be played: files decoded once to the core's own form, and the music when there is no file.

Everything returned is 8 kHz mono, signed 16-bit little-endian.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from softswitch.errors import NotPossible

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RATE", "default_music", "load", "pieces_of"]

RATE = 8000
"""Hz."""

MAX_DURATION = 3600.0
"""Seconds of one sound; an hour is 58 MB, and it is shared by all who hear it."""

CACHED = 256
"""How many sounds stay decoded."""

CONTAINERS = "wav,w64,aiff,au,flac,ogg,mp3,aac,mov,matroska,caf,amr,gsm,g722"
"""Files that hold sound themselves. Playlists are left out: they make the decoder open other files and addresses."""

SUFFIXES = frozenset(
    f".{name}"
    for name in ("wav", "w64", "aif", "aiff", "au", "flac", "ogg", "oga", "opus", "mp3", "aac", "m4a", "mka", "caf")
)
"""Of a folder's files those that are played."""

MUSIC_LEVEL = -20.0
"""dBov, RMS; 0 dBov is a full-scale square wave (ITU-T G.100.1)."""


def load(path: Path) -> bytes:
    """Return the samples of a sound file in any container and codec that the decoder knows, mixed to one channel.

    Of a folder: of all its sound files by name, one after another. What was
    decoded is kept until it changes. Raises ``NotPossible``, which says what is
    wrong with the file.
    """
    try:
        if path.is_dir():
            return _joined(path, tuple(_key(file) for file in pieces_of(path)))
        status = path.stat()
    except (OSError, ValueError) as error:
        raise NotPossible(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return _decoded(path, status.st_mtime_ns, status.st_size)


def pieces_of(folder: Path) -> list[Path]:
    """Return the sound files of a folder, known by their suffix, in the order of their names. Raises OSError."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())


def _key(file: Path) -> tuple[Path, int, int]:
    status = file.stat()
    return file, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _joined(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> bytes:
    if not files:
        raise NotPossible(f"{folder}: no sound file in this folder")
    # The pieces are not kept apart: an hour of music need not be in memory twice.
    joined = b"".join(_decoded.__wrapped__(*key) for key in files)
    if len(joined) > MAX_DURATION * RATE * 2:
        raise NotPossible(f"{folder}: longer than {MAX_DURATION / 60:.0f} minutes together")
    return joined


@lru_cache(maxsize=CACHED)
def _decoded(path: Path, _changed: int, _size: int) -> bytes:
    # Imported late: a switch that plays no file does not load the decoder's 100 MB of libraries.
    import av

    # PyAV before 19 refuses a file whose title is not UTF-8, unless told; PyAV 19 no longer knows the word.
    lenient: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}
    pieces: list[NDArray[np.int16]] = []
    length = 0
    try:
        # An open file, not a name: a name may be a protocol's address to the decoder.
        with (
            path.open("rb") as file,
            av.open(file, "r", options={"format_whitelist": CONTAINERS}, **lenient) as container,
        ):
            if not container.streams.audio:
                raise NotPossible(f"{path}: no sound in this file")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                for piece in resampler.resample(frame):
                    pieces.append(piece.to_ndarray()[0])
                    length += piece.samples
                if length > MAX_DURATION * RATE:
                    raise NotPossible(f"{path}: longer than {MAX_DURATION / 60:.0f} minutes")
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    except (av.FFmpegError, OSError, ValueError) as error:
        raise NotPossible(f"{path}: cannot be decoded ({getattr(error, 'strerror', None) or error})") from error
    if not any(len(piece) for piece in pieces):
        raise NotPossible(f"{path}: no sound in this file")
    return bytes(np.concatenate(pieces).astype("<i2"))


@lru_cache(maxsize=1)
def default_music() -> bytes:
    """Return calm music to wait with: 25.6 s that begin where they end, at ``MUSIC_LEVEL``.

    A slow broken chord for each of eight bars. Every note is a fundamental
    with two quiet overtones that dies away; what rings beyond the end rings on
    at the beginning, so the loop has no seam.
    """
    step = RATE * 2 // 5
    bars = [_chord(name) for name in ("C", "Am", "F", "G", "Em", "Am", "Dm", "G")]
    order = (0, 1, 2, 3, 4, 3, 2, 1)
    sound = np.zeros(len(bars) * len(order) * step)
    for bar, chord in enumerate(bars):
        for beat, note in enumerate(order):
            start = (bar * len(order) + beat) * step
            _ring(sound, start, _plucked(chord[note], 0.8 if beat % 4 else 1.0))
    scale = 32768 * 10 ** (MUSIC_LEVEL / 20) / np.sqrt(np.mean(sound**2))
    return bytes(np.rint(sound * scale).astype("<i2"))


def _chord(name: str) -> list[float]:
    """Return five rising notes of a chord, in Hz, from the octave below middle C, within the telephone band."""
    root = {"C": 0, "D": 2, "E": 4, "F": 5, "G": -5, "A": -3}[name[0]]
    third = 3 if name.endswith("m") else 4
    return [261.63 * 2 ** ((root + interval) / 12) for interval in (0, third, 7, 12, 12 + third)]


def _plucked(frequency: float, loudness: float) -> NDArray[np.float64]:
    time = np.arange(3 * RATE) / RATE
    tone = sum(part * np.sin(2 * np.pi * frequency * (k + 1) * time) for k, part in enumerate((1.0, 0.3, 0.1)))
    # 8 ms of attack so that no note clicks; e-fold in 0.7 s, and a straight line to zero at the end.
    envelope = np.minimum(time / 0.008, 1.0) * np.exp(-time / 0.7) * (1 - time / 3)
    result: NDArray[np.float64] = loudness * envelope * tone
    return result


def _ring(sound: NDArray[np.float64], start: int, note: NDArray[np.float64]) -> None:
    """Add a note to a loop."""
    places = (start + np.arange(len(note))) % len(sound)
    sound[places] += note
