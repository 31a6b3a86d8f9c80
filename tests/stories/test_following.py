"""A head who stays with an employee from one conversation to the next, or goes through those of the group."""

from __future__ import annotations

import json

from softswitch.calls.modes import Mode
from softswitch.events import LegDialog, LegEnded, LegOffered, SupervisionEnded, SupervisionStarted, WaitingDialog
from tests.stories.centre import CUSTOMER, EMPLOYEE, NUMBER, SECOND, SUPERVISOR, Centre, deaf_to, hears


def test_who_follows_hears_the_next_conversation_too_without_picking_up_again():
    office = Centre()
    office.converse()
    office.supervise(Mode.WHISPER, follow=True)
    office.run(2)
    office.customer.hang_up()
    office.run(7)
    assert office.boris.talking
    assert office.anna.idle
    office.converse()
    office.run(1)
    office.listen_for()
    assert hears(office.boris, CUSTOMER)
    assert hears(office.boris, EMPLOYEE)
    assert hears(office.anna, SUPERVISOR)
    assert deaf_to(office.customer, SUPERVISOR)
    started = office.told(SupervisionStarted)
    assert [event.mode for event in started] == ["whisper", "whisper"]  # type: ignore[attr-defined]
    assert len({event.conversation for event in started}) == 2
    office.boris.hang_up()
    office.customer.hang_up()
    office.run(7)
    assert office.settled()


def test_who_follows_may_begin_before_there_is_anything_to_hear():
    office = Centre()
    assert office.supervise(Mode.LISTEN) == "101 is in no conversation"
    assert office.supervise(Mode.LISTEN, follow=True) is None
    office.run(2)
    assert office.boris.talking
    office.converse()
    office.run(1)
    office.listen_for()
    assert hears(office.boris, CUSTOMER)
    office.boris.hang_up()
    office.customer.hang_up()
    office.run(7)
    assert office.settled()


def test_a_move_goes_to_where_his_signalling_comes_from_whatever_address_his_sdp_has():
    # Behind a NAT the SDP has an address of his own network, from which our port could not be chosen.
    office = Centre(sound=False)
    office.boris.rtp = ("192.168.1.10", 4000)
    office.asked_for.clear()
    office.supervise(Mode.LISTEN, follow=True)
    office.run(2)
    office.converse()
    office.run(1)
    assert len(office.told(SupervisionStarted)) == 1
    assert set(office.asked_for) == {office.boris.host, office.customer.host, office.anna.host}


def test_who_follows_and_hangs_up_between_two_conversations_leaves_nothing_behind():
    office = Centre(sound=False)
    office.converse()
    office.supervise(Mode.LISTEN, follow=True)
    office.run(2)
    office.customer.hang_up()
    office.run(7)
    office.boris.hang_up()
    office.run(40)
    assert office.settled()
    office.converse()
    office.run(1)
    assert len(office.told(SupervisionStarted)) == 1


def test_who_wants_to_follow_after_all_while_it_rings_is_rung_no_longer_than_the_conversation_lasts():
    office = Centre(sound=False)
    office.converse()
    office.supervise(Mode.LISTEN)
    office.run(0.1)
    assert office.supervise(Mode.LISTEN, follow=True) is None
    office.customer.hang_up()
    office.run(12)
    assert office.boris.idle
    assert {event.leg for event in office.told(LegOffered)} <= {event.leg for event in office.told(LegEnded)}
    assert office.settled()


def test_who_wants_to_hear_another_before_he_has_answered_is_rung_anew():
    office = Centre(sound=False)
    office.converse()
    viktor, _ = office.phone("102"), office.phone("105")
    viktor.call("105")
    office.run_until(lambda: viktor.talking, 10)
    office.supervise(Mode.LISTEN)
    office.run(0.1)
    assert office.supervise(Mode.LISTEN, whom="102") is None
    office.run(3)
    assert [supervision.wish.employee for supervision in office.control.supervisions] == ["102"]
    for phone in (viktor, office.boris, office.customer):
        phone.hang_up()
    office.run(45)
    assert {event.leg for event in office.told(LegOffered)} <= {event.leg for event in office.told(LegEnded)}
    assert office.settled()


