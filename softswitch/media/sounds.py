"""Sounds to be played: files decoded once to the core's own form, and the music when there is no file.

Everything returned is mono, signed 16-bit little-endian, at 16 kHz where the file has so much, else at 8 kHz:
wide-band telephones hear wide-band music, and a minute of it takes 1.9 MB, once for all who hear it.
"""

from __future__ import annotations

import random
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softswitch.errors import NotPossible

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PLAYLISTS", "RATE", "WIDE", "Sound", "default_music", "load", "pieces_of"]

RATE, WIDE = 8000, 16_000
"""Hz. No telephone is sent more than 16 kHz (our Opus asks for that, and so does G.722)."""

MAX_DURATION = 3600.0
"""Seconds of one sound; an hour at 16 kHz is 115 MB, and it is shared by all who hear it."""

CACHED = 256
"""How many sounds stay decoded."""

CONTAINERS = "wav,w64,aiff,au,flac,ogg,mp3,aac,mov,matroska,caf,amr,gsm,g722"
"""Files that hold sound themselves. Playlists are left out: they make the decoder open other files and addresses."""

SUFFIXES = frozenset(
    f".{name}"
    for name in ("wav", "w64", "aif", "aiff", "au", "flac", "ogg", "oga", "opus", "mp3", "aac", "m4a", "mka", "caf")
)
"""Of a folder's files those that are played."""

PLAYLISTS = frozenset({".m3u", ".m3u8"})
"""Lists of files, one a line, relative to the list; "#" begins a remark."""

MUSIC_LEVEL = -20.0
"""dBov, RMS; 0 dBov is a full-scale square wave (ITU-T G.100.1)."""


@dataclass(frozen=True, slots=True)
class Sound:
    """``starts`` are the samples at which its pieces begin, the first of them 0."""

    samples: bytes
    rate: int
    starts: tuple[int, ...] = (0,)


def load(path: Path, *, shuffled: bool = False) -> Sound:
    """Return a sound file in any container and codec that the decoder knows, mixed to one channel.

    Of a folder: all its sound files by name, one after another; of a playlist, what stands there in its order.
    ``shuffled``: in another order, always the same. What was decoded is kept until it changes. Raises
    ``NotPossible``, which says what is wrong with the file.
    """
    try:
        if path.is_dir() or path.suffix.lower() in PLAYLISTS:
            return _joined(path, tuple(_key(file) for file in pieces_of(path)), shuffled)
        status = path.stat()
    except (OSError, ValueError) as error:
        where = getattr(error, "filename", None) or path
        raise NotPossible(f"{where}: {getattr(error, 'strerror', None) or error}") from error
    return _decoded(path, status.st_mtime_ns, status.st_size)


def pieces_of(path: Path) -> list[Path]:
    """Return the sound files of a folder, known by their suffix, by name, or those of a playlist.

    Raises OSError, and NotPossible for a playlist that names something else than files.
    """
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    lines = (line.strip() for line in path.read_text("utf-8-sig", "replace").splitlines())
    named = [line for line in lines if line and not line.startswith("#")]
    for name in named:
        if "://" in name or Path(name).suffix.lower() in PLAYLISTS:
            raise NotPossible(f"{path}: {name} is no sound file")
    return [path.parent / name for name in named]


def _key(file: Path) -> tuple[Path, int, int]:
    status = file.stat()
    return file, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _joined(path: Path, files: tuple[tuple[Path, int, int], ...], shuffled: bool) -> Sound:
    if not files:
        raise NotPossible(f"{path}: no sound file in this {'folder' if path.is_dir() else 'playlist'}")
    order = list(files)
    if shuffled:
        random.Random(len(files)).shuffle(order)  # a seed of its own: who comes later hears the same order
    # The pieces are not kept apart: an hour of music need not be in memory twice.
    rate = max(_rate_of(key[0]) for key in order)
    pieces = [_decode(key[0], rate).samples for key in order]
    length = sum(map(len, pieces))
    if length > MAX_DURATION * rate * 2:
        raise NotPossible(f"{path}: longer than {MAX_DURATION / 60:.0f} minutes together")
    starts, at = [], 0
    for piece in pieces:
        starts.append(at)
        at += len(piece) // 2
    return Sound(b"".join(pieces), rate, tuple(starts))


