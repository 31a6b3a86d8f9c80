"""A media engine that only keeps accounts: for stories about signalling, where sound would be waste.

It checks what the real core would ignore: commands to ports that are not open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from softswitch.errors import NotPossible
from softswitch.ids import Ids
from softswitch.media.engine import (
    Address,
    Digit,
    File,
    MediaEvent,
    MediaResumed,
    MediaSession,
    MediaTimeout,
    OpenPort,
    PlayEnded,
    PortClosed,
    PortId,
    PortStats,
    RecordingEnded,
    RecordingId,
    RoomId,
    SourceId,
    Tone,
    Track,
)
from softswitch.media.virtual_engine import VirtualEngine


class SilentEngine:
    """``capacity`` is how many ports it can open; ``slow_files`` closes recordings only when told."""

    def __init__(self, capacity: int = 1000, *, slow_files: bool = False) -> None:
        self.capacity, self.slow_files = capacity, slow_files
        self.open_ports: dict[PortId, MediaSession | None] = {}
        self.rows: dict[PortId, dict[SourceId, float]] = {}
        self.players: dict[SourceId, Tone | File] = {}
        self.recordings: dict[RecordingId, Path] = {}
        self.recorded: list[tuple[dict[Track, list[SourceId]], Path]] = []
        self.counted_again: list[PortId] = []
        self.masked: set[PortId] = set()
        self.next: float | None = None
        self._events: list[MediaEvent] = []
        self._count = 0

    def _id(self) -> int:
        self._count += 1
        return self._count

    def open_room(self) -> RoomId:
        return RoomId(self._id())

    def close_room(self, room: RoomId) -> None:
        pass

    def open_port(self, room: RoomId, local_host: str) -> OpenPort:
        if len(self.open_ports) >= self.capacity:
            raise NotPossible("no port left")
        port = PortId(SourceId(self._id()))
        self.open_ports[port] = None
        self.rows[port] = {}
        return OpenPort(port, (local_host, 20000 + 2 * port))

    def set_session(self, port: PortId, session: MediaSession) -> None:
        assert port in self.open_ports
        before = self.open_ports[port]
        if before is not None and not before.receives and session.receives and before.remote == session.remote:
            self.counted_again.append(port)
        self.open_ports[port] = session

    def close_port(self, port: PortId) -> None:
        del self.open_ports[port]
        del self.rows[port]
        self.masked.discard(port)
        assert all(port not in row for row in self.rows.values()), "somebody would hear a closed port"
        self._events.append(PortClosed(port, PortStats(port)))

    def hear(self, listener: PortId, row: Mapping[SourceId, float]) -> None:
        assert listener in self.open_ports
        assert all(source in self.open_ports or source in self.players for source in row)
        self.rows[listener] = dict(row)

    def play(self, room: RoomId, source: Tone | File) -> SourceId:
        player = SourceId(self._id())
        self.players[player] = source
        return player

    def position(self, source: SourceId) -> float:
        return 0.0

    def stop(self, source: SourceId) -> None:
        del self.players[source]
        assert all(source not in row for row in self.rows.values()), "somebody would hear a stopped player"

    def play_out(self, source: SourceId) -> None:
        """Pretend that a player reached its end."""
        del self.players[source]
        self._events.append(PlayEnded(source))

    def watch(self, port: PortId, *, levels: bool | None = None, digits: bool | None = None) -> None:
        assert port in self.open_ports

    def mask(self, port: PortId, masked: bool) -> None:
        assert port in self.open_ports
        if masked:
            self.masked.add(port)
        else:
            self.masked.discard(port)

    def send_digits(self, port: PortId, digits: str) -> None:
        assert port in self.open_ports

    def record(self, room: RoomId, tracks: Mapping[Track, Sequence[SourceId]], path: Path) -> RecordingId:
        recording = RecordingId(self._id())
        self.recordings[recording] = path
        self.recorded.append(({track: list(sources) for track, sources in tracks.items()}, path))
        return recording

    def retrack(self, recording: RecordingId, tracks: Mapping[Track, Sequence[SourceId]]) -> None:
        assert recording in self.recordings

    def stop_recording(self, recording: RecordingId) -> None:
        if not self.slow_files:
            self.finish_recording(recording)

    def finish_recording(self, recording: RecordingId) -> None:
        self._events.append(RecordingEnded(recording, self.recordings.pop(recording), 1.0))

    def fileno(self) -> int:
        return -1

    def events(self) -> list[MediaEvent]:
        events, self._events = self._events, []
        return events

    def arrive(self, destination: Address, data: bytes, source: Address, now: float) -> None:
        pass

    def leave(self, now: float) -> list[tuple[Address, Address, bytes]]:
        return []

    def lose(self, port: PortId, silent: float = 30.0) -> None:
        """Pretend that nothing has come for so long."""
        self._events.append(MediaTimeout(port, silent))

    def measure(self, port: PortId, *, received: int = 0, sent: int = 50) -> None:
        """Tell counters, as the core does once a second."""
        self._events.append(PortStats(port, received=received, sent=sent))

    def regain(self, port: PortId) -> None:
        self._events.append(MediaResumed(port))

    def digit(self, port: PortId, digit: str) -> None:
        self._events.append(Digit(port, digit, 0.1))


class SoundEngine(VirtualEngine):
    """The real native core under virtual time, reachable at the switch's address."""

    next: float | None = None

    def __init__(self, ids: Ids, host: str) -> None:
        super().__init__(ids=ids)
        self.open_ports: dict[PortId, MediaSession | None] = {}
        self.recordings: list[RecordingId] = []
        self._host = host
        self._by_number: dict[int, PortId] = {}

    def open_port(self, room: RoomId, local_host: str) -> OpenPort:
        opened = super().open_port(room, local_host)
        self.open_ports[opened.id] = None
        self._by_number[opened.local[1]] = opened.id
        return OpenPort(opened.id, (self._host, opened.local[1]))

    def close_port(self, port: PortId) -> None:
        super().close_port(port)
        self.open_ports.pop(port, None)

    def arrive(self, destination: Address, data: bytes, source: Address, now: float) -> None:
        port = self._by_number.get(destination[1])
        if port is not None:
            self.receive(port, data, source, now)

    def leave(self, now: float) -> list[tuple[Address, Address, bytes]]:
        return [((self._host, local[1]), remote, data) for _, local, remote, data in self.step(now)]

    def record(self, room: RoomId, tracks: Mapping[Track, Sequence[SourceId]], path: Path) -> RecordingId:
        if path.parent.parent.exists():
            path.parent.mkdir(exist_ok=True)
        self.recordings.append(super().record(room, tracks, path))
        return self.recordings[-1]
