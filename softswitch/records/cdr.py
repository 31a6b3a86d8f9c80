"""The call detail record: a fold of one conversation's events into who, when, how long and how it ended.

Every instant from the first event to the end belongs to exactly one of *wait*
(nobody has answered yet), *talk* and *hold* (somebody holds), so
``wait + talk + hold == ended_at - started_at``; *ring* is the part of wait in
which a device rang. A leg likewise: ``setup + ring + talk + hold`` is its life.
All in seconds.

A fold takes events in the order of the journal and never raises, whatever the
order. Its time begins with the civil time of the first event and goes on by the
monotonic clock: whoever sets the civil clock during a call changes no duration,
and all instants of a call are by the clock that it began with. Between events
of which one has no monotonic time (the process died in between) the civil clock
counts; when that was set back, time stands still until it has caught up. Reviews come days later, and have
the civil time of their events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, cast

from softswitch.events import (
    CallArrived,
    CallRouted,
    ConversationEnded,
    Event,
    GivenBack,
    LegAnswered,
    LegDialog,
    LegEnded,
    LegHeld,
    LegOffered,
    LegResumed,
    LegRinging,
    MediaQuality,
    RecordingDeleted,
    RecordingFailed,
    RecordingFinished,
    RecordingStarted,
    TakenOver,
)
from softswitch.frozen import dataclass
from softswitch.ids import ConversationId, LegId, NodeId
from softswitch.records.reviews import KINDS as OF_REVIEWS
from softswitch.records.reviews import OfReview, ReviewRecord, apply_review

__all__ = ["Cdr", "ConversationFold", "LegRecord", "RecordingRecord"]

_NONE = timedelta()

LONGEST = 10 * 365 * 86400.0
"""Seconds between two events of a conversation that are believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRecord:
    """One party's connection; ``remote`` None while it lives. ``hold`` is how long *it* held the others or was parked.

    Supervisors and prompters stand beside the conversation: their times are nobody else's.
    """

    conversation: ConversationId
    leg: LegId
    place: int
    role: Literal["caller", "called", "supervisor", "prompter"]
    party: str
    target: str
    call_id: str
    started_at: datetime
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    setup: float
    ring: float
    talk: float
    hold: float
    codec: str
    cause: str
    status: int
    remote: bool | None
    received: int | None = None
    sent: int | None = None
    lost: int | None = None
    late: int | None = None
    concealed: int | None = None
    bad_source: int | None = None
    jitter: float | None = None
    round_trip: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRecord:
    """One file of a conversation, relative to the recordings folder; ``finished_at`` None until it is whole.

    ``deleted``: it had been kept for long enough. That is in no table.
    """

    conversation: ConversationId
    path: str
    started_at: datetime
    finished_at: datetime | None = None
    duration: float | None = None
    repaired: bool = False
    error: str = ""
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdr:
    """One conversation. Texts are empty where nothing is known; the times are as of the last event while it runs."""

    conversation: ConversationId
    node: NodeId
    started_at: datetime
    origin: str
    caller: str
    caller_name: str
    withheld: bool
    called: str
    routed_to: str
    rule: str
    answered_at: datetime | None
    answered_by: str
    ended_at: datetime | None
    result: str
    cause: str
    wait: float
    ring: float
    talk: float
    hold: float
    recording: str
    legs: tuple[LegRecord, ...]
    recordings: tuple[RecordingRecord, ...]
    reviews: tuple[ReviewRecord, ...] = ()


_ROLES: Mapping[str, Literal["supervisor", "prompter"]] = {"supervise": "supervisor", "prompt": "prompter"}
"""By the purpose of an offer."""


