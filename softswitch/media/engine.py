"""What the rest of the switch may ask of a media engine, and what an engine tells.

Commands queue up and take effect together, in order, at the next tick of the
media thread that owns the room; none of them waits. Facts come back as events.
Two engines implement the protocol around the same native core: ``SocketEngine``
(threads and UDP sockets) and ``VirtualEngine`` (no threads, no sockets, time is
an argument), so that everything above is tested under virtual time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple, NewType, Protocol

from softswitch.frozen import dataclass

__all__ = [
    "MOST_TAPPED",
    "Address",
    "Codec",
    "Digit",
    "File",
    "Gain",
    "Latched",
    "Levels",
    "Means",
    "MediaEngine",
    "MediaEvent",
    "MediaResumed",
    "MediaSession",
    "MediaTimeout",
    "OpenPort",
    "PlayEnded",
    "PortClosed",
    "PortId",
    "PortStats",
    "RecordingEnded",
    "RecordingId",
    "RoomId",
    "SourceId",
    "Tone",
    "Track",
    "Unheard",
]

Address = tuple[str, int]
"""A numeric IP address and a UDP port."""

Gain = float
"""Linear factor, 0.0 to 4.0; 1.0 is unity."""

RoomId = NewType("RoomId", int)
"""Ports and sources that may hear each other; a room lives wholly on one media thread."""

SourceId = NewType("SourceId", int)
"""Anything that can be heard: a port (what its peer says) or a player."""

PortId = NewType("PortId", SourceId)
"""One RTP session with one peer. Handles carry a generation: a stale one is ignored, never misdirected."""

RecordingId = NewType("RecordingId", int)


class Codec(StrEnum):
    """Codecs of the core, by their RTP encoding name (RFC 3551); L16 with its rate.

    ``PASSTHROUGH`` is any other: its packets go from one port to another of the
    same ``MediaSession.format``, and whoever would have to be mixed is silent.
    """

    PCMU = "PCMU"
    PCMA = "PCMA"
    G722 = "G722"
    L16_8 = "L16/8000"
    L16_16 = "L16/16000"
    L16_48 = "L16/48000"
    OPUS = "opus"
    PASSTHROUGH = "passthrough"


class Means(StrEnum):
    """How a digit came: as an RFC 4733 event, in a SIP INFO request, as sound."""

    EVENT = "event"
    INFO = "info"
    SOUND = "sound"


MOST_TAPPED = 4
"""Sources that one track of a recording can have."""


class Track(StrEnum):
    """Channels of a conversation's recording: customer side left, employee side right, whispers apart from both."""

    LEFT = "left"
    RIGHT = "right"
    WHISPER = "whisper"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSession:
    """What offer and answer agreed for one port; replaced as a whole at each renegotiation.

    ``remote`` is the signalled RTP address, None while unknown (late offer) or
    when the peer disabled the stream. ``sends``: we may send to the peer.
    ``receives``: the peer may send to us, so silence for ``timeout`` seconds is
    reported as ``MediaTimeout``. ``ptime`` is in milliseconds, of what we send.
    ``dtmf_*`` are the telephone-event payload types (RFC 4733), None if not agreed,
    at ``dtmf_clock`` Hz. ``format`` tells apart what one codec name may mean (its
    parameters; for ``PASSTHROUGH`` the whole rtpmap and fmtp): packets pass between
    ports only where codec and format are equal. ``clock`` is the RTP clock of a
    ``PASSTHROUGH`` codec in Hz; those of the others are known. ``parameters`` is
    the codec's fmtp as the peer wrote it: what he would like to be sent.
    ``payload_receive`` is the number that he sends, None if it is ``payload_type`` too.
    ``signaller`` is the numeric host that the peer's SIP comes from: packets from
    there, though not from ``remote``, are believed soon; from strangers hardly ever
    (``rtp.source_policy``).
    ``noise``: the peer understands comfort noise (RFC 3389), always by payload type 13.
    ``keys``: digits of the peer are commands to us; they are told, but reach nobody who hears it.
    ``told``: keys that others press are told to the peer by its signalling, so where no events were agreed
    they are silence in what it hears, not sound.
    """

    remote: Address | None
    codec: Codec
    payload_type: int
    dtmf_send: int | None = None
    dtmf_receive: int | None = None
    ptime: int = 20
    sends: bool = True
    receives: bool = True
    rtcp_remote: Address | None = None
    timeout: float = 30.0
    dtmf_clock: int = 8000
    format: str = ""
    clock: int = 8000
    keys: bool = False
    told: bool = False
    noise: bool = False
    parameters: str = ""
    payload_receive: int | None = None
    signaller: str | None = None


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A freshly opened port and the local address to write into SDP."""

    id: PortId
    local: Address


@dataclass(frozen=True, slots=True)
class Tone:
    """Sine waves that sound together, repeated by a cadence.

    ``frequencies`` in Hz, ``level`` of each in dBov, ``cadence`` in seconds on,
    off, on, off...; empty means continuous. ``repeat`` counts cadences, None is endless.
    ``in_turn``: each "on" has the next of the frequencies alone.
    """

    frequencies: tuple[float, ...]
    level: float = -16.0
    cadence: tuple[float, ...] = ()
    repeat: int | None = None
    in_turn: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A sound file, or a folder or playlist whose sound files are played one after another.

    It is decoded once, in mono, and shared by all who play it. ``start``, in seconds, is where to begin; a loop
    comes round to its very beginning. ``play`` "shuffle": the pieces are in another order, and without a ``start``
    one of them at random is the first. "together": all who hear it hear the same moment of it, as from a radio.
    """

    path: Path
    loop: bool = False
    start: float = 0.0
    play: Literal["order", "shuffle", "together"] = "order"


