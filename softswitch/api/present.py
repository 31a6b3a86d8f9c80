"""From what the switch knows to what it shows: records, registrations and traces as the views of the commands.

Used by the running switch, and by the command line when it reads the records of
one that does not run.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Literal

from softswitch.api.views import (
    CallRow,
    CommentRow,
    ConversationView,
    DeviceRow,
    EventRow,
    LadderEntry,
    LadderView,
    LegRow,
    PersonRow,
    RecordingRow,
    ReviewRow,
    ReviewView,
    TimelineLine,
    TokenRow,
)
from softswitch.directory.grants import Grant
from softswitch.directory.people import Directory, Person
from softswitch.events import Event
from softswitch.records.cdr import Cdr, LegRecord
from softswitch.records.journey import Line
from softswitch.records.live import Device, Live
from softswitch.records.reviews import ReviewRecord
from softswitch.records.sentences import sentence
from softswitch.sip.events import Destination, Flow
from softswitch.sip.trace import Entry
from softswitch.store.rows import clean

__all__ = [
    "call_row",
    "conversation_view",
    "event_row",
    "instant",
    "ladder_view",
    "people",
    "person_row",
    "recording_rows",
    "review_row",
    "review_view",
    "token_row",
]

_COMMON = frozenset({"seq", "node", "at", "up", "conversation"})


def instant(at: datetime) -> str:
    """Return an aware instant as ISO 8601 in UTC with milliseconds: "2026-11-23T09:00:00.000Z"."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def call_row(
    cdr: Cdr, now: datetime | None = None, state: str | None = None, scores: Mapping[str, float] | None = None
) -> CallRow:
    """Return one conversation as a row; ``now`` is where the duration of a running one ends.

    ``scores`` are the opinion scores of its legs, by their ids.
    """
    end = cdr.ended_at or max(now or cdr.started_at, cdr.started_at)
    if state is None:
        state = "ended" if cdr.ended_at else "talking" if cdr.answered_at else "ringing"
    return CallRow(
        id=cdr.conversation,
        started=instant(cdr.started_at),
        state=state,
        caller=clean(_number(cdr.origin, cdr.caller)),
        caller_name=clean(cdr.caller_name),
        called=clean(cdr.called),
        answered_by=cdr.answered_by,
        duration=round((end - cdr.started_at).total_seconds(), 3),
        talk=cdr.talk,
        result=cdr.result,
        recording=cdr.recording,
        legs=[_leg_row(leg, None if scores is None else scores.get(leg.leg)) for leg in cdr.legs],
    )


def person_row(person: Person, devices: Sequence[Device], now: datetime, call: str | None = None) -> PersonRow:
    """Return one person with the registered devices; ``call`` is "talking" or "ringing" while in a call."""
    state: Literal["talking", "ringing", "reachable", "unreachable", "offline"] = "offline"
    if call in ("talking", "ringing"):
        state = "talking" if call == "talking" else "ringing"
    elif devices:
        state = "reachable" if any(device.reachable for device in devices) else "unreachable"
    return PersonRow(
        extension=person.extension,
        name=person.name,
        groups=list(person.groups),
        state=state,
        devices=[_device_row(device, now) for device in devices],
    )


def people(directory: Directory, live: Live, now: datetime, only: Container[str] | None = None) -> list[PersonRow]:
    """Return everybody, or ``only`` these, by extension, with what each does at this moment."""
    busy: dict[str, str] = {}
    for fold in live.conversations.values():
        for leg in fold.cdr().legs:
            if leg.ended_at is None and leg.party.startswith("person:"):
                extension = leg.party.partition(":")[2]
                # Who talks on one device while another rings is talking.
                if leg.answered_at or extension not in busy:
                    busy[extension] = "talking" if leg.answered_at else "ringing"
    return [
        person_row(person, live.of_person(extension, now), now, busy.get(extension))
        for extension, person in sorted(directory.people.items())
        if only is None or extension in only
    ]


def conversation_view(
    cdr: Cdr, lines: Iterable[Line], language: str, names: Mapping[str, str], now: datetime | None = None
) -> ConversationView:
    """Return a conversation with its timeline in sentences; ``names`` gives people's names by extension."""
    return ConversationView(
        call=call_row(cdr, now),
        lines=[
            TimelineLine(
                at=instant(line.at), kind=line.kind, who=line.who.party, text=clean(sentence(line, language, names))
            )
            for line in lines
        ],
    )


def recording_rows(cdr: Cdr) -> list[RecordingRow]:
    return [
        RecordingRow(
            number=number,
            started=instant(one.started_at),
            finished=None if one.finished_at is None else instant(one.finished_at),
            duration=one.duration,
            error=one.error,
            deleted=one.deleted,
        )
        for number, one in enumerate(cdr.recordings, 1)
    ]


