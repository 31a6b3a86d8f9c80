"""One thread that takes the blocks of all recordings to disk.

Nothing that makes or moves audio ever waits for a disk: blocks go into a
bounded queue, and what does not fit becomes silence of the same length, so that
the rest of the recording stays in time. A recording that the disk refuses ends
there and then with an error; the others, and the next ones, are not concerned.
"""

from __future__ import annotations

import os
import select
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from softswitch.media import wav

__all__ = ["Finished", "Writer"]

JOBS_PER_FEED = 16
"""How many blocks are written before the feeds are asked again."""

_ZEROS = bytes(64 * 1024)


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a recording. ``path`` holds ``duration`` seconds of it; ``error`` says what is missing and why.

    When nothing could be written, ``duration`` is 0.0 and there may be no file.
    """

    recording_id: int
    path: Path
    duration: float
    error: str | None = None


@dataclass(slots=True)
class _Recording:
    """One open file; belongs to the writer's thread, but for ``dropped``."""

    id: int
    path: Path
    form: wav.Form
    descriptor: int = -1
    size: int = 0
    """Bytes of samples in the file."""
    silence: int = 0
    """How many of these stand for dropped samples."""
    finished: bool = False
    dropped: int = 0
    """Bytes that did not fit into the queue since its last block; guarded by the writer's lock."""


@dataclass(frozen=True, slots=True)
class _Open:
    recording: _Recording


@dataclass(frozen=True, slots=True)
class _Block:
    recording: _Recording
    silence: int
    """Bytes of silence before the samples, in place of what was dropped."""
    samples: bytes


@dataclass(frozen=True, slots=True)
class _Close:
    recording: _Recording
    silence: int


_Job = _Open | _Block | _Close


@dataclass(slots=True)
class _Counters:
    blocks: int = 0
    dropped: int = 0
    failed: int = 0


