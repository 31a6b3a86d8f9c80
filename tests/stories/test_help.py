"""An employee asks a colleague for help: he hears both, only the employee hears him, and no customer notices."""

from __future__ import annotations

import pytest

from softswitch.events import HelpAsked, HelpEnded, HelpRefused, HelpStarted, SupervisionRefused
from softswitch.records.cdr import ConversationFold
from tests.sim.media import SilentEngine
from tests.stories.centre import (
    CUSTOMER,
    EMPLOYEE,
    NUMBER,
    SECOND,
    Centre,
    deaf_to,
    hears,
    requests_of,
    undisturbed,
)


def asked(**options: object) -> Centre:
    office = Centre(**options)
    office.expert = office.phone("105", tone=SECOND)  # type: ignore[attr-defined]
    office.converse()
    office.requests = len(requests_of(office.customer))  # type: ignore[attr-defined]
    return office


def test_the_colleague_hears_both_and_is_heard_by_the_employee_alone():
    office = asked()
    assert office.ask_help("105") is None
    office.run(1.5)
    office.listen_for()
    expert = office.expert  # type: ignore[attr-defined]
    assert hears(expert, CUSTOMER)
    assert hears(expert, EMPLOYEE)
    assert hears(office.anna, SECOND)
    assert hears(office.anna, CUSTOMER)
    assert hears(office.customer, EMPLOYEE)
    assert deaf_to(office.customer, SECOND)
    assert undisturbed(office.customer, office.requests)  # type: ignore[attr-defined]


def test_the_colleagues_telephone_rings_as_a_prompter_request():
    office = asked(sound=False)
    office.ask_help("105")
    office.run(0.2)
    invite = office.expert.last("INVITE", request=True)  # type: ignore[attr-defined]
    assert invite["from"].startswith('"Prompter request: Person 101" <sip:101@')
    assert invite["alert-info"] == "<urn:alert:service:prompter@office.example>;info=prompter"


def test_help_for_which_no_port_is_left_is_refused_and_told():
    office = asked(sound=False, engine=SilentEngine(capacity=2))
    assert office.ask_help("105") == "no telephone of the supervisor can be reached"
    office.run(1)
    assert len(office.told(HelpRefused)) == 1
    assert office.control.supervisions == []


@pytest.mark.parametrize("who", ["the colleague", "the employee"])
def test_either_side_ends_the_help_and_the_conversation_goes_on(who: str):
    office = asked()
    office.ask_help("105")
    office.run(3)
    if who == "the colleague":
        office.expert.hang_up()  # type: ignore[attr-defined]
    else:
        office.end_help()
    office.run(0.5)
    assert office.expert.idle  # type: ignore[attr-defined]
    office.listen_for()
    assert hears(office.customer, EMPLOYEE)
    assert hears(office.anna, CUSTOMER)
    assert deaf_to(office.anna, SECOND)
    assert undisturbed(office.customer, office.requests)  # type: ignore[attr-defined]
    (ended,) = office.told(HelpEnded)
    assert ended.cause == ("hung up" if who == "the colleague" else "stopped")  # type: ignore[attr-defined]
    assert 2.2 <= ended.duration <= 3.0  # type: ignore[attr-defined]


def test_of_a_group_all_who_are_free_are_rung_and_the_first_to_answer_helps():
    office = asked(sound=False)
    slow = office.phone("102", answer=5.0)
    office.ask_help("group:sales")
    office.run(1.5)
    (asked_of,) = office.told(HelpAsked)
    # Anna herself asks; Maria (104) is free too, but no telephone of hers is registered.
    assert set(asked_of.colleagues) == {"102", "104", "105", "110", "111"}  # type: ignore[attr-defined]
    (started,) = office.told(HelpStarted)
    assert started.colleague in ("105", "110")  # type: ignore[attr-defined]
    assert slow.idle
    assert office.customer.talking


def test_help_that_nobody_gives_is_refused_and_the_employee_may_ask_anew():
    office = asked(sound=False)
    office.expert.refuse = 486  # type: ignore[attr-defined]
    assert office.ask_help("105") is None
    office.run(1)
    assert [event.reason for event in office.told(HelpRefused)] == ["no telephone answered"]  # type: ignore[attr-defined]
    assert office.ask_help("102") == "no telephone of a colleague can be reached"
    office.expert.refuse = None  # type: ignore[attr-defined]
    assert office.ask_help("105") is None
    office.run(1.5)
    assert len(office.told(HelpStarted)) == 1


