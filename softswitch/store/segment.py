"""The files of a spool: their names, their order, and how records are read from them.

A file is named for the number of its first record, ``00000000000000004711.journal``,
so the names alone say which file holds what and how the numbering goes on. A file
begun again after a failed fsync has the same first number and a generation,
``00000000000000004711.1.journal``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from softswitch.store.files import DiskFiles, Files
from softswitch.store.frame import HEADER, MAX_PAYLOAD, Record, records

__all__ = ["Segment", "SpoolReader", "read_records", "read_spool", "segment_path", "segments"]

_SUFFIX = ".journal"
_WINDOW = 2 * (MAX_PAYLOAD + HEADER.size)  # bytes read at a time; holds at least one whole record


@dataclass(slots=True)
class Segment:
    """One file: every record in it has a number from ``first`` on. ``end`` is where the next one goes."""

    path: Path
    first: int
    fd: int = -1
    size: int = 0
    end: int = 0


def segment_path(folder: Path, first: int, taken: set[Path]) -> Path:
    """Return the name of a new file that begins with record ``first``."""
    path, generation = folder / f"{first:020d}{_SUFFIX}", 0
    while path in taken:
        generation += 1
        path = folder / f"{first:020d}.{generation}{_SUFFIX}"
    return path


def segments(files: Files, folder: Path) -> list[Segment]:
    """Return the files of a spool in the order of their records. Raises OSError."""
    found = []
    for name in files.names(folder):
        first, _, generation = name.removesuffix(_SUFFIX).partition(".")
        if name.endswith(_SUFFIX) and first.isdecimal() and (generation or "0").isdecimal():
            found.append((int(first), int(generation or "0"), name))
    return [Segment(folder / name, first) for first, _, name in sorted(found)]


def read_records(files: Files, path: Path, after: int = 0, start: int = 0) -> Iterator[Record]:
    """Yield the records of one file as ``frame.records`` does, without holding the whole file. Raises OSError."""
    offset = start
    while content := files.read(path, offset, _WINDOW):
        end = 0
        for record in records(content, after):
            after, end = record.number, record.end
            yield Record(record.number, record.payload, offset + record.end)
        if len(content) < _WINDOW:
            return
        # Without a record in the whole window nothing can begin in its first half: it would have ended in it.
        offset += end or _WINDOW // 2


def read_spool(folder: Path, after: int = 0, files: Files | None = None) -> list[tuple[int, bytes]]:
    """Return every record behind number ``after`` of a spool, which another process may be writing."""
    files = files or DiskFiles()
    found: list[tuple[int, bytes]] = []
    with contextlib.suppress(OSError):
        listed = segments(files, folder)
        for index, segment in enumerate(listed):
            if index + 1 < len(listed) and listed[index + 1].first <= after + 1:
                continue
            last = found[-1][0] if found else after
            found += [(record.number, record.payload) for record in read_records(files, segment.path, last)]
    return found


class SpoolReader:
    """Reads a spool that grows, as ``read_spool`` does, but each byte once: for whoever asks again and again."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self._folder, self._files = folder, files or DiskFiles()
        self._forget()

    def _forget(self) -> None:
        self._places: dict[Path, tuple[int, int]] = {}
        self._records: list[tuple[int, bytes]] = []
        self._floor = self._newest = 0

    def after(self, number: int) -> list[tuple[int, bytes]]:
        """Return every record behind ``number``, which grows from call to call; where it does not, all is read anew."""
        if number < self._floor:
            self._forget()
        self._floor = number
        self._records = [record for record in self._records if record[0] > number]
        with contextlib.suppress(OSError):
            self._read(number)
        return list(self._records)

    def _read(self, number: int) -> None:
        listed = segments(self._files, self._folder)
        self._places = {one.path: self._places[one.path] for one in listed if one.path in self._places}
        for index, segment in enumerate(listed):
            if index + 1 < len(listed) and listed[index + 1].first <= number + 1:
                continue
            offset, last = self._places.get(segment.path, (0, 0))
            for record in read_records(self._files, segment.path, last, offset):
                self._places[segment.path] = record.end, record.number
                if record.number > max(self._newest, number):
                    self._records.append((record.number, record.payload))
                self._newest = max(self._newest, record.number)
