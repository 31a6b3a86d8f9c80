"""Colleagues call each other by extension."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softswitch.events import CallArrived, CallRouted, LegAnswered, LegEnded, LegOffered
from tests.sim.network import Link
from tests.sim.office import VirtualOffice


def test_a_call_is_answered_and_ended_by_the_caller():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(5)
    assert anna.talking
    assert boris.talking
    anna.hang_up()
    office.run(6)
    assert boris.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_the_callee_may_hang_up_as_well():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(5)
    boris.hang_up()
    office.run(6)
    assert anna.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_the_callee_sees_who_calls():
    office = VirtualOffice()
    anna, boris = office.phone("101", from_display='"The Director" '), office.phone("102")
    anna.call("102")
    office.run(2)
    invite = next(m for m in boris.inbox if m.request == "INVITE")
    assert '"Person 101" <sip:101@office.example>' in invite["from"]
    assert "<sip:101@office.example>" in invite["p-asserted-identity"]


def test_all_devices_ring_and_the_first_answer_wins_once():
    office = VirtualOffice()
    anna = office.phone("101")
    desk, mobile, kitchen = (office.phone("102", answer=after) for after in (3.0, 1.0, None))
    anna.call("102")
    office.run(0.8)
    assert desk.ringing
    assert mobile.ringing
    assert kitchen.ringing
    office.run(5)
    assert mobile.talking
    assert desk.idle
    assert kitchen.idle
    assert "cause=200" in kitchen.reason
    assert len(office.told(LegOffered)) == 3
    assert len(office.told(LegAnswered)) == 2  # the caller's leg and one device's
    mobile.hang_up()
    office.run(6)
    assert sorted(office.causes) == [("answered elsewhere", 0), ("answered elsewhere", 0), ("hung up", 0), ("local", 0)]
    assert office.settled()


@pytest.mark.parametrize(
    ("refusal", "told", "result"),
    [(486, 486, "busy"), (600, 600, "busy"), (603, 603, "declined"), (480, 480, "unreachable"), (488, 488, "failed")],
)
def test_a_refusal_reaches_the_caller_as_what_it_is(refusal: int, told: int, result: str):
    office = VirtualOffice()
    anna = office.phone("101")
    office.phone("102", refuse=refusal)
    anna.call("102")
    office.run(10)
    assert anna.status == told
    assert office.results == [result]
    assert office.settled()


def test_one_busy_device_does_not_stop_the_others():
    office = VirtualOffice()
    anna = office.phone("101")
    office.phone("102", refuse=486)
    mobile = office.phone("102", answer=2.0)
    anna.call("102")
    office.run(5)
    assert mobile.talking
    assert office.results == []


def test_a_decline_on_one_device_ends_the_call_for_all():
    office = VirtualOffice()
    anna = office.phone("101")
    office.phone("102", refuse=603)
    mobile = office.phone("102", answer=2.0)
    anna.call("102")
    office.run(10)
    assert anna.status == 603
    assert mobile.idle
    assert office.results == ["declined"]


def test_nobody_answers():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=None)
    anna.call("102")
    office.run(70)
    assert anna.status == 480
    assert boris.idle
    assert office.results == ["no answer"]
    assert office.settled()


def test_a_person_without_a_registered_phone_is_unreachable():
    office = VirtualOffice()
    anna = office.phone("101")
    anna.call("103")
    office.run(6)
    assert anna.status == 480
    assert office.results == ["unreachable"]
    assert office.settled()


def test_an_unknown_number_does_not_exist():
    office = VirtualOffice()
    anna = office.phone("101")
    anna.call("777")
    office.run(6)
    assert anna.status == 404
    assert office.results == ["no such number"]


def test_the_caller_gives_up_while_it_rings():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=None)
    anna.call("102")
    office.run(4)
    anna.hang_up()
    office.run(6)
    assert anna.status == 487
    assert boris.idle
    assert office.results == ["abandoned"]
    assert office.settled()


def test_a_late_offer_is_answered_with_ours():
    office = VirtualOffice()
    anna, boris = office.phone("101", late_offer=True), office.phone("102")
    anna.call("102")
    office.run(5)
    assert anna.talking
    assert boris.talking
    sessions = list(office.engine.open_ports.values())
    assert [session.remote for session in sessions] == [anna.rtp, boris.rtp]


def test_one_conversation_id_from_the_first_invite_to_the_last_bye():
    office = VirtualOffice()
    anna = office.phone("101")
    office.phone("102")
    anna.call("102")
    office.run(5)
    anna.hang_up()
    office.run(6)
    story = [e for e in office.events if e.conversation]
    assert len({e.conversation for e in story}) == 1
    kinds = [type(e) for e in story]
    assert kinds[0] is CallArrived
    assert kinds.index(CallRouted) < kinds.index(LegOffered) < kinds.index(LegAnswered) < kinds.index(LegEnded)
    assert type(story[-1]).__name__ == "ConversationEnded"


@pytest.mark.parametrize("seed", range(6))
def test_calls_survive_a_bad_network(seed: int):
    # reliability.md F9: every call succeeds at 20 % loss over UDP.
    office = VirtualOffice(seed=seed)
    anna, boris = office.phone("101"), office.phone("102")
    office.network.link = Link(loss=0.2, delay=0.02, jitter=0.05, duplicate=0.1)
    anna.call("102")
    office.run(20)
    assert anna.talking
    assert boris.talking
    boris.hang_up()
    office.run(80)
    assert anna.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_a_device_that_says_nothing_at_all_is_given_up_after_eight_seconds_and_is_unreachable():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", registered=True)
    boris.vanish()
    anna.call("102")
    office.run(8.5)
    assert anna.status == 480
    assert office.results == ["unreachable"]
    assert [binding.reachable for binding in office.endpoint.bindings("102")] == [False]
    # The next caller does not wait for it.
    anna.call("102")
    office.run(0.5)
    assert anna.status == 480
    office.network.dead.discard(boris.host)
    office.run(15)
    assert [binding.reachable for binding in office.endpoint.bindings("102")] == [True]


def test_a_telephone_behind_a_proxy_is_called_through_its_path():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    (binding,) = office.endpoint.bindings("102")
    office.endpoint.restore([replace(binding, path=("<sip:edge.example;lr>",))], office.now)
    anna.call("102")
    office.run(4)
    assert boris.last("INVITE", request=True)["route"] == "<sip:edge.example;lr>"
