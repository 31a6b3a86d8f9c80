"""From records to what is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from softswitch.api import present
from softswitch.directory.people import Person
from softswitch.events import (
    CallArrived,
    CallRouted,
    ConversationEnded,
    DeviceBound,
    Event,
    LegAnswered,
    LegEnded,
    LegOffered,
    LegRinging,
)
from softswitch.ids import ConversationId, LegId
from softswitch.records.cdr import Cdr, ConversationFold
from softswitch.records.journey import journey
from softswitch.records.live import Device
from softswitch.sip.events import Destination, Flow
from softswitch.sip.trace import Entry

BEGIN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ID = ConversationId("4rt0")


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


CALL: list[Event] = [
    CallArrived(
        at=at(0),
        conversation=ID,
        leg=LegId("l1"),
        origin="person:101",
        caller="101",
        caller_name="Anna",
        called="102",
        call_id="c1",
    ),
    CallRouted(at=at(0), conversation=ID, to="person:102", rule="extension"),
    LegOffered(
        at=at(0.5), conversation=ID, leg=LegId("l2"), party="person:102", target="sip:102@192.0.2.8:5062", call_id="c2"
    ),
    LegRinging(at=at(1), conversation=ID, leg=LegId("l2"), status=180),
    LegAnswered(at=at(5), conversation=ID, leg=LegId("l2"), codec="PCMA"),
    LegAnswered(at=at(5), conversation=ID, leg=LegId("l1"), codec="PCMU"),
    LegEnded(at=at(65), conversation=ID, leg=LegId("l2"), cause="hung up"),
    LegEnded(at=at(65), conversation=ID, leg=LegId("l1"), cause="hung up", remote=False),
    ConversationEnded(at=at(65), conversation=ID, result="answered"),
]


def cdr(events: int) -> Cdr:
    fold = ConversationFold(CALL[0])
    for event in CALL[:events]:
        fold.apply(event)
    return fold.cdr()


def test_a_finished_call_lasts_from_its_arrival_to_its_end() -> None:
    row = present.call_row(cdr(9), now=at(1000))
    assert (row["id"], row["started"], row["state"]) == ("4rt0", "2026-11-23T09:00:00.000Z", "ended")
    assert (row["duration"], row["talk"], row["result"]) == (65.0, 60.0, "answered")
    assert (row["caller"], row["called"], row["answered_by"]) == ("101", "102", "person:102")
    assert [(leg["party"], leg["state"], leg["codec"], leg["talk"]) for leg in row["legs"]] == [
        ("person:101", "ended", "PCMU", 60.0),
        ("person:102", "ended", "PCMA", 60.0),
    ]


def test_a_running_call_lasts_until_now() -> None:
    row = present.call_row(cdr(6), now=at(25), state="on hold")
    assert (row["state"], row["duration"], row["result"]) == ("on hold", 25.0, "")
    assert [leg["state"] for leg in present.call_row(cdr(4), now=at(3))["legs"]] == ["offered", "ringing"]


def test_a_clock_that_was_set_back_makes_no_negative_times() -> None:
    assert present.call_row(cdr(4), now=at(-100))["duration"] == 0.0


BOUND = DeviceBound(
    person="101",
    contact="sip:101@192.0.2.7:5062",
    transport="udp",
    remote_host="2001:db8::7",
    remote_port=5062,
    local_host="2001:db8::1",
    local_port=5060,
    call_id="r",
    cseq=1,
    expires_at=at(3600),
    registered_at=at(0),
    user_agent="Phone",
)
ANNA = Person(extension="101", name="Anna", groups=("sales",))


def test_a_person_is_where_the_phone_is() -> None:
    row = present.person_row(ANNA, [Device(BOUND)], at(600))
    assert row == {
        "extension": "101",
        "name": "Anna",
        "groups": ["sales"],
        "state": "reachable",
        "devices": [
            {
                "contact": "sip:101@192.0.2.7:5062",
                "transport": "udp",
                "address": "[2001:db8::7]:5062",
                "user_agent": "Phone",
                "since": "2026-11-23T09:00:00.000Z",
                "expires_in": 3000.0,
                "reachable": True,
            }
        ],
    }


def test_the_state_of_a_person_is_the_best_of_the_phones_and_a_call_above_all() -> None:
    alive, dead = Device(BOUND), Device(BOUND, reachable=False)
    assert present.person_row(ANNA, [], at(0))["state"] == "offline"
    assert present.person_row(ANNA, [dead], at(0))["state"] == "unreachable"
    assert present.person_row(ANNA, [dead, alive], at(0))["state"] == "reachable"
    assert present.person_row(ANNA, [dead], at(0), "ringing")["state"] == "ringing"


def test_a_conversation_is_told_in_sentences() -> None:
    view = present.conversation_view(cdr(9), journey(CALL), "en", {"102": "Viktor"})
    assert [line["text"] for line in view["lines"]][:3] == [
        "Anna (101) calls 102",
        "the call goes to Viktor (102) (rule: extension)",
        "calling Viktor (102) on 192.0.2.8",
    ]
    assert view["lines"][0]["at"] == "2026-11-23T09:00:00.000Z"


def entry(seconds: float, call_id: str, host: str, *, sent: bool, text: str = "INVITE sip:102@x SIP/2.0\r\n") -> Entry:
    return Entry(seconds, Flow("udp", ("192.0.2.1", 5060), (host, 5060)), sent, call_id, text)


def test_the_caller_stands_left_of_the_switch_and_the_others_right() -> None:
    entries = [
        entry(10.0, "c1", "192.0.2.7", sent=False),
        Entry(10.5, Destination("tcp", "sip.example", 5070), True, "c2", "SIP/2.0 180 Ringing\r\n"),
    ]
    view = present.ladder_view("4rt0", entries, {"c1": "person:101", "c2": "trunk:provider"}, at)
    assert view["columns"] == ["101 192.0.2.7:5060", "switch", "provider sip.example:5070"]
    assert [(one["source"], one["target"], one["summary"]) for one in view["entries"]] == [
        ("101 192.0.2.7:5060", "switch", "INVITE sip:102@x"),
        ("switch", "provider sip.example:5070", "180 Ringing"),
    ]
    assert view["entries"][1]["at"] == "2026-11-23T09:00:10.500Z"


def test_two_calls_to_one_address_are_two_columns() -> None:
    entries = [entry(1.0, f"c{number}", "192.0.2.7", sent=True) for number in (1, 2, 3)]
    view = present.ladder_view("4rt0", entries, {"c1": "person:101", "c2": "person:102", "c3": "person:102"}, at)
    assert view["columns"] == ["101 192.0.2.7:5060", "switch", "102 192.0.2.7:5060", "102 192.0.2.7:5060 #2"]


def test_an_event_is_shown_with_all_its_own_fields() -> None:
    row = present.event_row(BOUND)
    assert (row["kind"], row["conversation"], row["data"]["person"]) == ("DeviceBound", None, "101")
    assert (row["data"]["expires_at"], row["data"]["path"]) == ("2026-11-23T10:00:00.000Z", [])
    assert not {"seq", "node", "at", "conversation"} & row["data"].keys()
