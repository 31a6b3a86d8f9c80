"""The facts: every change in the switch is one frozen event, and the journal of them is the only truth.

Calls, records, boards and reports are folds over these events; commands never
travel this way. An event is published once, numbered by the journal, written
before anybody outside is told, and never changed. Fields are plain values
(str, int, float, bool, None, tuples of those), so that an event is one JSON object.

``leg`` is one party's connection to a conversation. Numbers are E.164 with "+",
extensions are bare digits.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from softswitch.frozen import dataclass
from softswitch.ids import ConversationId, LegId, NodeId

__all__ = [
    "EVENTS",
    "Abandoned",
    "AccessGranted",
    "AccessRefused",
    "AccountBanned",
    "BanLifted",
    "CallArrived",
    "CallRouted",
    "ConfigRefused",
    "ConfigReloaded",
    "ConversationEnded",
    "DeviceBound",
    "DeviceReachability",
    "DeviceUnbound",
    "DigitPressed",
    "Event",
    "GivenBack",
    "HelpAsked",
    "HelpEnded",
    "HelpRefused",
    "HelpStarted",
    "LegAnswered",
    "LegDialog",
    "LegEnded",
    "LegHeld",
    "LegOffered",
    "LegResumed",
    "LegRinging",
    "LoggedIn",
    "LoggedOut",
    "LoginRefused",
    "MediaLost",
    "MediaQuality",
    "MediaRegained",
    "OneWayAudio",
    "PasswordChanged",
    "RecordingDeleted",
    "RecordingFailed",
    "RecordingFinished",
    "RecordingMasked",
    "RecordingStarted",
    "RecordingUnmasked",
    "Result",
    "SupervisionChanged",
    "SupervisionEnded",
    "SupervisionRefused",
    "SupervisionStarted",
    "SwitchStarted",
    "SwitchStopped",
    "TakenOver",
    "TokenMade",
    "TokenRevoked",
    "TrunkReachability",
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

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)

E = TypeVar("E", bound="Event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """``seq`` and ``node`` are given by the journal (0 and "" before); ``at`` is aware UTC.

    ``up`` is when it was published in seconds of the machine's monotonic clock, given by the
    journal too: durations are reckoned by it, since the civil clock may be set while people
    talk. 0 where it is not known: ``at`` was given by whoever published, or the journal is old.
    """

    seq: int = 0
    node: NodeId = NodeId("")
    at: datetime = NO_TIME
    up: float = 0.0
    conversation: ConversationId | None = None


def place(event: E, conversation: ConversationId) -> E:
    """Say which conversation an event belongs to; for who just made it, before anybody else has seen it."""
    fresh: Any = event  # nobody has seen it: to fill it in costs a tenth of making a second one
    fresh.conversation = conversation
    return event


# The switch itself --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchStarted(Event):
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchStopped(Event):
    """An orderly stop; a start without it before means that the process died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReloaded(Event):
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRefused(Event):
    problems: tuple[str, ...]


# Devices ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBound(Event):
    """A contact registered or refreshed. Enough to call it again after a restart."""

    person: str
    contact: str
    transport: str
    remote_host: str
    remote_port: int
    local_host: str
    local_port: int
    call_id: str
    cseq: int
    expires_at: datetime
    registered_at: datetime
    user_agent: str = ""
    path: tuple[str, ...] = ()
    refreshed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUnbound(Event):
    person: str
    contact: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReachability(Event):
    """``why`` "disconnected": its connection ended with the process before, and it has yet to make another."""

    person: str
    contact: str
    reachable: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkReachability(Event):
    """A trunk is taken for dead, or taken back; ``why`` in a few words."""

    trunk: str
    reachable: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBanned(Event):
    """Too many wrong passwords for ``account`` came from the address ``source``."""

    source: str
    account: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BanLifted(Event):
    """Somebody ended a ban before its time."""

    source: str
    account: str


# Conversations and their legs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArrived(Event):
    """The first INVITE of a conversation, authenticated. ``origin`` is "person:101" or "trunk:provider"."""

    leg: LegId
    origin: str
    caller: str
    caller_name: str
    called: str
    call_id: str
    withheld: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRouted(Event):
    """Where the dial plan sent the caller, and by which rule: "person:102" by "extension"."""

    to: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegOffered(Event):
    """We rang a device or a trunk. ``party`` is "person:102" or "trunk:provider", ``target`` the URI called.

    ``purpose`` "supervise" or "prompt": whoever is there stands beside the two who
    talk; a supervisor who called us by himself has no ``target``.
    """

    leg: LegId
    party: str
    target: str
    call_id: str
    purpose: Literal["call", "supervise", "prompt"] = "call"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRinging(Event):
    leg: LegId
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAnswered(Event):
    """The leg talks from now on. For the caller's leg: our 200 went out."""

    leg: LegId
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegDialog(Event):
    """What is needed to release the peer after a crash: the fields of ``sip.events.DialogState`` as JSON text."""

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


