"""The spool: numbered records in append-only files that are written before anybody is told.

A record is in the operating system's hands when ``append`` returns, so it
survives ``kill -9`` at any byte; it survives a power cut when ``synced``
reaches its number. The files are allocated ahead: a disk that fills up leaves
the spool its reserve (two spare files, 16 MB), and behind the reserve a bounded
memory, written out in order when there is space again.

All methods belong to one thread, the event loop's, but for ``Sync.run`` and
``make_spare``, which wait for the disk and may run in another.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from softswitch.errors import NotPossible
from softswitch.store.files import DiskFiles, Files
from softswitch.store.frame import HEADER, MAX_PAYLOAD, frame, records
from softswitch.store.segment import Segment, read_records, segment_path, segments

__all__ = ["Alarm", "Spool", "Sync"]

SEGMENT = 8 << 20  # bytes of one file; some 25,000 events
SPARES = 2
MEMORY = 16 << 20  # bytes that wait in memory when nothing can be written
VITAL_SHARE = 4  # the last quarter of that memory is kept for vital records

PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Reasons not to read a file that say nothing about the file."""

_ZEROS = 1 << 16  # bytes written at a time
_SPARE, _BEAT, _LOCK = ".spare", "alive", "lock"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person must look after; said once when it begins (``raised``) and once when it is over.

    "reserve": no space for spare files, the spool lives on what it has. "spool": events are in memory only.
    "damage": the spool had records that cannot be read. "database": events wait in the spool; nothing is lost.
    """

    subject: Literal["reserve", "spool", "damage", "database"]
    raised: bool
    text: str


@dataclass(frozen=True, slots=True)
class Sync:
    """Work for a thread that may wait for the disk: after ``run`` everything up to ``through`` is on it."""

    through: int
    files: Files
    folder: Path | None
    fds: tuple[int, ...]

    def run(self) -> None:
        """Raises OSError; the spool must be told how it went by ``synced_through`` or ``sync_failed``."""
        for fd in self.fds:
            self.files.sync(fd)
        if self.folder is not None:
            self.files.sync_folder(self.folder)


class Spool:
    def __init__(
        self,
        folder: Path,
        *,
        segment: int = SEGMENT,
        spares: int = SPARES,
        memory: int = MEMORY,
        files: Files | None = None,
        alarm: Callable[[Alarm], None] = lambda _: None,
    ) -> None:
        """Open the folder, made if missing, and find the end of what is in it.

        ``segment``, ``memory`` in bytes. Raises NotPossible when another process has the folder or it cannot be used.
        """
        self.alarm = alarm
        self._folder, self._segment, self._spare_count, self._memory = folder, segment, spares, memory
        self._files = files or DiskFiles()
        self._segments: list[Segment] = []
        self._spares: list[Path] = []
        self._spare_numbers = itertools.count(1)
        self._ring: deque[tuple[int, bytes]] = deque()
        self._ring_bytes = 0
        self._unsynced: list[tuple[int, bytes]] = []
        self._unsynced_fds: list[int] = []
        self._renamed = True  # whether the folder itself has changes that are not on the disk
        self._raised: set[str] = set()
        self._cursor = (0, folder, 0)  # where ``read`` stopped: number of the record, its file, offset behind it
        self.written = 0
        """Number of the last record in a file."""
        self.synced = 0
        """Number up to which the disk has everything."""
        self.last = 0
        """Number of the last record, written or in memory."""
        self.lost = 0
        """Records dropped because memory was full too, or because they were too long."""
        self.beat_at: datetime | None = None
        """When the previous owner of the folder was last known to be alive."""
        self._lock_fd = self._beat_fd = -1
        try:
            self._open()
        except OSError as error:
            self._close_files()
            raise NotPossible(f"journal folder {folder} cannot be used: {error.strerror or error}") from error
        except NotPossible:
            self._close_files()
            raise

    # Opening --------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        files, folder = self._files, self._folder
        files.folder(folder)
        self._lock_fd = files.open(folder / _LOCK)
        if not files.lock(self._lock_fd):
            raise NotPossible(f"journal folder {folder} is in use by another switch")
        self.beat_at = _read_beat(files, folder)
        self._beat_fd = files.open(folder / _BEAT)
        self._find_spares()
        self._segments = segments(files, folder)
        # After a failed fsync the last file may repeat the end of the one before and be shorter: ask both.
        for segment in self._segments[-2:-1]:
            for record in read_records(files, segment.path, segment.first - 1):
                self.last = record.number
        if self._segments:
            self._find_end(self._segments[-1])
            # Killed, the last owner may have left these to the kernel only: a durable record must not rest on them.
            for segment in self._segments[-2:]:
                self._sync_now(segment)
        self.written = self.synced = self.last

    def _sync_now(self, segment: Segment) -> None:
        fd = segment.fd if segment.fd >= 0 else self._files.open(segment.path)
        try:
            self._files.sync(fd)
        finally:
            if fd != segment.fd:
                self._files.close(fd)

    def _find_spares(self) -> None:
        """Keep whole, empty spares of the last owner: a disk that is full by now would not give them again."""
        for name in self._files.names(self._folder):
            if not name.endswith(_SPARE):
                continue
            path = self._folder / name
            content = self._files.read(path)
            if len(content) == self._segment and not content.strip(b"\0") and self.spares_missing:
                self._spares.append(path)
            else:
                self._files.remove(path)

    def _find_end(self, segment: Segment) -> None:
        """Open the last file for writing behind its last whole record; what stands there otherwise is wiped."""
        content = self._files.read(segment.path)
        whole = end = 0
        self.last = max(self.last, segment.first - 1)
        for record in records(content, after=segment.first - 1):
            whole, end = whole + HEADER.size + len(record.payload), record.end
            self.last = max(self.last, record.number)
        segment.fd, segment.size, segment.end = self._files.open(segment.path), len(content), end
        if whole < end:
            self._alarm("damage", True, f"{segment.path}: {end - whole} bytes between records cannot be read")
        torn = len(content[end:].rstrip(b"\0"))
        if torn:
            # A leftover behind the new end must never be taken for a record when the end has grown up to it.
            self._write_all(segment.fd, bytes(torn), end)

    # Writing --------------------------------------------------------------------------------------------------------

    def append(self, number: int, payload: bytes, vital: bool = False) -> None:
        """Write one record; ``number`` must rise. When the disk refuses, the record waits in memory; nothing raises."""
        assert number > self.last, f"record {number} after {self.last}"
        self.last = number
        if len(payload) > min(MAX_PAYLOAD, self._segment - HEADER.size):
            self.lost += 1
            self._alarm("damage", True, f"event {number} is too long to be kept: {len(payload)} bytes")
            return
        if self._ring:
            self._remember(number, payload, vital)
            return
        try:
            self._write(number, payload)
        except OSError as error:
            self._remember(number, payload, vital)
            self._alarm("spool", True, f"{self._folder}: {error.strerror or error}; events are kept in memory only")

    def _write(self, number: int, payload: bytes) -> None:
        piece = frame(number, payload)
        size = len(piece)
        if not self._segments or self._segments[-1].end + size > self._segments[-1].size:
            self._begin_segment(number)
        current = self._segments[-1]
        done = self._files.write(current.fd, piece, current.end)
        if done != size:
            self._write_all(current.fd, piece, current.end, done)
        current.end += size
        self.written = number
        self._unsynced.append((number, payload))

    def _write_all(self, fd: int, piece: bytes, offset: int, done: int = 0) -> None:
        """Write what is left of a piece when ``done`` bytes of it are written."""
        while done < len(piece):
            count = self._files.write(fd, piece[done:], offset + done)
            if count == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            done += count

    def _begin_segment(self, first: int) -> None:
        path = segment_path(self._folder, first, {segment.path for segment in self._segments})
        spare = self._spares[-1] if self._spares else self._make_spare()
        self._files.rename(spare, path)
        if spare in self._spares:
            self._spares.remove(spare)
        self._renamed = True
        fd = self._files.open(path)
        if self._segments and self._segments[-1].fd >= 0:
            self._unsynced_fds.append(self._segments[-1].fd)
            self._segments[-1].fd = -1
        self._segments.append(Segment(path, first, fd, self._segment, 0))

    def _remember(self, number: int, payload: bytes, vital: bool) -> None:
        limit = self._memory if vital else self._memory - self._memory // VITAL_SHARE
        if self._ring_bytes + len(payload) > limit:
            self.lost += 1
            self._alarm("damage", True, f"memory for events is full: event {number} and others are not kept")
            return
        self._ring.append((number, payload))
        self._ring_bytes += len(payload)

    def retry(self) -> None:
        """Write what waits in memory, in order, as far as the disk takes it; to be called a few times a second."""
        while self._ring:
            number, payload = self._ring[0]
            try:
                self._write(number, payload)
            except OSError:
                return
            self._ring.popleft()
            self._ring_bytes -= len(payload)
        self._alarm("spool", False, "events are written again")

    @property
    def waiting(self) -> int:
        """Number of records that are in memory only."""
        return len(self._ring)

    @property
    def size(self) -> int:
        """Bytes of the records in files, those kept for the database and those that wait to be deleted."""
        return sum(segment.end for segment in self._segments)

    # The reserve ----------------------------------------------------------------------------------------------------

    @property
    def spares_missing(self) -> bool:
        return len(self._spares) < self._spare_count

    def make_spare(self) -> OSError | None:
        """Allocate one spare file; returns the error if the disk refuses. Waits for the disk."""
        try:
            path = self._make_spare()
            # Blocks that were written once cost a later sync half as much as blocks that are only reserved: there is
            # no change of metadata left for the file system's own journal.
            with contextlib.suppress(OSError):
                self._fill_with_zeros(path)
        except OSError as error:
            return error
        self._spares.append(path)
        return None

    def _fill_with_zeros(self, path: Path) -> None:
        fd = self._files.open(path)
        try:
            for offset in range(0, self._segment, _ZEROS):
                self._write_all(fd, bytes(min(_ZEROS, self._segment - offset)), offset)
            self._files.sync(fd)
        finally:
            self._files.close(fd)

    def spare_made(self, error: OSError | None) -> None:
        """Take note of how ``make_spare`` went."""
        if error is not None:
            text = f"{self._folder}: {error.strerror or error}; the journal lives on its reserve"
            self._alarm("reserve", True, text)
        else:
            self._alarm("reserve", False, "the journal has its reserve again")

    def _make_spare(self) -> Path:
        path = self._folder / f"{next(self._spare_numbers)}{_SPARE}"
        while path in self._spares:
            path = self._folder / f"{next(self._spare_numbers)}{_SPARE}"
        fd = self._files.open(path)
        try:
            self._files.allocate(fd, self._segment)
        except OSError:
            # Half a spare would keep others from the space without being of use.
            with contextlib.suppress(OSError):
                self._files.remove(path)
            raise
        finally:
            self._files.close(fd)
        return path

    # On the disk for good -------------------------------------------------------------------------------------------

    def unsynced(self) -> Sync | None:
        """Return the work that makes all written records durable, or None if they are."""
        if self.written <= self.synced:
            return None
        fds = (*self._unsynced_fds, self._segments[-1].fd)
        return Sync(self.written, self._files, self._folder if self._renamed else None, fds)

    def synced_through(self, sync: Sync) -> None:
        """Take note that ``sync.run`` succeeded."""
        self.synced = max(self.synced, sync.through)
        self._unsynced = [entry for entry in self._unsynced if entry[0] > self.synced]
        if sync.folder is not None and sync.fds[-1] == self._segments[-1].fd:
            self._renamed = False
        for fd in sync.fds[:-1]:  # the last was not full when the work began, it may have grown since
            if fd in self._unsynced_fds:
                self._unsynced_fds.remove(fd)
                self._files.close(fd)

    def sync_failed(self, error: OSError) -> None:
        """Take note that ``Sync.run`` failed: all that may not be on the disk is written again, to a new file.

        After a failed fsync the kernel calls the pages clean, and a second fsync
        of the same file would succeed without having written anything.
        """
        self._alarm("spool", True, f"{self._folder}: {error.strerror or error}; the journal goes on in a new file")
        again = [*self._unsynced, *self._ring]
        self._unsynced = []
        self._ring = deque(again)
        self._ring_bytes = sum(len(payload) for _, payload in again)
        for fd in [*self._unsynced_fds, *(segment.fd for segment in self._segments[-1:])]:
            if fd >= 0:
                self._files.close(fd)
        self._unsynced_fds = []
        self._segments = [replace(segment, fd=-1, size=0) for segment in self._segments]
        self.written = self.synced
        self.retry()

    # Reading and letting go -----------------------------------------------------------------------------------------

    def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return up to ``limit`` records behind number ``after``, from the files and then from memory.

        Raises OSError when the process may open no file now. A file that cannot be read is passed over with an alarm.
        """
        found: list[tuple[int, bytes]] = []
        index, offset = self._start(after)
        last = after
        for position in range(index, len(self._segments)):
            segment = self._segments[position]
            try:
                for record in read_records(self._files, segment.path, last, offset):
                    last = record.number
                    found.append((record.number, record.payload))
                    if len(found) == limit:
                        self._cursor = (last, segment.path, record.end)
                        return found
            except OSError as error:
                if error.errno in PASSING:
                    raise
                self._alarm("damage", True, f"{segment.path}: {error.strerror or error}; its events are passed over")
            offset = 0
        found += [entry for entry in self._ring if entry[0] > last][: limit - len(found)]
        return found

    def _start(self, after: int) -> tuple[int, int]:
        """Return the segment and the offset from which records behind ``after`` are to be looked for."""
        number, path, offset = self._cursor
        for index in range(len(self._segments) - 1, -1, -1):
            if self._segments[index].first <= after + 1:
                return index, offset if (number, path) == (after, self._segments[index].path) else 0
        return 0, 0

    def releasable(self, through: int) -> bool:
        """Whether ``release`` would delete anything.

        The last two files stay in any case: they say how the numbering goes on, and
        what was going on should the database be out of reach at the next start.
        """
        return len(self._segments) > 2 and self._segments[1].first - 1 <= min(through, self.synced)

    def release(self, through: int) -> None:
        """Delete the files of which every record is at most ``through`` and safe elsewhere."""
        while self.releasable(through):
            try:
                self._files.remove(self._segments[0].path)
            except OSError:
                return
            del self._segments[0]

    # Alive ----------------------------------------------------------------------------------------------------------

    def beat(self, at: datetime) -> None:
        """Leave word that the owner was alive at ``at``; the next one finds it in ``beat_at``."""
        with contextlib.suppress(OSError):
            self._files.write(self._beat_fd, at.astimezone(UTC).isoformat(timespec="microseconds").encode(), 0)

    def close(self) -> None:
        """Write what can be written, make it durable and let the folder go; events still in memory are lost."""
        self.retry()
        sync = self.unsynced()
        if sync is not None:
            try:
                sync.run()
                self.synced_through(sync)
            except OSError as error:
                self._alarm("spool", True, f"{self._folder}: {error.strerror or error}")
        self._close_files()

    def _close_files(self) -> None:
        fds = [*self._unsynced_fds, *(segment.fd for segment in self._segments), self._beat_fd, self._lock_fd]
        for fd in fds:
            if fd >= 0:
                with contextlib.suppress(OSError):
                    self._files.close(fd)
        self._segments, self._unsynced_fds = [], []
        self._beat_fd = self._lock_fd = -1

    def _alarm(self, subject: Literal["reserve", "spool", "damage"], raised: bool, text: str) -> None:
        if raised == (subject in self._raised):
            return
        if raised:
            self._raised.add(subject)
        else:
            self._raised.discard(subject)
        self.alarm(Alarm(subject, raised, text))


def _read_beat(files: Files, folder: Path) -> datetime | None:
    """Return the last beat; None if there is none or it was torn."""
    try:
        at = datetime.fromisoformat(files.read(folder / _BEAT).decode())
    except (OSError, ValueError):
        return None
    return at if at.tzinfo is not None else None
