"""Why something is refused, in Russian."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.directory.permissions import REASONS
from softswitch.errors import NoSuch
from softswitch.events import CallRouted, DeviceUnbound, HelpRefused, SupervisionRefused, TrunkReachability
from softswitch.ids import ConversationId
from softswitch.records.journey import journey
from softswitch.records.reasons import said
from softswitch.records.sentences import sentence
from tests.records.story import at

C = ConversationId("c1")


@pytest.mark.parametrize(
    ("reason", "russian"),
    [
        ("101 is in no conversation", "101 сейчас не разговаривает"),
        ("110 does not supervise 101", "110 не наблюдает за 101"),
        ("somebody typed nothing more", "кто-то: больше ничего не набрано"),
        ("inbound +74951234567", "входящее +74951234567"),
        (str(NoSuch("person", "999")), "нет сотрудника 999"),
        (str(NoSuch("prompter of", "101")), "нет подсказчика у 101"),
        ("a reason of a newer version", "a reason of a newer version"),
    ],
)
def test_a_reason_is_said_in_russian_where_it_is_known(reason: str, russian: str) -> None:
    assert said(reason, "ru") == russian
    assert said(reason, "en") == reason


def test_the_policys_own_reasons_are_known() -> None:
    assert {said(english, "ru") for english, _ in REASONS.values()} == {russian for _, russian in REASONS.values()}


@given(st.text(), st.sampled_from(["en", "ru", "xx"]))
def test_nothing_that_stands_in_an_event_is_too_strange_to_be_said(text: str, language: str) -> None:
    assert isinstance(said(text, language), str)


def test_no_english_is_left_in_the_russian_sentences_that_give_a_reason() -> None:
    events = [
        CallRouted(conversation=C, at=at(0), to="nowhere", rule="no such number"),
        SupervisionRefused(
            at=at(0), supervisor="110", employee="101", action="take over", reason="no telephone answered"
        ),
        HelpRefused(at=at(0), employee="101", reason="nobody is free to help"),
        DeviceUnbound(at=at(0), person="101", contact="sip:101@192.0.2.1", why="expired"),
        TrunkReachability(at=at(0), trunk="1", reachable=False, why="a call got no response"),
    ]
    said_of = [sentence(line, "ru") for line in journey(events)]
    assert [text for text in said_of if re.search("[a-z]{2,}", text)] == []
    assert said_of[0] == "вызов никуда не идёт (нет такого номера)"