class Writer:
    """Writes stereo WAV files (see ``wav``); the thread runs from construction to ``stop``.

    ``limit`` is how many bytes of samples may wait for the disk: the default is
    32 seconds of 64 recordings. ``open``, ``write`` and ``close`` may be called
    from any thread and never wait. Every ``open`` leads to exactly one
    ``Finished``, at once when the disk refuses and else after ``close``.
    """

    def __init__(self, *, limit: int = 64 * 1024 * 1024) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._recordings: dict[int, _Recording] = {}
        self._finished: deque[Finished] = deque()
        self._counters = _Counters()
        self._feeding = threading.RLock()
        self._feeds: dict[int, Callable[[], None]] = {}
        self._stopping = False
        self._asleep = True
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._done = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # Results are read, and rings detached, after ``stop`` too: both live as long as the object.
        for descriptor in (self._wake, self._done):
            weakref.finalize(self, os.close, descriptor)
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __str__(self) -> str:
        done = self._counters
        return (
            f"{len(self._recordings)} recordings open, {self._waiting} bytes waiting, "
            f"{done.blocks} blocks written, {done.dropped} bytes dropped, {done.failed} failed"
        )

    @property
    def waiting(self) -> int:
        """Bytes of samples that are queued."""
        return self._waiting

    @property
    def dropped(self) -> int:
        """Bytes of samples that did not fit into the queue so far; they are silence in the files."""
        return self._counters.dropped

    # Any thread -----------------------------------------------------------------------------------------------------

    def open(self, recording_id: int, path: Path, form: wav.Form = wav.STEREO) -> None:
        """Begin a recording that will be ``path`` when it is finished; its directory must exist."""
        recording = _Recording(recording_id, path, form)
        with self._lock:
            assert not self._stopping, "the writer is stopped"
            assert recording_id not in self._recordings, f"recording {recording_id} is open already"
            self._recordings[recording_id] = recording
            self._push(_Open(recording))

    def write(self, recording_id: int, block: bytes) -> bool:
        """Append whole frames of interleaved samples; False if the queue is full and silence will stand for them.

        Blocks for a recording that is not open (any more) are ignored.
        """
        with self._lock:
            recording = self._recordings.get(recording_id)
            if recording is None:
                return True
            assert len(block) % recording.form.frame == 0, f"a block of {len(block)} bytes splits a frame"
            if self._waiting + len(block) > self._limit:
                recording.dropped += len(block)
                self._counters.dropped += len(block)
                return False
            self._waiting += len(block)
            self._push(_Block(recording, recording.dropped, block))
            recording.dropped = 0
            return True

    def close(self, recording_id: int) -> None:
        """Finish a recording; ignored when it is not open (any more)."""
        with self._lock:
            recording = self._recordings.pop(recording_id, None)
            if recording is not None:
                self._push(_Close(recording, recording.dropped))

    def results(self) -> list[Finished]:
        """Take what has finished since the last call."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._done)
        taken = []
        while self._finished:
            taken.append(self._finished.popleft())
        return taken

    def fileno(self) -> int:
        """A descriptor that is readable when ``results()`` has something."""
        return self._done

    def attach(self, descriptor: int, feed: Callable[[], None]) -> None:
        """Let the writer's thread call ``feed`` whenever ``descriptor`` is readable.

        So a producer's ring (an eventfd and its drain, which calls ``open``,
        ``write`` and ``close``) is emptied even while the main thread is busy.
        ``feed`` must read the descriptor and must not raise.
        """
        with self._feeding:
            self._feeds[descriptor] = feed
        self._signal()

    def detach(self, descriptor: int) -> None:
        """Undo ``attach``; when this returns ``feed`` is not running and is not called again."""
        with self._feeding:
            self._feeds.pop(descriptor, None)
        self._signal()

    def stop(self) -> None:
        """Finish every open recording, write all that is queued, and end the thread; ``results()`` stays readable."""
        if self._stopping:
            return
        self._stopping = True
        self._signal()
        self._thread.join()

    def _push(self, job: _Job) -> None:
        self._jobs.append(job)
        if self._asleep:
            self._asleep = False
            self._signal()

    def _signal(self) -> None:
        os.eventfd_write(self._wake, 1)

    # The writer's thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            self._feed()
            self._work()
        self._feed()
        for recording_id in list(self._recordings):
            self.close(recording_id)
        while self._jobs:
            self._work()

    def _feed(self) -> None:
        """Sleep until there is something to do, and let the feeds that have something push it."""
        poll = select.poll()
        with self._feeding:
            descriptors = [self._wake, *self._feeds]
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        with self._lock:
            self._asleep = not (self._jobs or self._stopping)
            patience = None if self._asleep else 0
        for descriptor, condition in poll.poll(patience):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)
                continue
            with self._feeding:
                feed = self._feeds.get(descriptor)
                if feed is None:
                    continue
                if condition & select.POLLIN:
                    feed()
                else:
                    # Closed without a detach: it would be reported for ever.
                    del self._feeds[descriptor]

    def _work(self) -> None:
        """Do a few jobs: on a slow disk the feeds, whose rings are short, must be asked in between."""
        with self._lock:
            self._asleep = False
            jobs = [self._jobs.popleft() for _ in range(min(len(self._jobs), JOBS_PER_FEED))]
        for job in jobs:
            self._do(job)

    def _do(self, job: _Job) -> None:
        recording = job.recording
        try:
            match job:
                case _ if recording.finished:
                    pass
                case _Open():
                    _create(recording)
                case _Block():
                    _append(recording, job.silence, job.samples)
                    self._counters.blocks += 1
                case _Close():
                    _append(recording, job.silence, b"")
                    self._finish(recording, None)
        except (OSError, ValueError) as error:
            # ValueError: a path that no file can have, such as one with a NUL.
            self._finish(recording, getattr(error, "strerror", None) or str(error))
        if isinstance(job, _Block):
            with self._lock:
                self._waiting -= len(job.samples)

    def _finish(self, recording: _Recording, error: str | None) -> None:
        """Leave behind what can be played, under its final name if that is possible, and tell."""
        recording.finished = True
        path, unsettled = _settle(recording)
        silent = recording.form.seconds(recording.silence)
        if error is None:
            error = unsettled
        if error is None and silent:
            error = f"{silent:.1f} s are silence: the disk was too slow"
        self._counters.failed += error is not None
        with self._lock:
            if self._recordings.get(recording.id) is recording:
                del self._recordings[recording.id]
        self._finished.append(Finished(recording.id, path, recording.form.seconds(recording.size), error))
        os.eventfd_write(self._done, 1)


def _create(recording: _Recording) -> None:
    # The day's folder is made here, the recordings folder is not: it may be a disk that is not mounted.
    recording.path.parent.mkdir(exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    recording.descriptor = os.open(wav.part_path(recording.path), flags, 0o640)
    wav.claim(recording.descriptor)
    os.write(recording.descriptor, wav.header(0, recording.form))
    # After a power failure nothing else would tell how many channels the samples are of: the header comes first.
    os.fdatasync(recording.descriptor)


def _append(recording: _Recording, silence: int, samples: bytes) -> None:
    """Write samples and then the sizes: a process killed in between leaves a file that is short, never wrong."""
    while silence:
        written = os.write(recording.descriptor, _ZEROS[:silence])
        silence -= written
        recording.size += written
        recording.silence += written
    rest = memoryview(samples)
    while rest:
        # A disk that fills up takes a part first and refuses the rest at the next call.
        written = os.write(recording.descriptor, rest)
        recording.size += written
        rest = rest[written:]
    os.pwrite(recording.descriptor, wav.header(recording.size, recording.form), 0)


def _settle(recording: _Recording) -> tuple[Path, str | None]:
    """Close the file with whole frames and true sizes; return where it is, and what went wrong. Raises nothing."""
    if recording.descriptor < 0:
        return recording.path, None
    part = wav.part_path(recording.path)
    recording.size -= recording.size % recording.form.frame
    try:
        os.ftruncate(recording.descriptor, wav.HEADER + recording.size)
        os.pwrite(recording.descriptor, wav.header(recording.size, recording.form), 0)
        os.fdatasync(recording.descriptor)
        path = wav.finished_path(part)
        part.rename(path)
    except OSError as error:
        # It stays what a crash would leave: the next start repairs it (``wav.repair_all``).
        return part, error.strerror
    finally:
        with suppress(OSError):
            os.close(recording.descriptor)
    return path, None
