"""A head takes a conversation over for a while: the employee waits with music, and gets it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from softswitch.calls.modes import Mode
from softswitch.dialplan.codes import Codes
from softswitch.events import (
    GivenBack,
    SupervisionChanged,
    SupervisionEnded,
    SupervisionRefused,
    TakenOver,
)
from softswitch.records.cdr import Cdr, ConversationFold
from tests.sim import audio
from tests.sim.test_sound import recording_in
from tests.stories.centre import (
    CUSTOMER,
    EMPLOYEE,
    MUSIC,
    SECOND,
    SUPERVISOR,
    Centre,
    deaf_to,
    hears,
    hears_music,
    requests_of,
    undisturbed,
)


def parked(mode: Mode = Mode.WHISPER, **options: object) -> Centre:
    """Boris talks with the customer, Anna waits."""
    office = Centre(**options)
    office.converse()
    office.before = len(requests_of(office.customer)), len(requests_of(office.anna))  # type: ignore[attr-defined]
    office.supervise(mode)
    office.run(1.5)
    assert office.take_over(park=True) is None
    office.run(0.6)
    return office


def cdr_of(office: Centre) -> Cdr:
    mine = [event for event in office.events if event.conversation]
    fold = ConversationFold(mine[0])
    for event in mine:
        fold.apply(event)
    return fold.cdr()


def the_head_talks(office: Centre) -> None:
    """Appendix A1, the row of taking over."""
    office.listen_for(1.2)  # the noise of G.711 itself lies near -60 dB of what is said
    assert hears(office.customer, SUPERVISOR)
    assert hears(office.boris, CUSTOMER)
    assert deaf_to(office.customer, EMPLOYEE)
    assert deaf_to(office.boris, EMPLOYEE)


def the_employee_talks(office: Centre) -> None:
    office.listen_for()
    assert hears(office.customer, EMPLOYEE)
    assert hears(office.anna, CUSTOMER)
    assert deaf_to(office.customer, SUPERVISOR)
    assert deaf_to(office.anna, MUSIC)


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER, Mode.BARGE])
def test_the_employee_hears_music_while_the_head_talks_and_no_telephone_is_asked_anything(mode: Mode):
    office = parked(mode)
    the_head_talks(office)
    assert hears_music(office.anna)
    assert deaf_to(office.anna, CUSTOMER, SUPERVISOR)
    assert undisturbed(office.customer, office.before[0])  # type: ignore[attr-defined]
    assert len(requests_of(office.anna)) == office.before[1]  # type: ignore[attr-defined]
    (told,) = office.told(TakenOver)
    assert (told.supervisor, told.employee) == ("110", "101")  # type: ignore[attr-defined]
    assert told.parked  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER, Mode.BARGE])
def test_any_other_mode_gives_the_conversation_back_within_300_ms(mode: Mode):
    office = parked()
    assert office.supervise(mode) is None
    office.run(0.3)
    for phone in (office.customer, office.anna):
        phone.heard.clear()
    office.run(0.3)
    assert hears(office.customer, EMPLOYEE)
    assert hears(office.anna, CUSTOMER)
    assert hears(office.customer, SUPERVISOR) if mode is Mode.BARGE else deaf_to(office.customer, SUPERVISOR)
    assert deaf_to(office.anna, SUPERVISOR) if mode is Mode.LISTEN else hears(office.anna, SUPERVISOR)
    assert undisturbed(office.customer, office.before[0])  # type: ignore[attr-defined]
    assert undisturbed(office.anna, office.before[1])  # type: ignore[attr-defined]
    (told,) = office.told(GivenBack)
    assert (told.supervisor, told.employee) == ("110", "101")  # type: ignore[attr-defined]
    changes = [(event.before, event.mode) for event in office.told(SupervisionChanged)]  # type: ignore[attr-defined]
    assert changes == [("whisper", "take over"), ("take over", str(mode))]


def test_one_key_takes_over_and_gives_back_as_often_as_wanted():
    office = Centre()
    office.converse()
    office.boris.call("*42101")
    office.run(1)
    for _ in range(3):
        office.boris.press("1")
        office.run(0.6)
        the_head_talks(office)
        office.boris.press("1")
        office.run(0.6)
        the_employee_talks_with_the_whisperer(office)
    assert office.customer.digits_heard == office.anna.digits_heard == []


def the_employee_talks_with_the_whisperer(office: Centre) -> None:
    the_employee_talks(office)
    assert hears(office.anna, SUPERVISOR)
    assert hears(office.boris, CUSTOMER)
    assert hears(office.boris, EMPLOYEE)


def test_a_head_who_hangs_up_leaves_the_customer_to_the_employee():
    office = parked()
    office.boris.hang_up()
    office.run(0.6)
    the_employee_talks(office)
    assert undisturbed(office.customer, office.before[0])  # type: ignore[attr-defined]
    assert [event.cause for event in office.told(SupervisionEnded)] == ["hung up"]  # type: ignore[attr-defined]
    office.customer.hang_up()
    office.run(6)
    assert office.anna.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_a_head_whose_telephone_vanishes_leaves_the_customer_to_the_employee():
    office = parked(media_timeout=5.0)
    office.boris.vanish()
    office.run(8)
    the_employee_talks(office)
    office.customer.hang_up()
    office.run(40)
    assert office.settled()


def test_the_employees_key_makes_it_a_talk_of_three_and_expels_nobody():
    office = parked()
    office.anna.press("*")
    office.run(0.6)
    office.listen_for()
    assert hears(office.customer, EMPLOYEE)
    assert hears(office.customer, SUPERVISOR)
    assert hears(office.anna, CUSTOMER)
    assert hears(office.anna, SUPERVISOR)
    assert hears(office.boris, CUSTOMER)
    assert hears(office.boris, EMPLOYEE)
    assert office.customer.digits_heard == office.boris.digits_heard == []


def test_other_keys_of_who_waits_reach_nobody_and_the_office_may_switch_the_one_off():
    office = Centre()
    office.reload(codes=Codes(back=""))
    office.converse()
    office.supervise(Mode.WHISPER)
    office.run(1.5)
    office.take_over(park=True)
    office.run(0.5)
    for digit in "5*":
        office.anna.press(digit)
        office.run(0.5)
    the_head_talks(office)
    assert hears_music(office.anna)
    assert office.customer.digits_heard == office.boris.digits_heard == []


def test_taking_over_again_without_parking_releases_who_waits_and_the_heads_keys_are_the_customers_then():
    office = parked()
    office.boris.press("7")
    office.run(1.0)
    assert office.anna.idle
    the_head_talks(office)
    assert [event.cause for event in office.told(SupervisionEnded)] == ["taken over"]  # type: ignore[attr-defined]
    office.boris.press("5")
    office.run(0.5)
    assert office.customer.digits_heard == ["5"]
    office.boris.hang_up()
    office.run(6)
    assert office.customer.idle
    assert office.settled()


def test_an_employee_who_does_not_want_to_wait_hangs_up_and_the_head_goes_on():
    office = parked()
    office.anna.hang_up()
    office.run(1.0)
    the_head_talks(office)
    office.boris.press("5")
    office.run(0.5)
    assert office.customer.digits_heard == ["5"]
    office.customer.hang_up()
    office.run(6)
    assert office.boris.idle
    assert office.settled()


def test_a_customer_who_hangs_up_ends_it_for_all_three():
    office = parked()
    office.customer.hang_up()
    office.run(6)
    assert office.anna.idle
    assert office.boris.idle
    assert [event.cause for event in office.told(SupervisionEnded)] == ["conversation over"]  # type: ignore[attr-defined]
    assert office.results == ["answered"]
    assert office.settled()


def test_the_employee_of_an_outgoing_call_waits_and_gets_it_back_too():
    office = Centre()
    office.customer.answer = 0.5
    office.anna.call("+79161234567")
    office.run(2)
    office.supervise(Mode.WHISPER)
    office.run(1.5)
    office.take_over(park=True)
    office.run(0.5)
    the_head_talks(office)
    office.boris.hang_up()
    office.run(0.5)
    the_employee_talks(office)
    office.anna.hang_up()
    office.run(6)
    assert office.customer.idle
    assert office.settled()


def test_a_director_takes_over_from_the_head_and_each_gets_his_place_back_in_turn():
    office = parked()
    director = office.phone("100", tone=SECOND)
    assert office.supervise(Mode.LISTEN, by="100", whom="101") is None
    office.run(1.5)
    assert office.take_over(by="100", whom="101", park=True) == "somebody else talks in the place of 101"
    assert office.supervise(Mode.WHISPER, by="100", whom="110") is None
    office.run(0.6)
    assert office.take_over(by="100", whom="110", park=True) is None
    office.run(0.6)
    office.listen_for()
    assert hears(office.customer, SECOND)
    assert deaf_to(office.customer, SUPERVISOR, EMPLOYEE)
    assert hears_music(office.boris)
    assert hears_music(office.anna)
    assert office.supervise(Mode.LISTEN) == "somebody else has taken the conversation over"
    director.hang_up()
    office.run(0.6)
    the_head_talks(office)
    office.boris.hang_up()
    office.run(0.6)
    the_employee_talks(office)
    office.customer.hang_up()
    office.run(6)
    assert office.settled()


def test_a_head_who_has_no_right_to_take_over_changes_nothing():
    office = Centre()
    office.converse()
    office.supervise(Mode.WHISPER)
    office.run(1.5)
    directory = office.office.directory
    office.reload(directory=type(directory)(people=directory.people, groups={}))
    office.boris.press("1")
    office.run(0.6)
    (refused,) = office.told(SupervisionRefused)
    assert refused.action == "take over"  # type: ignore[attr-defined]
    the_employee_talks_with_the_whisperer(office)


def test_the_recording_follows_whoever_has_the_place(tmp_path: Path):
    office = Centre(recordings=tmp_path)
    office.converse()
    office.supervise(Mode.WHISPER)
    office.run(2)
    office.take_over(park=True)
    office.run(3)
    office.supervise(Mode.LISTEN)
    office.run(3)
    office.customer.hang_up()
    office.run(6)
    sound = recording_in(tmp_path)
    meanwhile, late = sound[-40000:-28000], sound[-8000:-800]
    assert abs(audio.level_of(meanwhile[:, 1], SUPERVISOR) + 16) <= 3
    assert audio.level_of(meanwhile[:, 1], EMPLOYEE) <= -76
    assert abs(audio.level_of(late[:, 1], EMPLOYEE) + 16) <= 3
    assert audio.level_of(late[:, 1], SUPERVISOR) <= -76
    assert abs(audio.level_of(late[:, 0], CUSTOMER) + 16) <= 3


def test_the_time_of_waiting_is_no_hold_of_the_customer_and_is_told_of_the_employee():
    office = Centre(sound=False)
    office.converse()
    office.supervise(Mode.WHISPER)
    office.run(1.5)
    office.take_over(park=True)
    office.run(10)
    office.supervise(Mode.LISTEN)
    office.run(5)
    office.customer.hang_up()
    office.run(6)
    cdr = cdr_of(office)
    assert cdr.hold == 0.0
    anna = next(leg for leg in cdr.legs if leg.party == "person:101")
    assert 9.9 <= anna.hold <= 10.1
    assert {leg.party: leg.role for leg in cdr.legs}["person:110"] == "supervisor"