@dataclass(frozen=True, slots=True)
class Latched:
    """The source policy settled on (or moved to) the address from which the peer really sends."""

    port: PortId
    address: Address


@dataclass(frozen=True, slots=True)
class Digit:
    """One digit, reported once by each means that it comes by, when it ends; ``duration`` in seconds."""

    port: PortId
    digit: str
    duration: float
    means: Means = Means.EVENT


@dataclass(frozen=True, slots=True)
class MediaTimeout:
    """Nothing valid came for ``silent`` seconds although the session receives; reported once per silence."""

    port: PortId
    silent: float


@dataclass(frozen=True, slots=True)
class MediaResumed:
    """Packets come again after a ``MediaTimeout``."""

    port: PortId


@dataclass(frozen=True, slots=True)
class Unheard:
    """A mix or a recording wants to hear this port (or is for it), but its codec can only be passed through."""

    port: PortId


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """A player reached its end; its source id is dead."""

    source: SourceId


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """The file is complete on disk under ``path``. ``error`` says what was lost, None if nothing."""

    recording: RecordingId
    path: Path
    duration: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Levels:
    """What the last second of a port's audio was like: ``level`` and ``noise``, its floor, in dBov.

    ``speech`` is the share of the second in which it spoke, ``overlap`` that in which somebody whom it hears spoke too.
    """

    level: float
    noise: float
    speech: float
    overlap: float


class PortStats(NamedTuple):
    """Counters of one port since it was opened; the engine reports them once a second and at close.

    ``jitter`` and ``round_trip`` in seconds (RFC 3550 6.4.1), ``round_trip`` None until known.
    Of the last second alone: ``remote_jitter`` and ``remote_loss`` (a share), from the peer's latest report, None
    before the first; ``levels``, None where the audio was not decoded; ``mos``, what a listener would say of what
    came (1 to 4.5, ITU-T G.107), None when nothing came.
    While somebody needs the port decoded, sound waits ``delay`` seconds so that most
    packets come in time; ``target`` is what the network asks for, beyond which only the
    phase of the packets counts. ``concealed`` are frames of 20 ms that were made up in
    whole or in part, ``stretched`` the times at which a period of the voice was taken
    out or put in, ``skipped`` packets thrown away because too much had piled up.
    """

    # Not a dataclass: two of each call come each second, and a frozen one of so many fields takes five times as long.
    port: PortId
    received: int = 0
    sent: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    concealed: int = 0
    bad_source: int = 0
    bad_packet: int = 0
    jitter: float = 0.0
    round_trip: float | None = None
    remote_lost: int = 0
    remote_jitter: float | None = None
    remote_loss: float | None = None
    levels: Levels | None = None
    mos: float | None = None
    delay: float = 0.0
    target: float = 0.0
    stretched: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class PortClosed:
    """The last event of a port: its socket is closed and its number cools down."""

    port: PortId
    stats: PortStats