def review_row(review: ReviewRecord, cdr: Cdr) -> ReviewRow:
    return ReviewRow(
        conversation=review.conversation,
        employee=review.employee,
        asked=instant(review.asked_at),
        note=clean(review.note),
        state="open" if review.closed_at is None else "closed",
        mark=review.mark,
        marked_by=review.marked_by,
        closed=None if review.closed_at is None else instant(review.closed_at),
        closed_by=review.closed_by,
        comments=review.comments,
        started=instant(cdr.started_at),
        caller=clean(_number(cdr.origin, cdr.caller)),
        called=clean(cdr.called),
    )


def review_view(review: ReviewRecord, cdr: Cdr, may: Iterable[str] = ()) -> ReviewView:
    """Return a review with what was said to it, in the order of the recording: first what is about the whole."""
    said = sorted(review.said, key=lambda one: (one.recording, one.position or 0.0, one.number))
    return ReviewView(
        review=review_row(review, cdr),
        comments=[
            CommentRow(
                number=one.number,
                at=instant(one.at),
                by=one.by,
                recording=one.recording,
                position=one.position,
                text=clean(one.text),
            )
            for one in said
        ],
        recordings=recording_rows(cdr),
        may=list(may),
    )


def ladder_view(
    conversation: str,
    entries: Sequence[Entry],
    parties: Mapping[str, str],
    utc: Callable[[float], datetime],
    switch: str = "switch",
) -> LadderView:
    """Return the messages of a conversation as a ladder.

    ``parties`` gives "person:101" or "trunk:provider" by Call-ID, the caller's
    first: that one stands left of the switch, the others right. ``utc`` turns
    the time of an entry into an instant.
    """
    columns: dict[str, str] = {}
    for entry in entries:
        columns.setdefault(entry.call_id, _column(parties.get(entry.call_id, ""), entry.way))
    order = sorted(columns, key=lambda call_id: list(parties).index(call_id) if call_id in parties else len(parties))
    # Two devices behind one address, or one that was called twice, are told apart by a number.
    labels: dict[str, str] = {}
    for call_id in order:
        label, twin = columns[call_id], 2
        while label in labels.values():
            label, twin = f"{columns[call_id]} #{twin}", twin + 1
        labels[call_id] = label
    names = [labels[call_id] for call_id in order]
    return LadderView(
        id=conversation,
        columns=[*names[:1], switch, *names[1:]],
        entries=[
            LadderEntry(
                at=instant(utc(entry.at)),
                source=switch if entry.sent else labels[entry.call_id],
                target=labels[entry.call_id] if entry.sent else switch,
                summary=entry.summary,
                call_id=entry.call_id,
                text=entry.text,
            )
            for entry in entries
        ],
    )


def event_row(event: Event) -> EventRow:
    """Return one event as a row."""
    data: dict[str, Any] = {}
    for each in fields(event):
        if each.name not in _COMMON:
            value = getattr(event, each.name)
            if isinstance(value, datetime):
                value = instant(value)
            data[each.name] = list(value) if isinstance(value, tuple) else value
    return EventRow(
        seq=event.seq,
        at=instant(event.at),
        kind=type(event).__name__,
        conversation=event.conversation,
        data=data,
    )


def token_row(grant: Grant) -> TokenRow:
    return TokenRow(id=grant.id, name=grant.name, created=instant(grant.created_at))


def _leg_row(leg: LegRecord, score: float | None) -> LegRow:
    if leg.ended_at is not None:
        state = "ended"
    elif leg.answered_at is not None:
        state = "talking"
    else:
        state = "ringing" if leg.ringing_at is not None else "offered"
    return LegRow(
        leg=leg.leg,
        party=leg.party,
        role=leg.role,
        target=clean(leg.target),
        state=state,
        codec=leg.codec,
        ring=leg.ring,
        talk=leg.talk,
        hold=leg.hold,
        cause=leg.cause,
        mos=None if score is None else round(score, 2),
    )


def _device_row(device: Device, now: datetime) -> DeviceRow:
    bound = device.bound
    return DeviceRow(
        contact=clean(bound.contact),
        transport=bound.transport,
        address=_address(bound.remote_host, bound.remote_port),
        user_agent=clean(bound.user_agent),
        since=instant(bound.registered_at),
        expires_in=round(max((bound.expires_at - now).total_seconds(), 0.0), 3),
        reachable=device.reachable,
    )


def _number(origin: str, caller: str) -> str:
    """Return what a person is called by: the extension, else the number that the trunk told."""
    kind, _, name = origin.partition(":")
    return name if kind == "person" else caller or name


def _column(party: str, way: Flow | Destination) -> str:
    host, port = way.remote if isinstance(way, Flow) else (way.host, way.port)
    return f"{party.partition(':')[2]} {_address(host, port)}".strip()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
