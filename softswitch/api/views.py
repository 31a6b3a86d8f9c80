"""What the commands answer: plain objects that are JSON as they stand.

Instants are ISO 8601 texts in UTC, durations are seconds. A key is always
there; what is not known is null or empty. New keys may be added, none changes
its meaning: scripts read ``softswitch --json``.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

__all__ = [
    "BanRow",
    "CallRow",
    "CommentRow",
    "ConversationView",
    "DeviceRow",
    "EventRow",
    "LadderEntry",
    "LadderView",
    "LatenessClass",
    "LegRow",
    "MediaStatus",
    "MediaThreadRow",
    "PasswordView",
    "PersonRow",
    "RecordingRow",
    "ReloadView",
    "ReviewRow",
    "ReviewView",
    "StatusView",
    "TimelineLine",
    "TokenRow",
    "TokenView",
    "TrunkRow",
]


class LatenessClass(TypedDict):
    """How many ticks began less than ``below`` seconds late, and not less than half of it."""

    below: float
    ticks: int


class MediaThreadRow(TypedDict):
    """One media thread; classes of lateness without a tick are left out."""

    ports: int
    priority: str
    late_p99: float
    late_max: float
    lateness: list[LatenessClass]


class MediaStatus(TypedDict):
    """``late_p99`` and ``late_max``: how late the media threads' ticks began, in seconds, of all and of each."""

    threads: int
    ports_open: int
    ports_total: int
    recordings: int
    late_p99: float
    late_max: float
    each: list[MediaThreadRow]


class TrunkRow(TypedDict):
    """``state``: "down" is tried last; "unknown": nothing speaks against it, but it never answered OPTIONS."""

    name: str
    server: str
    state: Literal["up", "down", "unknown"]


class BanRow(TypedDict):
    """From ``source`` nobody may be ``account``; ``left`` in seconds."""

    source: str
    account: str
    left: float


class StatusView(TypedDict):
    """``warnings`` are sentences for a person; ``counters`` only ever grow."""

    version: str
    name: str
    domain: str
    config: str
    pid: int
    started: str
    uptime: float
    listening: list[str]
    calls: int
    people: int
    registered: int
    trunks: list[TrunkRow]
    bans: list[BanRow]
    media: MediaStatus
    counters: dict[str, int]
    warnings: list[str]


class DeviceRow(TypedDict):
    """A registered contact; ``address`` is where it is reached, "192.0.2.7:5060"."""

    contact: str
    transport: str
    address: str
    user_agent: str
    since: str
    expires_in: float
    reachable: bool


class PersonRow(TypedDict):
    """``state``: "talking" or "ringing" while in a call, else "reachable", "unreachable" or "offline"."""

    extension: str
    name: str
    groups: list[str]
    state: Literal["talking", "ringing", "reachable", "unreachable", "offline"]
    devices: list[DeviceRow]


class LegRow(TypedDict):
    """``party`` is "person:101" or "trunk:provider"; times in seconds.

    ``mos``: what a listener would say of its sound so far (1 to 4.5, ITU-T G.107); null before the first second, and
    in conversations that are over, whose timeline tells it.
    """

    leg: str
    party: str
    role: str
    target: str
    state: str
    codec: str
    ring: float
    talk: float
    hold: float
    cause: str
    mos: float | None


class CallRow(TypedDict):
    """``state``: "arrived", "ringing", "talking", "on hold" or "ended"; ``result`` is empty until the end."""

    id: str
    started: str
    state: str
    caller: str
    caller_name: str
    called: str
    answered_by: str
    duration: float
    talk: float
    result: str
    recording: str
    legs: list[LegRow]


class TimelineLine(TypedDict):
    """``kind`` is the event's name, ``text`` a sentence in the language asked for, ``who`` the party it is about."""

    at: str
    kind: str
    who: str
    text: str


class ConversationView(TypedDict):
    call: CallRow
    lines: list[TimelineLine]


class RecordingRow(TypedDict):
    """``number`` names it within its conversation; ``finished`` null while it is written, ``error`` empty if well.

    ``deleted``: it had been kept for as long as the office keeps recordings.
    """

    number: int
    started: str
    finished: str | None
    duration: float | None
    error: str
    deleted: bool


class CommentRow(TypedDict):
    """``position`` is in seconds of the recording ``recording``; null, and 0, where it is about the whole."""

    number: int
    at: str
    by: str
    recording: int
    position: float | None
    text: str


class ReviewRow(TypedDict):
    """``employee`` asked for it; ``comments`` is how many there are; ``mark`` 1 to 5, null before there is one.

    ``started``, ``caller`` and ``called`` are those of the conversation.
    """

    conversation: str
    employee: str
    asked: str
    note: str
    state: Literal["open", "closed"]
    mark: int | None
    marked_by: str
    closed: str | None
    closed_by: str
    comments: int
    started: str
    caller: str
    called: str


class ReviewView(TypedDict):
    """``may`` are the actions that whoever asks may do to it now."""

    review: ReviewRow
    comments: list[CommentRow]
    recordings: list[RecordingRow]
    may: list[str]


class LadderEntry(TypedDict):
    """One SIP message: from ``source`` to ``target`` (columns of the ladder), credentials masked."""

    at: str
    source: str
    target: str
    summary: str
    call_id: str
    text: str


class LadderView(TypedDict):
    """``columns``: who takes part, the switch itself included, in the order to be drawn."""

    id: str
    columns: list[str]
    entries: list[LadderEntry]


class ReloadView(TypedDict):
    """``changes``: one sentence each; ``warnings`` of the new file."""

    path: str
    changes: list[str]
    warnings: list[str]


class PasswordView(TypedDict):
    """A password that was just made: it is shown this once."""

    extension: str
    password: str


class TokenRow(TypedDict):
    """A program that acts as a person."""

    id: str
    name: str
    created: str


class TokenView(TypedDict):
    """A token that was just made: it is shown this once."""

    extension: str
    name: str
    token: str


class EventRow(TypedDict):
    """One event: its number in the journal, and all other fields of its kind under ``data``."""

    seq: int
    at: str
    kind: str
    conversation: str | None
    data: dict[str, Any]