MediaEvent = (
    Latched | Digit | MediaTimeout | MediaResumed | Unheard | PlayEnded | RecordingEnded | PortStats | PortClosed
)


class MediaEngine(Protocol):
    """Commands to the media core. None raises for what a peer did; all may raise ``NotPossible``."""

    def open_room(self) -> RoomId:
        """Choose the least loaded media thread for a new conversation."""
        ...

    def close_room(self, room: RoomId) -> None:
        """Close everything that is still in the room."""
        ...

    def open_port(self, room: RoomId, local_host: str) -> OpenPort:
        """Open a port on ``local_host`` (an address of this machine); it hears nothing and knows no peer yet."""
        ...

    def set_session(self, port: PortId, session: MediaSession) -> None:
        """Apply a (re)negotiated session. A changed ``remote`` opens a new learning window."""
        ...

    def close_port(self, port: PortId) -> None:
        """Stop and free; ``PortClosed`` follows."""
        ...

    def hear(self, listener: PortId, row: Mapping[SourceId, Gain]) -> None:
        """Set what the listener hears: the whole row, absent sources are silent. All in the listener's room."""
        ...

    def play(self, room: RoomId, source: Tone | File) -> SourceId:
        """Start a player; whoever has it in the row hears it. ``NotPossible`` when the file cannot be decoded."""
        ...

    def position(self, source: SourceId) -> float:
        """Return how many seconds into its sound a player is: where to ``start`` when it is to go on later."""
        ...

    def stop(self, source: SourceId) -> None:
        """End a player; no ``PlayEnded`` follows."""
        ...

    def send_digits(self, port: PortId, digits: str) -> None:
        """Press keys, 100 ms each with 60 ms pauses: as RFC 4733 events, or as sound where none were negotiated."""
        ...

    def watch(self, port: PortId, *, levels: bool | None = None, digits: bool | None = None) -> None:
        """Have a port that is only passed through decoded for what its sound says; None leaves it as it is.

        ``levels``: ``PortStats.levels`` is there, as it is anyway while the port is mixed or recorded. ``digits``:
        digits that come as sound are told, and reach listeners that agreed on RFC 4733 events.
        """
        ...

    def mask(self, port: PortId, masked: bool) -> None:
        """Keep all that the port says and presses out of recordings, or let it in again: card numbers are secret."""
        ...

    def record(
        self, room: RoomId, tracks: Mapping[Track, Sequence[SourceId]], path: Path, *, rate: int = 8000
    ) -> RecordingId:
        """Record the sources (not mixes) into a WAV at ``path``, placed by RTP timestamp.

        ``rate`` is 8000 or 16000 Hz. The file is in stereo, or has a third channel
        if ``tracks`` names the whisper track, be it empty; ``retrack`` adds none.
        """
        ...

    def retrack(self, recording: RecordingId, tracks: Mapping[Track, Sequence[SourceId]]) -> None:
        """Change which sources a running recording taps."""
        ...

    def stop_recording(self, recording: RecordingId) -> None:
        """Finish the file; ``RecordingEnded`` follows."""
        ...

    def fileno(self) -> int:
        """A descriptor that is readable when ``events()`` has something; -1 if the engine has none."""
        ...

    def events(self) -> list[MediaEvent]:
        """Take what happened since the last call, in order per port."""
        ...
