"""Telephones that come and go, people with several, an office that is changed or stopped while people talk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softswitch.dialplan.routes import Plan
from softswitch.directory.people import Directory
from softswitch.errors import NotPossible
from softswitch.events import (
    CallArrived,
    ConversationEnded,
    LegEnded,
    LegOffered,
    MediaLost,
    RecordingFinished,
)
from tests.sim.media import SilentEngine
from tests.sim.office import VirtualOffice, person

# Whose telephone rings ------------------------------------------------------------------------------------------------


def test_who_calls_himself_rings_his_other_telephone():
    office = VirtualOffice()
    desk, mobile = office.phone("101"), office.phone("101")
    desk.call("101")
    office.run(3)
    assert mobile.talking
    assert len(office.told(LegOffered)) == 1


def test_who_calls_himself_and_has_one_telephone_is_unreachable():
    office = VirtualOffice()
    anna = office.phone("101")
    anna.call("101")
    office.run(6)
    assert anna.status == 480
    assert office.results == ["unreachable"]
    assert office.settled()


def test_one_telephone_with_the_accounts_of_two_people_can_call_between_them():
    office = VirtualOffice()
    anna = office.phone("101")
    anna.name, anna.status = "102", None
    anna.register()
    office.run(1)
    anna.name = "101"
    anna.call("102")
    office.run(6)
    assert anna.status == 486  # it rang, and said that it is busy: with this very call
    assert office.results == ["busy"]


def test_a_telephone_that_unregisters_while_it_rings_can_still_answer():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=None)
    anna.call("102")
    office.run(2)
    boris.register(expires=0)
    office.run(1)
    boris.pick_up()
    office.run(2)
    assert anna.talking
    anna.hang_up()
    office.run(6)
    assert boris.idle
    assert office.settled()


def test_a_telephone_that_registers_again_in_a_call_keeps_it():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(2)
    boris.register()
    office.run(2)
    assert boris.talking
    boris.hang_up()
    office.run(6)
    assert anna.idle
    assert office.settled()


def test_the_reason_why_the_caller_gave_up_reaches_the_callee():
    # A provider that forks tells that its other branch was answered: no missed call (RFC 3326).
    office = VirtualOffice()
    anna, provider = office.phone("101", answer=None), office.provider()
    provider.call("+74951234567")
    office.run(2)
    provider.cancel_headers = ('Reason: SIP;cause=200;text="Call completed elsewhere"',)
    provider.hang_up()
    office.run(2)
    assert anna.reason == "SIP;cause=200"
    assert anna.idle


def test_the_words_of_a_reason_are_not_passed_on():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    assert anna.dialog
    anna._in_dialog("BYE", extra=['Reason: Q.850;cause=16;text="10.0.2.1 says bye"'])
    office.run(2)
    assert boris.reason == "Q.850;cause=16"


# What runs out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, 1])
def test_without_a_media_port_the_call_is_refused_and_nothing_stays_open(capacity: int):
    office = VirtualOffice(engine=SilentEngine(capacity))
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(6)
    assert anna.status == 503
    assert anna.last("INVITE")["retry-after"] == "10"
    assert boris.count("INVITE") == 0
    assert office.results == ["failed"]
    assert office.settled()


def test_with_ports_for_some_devices_only_those_ring():
    office = VirtualOffice(engine=SilentEngine(2))
    anna, desk, mobile = office.phone("101"), office.phone("102", answer=2.0), office.phone("102", answer=2.0)
    anna.call("102")
    office.run(5)
    assert anna.talking
    assert sorted((desk.count("INVITE"), mobile.count("INVITE"))) == [0, 1]


def test_without_a_media_port_for_the_second_trunk_the_call_ends():
    office = VirtualOffice(engine=SilentEngine(2))
    anna, _ = office.phone("101"), office.provider(refuse=503, answer=1.0)
    anna.call("+79161234567")
    office.run_until(lambda: len(office.told(LegOffered)) == 1)
    office.engine.capacity = 1  # type: ignore[union-attr]
    office.run(6)
    assert anna.status == 503
    assert office.results == ["failed"]
    assert office.settled()


def test_a_recording_that_cannot_be_closed_holds_nobody_up_and_the_end_is_told_once():
    engine = SilentEngine(slow_files=True)
    office = VirtualOffice(engine=engine)
    anna, _ = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    anna.hang_up()
    office.run(4)
    assert office.results == []
    office.run(2)  # five seconds are enough
    assert office.results == ["answered"]
    (recording,) = engine.recordings
    engine.finish_recording(recording)
    office.run(1)
    assert office.results == ["answered"]
    assert len(office.told(RecordingFinished)) == 1
    assert office.settled()


def test_hanging_up_a_call_that_waits_for_its_recording_does_not_make_it_wait_for_ever():
    engine = SilentEngine(slow_files=True)
    office = VirtualOffice(engine=engine)
    anna, _ = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    anna.hang_up()
    office.run(2)
    (call,) = office.control.calls
    office._put(office.control.hang_up(call.id, office.now))
    office.run(4)
    assert office.results == ["answered"]


# Silence --------------------------------------------------------------------------------------------------------------


def test_silence_that_began_on_hold_is_a_fault_once_the_call_goes_on():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    anna.hold()
    office.run(1)
    second = list(office.engine.open_ports)[1]
    boris.vanish()
    office.engine.lose(second)  # type: ignore[union-attr]
    office.run(1)
    assert office.told(MediaLost) == []
    anna.resume()
    office.run(1)
    assert office.engine.counted_again == [second]  # type: ignore[union-attr]
    office.engine.lose(second)  # type: ignore[union-attr]
    office.run(60)
    assert len(office.told(MediaLost)) == 1
    assert anna.idle
    assert office.settled()


# An office that changes -----------------------------------------------------------------------------------------------


def test_a_call_outlives_the_person_and_the_trunk_that_it_goes_through():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    anna.call("+79161234567")
    office.run(3)
    office.reload(directory=Directory(people={"105": person("105")}, groups={}), plan=Plan(trunks={}))
    office.run(5)
    assert anna.talking
    provider.hang_up()
    office.run(6)
    assert anna.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_a_call_that_rings_goes_on_by_the_plan_it_began_with():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(answer=None)
    backup = office.provider(host="10.0.1.2")
    anna.call("+79161234567")
    office.run(2)
    office.reload(plan=replace(office.office.plan, trunks={}, outbound=()))
    provider.refuse_now(503)
    office.run(2)
    assert backup.talking


def test_a_draining_switch_lets_people_talk_and_takes_no_new_calls():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    office.phone("104")
    anna.call("102")
    office.run(3)
    office._put(office.control.drain(office.now, end_calls=False))
    carl = office.phone("103")
    carl.call("104")
    office.run(2)
    assert carl.status == 503
    assert anna.talking
    assert boris.talking
    assert [e.cause for e in office.told(ConversationEnded)] == ["the switch is stopping"]  # type: ignore[attr-defined]
    anna.hang_up()
    office.run(6)
    assert office.settled()
    assert len(office.told(CallArrived)) == 2


def test_a_switch_that_stops_ends_calls_that_ring_too():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=None)
    anna.call("102")
    office.run(2)
    office._put(office.control.drain(office.now, end_calls=True))
    office.run(6)
    assert anna.status == 480
    assert boris.idle
    assert "cause=503" in boris.reason
    assert office.results == ["refused"]
    assert len(office.told(LegEnded)) == 2
    assert office.settled()


# Programs that attend -------------------------------------------------------------------------------------------------


class Clerk:
    """A program that notes what it is told, and dials the next number of its list when one fails."""

    def __init__(self, *numbers: str, answers: bool = True) -> None:
        self.numbers, self.answers = list(numbers), answers
        self.notes: list[str] = []

    def arrived(self, call: object) -> None:
        self.call = call
        if self.answers:
            call.answer()  # type: ignore[attr-defined]
        self.next()

    def next(self) -> None:
        if self.numbers:
            self.call.dial(self.numbers.pop(0), self.office.now)  # type: ignore[attr-defined]

    def digit_pressed(self, digit: str) -> None:
        self.notes.append(f"digit {digit}")

    def played(self) -> None:
        self.notes.append("played")

    def connected(self) -> None:
        self.notes.append("connected")

    def refused(self, result: str) -> None:
        self.notes.append(result)
        self.next()

    def gone(self) -> None:
        self.notes.append("gone")

    office: VirtualOffice


def attended(clerk: Clerk) -> VirtualOffice:
    office = VirtualOffice()
    clerk.office = office
    office.control.attend("600", lambda: clerk)
    return office


def test_a_program_answers_and_sends_the_caller_on():
    clerk = Clerk("102")
    office = attended(clerk)
    anna, boris = office.phone("101"), office.phone("102", answer=2.0)
    anna.call("600")
    office.run(1)
    assert anna.talking
    (ringing,) = office.engine.players
    first = next(iter(office.engine.rows))
    assert office.engine.rows[first] == {ringing: 1.0}
    office.run(3)
    assert boris.talking
    assert clerk.notes == ["connected"]
    assert office.engine.players == {}
    anna.hang_up()
    office.run(6)
    assert clerk.notes == ["connected", "gone"]
    assert office.results == ["answered"]
    assert office.settled()


def test_a_program_may_dial_again_at_once_when_it_was_refused():
    clerk = Clerk("102", "103", "104", "777", "105")
    office = attended(clerk)
    anna, elena = office.phone("101"), office.phone("105")
    office.phone("102", refuse=486)
    for _ in range(2):
        office.phone("103", refuse=603)
    office.phone("104", answer=None)
    anna.call("600")
    office.run(70)
    assert clerk.notes == ["busy", "declined", "no answer", "no such number", "connected"]
    assert elena.talking
    anna.hang_up()
    office.run(6)
    assert office.settled()


def test_a_program_is_told_that_the_caller_left_while_it_rang():
    clerk = Clerk("102")
    office = attended(clerk)
    anna, boris = office.phone("101"), office.phone("102", answer=None)
    anna.call("600")
    office.run(2)
    anna.hang_up()
    office.run(6)
    assert boris.idle
    assert clerk.notes == ["gone"]
    assert office.results == ["answered"]
    assert office.settled()


def test_a_program_that_did_not_answer_lets_the_caller_hear_the_ringing_of_his_network():
    clerk = Clerk("102", answers=False)
    office = attended(clerk)
    anna, boris = office.phone("101"), office.phone("102", answer=2.0)
    anna.call("600")
    office.run(1)
    assert anna.status == 180
    office.run(3)
    assert boris.talking
    assert anna.talking


def test_a_program_cannot_play_to_a_caller_who_was_sent_on():
    clerk = Clerk("102")
    office = attended(clerk)
    anna, _ = office.phone("101"), office.phone("102")
    anna.call("600")
    office.run(4)
    with pytest.raises(NotPossible):
        clerk.call.play(office.office.music)  # type: ignore[attr-defined]
    with pytest.raises(NotPossible):
        clerk.call.dial("103", office.now)  # type: ignore[attr-defined]


def test_digits_and_the_end_of_what_is_played_reach_the_program():
    clerk = Clerk()
    office = attended(clerk)
    anna = office.phone("101")
    anna.call("600")
    office.run(2)
    clerk.call.play(office.office.music)  # type: ignore[attr-defined]
    (player,) = office.engine.players
    (port,) = office.engine.open_ports
    office.engine.digit(port, "7")  # type: ignore[union-attr]
    office.engine.play_out(player)  # type: ignore[union-attr]
    office.run(1)
    assert clerk.notes == ["digit 7", "played"]
    anna.hang_up()
    office.run(6)
    assert office.settled()


def test_a_caller_sent_outside_first_and_then_to_a_colleague_is_recorded_on_both_sides():
    clerk = Clerk("+79161234567", "102")
    office = attended(clerk)
    anna, boris = office.phone("101"), office.phone("102")
    office.provider(refuse=486)
    anna.call("600")
    office.run(4)
    assert boris.talking
    ((tracks, _),) = office.engine.recorded  # type: ignore[union-attr]
    first, second = office.engine.open_ports
    assert tracks == {"left": [first], "right": [second]}


# Channels -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caller", "dialled", "called", "customer"),
    [("person", "102", "person", 0), ("person", "+79161234567", "trunk", 1), ("trunk", "+74951234567", "person", 0)],
)
def test_the_customer_is_left_and_the_employee_right(caller: str, dialled: str, called: str, customer: int):
    office = VirtualOffice()
    anna = office.phone("101")
    office.phone("102")
    provider = office.provider()
    (anna if caller == "person" else provider).call(dialled)
    office.run(4)
    ((tracks, _),) = office.engine.recorded  # type: ignore[union-attr]
    ports = list(office.engine.open_ports)
    assert tracks == {"left": [ports[customer]], "right": [ports[1 - customer]]}
