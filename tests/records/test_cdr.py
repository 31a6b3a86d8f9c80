"""The detail record: who, when, how long, and that no instant is counted twice or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from softswitch.events import (
    CallArrived,
    ConversationEnded,
    Event,
    LegAnswered,
    LegDialog,
    LegEnded,
    LegHeld,
    LegOffered,
    LegRinging,
    MediaQuality,
    RecordingFailed,
    RecordingFinished,
    RecordingStarted,
)
from softswitch.ids import ConversationId, LegId
from softswitch.records.cdr import Cdr, ConversationFold
from tests.records.story import NINE, at, call
from tests.records.strategies import conversation_events

C = ConversationId("c1")
A, B, D = LegId("a"), LegId("b"), LegId("d")


def fold(events: list[Event]) -> ConversationFold:
    folded = ConversationFold(events[0])
    for event in events:
        folded.apply(event)
    return folded


def cdr(events: list[Event]) -> Cdr:
    return fold(events).cdr()


def arrived(seconds: float = 0) -> CallArrived:
    return CallArrived(
        conversation=C,
        at=at(seconds),
        leg=A,
        origin="person:101",
        caller="101",
        caller_name="",
        called="102",
        call_id="1",
    )


def offered(leg: LegId, seconds: float, party: str = "person:102") -> LegOffered:
    return LegOffered(conversation=C, at=at(seconds), leg=leg, party=party, target="sip:102@h", call_id="2")


def test_an_answered_call_has_its_times_and_parties() -> None:
    record = cdr(call())
    assert (record.caller, record.caller_name, record.called) == ("101", "Anna Orlova", "102")
    assert (record.routed_to, record.rule) == ("person:102", "extension")
    assert (record.started_at, record.answered_at, record.ended_at) == (at(0), at(5), at(60))
    assert (record.result, record.cause, record.answered_by) == ("answered", "hung up", "person:102")
    assert record.recording == "c1.wav"


def test_five_seconds_wait_forty_talk_and_fifteen_hold_make_the_minute() -> None:
    record = cdr(call())
    assert (record.wait, record.ring, record.talk, record.hold) == (5.0, 4.0, 40.0, 15.0)


def test_the_leg_that_holds_has_the_hold_time() -> None:
    caller, called = cdr(call()).legs
    assert (called.leg, called.setup, called.ring, called.talk, called.hold) == ("b", 1.0, 4.0, 40.0, 15.0)
    assert (caller.leg, caller.setup, caller.ring, caller.talk, caller.hold) == ("a", 1.0, 4.0, 55.0, 0.0)
    assert (called.cause, called.remote) == ("hung up", True)
    assert (caller.cause, caller.remote) == ("local", False)


def test_of_two_ringing_devices_the_one_that_loses_has_no_talk() -> None:
    record = cdr(
        [
            arrived(),
            offered(B, 0),
            offered(D, 0),
            LegRinging(conversation=C, at=at(1), leg=B, status=180),
            LegRinging(conversation=C, at=at(2), leg=D, status=180),
            LegAnswered(conversation=C, at=at(6), leg=D, codec="PCMU"),
            LegEnded(conversation=C, at=at(6), leg=B, cause="answered elsewhere", remote=False),
        ]
    )
    _, loser, winner = record.legs
    assert (loser.ring, loser.talk, loser.cause) == (5.0, 0.0, "answered elsewhere")
    assert (winner.ring, winner.talk, winner.codec) == (4.0, 0.0, "PCMU")
    assert (record.ring, record.wait) == (5.0, 6.0)


def test_who_stands_beside_neither_rings_for_the_call_nor_answers_it() -> None:
    # The head rings at 2 s and answers at 3 s; 102 never rings and answers at 5 s.
    beside = replace(offered(D, 1, "person:110"), purpose="supervise")
    record = cdr(
        [
            arrived(),
            offered(B, 0),
            beside,
            LegRinging(conversation=C, at=at(2), leg=D, status=180),
            LegAnswered(conversation=C, at=at(3), leg=D, codec="PCMA"),
            LegAnswered(conversation=C, at=at(5), leg=B, codec="PCMA"),
            LegHeld(conversation=C, at=at(6), leg=D),
            LegEnded(conversation=C, at=at(9), leg=B, cause="hung up"),
        ]
    )
    assert (record.answered_at, record.answered_by) == (at(5), "person:102")
    assert (record.wait, record.ring, record.talk, record.hold) == (5.0, 0.0, 4.0, 0.0)


def test_what_a_leg_said_of_its_dialog_after_its_end_frees_nobody_twice() -> None:
    late = LegDialog(conversation=C, at=at(9), leg=B, state="late")
    ended = LegEnded(conversation=C, at=at(8), leg=B, cause="hung up")
    assert fold([arrived(), offered(B, 0), replace(late, at=at(7))]).dialogs == {B: "late"}
    assert fold([arrived(), offered(B, 0), ended, late]).dialogs == {}


def test_a_monotonic_clock_that_leaps_by_decades_is_not_believed() -> None:
    ringing = LegRinging(conversation=C, at=at(4), up=20 * 365 * 86400.0, leg=B, status=180)
    assert cdr([replace(arrived(), up=1.0), replace(offered(B, 0), up=1.0), ringing]).wait == 4.0


def test_a_running_conversation_counts_up_to_its_last_event() -> None:
    record = cdr(call()[:10])  # up to the hold after 20 s
    assert (record.wait, record.talk, record.hold, record.ended_at, record.result) == (5.0, 15.0, 0.0, None, "")


def test_only_the_first_end_counts() -> None:
    again = ConversationEnded(conversation=C, at=at(90), result="failed")
    record = cdr([*call(), again])
    assert (record.result, record.ended_at, record.talk) == ("answered", at(60), 40.0)


def test_quality_is_told_after_the_end() -> None:
    quality = MediaQuality(
        conversation=C,
        at=at(61),
        leg=B,
        received=2750,
        sent=2751,
        lost=3,
        late=1,
        concealed=4,
        bad_source=0,
        jitter=0.004,
        round_trip=0.03,
    )
    _, called = cdr([*call(), quality]).legs
    assert (called.received, called.lost, called.jitter, called.round_trip) == (2750, 3, 0.004, 0.03)
    assert called.ended_at == at(60)


def test_a_clock_that_is_set_back_makes_no_negative_time() -> None:
    record = cdr([arrived(100), offered(B, 40), LegAnswered(conversation=C, at=at(40), leg=B, codec="")])
    assert (record.started_at, record.answered_at, record.wait) == (at(100), at(100), 0.0)


def test_the_dialogs_of_living_legs_are_known() -> None:
    folded = fold([arrived(), offered(B, 0), LegDialog(conversation=C, at=at(1), leg=B, state='{"x":1}')])
    assert folded.dialogs == {B: '{"x":1}'}
    folded.apply(LegAnswered(conversation=C, at=at(2), leg=B, codec="PCMA", dialog='{"x":2}'))
    assert folded.dialogs == {B: '{"x":2}'}
    folded.apply(LegEnded(conversation=C, at=at(2), leg=B, cause="hung up"))
    assert folded.dialogs == {}
    assert folded.open_legs == [A]


def test_a_recording_that_failed_is_not_waited_for() -> None:
    started = RecordingStarted(conversation=C, at=at(5), path="1.wav")
    folded = fold([arrived(), started])
    assert folded.open_recordings == ["1.wav"]
    folded.apply(RecordingFailed(conversation=C, at=at(6), path="1.wav", error="no space left on device"))
    assert folded.open_recordings == []
    folded.apply(RecordingFinished(conversation=C, at=at(7), path="1.wav", duration=1.0))
    (record,) = folded.cdr().recordings
    assert (record.duration, record.error) == (1.0, "no space left on device")


def test_the_state_is_what_is_going_on() -> None:
    events = call()
    states: list[str] = []
    folded = ConversationFold(events[0])
    for event in events:
        folded.apply(event)
        if not states or states[-1] != folded.state:
            states.append(folded.state)
    assert states == ["arrived", "ringing", "talking", "on hold", "talking", "ended"]


def microseconds(*seconds: float) -> int:
    return sum(round(each * 1e6) for each in seconds)


@given(conversation_events)
def test_every_instant_is_wait_talk_or_hold_and_in_one_phase_of_each_leg(events: list[Event]) -> None:
    if not events:
        return
    folded = fold(events)
    record = folded.cdr()
    until = record.ended_at or folded.now
    assert microseconds(record.wait, record.talk, record.hold) == microseconds(
        (until - record.started_at).total_seconds()
    )
    assert 0 <= record.ring <= record.wait
    for leg in record.legs:
        life = ((leg.ended_at or max(until, leg.started_at)) - leg.started_at).total_seconds()
        assert microseconds(leg.setup, leg.ring, leg.talk, leg.hold) == microseconds(life)


@given(conversation_events)
def test_at_most_one_end_and_nothing_but_recordings_and_quality_changes_after_it(events: list[Event]) -> None:
    ends = [index for index, event in enumerate(events) if isinstance(event, ConversationEnded)]
    if not ends:
        return
    late = RecordingStarted | RecordingFinished | RecordingFailed | MediaQuality
    until_end = events[: ends[0] + 1]
    kept = [event for event in events[ends[0] + 1 :] if isinstance(event, late)]
    # Only the clock of the fold has gone on, which shows in the times of late recordings.
    assert replace(cdr(events), recordings=()) == replace(cdr([*until_end, *kept]), recordings=())


# A civil clock that is set -------------------------------------------------------------------------------------------


def stepped(events: list[Event], *, after: float, by: float) -> list[Event]:
    """Set the civil clock by so many seconds when the story is ``after`` seconds old; the monotonic one goes on."""
    return [
        replace(event, up=500.0 + (event.at - NINE).total_seconds(), at=event.at + timedelta(seconds=by))
        if event.at > at(after)
        else replace(event, up=500.0 + (event.at - NINE).total_seconds())
        for event in events
    ]


@pytest.mark.parametrize("by", [3600.0, -3600.0, 0.0])
@pytest.mark.parametrize("after", [0.5, 10.0, 30.0])
def test_a_clock_that_is_set_during_a_call_changes_no_duration(after: float, by: float) -> None:
    plain, told = fold(call()).cdr(), fold(stepped(call(), after=after, by=by)).cdr()
    assert (told.wait, told.ring, told.talk, told.hold) == (5.0, 4.0, 40.0, 15.0)
    assert told == plain


def test_the_end_that_a_restart_tells_is_by_the_clock_of_the_call() -> None:
    # The clock was set forward by an hour, then the process died: the end comes with a civil time only.
    before = stepped(call(), after=10.0, by=3600.0)[:11]
    dead = [
        LegEnded(conversation=C, at=at(3660), leg=leg, cause="switch died", status=0, remote=False) for leg in (A, B)
    ]
    end = ConversationEnded(conversation=C, at=at(3660), result="answered", cause="switch died")
    told = fold([*before, *dead, end]).cdr()
    assert (told.talk, told.hold) == (40.0, 15.0)
    assert told.ended_at == at(60)


def test_the_present_of_a_call_goes_by_the_clock_that_it_began_with() -> None:
    arrived = replace(call()[0], up=100.0)
    for civil in (7200, -7200):
        assert fold([arrived]).present(175.5, at(civil)) == at(75.5)
    # The machine was started anew: its monotonic clock says nothing about the time before.
    assert fold([arrived]).present(5.0, at(300)) == at(300)


def test_the_present_of_a_call_without_monotonic_times_is_the_civil_one() -> None:
    assert fold(call()[:1]).present(175.5, at(30)) == at(30)
