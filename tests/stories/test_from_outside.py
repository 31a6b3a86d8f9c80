"""A head on a mobile: a number of the office, a PIN, and a supervision like any other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softswitch.calls.outside import proved
from softswitch.dialplan.routes import Inbound
from softswitch.events import SupervisionEnded, SupervisionRefused, SupervisionStarted
from tests.sim.office import SECOND_LINE
from tests.stories.centre import (
    CUSTOMER,
    EMPLOYEE,
    NUMBER,
    PEOPLE,
    SUPERVISOR,
    Centre,
    deaf_to,
    hears,
    requests_of,
    undisturbed,
)

FOR_HEADS = "+74951230000"
PIN = "271828"


class Outside(Centre):
    """``mobile`` is a second line of the provider: Boris (110) on his way."""

    def __init__(self, **options: object) -> None:
        people = tuple(replace(one, pin=PIN) if one.extension == "110" else one for one in PEOPLE)
        inbound = (Inbound(number=FOR_HEADS, to="supervise"), Inbound(number=NUMBER, to="person:101"))
        super().__init__(people=people, inbound=inbound, **options)
        self.mobile = self.provider(host=SECOND_LINE, name="9161112233", tone=SUPERVISOR)
        self.mobile.obeys = True

    def dial_in(self) -> None:
        self.mobile.call(FOR_HEADS)
        self.run_until(lambda: self.mobile.talking, 3)
        self.run(1.0)

    def type(self, keys: str) -> None:
        for key in keys:
            self.mobile.press(key)
            self.run(0.25)
        self.run(0.8)

    @property
    def refusals(self) -> list[str]:
        return [event.reason for event in self.told(SupervisionRefused)]  # type: ignore[attr-defined]


def boris_hears_both(office: Outside) -> bool:
    office.listen_for()
    return hears(office.mobile, CUSTOMER) and hears(office.mobile, EMPLOYEE)


def test_a_head_calls_proves_who_he_is_and_listens_and_keys_work_as_ever():
    office = Outside()
    office.converse()
    requests = len(requests_of(office.customer)), len(requests_of(office.anna))
    office.dial_in()
    office.type(f"110{PIN}#")
    office.type("101#")
    (started,) = office.told(SupervisionStarted)
    assert (started.supervisor, started.employee, started.mode, started.via) == ("110", "101", "listen", "mobile")  # type: ignore[attr-defined]
    assert boris_hears_both(office)
    assert deaf_to(office.customer, SUPERVISOR)
    assert deaf_to(office.anna, SUPERVISOR)
    office.type("5")
    assert boris_hears_both(office)
    assert hears(office.anna, SUPERVISOR)
    assert deaf_to(office.customer, SUPERVISOR)
    office.type("4")
    assert boris_hears_both(office)
    assert deaf_to(office.anna, SUPERVISOR)
    assert office.customer.digits_heard == office.anna.digits_heard == []
    office.mobile.hang_up()
    office.run(1)
    assert [event.cause for event in office.told(SupervisionEnded)] == ["hung up"]  # type: ignore[attr-defined]
    assert undisturbed(office.customer, requests[0])
    assert undisturbed(office.anna, requests[1])
    office.customer.hang_up()
    office.run(6)
    assert office.settled()


def test_he_hears_a_tone_that_asks_and_another_that_says_no():
    office = Outside()
    office.mobile.call(FOR_HEADS)
    office.run_until(lambda: office.mobile.talking, 3)
    office.run(0.5)
    assert office.mobile.hears(800.0, 0.2) > -30.0
    office.run(1)
    for key in "110000000#":
        office.mobile.press(key)
        office.run(0.25)
    office.mobile.heard.clear()
    office.run(0.6)
    assert office.mobile.hears(400.0, 0.6) > -30.0


def test_after_three_wrong_pins_he_is_hung_up_on_and_each_is_told():
    office = Outside(sound=False)
    office.converse()
    office.dial_in()
    for wrong in ("110000000#", f"120{PIN}#", f"{PIN}#"):
        assert office.mobile.talking
        for key in wrong:
            office.mobile.tell(key)
            office.run(0.25)
        office.run(0.5)
    assert office.mobile.idle
    assert office.refusals == [f"{office.refusals[0].split(' ')[0]} typed no extension with its PIN"] * 3
    assert all(PIN not in str(event) for event in office.events)
    assert office.told(SupervisionStarted) == []


def test_whom_he_may_not_hear_he_is_refused_three_times_and_told_why_in_the_timeline():
    office = Outside()
    office.phone("120")
    office.converse()
    office.dial_in()
    office.type(f"110{PIN}#")
    office.type("999#")
    office.type("102#")
    office.type("103#")
    assert office.mobile.idle
    assert office.refusals == [
        "no person '999'",
        "102 is in no conversation",
        "nobody in it belongs to a group that you head",
    ]
    assert {event.supervisor for event in office.told(SupervisionRefused)} == {"110"}  # type: ignore[attr-defined]


def test_a_star_begins_anew():
    office = Outside()
    office.converse()
    office.dial_in()
    office.type(f"119*110{PIN}#")
    office.type("102*101#")
    assert boris_hears_both(office)
    assert office.refusals == []


def test_who_types_nothing_is_hung_up_on():
    office = Outside(sound=False)
    office.dial_in()
    office.run(31)
    assert office.mobile.idle
    assert len(office.refusals) == 1
    office.run(6)
    assert office.settled()


def test_who_has_typed_too_many_wrong_pins_must_wait_before_he_may_call_again():
    office = Outside()
    for _ in range(2):
        office.dial_in()
        for _ in range(3):
            if office.mobile.talking:
                office.type("110000000#")
        office.run(1)
    office.mobile.call(FOR_HEADS)
    office.run(1)
    assert office.mobile.status == 403
    assert office.refusals[-1].endswith("has typed too many wrong PINs and must wait")
    office.run(120)
    office.dial_in()
    assert office.mobile.talking


def test_it_ends_with_the_conversation():
    office = Outside()
    office.converse()
    office.dial_in()
    office.type(f"110{PIN}#")
    office.type("101#")
    office.customer.hang_up()
    office.run(6)
    assert office.mobile.idle
    assert office.settled()


@pytest.mark.parametrize(("typed", "who"), [("110271828", "110"), ("271828", ""), ("120", ""), ("", ""), ("110", "")])
def test_only_an_extension_and_its_own_pin_prove_anything(typed: str, who: str):
    people = {one.extension: replace(one, pin=PIN if one.extension == "110" else "") for one in PEOPLE}
    assert proved(typed, people) == who


@pytest.mark.parametrize("keys", ["7", "1", "11"], ids=["for good", "for a while", "and back"])
def test_the_line_of_the_mobile_counts_also_after_taking_over(keys: str):
    office = Outside(trunk_calls=2)
    office.converse()
    office.dial_in()
    office.type(f"110{PIN}#")
    office.type("101#")
    office.type(keys)
    lines = office.office.plan.trunks["provider"]
    assert not office.control.free_lines(lines)
    office.mobile.hang_up()
    office.run(1)
    assert office.control.free_lines(lines)