class _Leg:
    """A leg as it changes: in one of four phases since ``since``."""

    __slots__ = (
        "answered_at",
        "call_id",
        "cause",
        "codec",
        "ended_at",
        "leg",
        "parked",
        "party",
        "phase",
        "place",
        "quality",
        "remote",
        "ringing_at",
        "role",
        "since",
        "spent",
        "started_at",
        "status",
        "target",
    )

    def __init__(self, event: CallArrived | LegOffered, place: int, at: datetime) -> None:
        self.leg, self.place, self.call_id = event.leg, place, event.call_id
        self.role: Literal["caller", "called", "supervisor", "prompter"] = "caller"
        if isinstance(event, LegOffered):
            self.role = _ROLES.get(event.purpose, "called")
        self.party = event.origin if isinstance(event, CallArrived) else event.party
        self.target = "" if isinstance(event, CallArrived) else event.target
        self.started_at = self.since = at
        self.ringing_at: datetime | None = None
        self.answered_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.phase: Literal["setup", "ring", "talk", "hold", "over"] = "setup"
        self.spent = {"setup": _NONE, "ring": _NONE, "talk": _NONE, "hold": _NONE}
        self.codec = self.cause = ""
        self.status = 0
        self.remote: bool | None = None
        self.parked = False
        self.quality: MediaQuality | None = None

    @property
    def aside(self) -> bool:
        """Whether it only stands beside the two who talk."""
        return self.role in ("supervisor", "prompter")

    def enter(self, phase: Literal["setup", "ring", "talk", "hold", "over"], at: datetime) -> None:
        if self.phase != "over":
            self.spent[self.phase] += at - self.since
        self.phase, self.since = phase, at

    def record(self, conversation: ConversationId, until: datetime) -> LegRecord:
        spent = dict(self.spent)
        if self.phase != "over":
            spent[self.phase] += until - self.since
        quality = self.quality
        return LegRecord(
            conversation=conversation,
            leg=self.leg,
            place=self.place,
            role=self.role,
            party=self.party,
            target=self.target,
            call_id=self.call_id,
            started_at=self.started_at,
            ringing_at=self.ringing_at,
            answered_at=self.answered_at,
            ended_at=self.ended_at,
            setup=spent["setup"].total_seconds(),
            ring=spent["ring"].total_seconds(),
            talk=spent["talk"].total_seconds(),
            hold=spent["hold"].total_seconds(),
            codec=self.codec,
            cause=self.cause,
            status=self.status,
            remote=self.remote,
            received=quality.received if quality else None,
            sent=quality.sent if quality else None,
            lost=quality.lost if quality else None,
            late=quality.late if quality else None,
            concealed=quality.concealed if quality else None,
            bad_source=quality.bad_source if quality else None,
            jitter=quality.jitter if quality else None,
            round_trip=quality.round_trip if quality else None,
        )


