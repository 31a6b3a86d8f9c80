"""An employee asks for whoever is free and knows about it: who is chosen, how they ring, and when there is nobody."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from softswitch.directory.people import Skill
from softswitch.events import HelpAsked, HelpEnded, HelpRefused, HelpStarted, LegOffered
from tests.sim.phone import Phone
from tests.stories.centre import CUSTOMER, EMPLOYEE, PEOPLE, SECOND, Centre, deaf_to, hears, requests_of, undisturbed

TARIFFS = Skill(key="tariffs", name="Tariffs", number="1", each=10.0)
GERMAN = Skill(key="german", name="German", number="2", ring="all")
BEEP = 400.0


class Experts(Centre):
    """102, 103 and 105 know the tariffs, 103 and 105 German; their telephones are there."""

    def __init__(self, *skills: Skill, **options: object) -> None:
        able = {"102": ("tariffs",), "103": ("tariffs", "german"), "105": ("tariffs", "german")}
        people = tuple(replace(one, skills=able.get(one.extension, ())) for one in PEOPLE)
        super().__init__(people=people, **options)
        known = MappingProxyType({one.key: one for one in skills or (TARIFFS, GERMAN)})
        self.reload(directory=replace(self.office.directory, skills=known))
        self.able = {name: self.phone(name, tone=SECOND) for name in able}

    def helped_by(self) -> list[str]:
        return [event.colleague for event in self.told(HelpStarted)]  # type: ignore[attr-defined]

    def rung(self) -> list[str]:
        """Who was asked, in that order."""
        return [event.party[-3:] for event in self.told(LegOffered) if event.purpose == "prompt"]  # type: ignore[attr-defined]


def ringing(office: Experts) -> set[str]:
    return {name for name, phone in office.able.items() if phone.ringing}


def test_whoever_is_free_and_knows_it_hears_both_and_is_heard_by_the_employee_alone():
    office = Experts()
    office.converse()
    requests = len(requests_of(office.customer))
    assert office.ask_help("skill:tariffs") is None
    office.run(2)
    (name,) = office.helped_by()
    office.listen_for()
    assert hears(office.anna, SECOND)
    assert hears(office.able[name], CUSTOMER)
    assert hears(office.able[name], EMPLOYEE)
    assert deaf_to(office.customer, SECOND)
    assert undisturbed(office.customer, requests)
    (asked,) = office.told(HelpAsked)
    assert asked.skill == "tariffs"  # type: ignore[attr-defined]
    assert set(asked.colleagues) == {"102", "103", "105"}  # type: ignore[attr-defined]


def test_they_ring_one_after_another_as_a_prompter_request_each_for_his_time():
    office = Experts(sound=False)
    for phone in office.able.values():
        phone.answer = None
    office.converse()
    office.ask_help("skill:tariffs")
    office.run(1)
    assert ringing(office) == {"102"}  # all alike: by extension
    assert office.able["102"].last("INVITE", request=True)["alert-info"].endswith("info=prompter")
    office.run(10)
    assert ringing(office) == {"103"}
    office.run(10)
    assert ringing(office) == {"105"}
    office.run(10)
    assert ringing(office) == set()
    assert [event.reason for event in office.told(HelpRefused)] == ["no telephone answered"]  # type: ignore[attr-defined]


def test_one_who_declines_or_is_busy_meanwhile_is_passed_over_at_once():
    office = Experts(sound=False)
    office.able["102"].refuse = 486
    office.able["103"].answer = None
    office.converse()
    other = office.phone("104")
    office.ask_help("skill:tariffs")
    office.run(1)
    assert ringing(office) == {"103"}
    office.able["105"].call("104")
    office.run(1)
    assert other.talking
    office.run(10)
    assert office.helped_by() == []
    assert office.rung() == ["102", "103"]
    assert office.ask_help("skill:tariffs") is None
    office.run(1)
    assert "105" not in office.rung()


def test_all_at_once_where_the_skill_says_so_and_the_first_to_answer_helps():
    office = Experts(sound=False)
    office.able["103"].answer = 5.0
    office.converse()
    office.ask_help("skill:german")
    office.run(0.3)
    assert ringing(office) == {"103", "105"}
    office.run(2)
    assert office.helped_by() == ["105"]
    assert office.able["103"].idle


def test_who_helped_least_in_the_last_hour_is_asked_first_and_then_who_has_been_idle_longest():
    office = Experts(sound=False)
    office.converse()
    for _ in range(4):
        office.ask_help("skill:tariffs")
        office.run(2)
        office.end_help()
        office.run(2)
    assert office.helped_by() == ["102", "103", "105", "102"]
    office.run(3700)  # an hour later nobody has helped lately: 103 has been idle longest
    for phone in (office.anna, *office.able.values()):
        phone.register()
    office.run(1)
    if not office.customer.talking:
        office.converse()
    office.ask_help("skill:tariffs")
    office.run(2)
    assert office.helped_by()[-1] == "103"


def test_who_just_had_a_call_is_asked_after_those_who_had_none():
    office = Experts(sound=False)
    office.phone("104")
    office.able["102"].call("104")
    office.run(2)
    office.able["102"].hang_up()
    office.run(7)
    office.converse()
    office.ask_help("skill:tariffs")
    office.run(2)
    assert office.helped_by() == ["103"]


def test_who_talks_or_is_not_registered_is_not_asked_and_nobody_free_is_said_and_told():
    office = Experts(sound=False)
    office.phone("104")
    office.converse()
    for name in ("103", "105"):
        office.able[name].register(expires=0)
    office.able["102"].call("104")
    office.run(2)
    assert office.ask_help("skill:tariffs") == "nobody who is free can help with this"
    assert office.ask_help("skill:chess") == "no skill 'chess'"
    reasons = [event.reason for event in office.told(HelpRefused)]  # type: ignore[attr-defined]
    assert reasons == ["nobody who is free can help with this", "no skill 'chess'"]
    assert office.customer.talking


def test_an_employee_for_whom_nobody_could_be_found_hears_three_low_beeps_and_the_customer_none():
    office = Experts()
    for phone in office.able.values():
        phone.refuse = 486
    office.converse()
    requests = len(requests_of(office.customer))
    office.ask_help("skill:tariffs")
    office.run_until(lambda: office.told(HelpRefused))
    office.listen_for(0.9)
    assert office.anna.hears(BEEP) > -40.0
    assert deaf_to(office.customer, BEEP)
    office.listen_for()
    assert deaf_to(office.anna, BEEP)
    assert hears(office.anna, CUSTOMER)
    assert undisturbed(office.customer, requests)


@pytest.mark.parametrize(
    ("dialled", "skills", "helped", "status"),
    [
        ("*461", (TARIFFS, GERMAN), ["102"], None),
        ("*462", (TARIFFS, GERMAN), ["103"], None),
        ("*46", (TARIFFS,), ["102"], None),
        ("*46", (TARIFFS, GERMAN), [], 404),
        ("*469", (TARIFFS, GERMAN), [], 404),
    ],
)
def test_the_employee_asks_with_a_code_and_the_number_of_the_skill(
    dialled: str, skills: tuple[Skill, ...], helped: list[str], status: int | None
):
    office = Experts(*skills, sound=False)
    office.able["105"].answer = 3.0
    office.converse()
    second: Phone = office.phone("101", host="10.0.3.1")
    second.call(dialled)
    office.run(2.9)
    assert office.helped_by() == helped
    assert second.idle
    if status is not None:
        assert second.status == status
    office.customer.hang_up()
    office.run(6)
    assert len(office.told(HelpEnded)) == len(helped)
    assert office.settled()
