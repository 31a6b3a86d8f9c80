"""The WAV file of a recording: its header, and how a file of a crashed process is made right.

While a recording runs its file is called ``NAME.wav.part``; the finished file
gets its own name. The header is the canonical 44 bytes, so the length of a file
alone tells what the header must say.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "HEADER",
    "PART",
    "STEREO",
    "Form",
    "Repaired",
    "claim",
    "finished_path",
    "form_of",
    "header",
    "length",
    "part_path",
    "repair",
    "repair_all",
]


@dataclass(frozen=True, slots=True)
class Form:
    """What the samples of a file mean: signed 16-bit little-endian, customer side left, employee side right.

    A third channel holds what was whispered.
    """

    channels: int = 2
    rate: int = 8000
    """Hz."""

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return 2 * self.channels

    def seconds(self, size: int) -> float:
        """How long so many bytes of samples last."""
        return size / self.frame / self.rate


STEREO = Form()

_FORMS = [Form(channels, rate) for rate in (8000, 16_000) for channels in (2, 3)]
"""The first is the one that a file without a header is taken for."""

HEADER = 44
"""Bytes before the samples."""

PART = ".part"
"""What the name of an unfinished file ends with."""

_SIZE_AT, _BYTE_RATE_AT, _DATA_SIZE_AT = 4, 28, 40
_MAX_RIFF = 0xFFFFFFFF
"""RIFF sizes have 32 bits: 37 hours. What comes after stays in the file and is played by the lenient."""


def header(size: int, form: Form = STEREO) -> bytes:
    """Return the header of a file with ``size`` bytes of samples."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        min(size + HEADER - 8, _MAX_RIFF),
        b"WAVE",
        b"fmt ",
        16,
        1,  # WAVE_FORMAT_PCM
        form.channels,
        form.rate,
        form.rate * form.frame,
        form.frame,
        16,  # bits of a sample
        b"data",
        min(size, _MAX_RIFF - HEADER + 8),
    )


def length(path: Path) -> float:
    """Return the seconds of sound in a finished file; 0 for one that is none of ours or cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return 0.0
    if len(head) < HEADER or head[:4] != b"RIFF":
        return 0.0
    (rate,) = struct.unpack_from("<I", head, _BYTE_RATE_AT)
    return (size - HEADER) / rate if rate else 0.0


def part_path(path: Path) -> Path:
    """Return where the file is while it is being written."""
    return path.with_name(path.name + PART)


def finished_path(part: Path) -> Path:
    """Return a free name for the finished file; a name that is taken is never overwritten."""
    path = candidate = part.with_name(part.name.removesuffix(PART))
    numbers = itertools.count(2)
    while os.path.lexists(candidate):
        candidate = path.with_name(f"{path.stem} ({next(numbers)}){path.suffix}")
    return candidate


def claim(descriptor: int) -> bool:
    """Lock a file for its writer, until it is closed or the process dies; False if another writer has it.

    A file system without locks cannot tell and says True.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a file is now: ``duration`` in seconds; ``changed`` if it was wrong before; ``error`` if it still is."""

    path: Path
    duration: float
    changed: bool = False
    error: str | None = None


def repair(path: Path) -> Repaired:
    """Make the sizes in the header say what the file holds.

    Samples are never removed: an incomplete header is completed, an incomplete
    last frame is filled with zeros. A file that is not one of our recordings is
    left alone and reported. Raises nothing.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        return Repaired(path, 0.0, error=f"{path}: {error.strerror}")
    try:
        return _repair(path, descriptor)
    except OSError as error:
        return Repaired(path, 0.0, error=f"{path}: {error.strerror}")
    finally:
        os.close(descriptor)


def repair_all(directory: Path) -> list[Repaired]:
    """Finish every recording below ``directory`` that a crash left unfinished, in order of path.

    Each is repaired and gets its final name. Files that a living writer holds
    are not touched and not listed. Raises nothing.
    """
    return [repaired for part in sorted(_unfinished(directory)) if (repaired := _finish(part)) is not None]


def _unfinished(directory: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(directory):
        yield from (Path(folder, name) for name in names if name.endswith(f".wav{PART}"))


def _finish(part: Path) -> Repaired | None:
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        return Repaired(part, 0.0, error=f"{part}: {error.strerror}")
    try:
        if not claim(descriptor):
            return None
        repaired = _repair(part, descriptor)
        if repaired.error is not None:
            return repaired
        os.fdatasync(descriptor)
        path = finished_path(part)
        part.rename(path)
        return Repaired(path, repaired.duration, changed=repaired.changed)
    except OSError as error:
        return Repaired(part, 0.0, error=f"{part}: {error.strerror}")
    finally:
        os.close(descriptor)


def _repair(path: Path, descriptor: int) -> Repaired:
    length = os.fstat(descriptor).st_size
    found = os.pread(descriptor, HEADER, 0)
    form = form_of(found)
    if form is None:
        return Repaired(path, 0.0, error=f"{path}: not a recording, it begins with {found[:12]!r}")
    samples = max(length - HEADER, 0)
    whole = samples + -samples % form.frame
    right = header(whole, form)
    if found == right and whole == samples:
        return Repaired(path, form.seconds(whole))
    os.pwrite(descriptor, right, 0)
    os.ftruncate(descriptor, HEADER + whole)
    os.fsync(descriptor)
    return Repaired(path, form.seconds(whole), changed=True)


def form_of(found: bytes) -> Form | None:
    """Return the form of which these first bytes are our header up to its sizes, None if they are something else."""
    # A disk that does not keep what it was told to leaves zeros in place of the header.
    if not any(found):
        return STEREO
    for form in _FORMS:
        known = bytearray(header(0, form)[: len(found)])
        for at in (_SIZE_AT, _DATA_SIZE_AT):
            known[at : at + 4] = found[at : at + 4]
        if bytes(known) == found:
            return form
    return None
