"""The timeline in words."""

from __future__ import annotations

from datetime import timedelta, timezone
from string import Formatter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.events import (
    EVENTS,
    Abandoned,
    CallArrived,
    DeviceReachability,
    DigitPressed,
    Event,
    LegEnded,
    LegOffered,
    MediaLost,
    MediaQuality,
    OneWayAudio,
    RecordingFinished,
    ReviewAsked,
    ReviewClosed,
    ReviewCommented,
    ReviewMarked,
)
from softswitch.ids import ConversationId, LegId
from softswitch.records.journey import journey
from softswitch.records.sentences import LANGUAGES, WORDS, sentence, told
from tests.records.story import at, call
from tests.records.strategies import event_sequences

C, A, B = ConversationId("c1"), LegId("a"), LegId("b")
NAMES = {"101": "Anna Orlova", "102": "Boris Petrov"}
MOSCOW = timezone(timedelta(hours=3))


def words(events: list[Event], language: str = "en") -> list[str]:
    return [sentence(line, language, NAMES) for line in journey(events)]


def test_an_ordinary_call_in_english() -> None:
    assert [told(line, "en", NAMES, MOSCOW) for line in journey(call())] == [
        "12:00:00 Anna Orlova (101) calls 102",
        "12:00:00 the call goes to Boris Petrov (102) (rule: extension)",
        "12:00:00 calling Boris Petrov (102) on 192.168.1.20",
        "12:00:01 Boris Petrov (102) on 192.168.1.20 rings",
        "12:00:01 Anna Orlova (101) hears ringing",
        "12:00:05 Boris Petrov (102) answers on 192.168.1.20",
        "12:00:05 Anna Orlova (101) is connected",
        "12:00:05 recording begins",
        "12:00:20 Boris Petrov (102) puts the call on hold",
        "12:00:35 Boris Petrov (102) takes the call off hold",
        "12:01:00 Boris Petrov (102) hangs up",
        "12:01:00 Anna Orlova (101) is disconnected",
        "12:01:00 the end: answered",
        "12:01:00 the recording is complete: 55 s",
    ]


def test_the_same_call_in_russian() -> None:
    assert [told(line, "ru", NAMES, MOSCOW) for line in journey(call())] == [
        "12:00:00 Anna Orlova (101) звонит на 102",
        "12:00:00 вызов идёт: Boris Petrov (102) (правило: внутренний номер)",
        "12:00:00 вызываем: Boris Petrov (102) на 192.168.1.20",
        "12:00:01 Boris Petrov (102) на 192.168.1.20: звонок",
        "12:00:01 Anna Orlova (101) слышит гудки",
        "12:00:05 Boris Petrov (102) отвечает на 192.168.1.20",
        "12:00:05 Anna Orlova (101) на связи",
        "12:00:05 запись начата",
        "12:00:20 Boris Petrov (102) ставит вызов на удержание",
        "12:00:35 Boris Petrov (102) снимает вызов с удержания",
        "12:01:00 Boris Petrov (102) кладёт трубку",
        "12:01:00 Anna Orlova (101): соединение завершено",
        "12:01:00 конец: отвечен",
        "12:01:00 запись готова: 55 с",
    ]


def from_outside(withheld: bool = False, name: str = "Ivan") -> CallArrived:
    return CallArrived(
        conversation=C,
        at=at(0),
        leg=A,
        origin="trunk:provider",
        caller="+79161234567",
        caller_name=name,
        called="+74951234567",
        call_id="x",
        withheld=withheld,
    )


def test_a_caller_from_outside_is_a_name_and_a_number() -> None:
    assert words([from_outside()]) == ["Ivan (+79161234567) calls +74951234567"]
    assert words([from_outside(name="")]) == ["+79161234567 calls +74951234567"]


def test_a_withheld_number_stays_withheld() -> None:
    assert words([from_outside(withheld=True)]) == ["a withheld number calls +74951234567"]
    assert words([from_outside(withheld=True)], "ru") == ["скрытый номер звонит на +74951234567"]


@pytest.mark.parametrize(
    ("target", "who"),
    [
        ("sip:+74957654321@10.0.0.9:5060;transport=tcp", "+74957654321"),
        ("sip:+74957654321;phone-context=x@[2001:db8::1]:5060", "+74957654321"),
        ("sip:10.0.0.9", "provider"),
        ("", "provider"),
    ],
)
def test_a_trunk_is_the_number_called_through_it(target: str, who: str) -> None:
    offered = LegOffered(conversation=C, at=at(0), leg=B, party="trunk:provider", target=target, call_id="x")
    assert words([offered]) == [f"calling {who}"]


