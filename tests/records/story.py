"""The story of one ordinary call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from softswitch.events import (
    CallArrived,
    CallRouted,
    ConversationEnded,
    Event,
    LegAnswered,
    LegDialog,
    LegEnded,
    LegHeld,
    LegOffered,
    LegResumed,
    LegRinging,
    RecordingFinished,
    RecordingStarted,
)
from softswitch.ids import ConversationId, LegId

__all__ = ["NINE", "at", "call"]

NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def call(conversation: str = "c1", start: float = 0.0) -> list[Event]:
    """101 calls 102, who answers after 5 s, holds from 20 to 35 s and hangs up after 60 s."""
    c, a, b = ConversationId(conversation), LegId("a"), LegId("b")
    person = "person:101"
    return [
        CallArrived(
            conversation=c,
            at=at(start),
            leg=a,
            origin=person,
            caller="101",
            caller_name="Anna Orlova",
            called="102",
            call_id="one",
        ),
        CallRouted(conversation=c, at=at(start), to="person:102", rule="extension"),
        LegOffered(
            conversation=c, at=at(start), leg=b, party="person:102", target="sip:102@192.168.1.20:5060", call_id="two"
        ),
        LegRinging(conversation=c, at=at(start + 1), leg=b, status=180),
        LegRinging(conversation=c, at=at(start + 1), leg=a, status=180),
        LegAnswered(conversation=c, at=at(start + 5), leg=b, codec="PCMA"),
        LegDialog(conversation=c, at=at(start + 5), leg=b, state="{}"),
        LegAnswered(conversation=c, at=at(start + 5), leg=a, codec="PCMA"),
        RecordingStarted(conversation=c, at=at(start + 5), path=f"{conversation}.wav"),
        LegHeld(conversation=c, at=at(start + 20), leg=b),
        LegResumed(conversation=c, at=at(start + 35), leg=b),
        LegEnded(conversation=c, at=at(start + 60), leg=b, cause="hung up"),
        LegEnded(conversation=c, at=at(start + 60), leg=a, cause="local", remote=False),
        ConversationEnded(conversation=c, at=at(start + 60), result="answered", cause="hung up"),
        RecordingFinished(conversation=c, at=at(start + 60.5), path=f"{conversation}.wav", duration=55.0),
    ]
