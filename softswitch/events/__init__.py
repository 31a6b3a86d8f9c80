"""The facts: every change in the switch is one frozen event, and the journal of them is the only truth.

Calls, records, boards and reports are folds over these events; commands never
travel this way. An event is published once, numbered by the journal, written
before anybody outside is told, and never changed. Fields are plain values
(str, int, float, bool, None, tuples of those), so that an event is one JSON object.

``leg`` is one party's connection to a conversation. Numbers are E.164 with "+",
extensions are bare digits.
"""

from __future__ import annotations

from softswitch.events.conversations import (
    Abandoned,
    CallArrived,
    CallRouted,
    ConversationEnded,
    DigitPressed,
    LegAnswered,
    LegDialog,
    LegEnded,
    LegHeld,
    LegOffered,
    LegResumed,
    LegRinging,
    MediaLost,
    MediaQuality,
    MediaRegained,
    OneWayAudio,
    RecordingDeleted,
    RecordingFailed,
    RecordingFinished,
    RecordingMasked,
    RecordingStarted,
    RecordingUnmasked,
    Result,
    WaitingDialog,
)
from softswitch.events.event import NO_TIME, Event, place
from softswitch.events.office import (
    AccountBanned,
    BanLifted,
    ConfigRefused,
    ConfigReloaded,
    DeviceBound,
    DeviceReachability,
    DeviceUnbound,
    SwitchStarted,
    SwitchStopped,
    TrunkReachability,
)
from softswitch.events.people import (
    AccessGranted,
    AccessRefused,
    LoggedIn,
    LoggedOut,
    LoginRefused,
    PasswordChanged,
    TokenMade,
    TokenRevoked,
)
from softswitch.events.reviews import ReviewAsked, ReviewClosed, ReviewCommented, ReviewMarked
from softswitch.events.supervision import (
    GivenBack,
    HelpAsked,
    HelpEnded,
    HelpRefused,
    HelpStarted,
    SupervisionChanged,
    SupervisionEnded,
    SupervisionRefused,
    SupervisionStarted,
    TakenOver,
)

__all__ = [
    "EVENTS",
    "NO_TIME",
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
    "ReviewAsked",
    "ReviewClosed",
    "ReviewCommented",
    "ReviewMarked",
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
    "place",
]

_KINDS = (globals()[name] for name in __all__ if name != "EVENTS")

EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in _KINDS if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}
"""Every kind that may stand in a journal, by the name it is stored under."""