# Supervision --------------------------------------------------------------------------------------------------------
# ``supervisor``, ``employee`` and ``colleague`` are extensions, ``mode`` is a word of ``calls.modes.Mode``.


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
class SupervisionStarted(Event):
    """From now on the supervisor hears; ``via`` is how it was asked for: "code", "key", "cli", "api" or "mobile".

    ``why`` he may, in the words of ``permissions.Reason``.
    """

    leg: LegId
    supervisor: str
    employee: str
    mode: str
    via: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionChanged(Event):
    leg: LegId
    supervisor: str
    employee: str
    mode: str
    before: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionEnded(Event):
    """``cause``: "hung up", "stopped", "conversation over", "moved on", "taken over" or that of a ``LegEnded``."""

    leg: LegId
    supervisor: str
    employee: str
    mode: str
    cause: str
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionRefused(Event):
    """Nothing was changed; ``action`` is a mode, "take over" or "PIN", ``reason`` a sentence.

    ``supervisor`` and ``employee`` are "" of who did not prove who he is.
    """

    supervisor: str
    employee: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver(Event):
    """The supervisor talks instead of the employee; his own leg is a party's from now on.

    ``parked`` is the employee's leg where it waits with music until ``GivenBack``; None: it ends.
    """

    leg: LegId
    supervisor: str
    employee: str
    parked: LegId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack(Event):
    """The employee, on the leg ``to``, talks again; the supervisor's leg stands beside the conversation, or is over."""

    leg: LegId
    supervisor: str
    employee: str
    to: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpAsked(Event):
    """The employee wants a prompter; the devices of ``colleagues`` ring."""

    employee: str
    colleagues: tuple[str, ...]
    via: str
    skill: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpStarted(Event):
    """``colleague`` hears both, and only the employee hears him; ``waited`` is how long he was asked for."""

    leg: LegId
    colleague: str
    employee: str
    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpEnded(Event):
    """``cause`` as in ``SupervisionEnded``; ``duration`` is how long the help took."""

    leg: LegId
    colleague: str
    employee: str
    cause: str
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpRefused(Event):
    """Nobody came; ``reason`` is a sentence."""

    employee: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned(Event):
    """The caller gave up before anybody answered, after ``waited`` seconds."""

    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationEnded(Event):
    """The last event of a conversation; exactly one for each that arrived."""

    result: Result
    cause: str = ""


# People and the API -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn(Event):
    """``source`` is the address that the person came from."""

    person: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut(Event):
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRefused(Event):
    """Somebody gave a wrong password for ``person``, who need not exist; ``wait`` s before the next try."""

    person: str
    source: str
    wait: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    """``by`` is an extension, or "console" for the command line."""

    person: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade(Event):
    person: str
    name: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(Event):
    person: str
    name: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted(Event):
    """``by`` did something that others may ask about later: ``action`` is a ``directory.permissions.Action``.

    ``about`` are the people concerned.
    """

    by: str
    action: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRefused(Event):
    """As ``AccessGranted``; ``reason`` is a ``directory.permissions.Reason``."""

    by: str
    action: str
    about: tuple[str, ...] = ()
    reason: str = ""


EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        SwitchStarted,
        SwitchStopped,
        ConfigReloaded,
        ConfigRefused,
        DeviceBound,
        DeviceUnbound,
        DeviceReachability,
        TrunkReachability,
        AccountBanned,
        BanLifted,
        CallArrived,
        CallRouted,
        LegOffered,
        LegRinging,
        LegAnswered,
        LegDialog,
        WaitingDialog,
        LegHeld,
        LegResumed,
        LegEnded,
        DigitPressed,
        MediaLost,
        OneWayAudio,
        MediaRegained,
        MediaQuality,
        RecordingStarted,
        RecordingFinished,
        RecordingFailed,
        RecordingDeleted,
        RecordingMasked,
        RecordingUnmasked,
        SupervisionStarted,
        SupervisionChanged,
        SupervisionEnded,
        SupervisionRefused,
        TakenOver,
        GivenBack,
        HelpAsked,
        HelpStarted,
        HelpEnded,
        HelpRefused,
        Abandoned,
        ConversationEnded,
        LoggedIn,
        LoggedOut,
        LoginRefused,
        PasswordChanged,
        TokenMade,
        TokenRevoked,
        AccessGranted,
        AccessRefused,
    )
}
"""Every kind that may stand in a journal, by the name it is stored under."""
