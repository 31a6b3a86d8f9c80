"""Events as JSON: what is written is what is read, and nothing that is read can do harm."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.events import (
    EVENTS,
    NO_TIME,
    CallArrived,
    ConversationEnded,
    Event,
    LegAnswered,
    MediaQuality,
    RecordingFinished,
)
from softswitch.ids import ConversationId, LegId, NodeId
from softswitch.records.codec import decode, stamp
from tests.records.story import NINE
from tests.records.strategies import any_event, events

NODE = NodeId("n1")
ANSWERED = LegAnswered(conversation=ConversationId("c1"), leg=LegId("a"), codec="PCMA")


def test_an_event_is_one_object_of_plain_names_and_values() -> None:
    record = stamp(ANSWERED, 7, NODE, NINE)
    assert record.body == (
        '{"v":1,"kind":"LegAnswered","seq":7,"node":"n1","at":"2026-11-23T09:00:00.000000+00:00","up":0.000,'
        '"conversation":"c1","leg":"a","codec":"PCMA","dialog":""}'
    )


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_every_kind_comes_back_as_it_was_written(kind: str) -> None:
    @given(events(EVENTS[kind]), st.integers(1, 1 << 62))
    def comes_back(event: Event, seq: int) -> None:
        record = stamp(event, seq, NODE, event.at.astimezone(UTC))
        assert type(record.event) is EVENTS[kind]
        assert record.seq == seq
        assert record.body.isascii()
        read = decode(record.body)
        assert read is not None
        # Two lone surrogates side by side are one character in JSON: the text may come back shorter, never unreadable.
        again = stamp(read.event or event, seq, NODE, read.at)
        assert again.body == record.body
        assert decode(again.body) == read

    comes_back()


@given(any_event)
def test_the_numbered_event_says_the_same_as_the_one_published(event: Event) -> None:
    stamped = stamp(event, 3, NODE, event.at).event
    assert stamped is not None
    assert (stamped.seq, stamped.node) == (3, "n1")
    names = [name for name in EVENTS[type(event).__name__].__dataclass_fields__ if name not in ("seq", "node", "up")]
    assert [getattr(stamped, name) for name in names] == [getattr(event, name) for name in names]


def test_an_unknown_kind_is_a_record_without_an_event() -> None:
    body = (
        '{"v":9,"kind":"HologramShown","seq":4,"node":"n1","at":"2026-11-23T09:00:00+00:00","conversation":"c1","x":[]}'
    )
    record = decode(body)
    assert record is not None
    assert (record.kind, record.seq, record.conversation, record.event) == ("HologramShown", 4, "c1", None)
    assert record.body == body


def test_an_unknown_field_of_a_newer_version_is_ignored() -> None:
    body = stamp(ANSWERED, 7, NODE, NINE).body.replace('"codec"', '"mood":"merry","codec"')
    record = decode(body)
    assert record is not None
    assert record.event == stamp(ANSWERED, 7, NODE, NINE).event


def test_a_missing_field_has_its_default_and_a_required_one_the_zero_of_its_type() -> None:
    record = decode('{"kind":"RecordingFinished","path":"a.wav"}')
    assert record is not None
    assert record.event == RecordingFinished(at=NO_TIME, path="a.wav", duration=0.0, repaired=False)


def test_a_result_that_only_a_newer_version_knows_is_kept() -> None:
    record = decode('{"kind":"ConversationEnded","conversation":"c1","result":"voicemail"}')
    assert record is not None
    assert isinstance(record.event, ConversationEnded)
    assert str(record.event.result) == "voicemail"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "much", None, b"1", 10**5000, object()], ids=type)
def test_a_value_that_a_field_should_not_have_is_written_as_well_as_json_can(bad: object) -> None:
    event = MediaQuality(
        conversation=ConversationId("c1"),
        leg=LegId("a"),
        received=1,
        sent=bad,  # type: ignore[arg-type]
        lost=0,
        late=0,
        concealed=0,
        bad_source=0,
        jitter=bad,  # type: ignore[arg-type]
        round_trip=None,
    )
    record = stamp(event, 1, NODE, NINE)
    json.loads(record.body, parse_constant=pytest.fail)  # NaN and Infinity are not JSON
    assert record.event == (decode(record.body) or record).event
    assert isinstance(record.event, MediaQuality)
    assert (record.event.received, record.event.jitter) == (1, 0.0)


def test_a_naive_time_is_taken_as_utc() -> None:
    naive = datetime(2026, 11, 23, 9, 0)  # noqa: DTZ001
    record = decode(json.dumps({"kind": "SwitchStopped", "at": naive.isoformat()}))
    assert record is not None
    assert record.at == NINE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_names = sorted({name for kind in EVENTS.values() for name in kind.__dataclass_fields__} | {"v", "kind"})


@given(st.dictionaries(st.sampled_from(_names), json_values, max_size=8), st.sampled_from(sorted(EVENTS)))
def test_no_object_is_too_strange_to_be_read(values: dict[str, object], kind: str) -> None:
    record = decode(json.dumps(values | {"kind": kind}))
    assert record is not None
    assert type(record.event) is EVENTS[kind]
    stamp(record.event, 1, NODE, NINE)


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_record_is_none(body: bytes) -> None:
    record = decode(body)
    assert record is None or record.kind in body.decode("utf-8", "replace")


def test_an_arrival_is_a_record_of_its_conversation() -> None:
    event = CallArrived(
        conversation=ConversationId("c1"),
        leg=LegId("a"),
        origin="person:101",
        caller="101",
        caller_name="Анна",
        called="102",
        call_id="x",
    )
    record = stamp(event, 1, NODE, NINE)
    assert (record.kind, record.conversation, record.at) == ("CallArrived", "c1", NINE)