@pytest.mark.parametrize(
    ("cause", "status", "remote", "said"),
    [
        ("rejected", 486, True, "Boris Petrov (102) on 192.168.1.20 is busy"),
        ("rejected", 603, True, "Boris Petrov (102) on 192.168.1.20 declines"),
        ("rejected", 500, True, "Boris Petrov (102) on 192.168.1.20 refuses (500)"),
        ("no response", 0, True, "Boris Petrov (102) on 192.168.1.20 does not respond"),
        ("answered elsewhere", 0, False, "Boris Petrov (102) on 192.168.1.20 stops ringing: answered elsewhere"),
        ("hung up", 0, True, "Boris Petrov (102) hangs up"),
        ("hung up", 0, False, "Boris Petrov (102) is disconnected"),
        ("switch died", 0, False, "Boris Petrov (102): cut off, the switch stopped"),
        ("something new", 0, True, "Boris Petrov (102): the call is over (something new)"),
    ],
)
def test_every_way_to_end_has_its_words(cause: str, status: int, remote: bool, said: str) -> None:
    ended = LegEnded(conversation=C, at=at(9), leg=B, cause=cause, status=status, remote=remote)
    assert words([*call()[:4], ended])[-1] == said


@pytest.mark.parametrize(
    ("why", "sent_to", "said"),
    [
        (
            "",
            "10.0.0.7:4000",
            "we send to 10.0.0.7:4000 and nothing comes back: Boris Petrov (102) is not heard for 5 s",
        ),
        (
            "nat",
            "192.168.1.5:4000",
            "we send to 192.168.1.5:4000 and nothing comes back: Boris Petrov (102) is behind a router (NAT) "
            "and told us an inner address",
        ),
        ("no address", "nowhere", "Boris Petrov (102) told no address for the sound, and nothing has come for 5 s"),
    ],
)
def test_sound_that_goes_one_way_only_is_told_with_its_likely_cause(why: str, sent_to: str, said: str) -> None:
    event = OneWayAudio(conversation=C, at=at(9), leg=B, silent=5.0, sent_to=sent_to, why=why)
    assert words([*call()[:4], event])[-1] == said


def test_a_key_of_a_masked_party_is_not_told() -> None:
    event = DigitPressed(conversation=C, at=at(9), leg=B, digit="")
    assert words([*call()[:4], event])[-1] == "Boris Petrov (102) presses a key (not told)"


def test_numbers_stand_in_units_that_people_read() -> None:
    lost = MediaLost(conversation=C, at=at(9), leg=B, silent=15.0, sent_to="192.168.1.20:4000")
    quality = MediaQuality(
        conversation=C,
        at=at(9),
        leg=B,
        received=2750,
        sent=2751,
        lost=3,
        late=1,
        concealed=4,
        bad_source=0,
        jitter=0.0042,
        round_trip=None,
    )
    assert words([*call()[:4], lost, quality])[-2:] == [
        "nothing is heard from Boris Petrov (102) for 15 s (we send to 192.168.1.20:4000)",
        "sound from Boris Petrov (102): 2750 packets, 3 lost, 1 late, jitter 4.2 ms",
    ]
    assert words([Abandoned(conversation=C, at=at(9), waited=75.4)]) == ["the caller gave up after 1 min 15 s"]
    assert words([RecordingFinished(conversation=C, at=at(9), path="a", duration=61.0, repaired=True)], "ru") == [
        "запись восстановлена после сбоя: 1 мин 1 с"
    ]


def test_a_device_that_comes_back_is_told() -> None:
    lost = DeviceReachability(at=at(0), person="102", contact="sip:102@h", reachable=False)
    back = DeviceReachability(at=at(0), person="102", contact="sip:102@h", reachable=True)
    assert words([lost, back]) == ["a device of 102 does not respond", "a device of 102 responds again"]


@given(event_sequences, st.sampled_from([*LANGUAGES, "de"]))
def test_any_events_in_any_order_have_words(events: list[Event], language: str) -> None:
    assert all(words(events, language))


def test_every_kind_has_words_in_every_language() -> None:
    silent = {"LegDialog", "WaitingDialog"}
    assert {key.partition("+")[0] for key in WORDS} == EVENTS.keys() - silent
    for english, russian in WORDS.values():
        names = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, russian)]
        assert names[0] == names[1]


def test_a_review_is_told_with_its_places_in_the_recording() -> None:
    told_of: Any = {"conversation": C, "at": at(100), "employee": "101"}
    events: list[Event] = [
        ReviewAsked(**told_of, note="the price", via="api"),
        ReviewCommented(**told_of, by="102", text="too fast", recording=1, position=65.9),
        ReviewCommented(**told_of, by="102", text="well done", recording=0, position=None),
        ReviewMarked(**told_of, by="102", mark=4),
        ReviewClosed(**told_of, by="102"),
    ]
    assert words(events) == [
        "Anna Orlova (101) asks for a review of the conversation: the price",
        "Boris Petrov (102) comments for Anna Orlova (101) at 1:05 of the recording: too fast",
        "Boris Petrov (102) comments for Anna Orlova (101): well done",
        "Boris Petrov (102) gives Anna Orlova (101) the mark 4 for the conversation",
        "Boris Petrov (102) closes the review for Anna Orlova (101)",
    ]
    assert words(events, "ru")[1] == "Boris Petrov (102), замечание для Anna Orlova (101) на 1:05 записи: too fast"
