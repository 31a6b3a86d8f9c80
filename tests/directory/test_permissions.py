"""Who may do what, to whom: the policy as a table, and its sentences."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.directory.people import Directory, Group, Person, Role
from softswitch.directory.permissions import (
    ACTIONS,
    OFFICE,
    REASONS,
    SUPERVISING,
    Action,
    Reason,
    Subject,
    allowed,
    headed,
    reach,
    reason,
)

ANNA = Person(extension="101", name="Anna", groups=("sales",))
VIKTOR = Person(extension="102", name="Viktor", groups=("sales", "support"))
OLGA = Person(extension="111", name="Olga", groups=("support",))
SECRET = Person(extension="113", name="Elena", groups=("sales",), monitored=False)
BORIS = Person(extension="110", name="Boris", groups=("sales",), role=Role.HEAD)
SERGEY = Person(extension="120", name="Sergey", groups=("support",), role=Role.HEAD, whisper_customer=True)
NATALIA = Person(extension="100", name="Natalia", role=Role.DIRECTOR)
ROOT = Person(extension="109", name="Root", role=Role.ADMIN)
NAMED_ONLY = Person(extension="112", name="Pavel", groups=("sales",))

PEOPLE = (ANNA, VIKTOR, OLGA, SECRET, BORIS, SERGEY, NATALIA, ROOT, NAMED_ONLY)
DIRECTORY = Directory(
    people=MappingProxyType({one.extension: one for one in PEOPLE}),
    groups=MappingProxyType(
        {
            "sales": Group(key="sales", name="Sales", heads=("110", "112")),
            "support": Group(key="support", name="Support", heads=("120",)),
            "service": Group(key="service", name="Service", heads=("120",)),
        }
    ),
)

OWN = [Action.SEE_CONVERSATION, Action.READ_TIMELINE, Action.DOWNLOAD_RECORDING, Action.HANG_UP, Action.INVITE_PROMPTER]
OWN += [Action.MASK]
EVERY_SUPERVISION = sorted(SUPERVISING)


def decide(actor: Person, action: Action, subject: Subject) -> tuple[bool, Reason]:
    decision = allowed(actor, action, subject, DIRECTORY)
    return decision.allowed, decision.reason


@pytest.mark.parametrize("action", OWN)
def test_everybody_has_his_own_conversations(action: Action) -> None:
    for person in PEOPLE:
        assert decide(person, action, Subject.of(person.extension, "199")) == (True, Reason.OWN)


@pytest.mark.parametrize("action", [*OWN, *EVERY_SUPERVISION, Action.SEE_PERSON])
def test_an_employee_reaches_nobody_else(action: Action) -> None:
    assert decide(ANNA, action, Subject.of("102")) == (False, Reason.NOT_OWN)


@pytest.mark.parametrize("action", [*OWN, Action.LISTEN, Action.WHISPER, Action.BARGE, Action.TAKE_OVER])
def test_a_head_reaches_the_groups_that_he_heads_and_no_other(action: Action) -> None:
    assert decide(BORIS, action, Subject.of("101")) == (True, Reason.HEAD)
    assert decide(BORIS, action, Subject.of("111")) == (False, Reason.OTHER_GROUP)
    assert decide(SERGEY, action, Subject.of("111")) == (True, Reason.HEAD)
    # Viktor belongs to both groups, and so to both heads.
    assert decide(BORIS, action, Subject.of("102"))[0]
    assert decide(SERGEY, action, Subject.of("102"))[0]
    # One of his is enough: the other is to him what a customer is.
    assert decide(BORIS, action, Subject.of("101", "111"))[0]


@pytest.mark.parametrize("action", [*OWN, *EVERY_SUPERVISION, Action.SEE_PERSON, Action.SEE_STATUS])
def test_directors_and_administrators_reach_everybody(action: Action) -> None:
    for person in (NATALIA, ROOT):
        assert decide(person, action, Subject.of("101")) == (True, Reason.EVERYBODY)


@pytest.mark.parametrize("action", EVERY_SUPERVISION)
def test_nobody_supervises_his_own_conversation(action: Action) -> None:
    for person in PEOPLE:
        assert decide(person, action, Subject.of(person.extension, "101")) == (False, Reason.OWN_CONVERSATION)


@pytest.mark.parametrize("action", [*EVERY_SUPERVISION, Action.DOWNLOAD_RECORDING])
def test_whoever_is_not_monitored_is_heard_by_nobody_else(action: Action) -> None:
    for head in (BORIS, NATALIA, ROOT):
        assert decide(head, action, Subject.of("113")) == (False, Reason.NOT_MONITORED)
        assert decide(head, action, Subject.of("101", "113")) == (False, Reason.NOT_MONITORED)
    assert decide(BORIS, Action.SEE_CONVERSATION, Subject.of("113"))[0]
    assert decide(SECRET, Action.DOWNLOAD_RECORDING, Subject.of("113", "101"))[0]


def test_a_review_is_asked_for_by_talkers_alone_and_answered_by_others_alone() -> None:
    for person in PEOPLE:
        assert decide(person, Action.ASK_REVIEW, Subject.of(person.extension)) == (True, Reason.OWN)
        assert decide(person, Action.ASK_REVIEW, Subject.of("199")) == (False, Reason.OWN_ONLY)
        assert decide(person, Action.REVIEW, Subject.of(person.extension)) == (False, Reason.OWN_REVIEW)
    assert decide(BORIS, Action.REVIEW, Subject.of("101")) == (True, Reason.HEAD)
    assert decide(SERGEY, Action.REVIEW, Subject.of("101")) == (False, Reason.OTHER_GROUP)
    # The others in the conversation are only heard along with whom it is about.
    along = Subject(talkers=frozenset({"111"}), rung=frozenset({"101"}))
    assert decide(BORIS, Action.SEE_REVIEW, along) == (False, Reason.OTHER_GROUP)
    assert decide(ANNA, Action.SEE_REVIEW, along) == (False, Reason.NOT_OWN)
    unheard = Subject(talkers=frozenset({"101"}), rung=frozenset({"113"}))
    assert decide(BORIS, Action.REVIEW, unheard) == (False, Reason.NOT_MONITORED)
    assert decide(BORIS, Action.SEE_REVIEW, unheard) == (True, Reason.HEAD)


def test_a_telephone_that_only_rings_counts_as_soon_as_it_may_be_heard() -> None:
    ringing = Subject(talkers=frozenset({"101"}), rung=frozenset({"113"}))
    assert decide(BORIS, Action.LISTEN, ringing) == (False, Reason.NOT_MONITORED)


def test_whoever_was_only_rung_sees_the_call_and_hears_nothing_of_it() -> None:
    missed = Subject(talkers=frozenset({"111"}), rung=frozenset({"101"}))
    assert decide(ANNA, Action.SEE_CONVERSATION, missed) == (True, Reason.OWN)
    assert decide(ANNA, Action.DOWNLOAD_RECORDING, missed) == (False, Reason.NOT_OWN)
    assert decide(BORIS, Action.SEE_CONVERSATION, missed) == (True, Reason.HEAD)
    assert decide(BORIS, Action.READ_TIMELINE, missed) == (False, Reason.OTHER_GROUP)


def test_whispering_to_the_customer_needs_a_permission_of_its_own() -> None:
    action = Action.WHISPER_TO_CUSTOMER
    assert decide(BORIS, action, Subject.of("101")) == (False, Reason.NO_CUSTOMER_WHISPER)
    assert decide(SERGEY, action, Subject.of("111")) == (True, Reason.HEAD)
    assert decide(SERGEY, action, Subject.of("101")) == (False, Reason.OTHER_GROUP)
    assert decide(NATALIA, action, Subject.of("101")) == (True, Reason.EVERYBODY)


def test_the_status_of_the_office_is_for_directors_and_administrators() -> None:
    for person in (ANNA, BORIS):
        assert decide(person, Action.SEE_STATUS, OFFICE) == (False, Reason.OFFICE_ONLY)


def test_a_head_is_one_by_role_and_by_name() -> None:
    assert headed(BORIS, DIRECTORY) == {"sales"}
    assert headed(SERGEY, DIRECTORY) == {"support", "service"}
    assert headed(NAMED_ONLY, DIRECTORY) == frozenset()
    assert decide(NAMED_ONLY, Action.LISTEN, Subject.of("101")) == (False, Reason.NOT_OWN)


def test_the_reach_of_each_role() -> None:
    assert reach(ANNA, DIRECTORY) == {"101"}
    assert reach(BORIS, DIRECTORY) == {"101", "102", "110", "112", "113"}
    assert reach(NATALIA, DIRECTORY) == set(DIRECTORY.people)


def test_every_reason_is_a_sentence_in_both_languages() -> None:
    assert set(REASONS) == set(Reason)
    decision = allowed(ANNA, Action.LISTEN, Subject.of("102"), DIRECTORY)
    assert reason(decision) == "employees may do this only with their own conversations"
    assert reason(decision, "ru") == "сотруднику доступны только свои"


extensions = st.frozensets(st.sampled_from([*DIRECTORY.people, "199"]), max_size=4)


@given(st.sampled_from(PEOPLE), st.sampled_from(Action), extensions, extensions)
def test_nobody_hears_more_than_he_sees(actor: Person, action: Action, talkers: frozenset[str], rung: frozenset[str]):
    subject = Subject(talkers, rung)
    if action in SUPERVISING | {Action.DOWNLOAD_RECORDING, Action.HEAR_WHISPER} and allowed(
        actor, action, subject, DIRECTORY
    ):
        assert allowed(actor, Action.SEE_CONVERSATION, subject, DIRECTORY)


@given(st.sampled_from(PEOPLE), st.sampled_from(Action), extensions, extensions)
def test_a_director_may_what_a_head_may(actor: Person, action: Action, talkers: frozenset[str], rung: frozenset[str]):
    subject = Subject(talkers, rung)
    decision = allowed(actor, action, subject, DIRECTORY)
    if decision and decision.reason is Reason.HEAD:
        assert allowed(NATALIA, action, subject, DIRECTORY) or NATALIA.extension in talkers | rung


def test_every_action_has_words_in_both_languages() -> None:
    assert set(ACTIONS) == set(Action)
    assert all(english and russian for english, russian in ACTIONS.values())


def test_what_was_whispered_is_not_for_those_who_talked():
    assert decide(ANNA, Action.HEAR_WHISPER, Subject.of("101")) == (False, Reason.NOT_OWN)
