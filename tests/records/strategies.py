"""Events of every kind for Hypothesis."""

from __future__ import annotations

import types
import typing
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from softswitch.events import EVENTS, Event
from tests.records.story import NINE

__all__ = ["any_event", "conversation_events", "event_sequences", "events"]

# All of Unicode, and the lone surrogates that bytes of a phone become when they are no UTF-8.
records_text = st.text(st.characters(categories=None, codec=None), max_size=20)
zones = st.sampled_from([UTC, timezone(timedelta(hours=3)), timezone(timedelta(hours=-11, minutes=-30))])
times = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001
small_times = st.integers(0, 5000).map(lambda tenths: NINE + timedelta(seconds=tenths / 10))


def _of_type(kind: Any) -> st.SearchStrategy[Any]:
    kind = getattr(kind, "__supertype__", kind)
    if typing.get_origin(kind) is typing.Literal:
        return st.sampled_from(typing.get_args(kind))
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (inner,) = (part for part in typing.get_args(kind) if part is not type(None))
        return st.none() | _of_type(inner)
    strategies: dict[object, st.SearchStrategy[Any]] = {
        str: records_text,
        int: st.integers(-(1 << 40), 1 << 40) | st.integers(-(1 << 62), 1 << 62),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        datetime: times,
        tuple[str, ...]: st.lists(records_text, max_size=3).map(tuple),
    }
    return strategies[kind]


def events(kind: type[Event], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    """Return events of one kind as somebody would publish them, without number and node."""
    hints = typing.get_type_hints(kind)
    own = {each.name: _of_type(hints[each.name]) for each in fields(kind) if each.name not in ("seq", "node")}
    return st.builds(kind, **(own | given))


any_event = st.sampled_from(sorted(EVENTS)).flatmap(lambda name: events(EVENTS[name]))

# Few ids, so that the events of a random sequence meet each other.
_ids = {
    "conversation": st.sampled_from([None, "c1", "c2", "c3"]),
    "leg": st.sampled_from(["a", "b", "d"]),
    "person": st.sampled_from(["101", "102", "Ж\ud800"]),
    "employee": st.sampled_from(["101", "102", "Ж\ud800", "Ж\ufffd"]),
    "contact": st.sampled_from(["sip:1@h", "sip:2@h", "sip:\0@h"]),
    "path": st.sampled_from(["1.wav", "2.wav"]),
    "at": small_times,
}


def _meeting(name: str) -> st.SearchStrategy[Event]:
    kind = EVENTS[name]
    has = {each.name for each in fields(kind)}
    given: dict[str, st.SearchStrategy[Any]] = {key: strategy for key, strategy in _ids.items() if key in has}
    if name == "DeviceBound":
        given["path"] = st.lists(st.sampled_from(["<sip:p1;lr>", "<sip:p2;lr>"]), max_size=2).map(tuple)
    return events(kind, **given)


event_sequences = st.lists(st.sampled_from(sorted(EVENTS)).flatmap(_meeting), max_size=40)
"""Any events in any order, of three conversations and a few devices, the clock going back now and then."""

conversation_events = event_sequences.map(lambda sequence: [event for event in sequence if event.conversation == "c1"])
