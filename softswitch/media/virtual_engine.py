"""The media engine under virtual time: no threads, no sockets, datagrams in and out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softswitch.ids import Ids
from softswitch.media import wav
from softswitch.media.core_engine import CoreEngine, Shard, index_of
from softswitch.media.engine import (
    Address,
    MediaEvent,
    OpenPort,
    PortId,
    RecordingEnded,
    RecordingId,
    RoomId,
    SourceId,
    Track,
)

__all__ = ["VirtualEngine"]

HOST, FIRST_PORT = "10.99.0.1", 20000
RTP, RTCP = 0, 1
RTCP_TYPES = range(192, 224)
NTP_OFFSET = 2_208_988_800.0
"""NTP counts from 1900: under virtual time the monotonic zero is 1970."""


@dataclass(slots=True)
class _Recording:
    path: Path
    form: wav.Form
    blocks: list[bytes] = field(default_factory=list)


class VirtualEngine(CoreEngine):
    """``MediaEngine`` whose network and clock are the caller.

    Ports have the addresses ("10.99.0.1", 20000), ("10.99.0.1", 20002)...; RTCP
    is one above, as it would be on a wire. ``now`` is monotonic seconds and must
    not run backward. The same seed and the same input give the same output.
    """

    def __init__(self, *, ids: Ids, ports: int = 4096) -> None:
        shard = Shard(0, ports=ports, players=ports, recordings=min(ports, 512), ntp_offset=NTP_OFFSET)
        super().__init__([shard], ids)
        self._core = shard.core
        self._numbers = count(FIRST_PORT, 2)
        self._local: dict[int, Address] = {}
        self._by_index: dict[int, int] = {}
        self._recordings: dict[int, _Recording] = {}
        self._ended: list[MediaEvent] = []
        self._now = 0.0

    def _time(self) -> float:
        return self._now

    def open_port(self, room: RoomId, local_host: str) -> OpenPort:
        found = self._room(room)
        handle = self._take_port(found)
        self._by_index[index_of(handle)] = handle
        self._local[handle] = local = (HOST, next(self._numbers))
        self._start_port(found, handle, -1, -1)
        return OpenPort(PortId(SourceId(handle)), local)

    def receive(self, port: PortId, data: bytes, source: Address, now: float, waited: float = 0.0) -> None:
        """Take a datagram of ``port`` (RTCP is told by its packet type, RFC 5761) that is read at ``now``.

        It may have waited for so many seconds, because nobody had time to read it.
        """
        if self._by_index.get(index_of(port)) != port:
            return
        channel = RTCP if len(data) > 1 and data[1] in RTCP_TYPES else RTP
        self._core.receive(index_of(port), channel, data, source, nanoseconds(now), nanoseconds(waited))

    def step(self, now: float) -> list[tuple[PortId, Address, Address, bytes]]:
        """Run all milliseconds up to ``now``; return the datagrams to send as (port, local, remote, data)."""
        sent = []
        self._now = now
        for index, channel, remote, data in self._core.run(nanoseconds(now)):
            handle = self._by_index[index]
            host, number = self._local[handle]
            sent.append((PortId(SourceId(handle)), (host, number + channel), remote, data))
        self._collect()
        return sent

    def recorded(self, recording: RecordingId) -> dict[Track, NDArray[np.int16]]:
        """What a recording has so far; complete after it was stopped and stepped."""
        found = self._recordings[recording]
        samples = np.frombuffer(b"".join(found.blocks), dtype="<i2").reshape(-1, found.form.channels)
        return {track: samples[:, i].astype(np.int16) for i, track in enumerate(Track) if i < found.form.channels}

    def counters(self) -> dict[str, int]:
        """Counters of the core itself: ring_full, out_full, pool_empty, refused..."""
        return self._core.counters()

    def fileno(self) -> int:
        return -1

    def events(self) -> list[MediaEvent]:
        events = self._translate(self._shards[0])
        events += self._ended
        self._ended = []
        return events

    def _release(self, port: int) -> None:
        self._local.pop(port, None)
        self._by_index.pop(index_of(port), None)

    def _open_recording(self, handle: int, path: Path, form: wav.Form) -> None:
        self._recordings[handle] = _Recording(path, form)

    def _collect(self) -> None:
        for handle, samples, last, missed in self._core.blocks():
            recording = self._recordings[handle]
            recording.blocks.append(samples)
            if last:
                self._shards[0].recordings.give_back(handle)
                self._ended.append(_finish(RecordingId(handle), recording, missed))


def _finish(handle: RecordingId, recording: _Recording, missed: int) -> RecordingEnded:
    """Write the file as the real engine would, when there is a directory for it."""
    pcm = b"".join(recording.blocks)
    if recording.path.parent.is_dir():
        recording.path.write_bytes(wav.header(len(pcm), recording.form) + pcm)
    error = f"{missed} blocks were lost" if missed else None
    return RecordingEnded(handle, recording.path, recording.form.seconds(len(pcm)), error)


def nanoseconds(now: float) -> int:
    # Microseconds are exact in a float for 285 years; 1000.02 must not become 1000.019999999.
    return round(now * 1_000_000) * 1000
