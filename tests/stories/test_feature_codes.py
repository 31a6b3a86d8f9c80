"""Supervision from any telephone: a code before the extension begins it, keys go on with it."""

from __future__ import annotations

import pytest

from softswitch.calls.modes import Mode
from softswitch.dialplan.codes import Codes
from softswitch.events import CallArrived, SupervisionChanged, SupervisionRefused, SupervisionStarted, TakenOver
from tests.stories.centre import CUSTOMER, EMPLOYEE, SUPERVISOR, Centre, deaf_to, hears, requests_of, undisturbed


@pytest.mark.parametrize(
    ("code", "mode"), [("*41", Mode.LISTEN), ("*42", Mode.WHISPER), ("*43", Mode.BARGE)], ids=["41", "42", "43"]
)
def test_a_code_and_the_extension_begin_to_supervise(code: str, mode: Mode):
    office = Centre()
    office.converse()
    requests = len(requests_of(office.customer)), len(requests_of(office.anna))
    office.boris.call(f"{code}101")
    office.run(1)
    office.listen_for()
    assert hears(office.boris, CUSTOMER)
    assert hears(office.boris, EMPLOYEE)
    assert hears(office.anna, SUPERVISOR) is (mode is not Mode.LISTEN)
    assert hears(office.customer, SUPERVISOR) is (mode is Mode.BARGE)
    assert [event.mode for event in office.told(SupervisionStarted)] == [str(mode)]  # type: ignore[attr-defined]
    assert len(office.told(CallArrived)) == 1  # it is a visit to a conversation, not another one
    office.boris.hang_up()
    office.run(1)
    assert undisturbed(office.customer, requests[0])
    assert undisturbed(office.anna, requests[1])
    office.customer.hang_up()
    office.run(6)
    assert office.settled()


def test_keys_change_the_mode_and_are_heard_by_nobody():
    office = Centre()
    office.converse()
    office.boris.call("*41101")
    office.run(1)
    for digit, mode in (("5", Mode.WHISPER), ("6", Mode.BARGE), ("4", Mode.LISTEN), ("6", Mode.BARGE)):
        office.boris.press(digit)
        office.run(0.6)
        office.listen_for()
        assert hears(office.anna, SUPERVISOR) is (mode is not Mode.LISTEN)
        assert hears(office.customer, SUPERVISOR) is (mode is Mode.BARGE)
    assert [event.mode for event in office.told(SupervisionChanged)] == ["whisper", "barge", "listen", "barge"]  # type: ignore[attr-defined]
    assert office.customer.digits_heard == office.anna.digits_heard == []


def test_a_key_takes_the_conversation_over():
    office = Centre()
    office.converse()
    office.boris.call("*42101")
    office.run(1)
    office.boris.press("7")
    office.run(0.6)
    office.listen_for()
    assert office.anna.idle
    assert hears(office.customer, SUPERVISOR)
    assert hears(office.boris, CUSTOMER)
    assert len(office.told(TakenOver)) == 1
    assert office.customer.digits_heard == []


def test_keys_make_it_louder_and_quieter_for_the_supervisor_alone():
    office = Centre()
    office.converse()
    office.boris.call("*41101")
    office.run(1)
    office.boris.press("8")
    office.run(0.4)
    office.boris.press("8")
    office.run(0.6)
    office.listen_for()
    assert abs(office.boris.hears(CUSTOMER) + 22.0) <= 1.0  # twice 3 dB below -16
    assert hears(office.anna, CUSTOMER)


@pytest.mark.parametrize(
    ("who", "dialled", "status", "why"),
    [
        ("102", "*41101", 403, "employees may do this only with their own conversations"),
        ("120", "*41101", 403, "nobody in it belongs to a group that you head"),
        ("110", "*41102", 480, "102 is in no conversation"),
        ("110", "*41999", 404, "no person '999'"),
        ("110", "*43", 404, "no person ''"),
    ],
)
def test_a_refusal_says_why_on_the_telephone_and_in_the_timeline_and_changes_nothing(
    who: str, dialled: str, status: int, why: str
):
    office = Centre(sound=False)
    phone = office.boris if who == "110" else office.phone(who)
    office.converse()
    phone.call(dialled)
    office.run(1)
    assert phone.idle
    assert phone.status == status
    refusal = phone.last("INVITE")
    assert refusal["warning"] == f'399 softswitch "{why}"'
    assert why in refusal["reason"]
    assert [event.reason for event in office.told(SupervisionRefused)] == [why]  # type: ignore[attr-defined]
    assert office.told(SupervisionStarted) == []
    assert office.customer.talking


def test_a_key_that_is_not_permitted_is_refused_and_the_mode_stays():
    office = Centre()
    office.converse()
    office.boris.call("*42101")
    office.run(1)
    office.boris.press("3")  # whisper to the customer
    office.run(0.6)
    office.listen_for()
    assert deaf_to(office.customer, SUPERVISOR)
    assert hears(office.anna, SUPERVISOR)
    (refused,) = office.told(SupervisionRefused)
    assert refused.action == "whisper to customer"  # type: ignore[attr-defined]


def test_codes_may_be_others_or_switched_off():
    office = Centre(sound=False)
    office.reload(codes=Codes(listen="*90", barge=""))
    office.converse()
    office.boris.call("*90101")
    office.run(1)
    assert office.boris.talking
    office.boris.hang_up()
    office.run(1)
    office.boris.call("*43101")
    office.run(1)
    assert office.boris.status == 404
    assert office.told(SupervisionRefused) == []


def test_a_late_offer_of_the_supervisors_telephone_works_too():
    office = Centre()
    office.converse()
    office.boris.late_offer = True
    office.boris.call("*42101")
    office.run(1)
    office.listen_for()
    assert hears(office.boris, CUSTOMER)
    assert hears(office.anna, SUPERVISOR)
