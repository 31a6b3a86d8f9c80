"""Facts about conversations: their legs, what was heard and lost, what was recorded."""

from __future__ import annotations

from typing import Literal

from softswitch.events.event import Event
from softswitch.frozen import dataclass
from softswitch.ids import LegId

__all__ = [
    "Abandoned",
    "CallArrived",
    "CallRouted",
    "ConversationEnded",
    "DigitPressed",
    "LegAnswered",
    "LegDialog",
    "LegEnded",
    "LegHeld",
    "LegOffered",
    "LegResumed",
    "LegRinging",
    "MediaLost",
    "MediaQuality",
    "MediaRegained",
    "OneWayAudio",
    "RecordingDeleted",
    "RecordingFailed",
    "RecordingFinished",
    "RecordingMasked",
    "RecordingStarted",
    "RecordingUnmasked",
    "Result",
    "WaitingDialog",
]

Result = Literal[
    "answered",
    "busy",
    "declined",
    "no answer",
    "unreachable",
    "abandoned",
    "no such number",
    "refused",
    "failed",
    "switch died",
]
"""How a conversation ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArrived(Event):
    """The first INVITE of a conversation, authenticated. ``origin`` is "person:101" or "trunk:provider".

    ``dialog`` as in ``LegDialog``.
    """

    leg: LegId
    origin: str
    caller: str
    caller_name: str
    called: str
    call_id: str
    withheld: bool = False
    dialog: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRouted(Event):
    """Where the dial plan sent the caller, and by which rule: "person:102" by "extension"."""

    to: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegOffered(Event):
    """We rang a device or a trunk. ``party`` is "person:102" or "trunk:provider", ``target`` the URI called.

    ``purpose`` "supervise" or "prompt": whoever is there stands beside the two who
    talk; a supervisor who called us by himself has no ``target``. ``dialog`` as in ``LegDialog``.
    """

    leg: LegId
    party: str
    target: str
    call_id: str
    purpose: Literal["call", "supervise", "prompt"] = "call"
    dialog: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRinging(Event):
    leg: LegId
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAnswered(Event):
    """The leg talks from now on. For the caller's leg: our 200 goes out. ``dialog`` as in ``LegDialog``."""

    leg: LegId
    codec: str
    dialog: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegDialog(Event):
    """What is needed to release the peer after a crash: the fields of ``sip.events.DialogState`` as JSON text.

    Told when it changed without anything else to tell; where a leg begins or answers, ``dialog`` says it.
    """

    leg: LegId
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDialog(Event):
    """The same of a supervisor's telephone outside of any conversation; ``state`` is "" once it is so no longer."""

    leg: LegId
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegHeld(Event):
    """``leg`` put the other side on hold."""

    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class LegResumed(Event):
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnded(Event):
    """``cause`` is a ``sip.events.Cause``, or "answered elsewhere", "no answer", "media lost", "switch died".

    ``remote``: the peer ended it.
    """

    leg: LegId
    cause: str
    status: int = 0
    remote: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitPressed(Event):
    """``digit`` is "" while the leg is masked: card numbers are nobody's business."""

    leg: LegId
    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLost(Event):
    """Nothing comes from this leg although it should; ``sent_to``, where we send, helps whoever looks for the fault."""

    leg: LegId
    silent: float
    sent_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWayAudio(Event):
    """We send to ``sent_to`` since the answer, and for ``silent`` seconds nothing has come back; the call goes on.

    ``why``: "nat" where ``sent_to`` is an inner address told by somebody outside, "no address" where
    none was told, else "".
    """

    leg: LegId
    silent: float
    sent_to: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRegained(Event):
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaQuality(Event):
    """Counters of one leg over its whole life, written when it closes."""

    leg: LegId
    received: int
    sent: int
    lost: int
    late: int
    concealed: int
    bad_source: int
    jitter: float
    round_trip: float | None
    mos: float | None = None
    """What a listener would say of what came, on the average (ITU-T G.107: 1 to 4.5); None when nothing came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(Event):
    """``path`` is relative to the recordings folder."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFinished(Event):
    path: str
    duration: float
    repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFailed(Event):
    path: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingDeleted(Event):
    """The file was kept for as long as ``recording.keep`` says, ``kept`` in seconds, and is gone."""

    path: str
    kept: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingMasked(Event):
    """From now on nothing of what is said and pressed is recorded or told.

    ``by`` is an extension, "console" or "" (a program, which masks the caller alone); ``via`` is "code", "cli",
    "api" or "program".
    """

    by: str
    via: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingUnmasked(Event):
    """The end of a ``RecordingMasked``, whose fields it has."""

    by: str
    via: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned(Event):
    """The caller gave up before anybody answered, after ``waited`` seconds."""

    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationEnded(Event):
    """The last event of a conversation; exactly one for each that arrived."""

    result: Result
    cause: str = ""
