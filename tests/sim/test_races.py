"""Things that happen at the same time, in every order: each pair of instants around the crossing is tried."""

from __future__ import annotations

import itertools

import pytest

from softswitch.events import Abandoned, CallArrived, ConversationEnded, LegAnswered, LegEnded, LegHeld
from tests.sim.network import Link
from tests.sim.office import BACKUP, VirtualOffice, person
from tests.sim.phone import Phone

# With 10 ms per hop a message from phone to phone takes 20 ms; steps of 5 ms reach every interleaving.
INSTANTS = [n * 0.005 for n in range(12)]


def all_over(office: VirtualOffice, *phones: Phone) -> None:
    """64*T1 later nothing is left of the call, at the telephones, in the switch and in its stack."""
    office.run(80)
    assert all(phone.idle for phone in phones)
    assert len(office.told(ConversationEnded)) == 1
    assert office.settled()
    assert office.forgotten


@pytest.mark.parametrize("offset", INSTANTS)
def test_cancel_crosses_the_answer(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=1.0)
    anna.call("102")
    office.run(1.0 + offset)
    anna.hang_up()
    office.run(50)
    assert anna.idle
    assert boris.idle
    assert len(office.told(ConversationEnded)) == 1
    assert office.settled()


@pytest.mark.parametrize("offset", INSTANTS)
def test_both_hang_up_at_once(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    anna.hang_up()
    office.run(offset)
    boris.hang_up()
    office.run(50)
    assert anna.idle
    assert boris.idle
    assert office.results == ["answered"]
    assert office.settled()


@pytest.mark.parametrize(("first", "second"), list(itertools.product([1.0, 1.005, 1.01, 1.02, 1.03], repeat=2)))
def test_two_devices_answer_at_once(first: float, second: float):
    office = VirtualOffice()
    anna = office.phone("101")
    desk, mobile = office.phone("102", answer=first), office.phone("102", answer=second)
    anna.call("102")
    office.run(40)
    assert anna.talking
    assert [desk.talking, mobile.talking].count(True) == 1
    assert len(office.told(LegAnswered)) == 2
    anna.hang_up()
    office.run(40)
    assert desk.idle
    assert mobile.idle
    assert office.results == ["answered"]
    assert office.settled()


@pytest.mark.parametrize("offset", INSTANTS)
def test_both_hold_at_once(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    anna.hold()
    office.run(offset)
    boris.hold()
    office.run(10)
    assert anna.talking
    assert boris.talking
    assert list(office.engine.rows.values()) == [{}, {}]


@pytest.mark.parametrize("offset", INSTANTS)
def test_a_hold_crosses_a_bye(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    anna.hold()
    office.run(offset)
    boris.hang_up()
    all_over(office, anna, boris)
    assert office.results == ["answered"]
    assert len(office.told(LegHeld)) <= 1


@pytest.mark.parametrize("offset", INSTANTS)
def test_a_bye_crosses_a_hold_of_the_same_telephone(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    boris.hang_up()
    office.run(offset)
    if anna.talking:
        anna.hold()
    all_over(office, anna, boris)
    assert office.results == ["answered"]


@pytest.mark.parametrize("offset", INSTANTS)
def test_the_answer_crosses_the_end_of_the_ringing(offset: float):
    office = VirtualOffice(people=(person("102", ring=2.0),))
    anna, boris = office.phone("101"), office.phone("102", answer=2.0 + offset - 0.03)
    anna.call("102")
    office.run(3)
    assert anna.talking == boris.talking
    anna.hang_up()
    all_over(office, anna, boris)
    assert office.results in (["answered"], ["no answer"])


@pytest.mark.parametrize("offset", INSTANTS)
def test_the_caller_gives_up_around_the_change_of_trunks(offset: float):
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(refuse=503)
    backup = office.provider(host=BACKUP, answer=0.0)
    anna.call("+79161234567")
    office.run_until(lambda: provider.count("INVITE") == 1)
    office.run(offset)
    anna.hang_up()
    all_over(office, anna, backup)
    assert office.results in (["abandoned"], ["answered"])


@pytest.mark.parametrize("offset", INSTANTS)
@pytest.mark.parametrize("order", [("silence", "bye"), ("bye", "silence")])
def test_silence_is_found_while_the_telephone_hangs_up(offset: float, order: tuple[str, str]):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    second = list(office.engine.open_ports)[1]
    for step in order:
        if step == "bye":
            boris.hang_up()
        else:
            office.engine.lose(second)  # type: ignore[union-attr]
        office.run(offset)
    all_over(office, anna, boris)
    assert office.results == ["answered"]
    assert len(office.told(LegEnded)) == 2


@pytest.mark.parametrize("offset", INSTANTS)
def test_the_callee_leaves_while_the_caller_has_not_acknowledged(offset: float):
    # RFC 3261 section 15: our BYE must wait for the ACK, or for 64*T1.
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run_until(lambda: boris.talking)
    office.network.lose_next(b"ACK sip:")
    office.run(offset)
    boris.hang_up()
    all_over(office, anna, boris)
    assert office.results == ["answered"]


@pytest.mark.parametrize("offset", INSTANTS)
def test_the_callee_refuses_while_the_caller_gives_up(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=None)
    anna.call("102")
    office.run(2)
    anna.hang_up()
    office.run(offset)
    if boris.ringing:
        boris.refuse_now(486)
    all_over(office, anna, boris)
    assert office.results in (["abandoned"], ["busy"])
    assert (office.results == ["abandoned"]) == (len(office.told(Abandoned)) == 1)


@pytest.mark.parametrize("offset", INSTANTS)
def test_one_device_answers_while_the_other_declines(offset: float):
    office = VirtualOffice()
    anna, desk, mobile = office.phone("101"), office.phone("102", answer=None), office.phone("102", answer=None)
    anna.call("102")
    office.run(2)
    desk.pick_up()
    office.run(offset)
    if mobile.ringing:
        mobile.refuse_now(603)
    office.run(2)
    assert anna.talking
    assert desk.talking
    anna.hang_up()
    all_over(office, anna, desk, mobile)
    assert office.results == ["answered"]


@pytest.mark.parametrize("offset", INSTANTS)
def test_one_device_declines_while_the_other_answers(offset: float):
    office = VirtualOffice()
    anna, desk, mobile = office.phone("101"), office.phone("102", answer=None), office.phone("102", answer=None)
    anna.call("102")
    office.run(2)
    desk.refuse_now(603)
    office.run(offset)
    mobile.pick_up()
    all_over(office, anna, desk)
    assert mobile.idle
    assert anna.status == 603
    assert office.results == ["declined"]


@pytest.mark.parametrize("offset", INSTANTS)
def test_the_office_ends_a_call_that_is_being_hung_up_or_answered(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=1.0)
    anna.call("102")
    office.run(1.0 + offset)
    (call,) = office.control.calls
    office._put(office.control.hang_up(call.id, office.now))
    all_over(office, anna, boris)
    assert office.results in (["answered"], ["refused"])


@pytest.mark.parametrize("offset", INSTANTS)
def test_a_call_meets_a_telephone_that_is_just_leaving(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(offset)
    boris.register(expires=0)
    office.run(3)
    assert anna.talking == boris.talking
    anna.hang_up()
    all_over(office, anna, boris)
    assert office.results in (["answered"], ["unreachable"])


@pytest.mark.parametrize("seed", range(20))
def test_everything_ends_exactly_once_whatever_the_network_does(seed: int):
    office = VirtualOffice(seed=seed)
    anna, _ = office.phone("101"), office.phone("102", answer=1.0)
    office.network.link = Link(loss=0.3, delay=0.01, jitter=0.4, duplicate=0.3)
    anna.call("102")
    office.run(seed * 0.15)
    anna.hang_up()
    office.run(200)
    assert office.settled()
    assert office.forgotten
    assert len(office.told(ConversationEnded)) == len(office.told(CallArrived)) <= 1