@lru_cache(maxsize=CACHED)
def _decoded(path: Path, _changed: int, _size: int) -> Sound:
    return _plain(path) or _decode(path, _rate_of(path))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file with the decoder. Raises NotPossible for what has no sound or cannot be read, also later on."""
    # Imported late: a switch that plays no other file does not load the decoder's 100 MB of libraries.
    import av

    # PyAV before 19 refuses a file whose title is not UTF-8, unless told; PyAV 19 no longer knows the word.
    lenient: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}
    try:
        # An open file, not a name: a name may be a protocol's address to the decoder.
        with (
            path.open("rb") as file,
            av.open(file, "r", options={"format_whitelist": CONTAINERS}, **lenient) as container,
        ):
            if not container.streams.audio:
                raise NotPossible(f"{path}: no sound in this file")
            yield container
    except (av.FFmpegError, OSError, ValueError) as error:
        raise NotPossible(f"{path}: cannot be decoded ({getattr(error, 'strerror', None) or error})") from error


def _rate_of(path: Path) -> int:
    with _opened(path) as container:
        return WIDE if (container.streams.audio[0].codec_context.sample_rate or 0) >= WIDE else RATE


def _decode(path: Path, rate: int) -> Sound:
    import av
    import numpy as np

    pieces: list[NDArray[np.int16]] = []
    length = 0
    with _opened(path) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        for frame in container.decode(audio=0):
            for piece in resampler.resample(frame):
                pieces.append(piece.to_ndarray()[0])
                length += piece.samples
            if length > MAX_DURATION * rate:
                raise NotPossible(f"{path}: longer than {MAX_DURATION / 60:.0f} minutes")
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    if not any(len(piece) for piece in pieces):
        raise NotPossible(f"{path}: no sound in this file")
    return Sound(bytes(np.concatenate(pieces).astype("<i2")), rate)


def _plain(path: Path) -> Sound | None:
    """Return a WAV file that is in the core's own form already, as the built-in music is; None for any other."""
    try:
        with wave.open(str(path)) as file:
            rate, length = file.getframerate(), file.getnframes()
            if (file.getnchannels(), file.getsampwidth()) != (1, 2) or rate not in (RATE, WIDE):
                return None
            if not 0 < length <= MAX_DURATION * rate:
                return None
            samples = file.readframes(length)
    except (wave.Error, EOFError, OSError):
        return None  # The decoder knows more about it, or says what is wrong.
    return Sound(samples[: len(samples) // 2 * 2], rate) if len(samples) > 1 else None


@lru_cache(maxsize=1)
def default_music() -> bytes:
    """Return calm music to wait with: 25.6 s that begin where they end, at ``MUSIC_LEVEL``.

    A slow broken chord for each of eight bars. Every note is a fundamental
    with two quiet overtones that dies away; what rings beyond the end rings on
    at the beginning, so the loop has no seam.
    """
    import numpy as np

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
    import numpy as np

    time = np.arange(3 * RATE) / RATE
    tone = sum(part * np.sin(2 * np.pi * frequency * (k + 1) * time) for k, part in enumerate((1.0, 0.3, 0.1)))
    # 8 ms of attack so that no note clicks; e-fold in 0.7 s, and a straight line to zero at the end.
    envelope = np.minimum(time / 0.008, 1.0) * np.exp(-time / 0.7) * (1 - time / 3)
    result: NDArray[np.float64] = loudness * envelope * tone
    return result


def _ring(sound: NDArray[np.float64], start: int, note: NDArray[np.float64]) -> None:
    """Add a note to a loop."""
    import numpy as np

    places = (start + np.arange(len(note))) % len(sound)
    sound[places] += note
