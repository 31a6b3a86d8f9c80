"""What both engines share: handles, rooms, and the translation of commands for the native core."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from softswitch.errors import NoSuch, NotPossible
from softswitch.ids import Ids
from softswitch.media import libopus, native, sounds, wav
from softswitch.media.engine import (
    Codec,
    File,
    Gain,
    MediaEvent,
    MediaSession,
    PlayEnded,
    PortClosed,
    PortId,
    PortStats,
    RecordingId,
    RoomId,
    SourceId,
    Tone,
    Track,
)
from softswitch.media.formats import OpusSettings
from softswitch.media.quality import Quality
from softswitch.mixer import tones

__all__ = ["CoreEngine", "Room"]

SLOTS = 20
CODECS = {codec: number for number, codec in enumerate(Codec)}
"""The order of the core's table, ext/codec.h."""

RATES = (8000, 16_000)
"""Of recordings, Hz."""

SENDS, RECEIVES, KEYS, NOISE, TOLD = 1, 2, 4, 8, 16
UNITY = 4096
NO_EVENT = 255
GENERATIONS = 1 << 24
REST = 64
"""Places that rest: a stale event of the core names one of them, and not yet somebody else's."""


def index_of(handle: int) -> int:
    return handle & 0xFFFFF


class Handles:
    """Gives out handles of one kind on one thread; an index comes back with another generation.

    The core takes memory for a place when it is first used, some 20 kB for a port:
    places are therefore used again, after ``REST`` others, before new ones are.
    """

    def __init__(self, kind: int, thread: int, limit: int) -> None:
        self._prefix = kind << 44 | thread << 48
        self._limit = limit
        self._generations: list[int] = []
        self._rested: deque[int] = deque()

    def take(self) -> int | None:
        fresh = len(self._generations)
        if len(self._rested) > REST or (fresh == self._limit and self._rested):
            index = self._rested.popleft()
            self._generations[index] = (self._generations[index] + 1) % GENERATIONS or 1
        elif fresh < self._limit:
            index = fresh
            self._generations.append(1)
        else:
            return None
        return self._prefix | self._generations[index] << 20 | index

    def give_back(self, handle: int) -> None:
        self._rested.append(index_of(handle))


class Shard:
    """One native core with its handles; its commands all come from the thread that owns the engine."""

    def __init__(self, thread: int, *, ports: int, players: int, recordings: int, ntp_offset: float) -> None:
        self.core = native.Core(
            ports=ports, players=players, recordings=recordings, thread=thread, ntp_offset=ntp_offset
        )
        self.thread = thread
        self.ports = Handles(native.PORT, thread, ports)
        self.players = Handles(native.PLAYER, thread, players)
        self.recordings = Handles(native.RECORDING, thread, recordings)
        self.slots = [0] * SLOTS
        self.open_ports = 0


@dataclass(slots=True)
class Room:
    shard: Shard
    slot: int
    ports: set[int] = field(default_factory=set)
    players: set[int] = field(default_factory=set)
    recordings: set[int] = field(default_factory=set)


