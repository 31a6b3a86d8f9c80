"""The media engine on real sockets: media threads that never wait for Python."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from softswitch.errors import NotPossible
from softswitch.ids import Ids
from softswitch.media import wav
from softswitch.media.core_engine import CoreEngine, Shard
from softswitch.media.engine import MediaEvent, OpenPort, PortId, RecordingEnded, RecordingId, RoomId, SourceId
from softswitch.media.ports import PortPair, PortPool
from softswitch.media.writer import Writer

__all__ = ["MediaThread", "SocketEngine"]

NTP_UNIX = 2_208_988_800.0
"""Seconds from NTP's zero, 1900, to that of Unix time (RFC 5905)."""

PORTS, PLAYERS, RECORDINGS = 8192, 4096, 4096
"""Arena sizes of one media thread; memory is taken when a place is first used."""


@dataclass(frozen=True, slots=True)
class MediaThread:
    """What a media thread has obtained from the operating system, what it carries, and how late its ticks began.

    ``lateness``: (bound in seconds, ticks below it and not below the one before).
    """

    priority: str
    exact_timers: bool
    ports: int
    lateness: tuple[tuple[float, int], ...]


class SocketEngine(CoreEngine):
    """``MediaEngine`` on UDP sockets, with ``threads`` media threads.

    Commands, ``events`` and ``close`` belong to one thread of the caller; the
    media threads run from construction to ``close`` and take the GIL only to
    end. Recorded blocks are fetched by the writer's own thread. ``realtime``
    asks for SCHED_FIFO, else for a better nice value; neither is required.
    """

    def __init__(self, *, threads: int, pool: PortPool, writer: Writer, ids: Ids, realtime: bool = True) -> None:
        assert threads >= 1, f"{threads} media threads cannot carry a call"
        offset = time.time() - time.monotonic() + NTP_UNIX
        shards = [
            Shard(number, ports=PORTS, players=PLAYERS, recordings=RECORDINGS, ntp_offset=offset)
            for number in range(threads)
        ]
        super().__init__(shards, ids)
        self._pool, self._writer = pool, writer
        self._pairs: dict[int, PortPair] = {}
        self._lost: dict[int, int] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._blocks = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # One descriptor for both sources of events: an epoll set is readable when a member is.
        self._ready = select.epoll()
        self._ready.register(self._wake, select.EPOLLIN)
        self._ready.register(writer.fileno(), select.EPOLLIN)
        writer.attach(self._blocks, self._feed)
        self._threads = []
        for shard in shards:
            shard.core.open_loop(self._wake, self._blocks, realtime)
            thread = threading.Thread(target=shard.core.run_loop, name=f"media-{shard.thread}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _time(self) -> float:
        return time.monotonic()

    def open_port(self, room: RoomId, local_host: str) -> OpenPort:
        found = self._room(room)
        pair = self._pool.open(local_host)
        try:
            handle = self._take_port(found)
        except NotPossible:
            self._pool.release(pair)
            raise
        self._pairs[handle] = pair
        self._start_port(found, handle, pair.rtp.fileno(), pair.rtcp.fileno())
        return OpenPort(PortId(SourceId(handle)), pair.local)

    def fileno(self) -> int:
        return self._ready.fileno()

    def events(self) -> list[MediaEvent]:
        if not self._threads:
            return []
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        events: list[MediaEvent] = []
        for shard in self._shards:
            events += self._translate(shard)
        for done in self._writer.results():
            lost = self._lost.pop(done.recording_id, 0)
            errors = [done.error] if done.error else []
            if lost:
                errors.append(f"{lost} blocks are silence: the writer was too slow")
            error = "; ".join(errors) or None
            events.append(RecordingEnded(RecordingId(done.recording_id), done.path, done.duration, error))
        return events

    def describe(self) -> list[MediaThread]:
        """Tell what each media thread has obtained, carries, and how punctual it was."""
        return [
            MediaThread(*shard.core.scheduling(), shard.open_ports, tuple(_classes(shard.core.lateness())))
            for shard in self._shards
        ]

    def lateness(self) -> list[tuple[float, int]]:
        """How late the ticks of all threads together began, by the same classes."""
        return _classes([sum(counts) for counts in zip(*(s.core.lateness() for s in self._shards), strict=True)])

    def counters(self) -> dict[str, int]:
        """Counters of the cores, summed: ticks, ring_full, out_full, pool_empty, slots_skipped, refused, icmp."""
        totals: dict[str, int] = {}
        for shard in self._shards:
            for name, value in shard.core.counters().items():
                totals[name] = totals.get(name, 0) + value
        return totals

    def close(self) -> None:
        """Stop the threads and close all sockets; recordings that run end where they are. No event follows."""
        if not self._threads:
            return
        for shard in self._shards:
            shard.core.stop_loop()
        for thread in self._threads:
            thread.join()
        self._threads = []
        self._writer.detach(self._blocks)
        for shard in self._shards:
            shard.core.finish_recordings()
        self._feed()
        for pair in self._pairs.values():
            self._pool.release(pair)
        self._pairs.clear()
        self._ready.close()
        os.close(self._wake)
        os.close(self._blocks)

    def _release(self, port: int) -> None:
        self._pool.release(self._pairs.pop(port))

    def _open_recording(self, handle: int, path: Path, form: wav.Form) -> None:
        self._writer.open(handle, path, form)

    def _feed(self) -> None:
        """Take recorded blocks to the writer; runs on its thread."""
        with suppress(BlockingIOError, ValueError, OSError):
            os.eventfd_read(self._blocks)
        for shard in self._shards:
            for handle, samples, last, missed in shard.core.blocks():
                self._writer.write(handle, samples)
                if missed:
                    self._lost[handle] = missed
                if last:
                    # Not when the file ends: a disk that refuses ends it long before the core does.
                    shard.recordings.give_back(handle)
                    self._writer.close(handle)


def _classes(counts: list[int]) -> list[tuple[float, int]]:
    return [(2.0**i / 1e6, count) for i, count in enumerate(counts)]