def test_help_is_for_who_talks_and_one_prompter_is_enough():
    office = asked(sound=False)
    assert office.ask_help("105", employee="102") == "102 is in no conversation"
    office.ask_help("105")
    office.run(1.5)
    assert office.ask_help("110") == "101 has a prompter already"


def test_a_prompters_keys_open_him_no_way_to_the_customer():
    office = asked()
    office.ask_help("105")
    office.run(1.5)
    for digit in "4567#":
        office.expert.press(digit)  # type: ignore[attr-defined]
        office.run(0.4)
    refused = [(event.supervisor, event.employee, event.action) for event in office.told(SupervisionRefused)]  # type: ignore[attr-defined]
    assert refused == [("105", "101", action) for action in ("listen", "whisper", "barge", "take over", "next")]
    office.listen_for()
    assert deaf_to(office.customer, SECOND)
    assert hears(office.customer, EMPLOYEE)
    assert hears(office.anna, SECOND)
    assert office.customer.digits_heard == []
    assert office.anna.digits_heard == []


def test_the_employee_asks_with_a_second_call_from_the_same_desk():
    office = asked()
    second = office.phone("101", host="10.0.3.1")
    second.call("*44105")
    office.run(2)
    assert second.idle
    office.listen_for()
    assert hears(office.anna, SECOND)
    assert deaf_to(office.customer, SECOND)
    second.call("*44")
    office.run(1)
    assert office.expert.idle  # type: ignore[attr-defined]
    assert [event.cause for event in office.told(HelpEnded)] == ["stopped"]  # type: ignore[attr-defined]


def test_help_ends_with_the_conversation_and_counts_for_nobodys_talk():
    office = asked(sound=False)
    office.ask_help("105")
    office.run(3)
    office.customer.hang_up()
    office.run(6)
    assert office.expert.idle  # type: ignore[attr-defined]
    assert office.settled()
    mine = [event for event in office.events if event.conversation]
    fold = ConversationFold(mine[0])
    for event in mine:
        fold.apply(event)
    roles = {leg.party: leg.role for leg in fold.cdr().legs}
    assert roles == {"trunk:provider": "caller", "person:101": "called", "person:105": "prompter"}
    assert fold.cdr().answered_by == "person:101"


def test_a_conversation_that_ends_while_the_colleague_rings_stops_the_ringing():
    office = asked(sound=False)
    office.expert.answer = None  # type: ignore[attr-defined]
    office.ask_help("105")
    office.run(1)
    assert office.expert.ringing  # type: ignore[attr-defined]
    office.customer.hang_up()
    office.run(6)
    assert office.expert.idle  # type: ignore[attr-defined]
    assert office.settled()
    assert NUMBER in str(office.events)


@pytest.mark.parametrize("late_offer", [False, True])
def test_the_second_call_is_answered_hears_that_it_is_done_and_ends_by_itself(late_offer: bool):
    office = asked()
    second = office.phone("101", host="10.0.3.1", late_offer=late_offer)
    second.call("*44105")
    office.run_until(lambda: second.talking, 2)
    office.run(0.15)
    assert second.hears(800.0, 0.1) > -30.0
    office.run_until(lambda: second.idle, 3)
    assert second.status == 200
    assert 'text="the colleague is called"' in second.last("BYE", request=True)["reason"]
    assert office.expert.talking or office.expert.ringing  # type: ignore[attr-defined]
    office.expert.hang_up()  # type: ignore[attr-defined]
    office.customer.hang_up()
    office.run(6)
    assert office.settled()


def test_a_second_call_whose_telephone_vanishes_leaves_nothing():
    office = asked(sound=False)
    second = office.phone("101", host="10.0.3.1")
    second.call("*44105")
    office.run_until(lambda: second.talking, 2)
    second.vanish()
    office.run(60)
    office.customer.hang_up()
    office.run(45)
    assert office.settled()


@pytest.mark.parametrize("name", ["Person 105", "person 105", " Person 105 "])
def test_the_colleague_may_be_asked_by_name(name: str):
    office = asked(sound=False)
    assert office.ask_help(name) is None
    office.run(1.5)
    assert [event.colleague for event in office.told(HelpStarted)] == ["105"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["Person", "Pers", "Nobody", ""])
def test_a_name_that_means_nobody_or_several_rings_nobody(name: str):
    office = asked(sound=False)
    assert office.ask_help(name) == f"no person '{name}'"
    assert office.told(HelpAsked) == []
    assert [event.reason for event in office.told(HelpRefused)] == [f"no person '{name}'"]  # type: ignore[attr-defined]