class CoreEngine:
    """The commands of ``MediaEngine``; the two engines add ports, drivers and where recordings go.

    A room is served in one millisecond of twenty, the same for all who are in
    it, so that what one says reaches the mix of the others in the same tick.
    """

    def __init__(self, shards: Sequence[Shard], ids: Ids) -> None:
        self._shards = shards
        self._ids = ids
        self._rooms: dict[int, Room] = {}
        self._room_of: dict[int, Room] = {}
        self._next_room = 1
        self._sounds: dict[int, tuple[bytes, int]] = {}
        self._began: dict[Path, float] = {}
        self._spoken: dict[int, tuple[Codec, str, OpusSettings | None]] = {}
        """What each port's coder was made for."""
        self._quality: dict[int, Quality] = {}
        opus = libopus.find()
        if isinstance(opus, libopus.Library):
            native.use_opus(opus.addresses)

    # Rooms ----------------------------------------------------------------------------------------------------------

    def open_room(self) -> RoomId:
        # Rooms count too: many may be opened at once before any has a port.
        shard = min(self._shards, key=lambda s: s.open_ports + sum(s.slots))
        slot = min(range(SLOTS), key=lambda s: shard.slots[s])
        shard.slots[slot] += 1
        room = RoomId(self._next_room)
        self._next_room += 1
        self._rooms[room] = Room(shard, slot)
        return room

    def close_room(self, room: RoomId) -> None:
        found = self._rooms.pop(room, None)
        if found is None:
            return
        for recording in list(found.recordings):
            self.stop_recording(RecordingId(recording))
        for port in list(found.ports):
            self.close_port(PortId(SourceId(port)))
        for player in list(found.players):
            self.stop(SourceId(player))
        found.shard.slots[found.slot] -= 1

    def _room(self, room: RoomId) -> Room:
        try:
            return self._rooms[room]
        except KeyError:
            raise NoSuch("media room", str(room)) from None

    # Ports ----------------------------------------------------------------------------------------------------------

    def _take_port(self, room: Room) -> int:
        if len(room.ports) >= native.HEARERS:
            raise NotPossible(f"a room holds at most {native.HEARERS} ports")
        handle = room.shard.ports.take()
        if handle is None:
            raise NotPossible("the media core has no port left")
        room.ports.add(handle)
        room.shard.open_ports += 1
        self._room_of[handle] = room
        return handle

    def _start_port(self, room: Room, handle: int, rtp: int, rtcp: int) -> None:
        ids = self._ids
        room.shard.core.open_port(
            handle,
            room.slot,
            rtp=rtp,
            rtcp=rtcp,
            ssrc=ids.below(1 << 32),
            sequence=ids.below(1 << 16),
            timestamp=ids.below(1 << 32),
            seed=ids.below(1 << 64),
            cname=ids.token(80).encode(),
        )

    def set_session(self, port: PortId, session: MediaSession) -> None:
        room = self._room_of.get(port)
        if room is None:
            return
        opus = OpusSettings.asked(session.parameters) if session.codec is Codec.OPUS else None
        spoken = session.codec, session.format, opus
        try:
            room.shard.core.set_session(
                port,
                remote=session.remote,
                rtcp_remote=session.rtcp_remote,
                signaller=session.signaller,
                codec=CODECS[session.codec],
                # A hold must not reset the codec: its state runs on through every renegotiation that keeps it.
                keep=self._spoken.get(port) == spoken,
                opus=opus,
                clock=session.clock,
                format=zlib.crc32(session.format.encode()),
                event_clock=session.dtmf_clock,
                payload_type=session.payload_type,
                payload_receive=session.payload_type if session.payload_receive is None else session.payload_receive,
                dtmf_send=NO_EVENT if session.dtmf_send is None else session.dtmf_send,
                dtmf_receive=NO_EVENT if session.dtmf_receive is None else session.dtmf_receive,
                ptime=min(session.ptime, 255),
                flags=SENDS * session.sends
                | RECEIVES * session.receives
                | KEYS * session.keys
                | NOISE * session.noise
                | TOLD * session.told,
                timeout=max(0, min(round(session.timeout * 1000), 1 << 31)),
            )
        except ValueError as error:
            raise NotPossible(str(error)) from None
        except MemoryError as error:
            raise NotPossible(f"{session.codec}: {error}") from None
        self._spoken[port] = spoken

    def close_port(self, port: PortId) -> None:
        room = self._room_of.pop(port, None)
        if room is None:
            return
        room.ports.discard(port)
        room.shard.core.close_port(port)

    def hear(self, listener: PortId, row: Mapping[SourceId, Gain]) -> None:
        room = self._room_of.get(listener)
        if room is None:
            return
        items: list[tuple[int, int]] = [(source, min(round(gain * UNITY), 4 * UNITY)) for source, gain in row.items()]
        # What is no longer in the room is silent; 0 means the same.
        items = [(source, gain) for source, gain in items if gain > 0 and self._room_of.get(source) is room]
        if len(items) > native.ROW:
            raise NotPossible(f"a row has at most {native.ROW} sources")
        room.shard.core.set_row(listener, items)

    def send_digits(self, port: PortId, digits: str) -> None:
        room = self._room_of.get(port)
        if room is None:
            return
        events = bytes(native.DIGITS.index(digit) for digit in digits.upper() if digit in native.DIGITS)
        for start in range(0, len(events), 32):
            room.shard.core.send_digits(port, events[start : start + 32])

    def watch(self, port: PortId, *, levels: bool | None = None, digits: bool | None = None) -> None:
        asked = dropped = 0
        for flag, wish in ((native.LEVEL, levels), (native.SOUND, digits)):
            asked |= flag if wish else 0
            dropped |= flag if wish is False else 0
        self._watch(port, asked, dropped)

    def mask(self, port: PortId, masked: bool) -> None:
        self._watch(port, native.MASK if masked else 0, 0 if masked else native.MASK)

    def _watch(self, port: PortId, asked: int, dropped: int) -> None:
        room = self._room_of.get(port)
        if room is not None:
            room.shard.core.watch(port, asked, dropped)

    # Players --------------------------------------------------------------------------------------------------------

    def play(self, room: RoomId, source: Tone | File) -> SourceId:
        found, at = self._room(room), 0
        match source:
            case Tone():
                pcm, hertz = (
                    tones.render(source.frequencies, source.level, source.cadence, in_turn=source.in_turn),
                    8000,
                )
                repeats = source.repeat if source.cadence and source.repeat is not None else 0
            case File():
                sound = sounds.load(source.path, shuffled=source.play == "shuffle")
                pcm, hertz, repeats = sound.samples, sound.rate, 0 if source.loop else 1
                at = self._begins(source, sound) % (len(pcm) // 2)
        handle = found.shard.players.take()
        if handle is None:
            raise NotPossible("the media core has no player left")
        # The core reads these bytes until it says that the player has ended.
        self._sounds[handle] = pcm, hertz
        found.players.add(handle)
        self._room_of[handle] = found
        found.shard.core.play(handle, found.slot, pcm, repeats, hertz, at)
        return SourceId(handle)

    def _begins(self, source: File, sound: sounds.Sound) -> int:
        """The sample at which a player of this file begins."""
        match source.play:
            case "together":
                now = self._time()
                return round((now - self._began.setdefault(source.path, now)) * sound.rate)
            case "shuffle" if not source.start:
                return sound.starts[self._ids.below(len(sound.starts))]
            case _:
                return round(max(0.0, source.start) * sound.rate)

    def _time(self) -> float:
        """Seconds by the clock of the media threads."""
        raise NotImplementedError

    def position(self, source: SourceId) -> float:
        room = self._room_of.get(source)
        at = None if room is None else room.shard.core.position(source)
        return (at or 0) / self._sounds[source][1] if source in self._sounds else 0.0

    def stop(self, source: SourceId) -> None:
        room = self._room_of.get(source)
        if room is None or source not in room.players:
            return
        del self._room_of[source]
        room.players.discard(source)
        room.shard.core.stop_player(source)

    # Recordings -----------------------------------------------------------------------------------------------------

    def record(
        self, room: RoomId, tracks: Mapping[Track, Sequence[SourceId]], path: Path, *, rate: int = 8000
    ) -> RecordingId:
        if rate not in RATES:
            raise NotPossible(f"a recording has 8000 or 16000 samples a second, not {rate}")
        found, tapped = self._room(room), _tapped(tracks)
        handle = found.shard.recordings.take()
        if handle is None:
            raise NotPossible("the media core has no recorder left")
        found.recordings.add(handle)
        self._room_of[handle] = found
        self._open_recording(handle, path, wav.Form(len(tapped), rate))
        found.shard.core.record(handle, found.slot, rate, tapped)
        return RecordingId(handle)

    def retrack(self, recording: RecordingId, tracks: Mapping[Track, Sequence[SourceId]]) -> None:
        room = self._room_of.get(recording)
        if room is not None:
            room.shard.core.retrack(recording, _tapped(tracks))

    def stop_recording(self, recording: RecordingId) -> None:
        room = self._room_of.pop(recording, None)
        if room is None:
            return
        room.recordings.discard(recording)
        room.shard.core.stop_recording(recording)

    def _open_recording(self, handle: int, path: Path, form: wav.Form) -> None:
        raise NotImplementedError

    # Events ---------------------------------------------------------------------------------------------------------

    def _translate(self, shard: Shard) -> list[MediaEvent]:
        """Take the core's events, free what it has let go, and drop what is for us alone."""
        events: list[MediaEvent] = []
        for event in shard.core.events(self._score):
            match event:
                case PortStats():
                    pass
                case int():
                    self._free_player(shard, event)
                    continue
                case PlayEnded(source):
                    self._free_player(shard, source)
                case PortClosed(port):
                    self._spoken.pop(port, None)
                    self._quality.pop(port, None)
                    shard.ports.give_back(port)
                    shard.open_ports -= 1
                    self._release(port)
                case _:
                    pass
            events.append(event)
        return events

    def _score(
        self, port: int, received: int, lost: int, late: int, jitter: float, round_trip: float | None, delay: float
    ) -> float | None:
        spoken = self._spoken.get(port)
        if spoken is None:
            return None
        quality = self._quality.get(port)
        if quality is None:
            quality = self._quality[port] = Quality()
        return quality.score(spoken[0], received, lost, late, jitter, round_trip, delay)

    def _free_player(self, shard: Shard, handle: int) -> None:
        shard.players.give_back(handle)
        self._sounds.pop(handle, None)
        room = self._room_of.pop(handle, None)
        if room is not None:
            room.players.discard(handle)

    def _release(self, port: int) -> None:
        """The core has let go of the port's sockets."""
        raise NotImplementedError


def _tapped(tracks: Mapping[Track, Sequence[SourceId]]) -> list[list[int]]:
    """The sources of each track in the order of the file's channels; the third only where it is named."""
    named = [track for track in Track if track is not Track.WHISPER or track in tracks]
    tapped = [[int(source) for source in tracks.get(track, ())] for track in named]
    if any(len(sources) > native.TAPS for sources in tapped):
        raise NotPossible(f"a track taps at most {native.TAPS} sources")
    return tapped