def test_a_conversation_that_ends_while_the_head_is_on_the_way_to_it_is_survived():
    office = Centre(sound=False)
    office.supervise(Mode.LISTEN, follow=True)
    office.run(2)
    office.boris.glares = 1  # his telephone takes the move only at the second attempt
    office.customer.call(NUMBER)
    office.run_until(lambda: office.customer.talking, 10)
    office.customer.hang_up()
    office.run(12)
    assert office.boris.talking
    office.converse()
    office.run(3)
    assert len(office.told(SupervisionStarted)) == 1
    office.boris.hang_up()
    office.customer.hang_up()
    office.run(12)
    assert office.settled()


def test_the_key_for_the_next_call_goes_round_the_groups_conversations():
    office = Centre()
    dmitry = office.phone("102", tone=SECOND)
    office.converse()
    elena = office.phone("103", tone=1931.0)
    elena.call("102")
    office.run(2)
    assert dmitry.talking
    office.supervise(Mode.LISTEN)
    office.run(1.5)
    office.boris.press("#")
    office.run(1)
    office.listen_for()
    assert hears(office.boris, SECOND)
    assert deaf_to(office.boris, CUSTOMER)
    office.boris.press("#")
    office.run(1)
    office.listen_for()
    assert hears(office.boris, CUSTOMER)
    assert deaf_to(office.boris, SECOND)
    employees = [event.employee for event in office.told(SupervisionStarted)]  # type: ignore[attr-defined]
    assert employees == ["101", "102", "101"]
    assert [event.cause for event in office.told(SupervisionEnded)] == ["moved on", "moved on"]  # type: ignore[attr-defined]


def test_asking_for_somebody_else_moves_the_same_telephone_there():
    office = Centre()
    office.phone("102", tone=SECOND)
    office.converse()
    office.phone("103", tone=1931.0).call("102")
    office.run(2)
    office.supervise(Mode.LISTEN)
    office.run(1.5)
    assert office.supervise(Mode.WHISPER, whom="102") is None
    office.run(1)
    office.listen_for()
    assert hears(office.boris, SECOND)
    assert hears(office.phones["10.0.2.4"], SUPERVISOR)
    assert deaf_to(office.anna, SUPERVISOR)


def released_after_a_crash(office: Centre) -> set[str]:
    """The calls of which a new process would know: those of conversations, and those that wait."""
    ended = {event.leg for event in office.told(LegEnded)}  # type: ignore[attr-defined]
    states: dict[str, str] = {}
    for event in office.events:
        state = event.state if isinstance(event, LegDialog) else getattr(event, "dialog", "")
        if state and event.leg not in ended:  # type: ignore[attr-defined]
            states[event.leg] = state  # type: ignore[attr-defined]
    states |= {event.leg: event.state for event in office.told(WaitingDialog)}  # type: ignore[attr-defined]
    return {json.loads(state)["call_id"] for state in states.values() if state}


def test_a_new_process_would_know_the_waiting_telephone_at_any_moment():
    office = Centre(sound=False)
    assert office.supervise(Mode.LISTEN, follow=True) is None
    for _ in range(2):
        office.run(2)
        call_id = office.boris.last("INVITE", request=True)["call-id"]
        assert released_after_a_crash(office) == {call_id}
        office.converse()
        office.run(1)
        assert call_id in released_after_a_crash(office)
        assert len(released_after_a_crash(office)) == 3
        office.customer.hang_up()
        office.run_until(lambda: not office.control.calls)
        office.run(1)
    office.boris.hang_up()
    office.run(2)
    assert released_after_a_crash(office) == set()
