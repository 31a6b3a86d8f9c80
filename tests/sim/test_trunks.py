"""Calls from and to the outside."""

from __future__ import annotations

from softswitch.events import CallArrived, CallRouted
from tests.sim.office import BACKUP, PROVIDER, VirtualOffice


def test_an_inbound_number_rings_its_person():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    provider.call("+74951234567")
    office.run(4)
    assert anna.talking
    assert provider.talking
    assert office.told(CallArrived)[0].origin == "trunk:provider"
    assert office.told(CallRouted)[0].to == "person:101"


def test_an_inbound_number_is_understood_in_national_form():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    provider.call("84951234567")
    office.run(4)
    assert anna.talking


def test_an_outbound_number_is_normalised_and_shown_right():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    anna.call("8 916 123-45-67".replace(" ", "").replace("-", ""))
    office.run(4)
    assert provider.talking
    invite = next(m for m in provider.inbox if m.request == "INVITE")
    assert invite.target.startswith(f"sip:+79161234567@{PROVIDER}")
    assert "sip:+74951234567@" in invite["from"]
    assert "sip:+74951234567@" in invite["p-asserted-identity"]


def test_the_second_trunk_is_tried_when_the_first_fails():
    office = VirtualOffice()
    anna = office.phone("101")
    office.provider(refuse=503)
    backup = office.provider(host=BACKUP)
    anna.call("+79161234567")
    office.run(5)
    assert backup.talking


def test_a_busy_number_is_not_tried_through_another_trunk():
    office = VirtualOffice()
    anna = office.phone("101")
    office.provider(refuse=486)
    backup = office.provider(host=BACKUP)
    anna.call("+79161234567")
    office.run(5)
    assert anna.status == 486
    assert not any(m.request == "INVITE" for m in backup.inbox)


def test_a_full_trunk_is_passed_over():
    office = VirtualOffice(trunk_calls=0)
    anna, backup = office.phone("101"), office.provider(host=BACKUP)
    anna.call("+79161234567")
    office.run(5)
    assert backup.talking


def test_a_trunk_never_reaches_a_trunk():
    office = VirtualOffice()
    provider, backup = office.provider(), office.provider(host=BACKUP)
    provider.call("+79161234567")
    office.run(5)
    assert provider.status == 404
    assert not any(m.request == "INVITE" for m in backup.inbox)


def test_a_stranger_never_reaches_a_trunk():
    office = VirtualOffice()
    provider = office.provider()
    stranger = office.phone("101", registered=False, password="guess", host="10.9.9.9")
    stranger.call("+79161234567")
    office.run(10)
    assert stranger.status in (401, 403)
    assert not any(m.request == "INVITE" for m in provider.inbox)
    assert office.told(CallArrived) == []


def test_early_media_of_the_outside_is_heard_before_the_answer():
    office = VirtualOffice()
    anna = office.phone("101")
    office.provider(early_media=True, answer=3.0)
    anna.call("+79161234567")
    office.run(2)
    assert anna.status == 183
    first, second = office.engine.rows
    assert office.engine.rows[first] == {second: 1.0}
    office.run(3)
    assert anna.talking


def test_a_withheld_number_is_shown_to_the_trunk_only_as_privacy_allows():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    provider.from_display = "Anonymous "
    provider.call("+74951234567")
    office.run(4)
    assert anna.talking