class ConversationFold:
    """One conversation so far; ``apply`` each of its events in order, then ask for the ``cdr``."""

    def __init__(self, first: Event) -> None:
        """Begin with the first event seen of a conversation, which must then be applied."""
        assert first.conversation is not None
        self.conversation = first.conversation
        self.node = first.node
        self.started_at = self.now = first.at
        self._up = first.up
        self._ahead = _NONE
        """How far our time is ahead of the civil clock, which was set."""
        self.arrived: CallArrived | None = None
        self.routed: CallRouted | None = None
        self.answered_at: datetime | None = None
        self.answered_by = ""
        self.ended: ConversationEnded | None = None
        self.ended_at: datetime | None = None
        self.dialogs: dict[LegId, str] = {}
        """The last state of each leg that lives: of its ``LegDialog``, or the ``dialog`` of another event."""
        self._legs: dict[LegId, _Leg] = {}
        self._recordings: dict[str, RecordingRecord] = {}
        self._reviews: dict[str, ReviewRecord] = {}
        self._spent = {"wait": _NONE, "ring": _NONE, "talk": _NONE, "hold": _NONE}

    @property
    def open_legs(self) -> list[LegId]:
        return [leg.leg for leg in self._legs.values() if leg.phase != "over"]

    @property
    def open_recordings(self) -> list[str]:
        return [record.path for record in self._recordings.values() if record.finished_at is None and not record.error]

    @property
    def state(self) -> Literal["arrived", "ringing", "talking", "on hold", "ended"]:
        if self.ended is not None:
            return "ended"
        phases = self._phases
        if self.answered_at is not None:
            return "on hold" if "hold" in phases else "talking"
        return "ringing" if "ring" in phases else "arrived"

    @property
    def _phases(self) -> list[str]:
        return [leg.phase for leg in self._legs.values() if not leg.aside and not leg.parked]

    def apply(self, event: Event) -> None:
        if type(event) in OF_REVIEWS:
            apply_review(self._reviews, cast(OfReview, event))
            return
        self._pass_time(event)
        match event:
            case RecordingStarted() | RecordingFinished() | RecordingFailed():
                self._record(event)
            case RecordingDeleted():
                record = self._recordings.get(event.path)
                if record is not None:
                    self._recordings[event.path] = replace(record, deleted=True)
            case MediaQuality():
                leg = self._legs.get(event.leg)
                if leg is not None:
                    leg.quality = event
            case _ if self.ended is not None:
                return
            case CallArrived():
                if self.arrived is None:
                    self.arrived = event
                    self._begin(event)
            case CallRouted():
                self.routed = event
            case LegOffered():
                self._begin(event)
            case LegDialog():
                leg = self._legs.get(event.leg)
                if leg is None or leg.phase != "over":
                    self.dialogs[event.leg] = event.state
            case ConversationEnded():
                self.ended, self.ended_at = event, self.now
            case TakenOver():
                leg = self._legs.get(event.leg)
                if leg is not None:
                    leg.role = "called"
                if event.parked is not None:
                    self._park(event.parked)
            case GivenBack():
                leg = self._legs.get(event.leg)
                if leg is not None:
                    leg.role = "supervisor"
                self._unpark(event.to)
            case LegRinging() | LegAnswered() | LegHeld() | LegResumed() | LegEnded():
                leg = self._legs.get(event.leg)
                if leg is not None and leg.phase != "over":
                    self._change(leg, event)

    def present(self, up: float, at: datetime) -> datetime:
        """Return the present by the clock that the conversation began with.

        ``up`` is the monotonic time of the machine that it runs on, ``at`` the civil time, which may have been set.
        """
        if self._up and 0 <= up - self._up < LONGEST:
            return self.now + timedelta(seconds=up - self._up)
        return at + self._ahead

    def _time_of(self, event: Event) -> datetime:
        """Return the event's time by the clock that the conversation began with."""
        before, self._up = self._up, event.up
        try:
            if before and 0 <= event.up - before < LONGEST:
                now = self.now + timedelta(seconds=event.up - before)
                self._ahead = now - event.at
                return now
            return event.at + self._ahead
        except OverflowError:
            return event.at

    def _pass_time(self, event: Event) -> None:
        """Book the time since the last event on what was going on, and move on."""
        now = self._time_of(event)
        if now <= self.now:
            return
        if self.ended is None:
            passed = now - self.now
            phases = self._phases
            if self.answered_at is None:
                self._spent["wait"] += passed
                if "ring" in phases:
                    self._spent["ring"] += passed
            else:
                self._spent["hold" if "hold" in phases else "talk"] += passed
        self.now = now

    def _begin(self, event: CallArrived | LegOffered) -> None:
        if event.leg not in self._legs:
            self._legs[event.leg] = _Leg(event, len(self._legs), self.now)
            self._keep_dialog(event.leg, event.dialog)

    def _keep_dialog(self, leg: LegId, state: str) -> None:
        if state:
            self.dialogs[leg] = state

    def _park(self, name: LegId) -> None:
        leg = self._legs.get(name)
        if leg is not None and leg.phase in ("talk", "hold"):
            leg.parked = True
            leg.enter("hold", self.now)

    def _unpark(self, name: LegId) -> None:
        leg = self._legs.get(name)
        if leg is not None and leg.parked:
            leg.parked = False
            leg.enter("talk", self.now)

    def _change(self, leg: _Leg, event: LegRinging | LegAnswered | LegHeld | LegResumed | LegEnded) -> None:
        match event:
            case LegRinging():
                if leg.phase == "setup":
                    leg.enter("ring", self.now)
                    leg.ringing_at = self.now
            case LegAnswered():
                leg.codec = event.codec
                self._keep_dialog(leg.leg, event.dialog)
                if leg.answered_at is None:
                    leg.enter("talk", self.now)
                    leg.answered_at = self.now
                    if leg.role == "called" and self.answered_at is None:
                        self.answered_at, self.answered_by = self.now, leg.party
            case LegHeld():
                if leg.phase == "talk":
                    leg.enter("hold", self.now)
            case LegResumed():
                if leg.phase == "hold" and not leg.parked:
                    leg.enter("talk", self.now)
            case LegEnded():
                leg.enter("over", self.now)
                leg.parked = False
                leg.ended_at, leg.cause, leg.status, leg.remote = self.now, event.cause, event.status, event.remote
                self.dialogs.pop(leg.leg, None)

    def _record(self, event: RecordingStarted | RecordingFinished | RecordingFailed) -> None:
        old = self._recordings.get(event.path)
        started = self.now if old is None else old.started_at
        match event:
            case RecordingStarted():
                if old is None:
                    new = RecordingRecord(conversation=self.conversation, path=event.path, started_at=started)
                else:
                    new = old
            case RecordingFinished():
                new = RecordingRecord(
                    conversation=self.conversation,
                    path=event.path,
                    started_at=started,
                    finished_at=self.now,
                    duration=event.duration,
                    repaired=event.repaired,
                    error="" if old is None else old.error,
                )
            case RecordingFailed():
                new = RecordingRecord(
                    conversation=self.conversation,
                    path=event.path,
                    started_at=started,
                    finished_at=None if old is None else old.finished_at,
                    duration=None if old is None else old.duration,
                    repaired=old is not None and old.repaired,
                    error=event.error or "failed",
                )
        self._recordings[event.path] = new

    def cdr(self) -> Cdr:
        arrived, routed, ended = self.arrived, self.routed, self.ended
        until = self.ended_at or self.now
        return Cdr(
            conversation=self.conversation,
            node=self.node,
            started_at=self.started_at,
            origin=arrived.origin if arrived else "",
            caller=arrived.caller if arrived else "",
            caller_name=arrived.caller_name if arrived else "",
            withheld=arrived is not None and arrived.withheld,
            called=arrived.called if arrived else "",
            routed_to=routed.to if routed else "",
            rule=routed.rule if routed else "",
            answered_at=self.answered_at,
            answered_by=self.answered_by,
            ended_at=self.ended_at,
            result=ended.result if ended else "",
            cause=ended.cause if ended else "",
            wait=self._spent["wait"].total_seconds(),
            ring=self._spent["ring"].total_seconds(),
            talk=self._spent["talk"].total_seconds(),
            hold=self._spent["hold"].total_seconds(),
            recording=next(iter(self._recordings), ""),
            legs=tuple(leg.record(self.conversation, until) for leg in self._legs.values()),
            recordings=tuple(self._recordings.values()),
            reviews=tuple(self._reviews.values()),
        )
