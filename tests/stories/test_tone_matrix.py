"""The tone matrix: every way to take part, before, during and after it, in all codecs and all states of a call.

A test chooses walks so that any three of (customer's codec, employee's, third's, state, recorded) are met in all
combinations, all 64 triples of codecs among them; ``make matrix`` walks the full product. The telephones' codecs are
not ours: G.711 by its formula, G.722 and Opus by other libraries.
"""

from __future__ import annotations

import os

import pytest

from softswitch.calls.modes import Mode
from softswitch.calls.supervision import KEY_TAIL
from tests.stories.centre import SUPERVISOR, Centre, steady
from tests.stories.tone_matrix import CODECS, Office, State, Walk, Walker, covering, every_walk

FULL = os.environ.get("SOFTSWITCH_MATRIX") == "full"
EVERY = every_walk()
WALKS = EVERY if FULL else covering(EVERY)
SQUARE = [(a, b, CODECS[(i + k) % 4]) for i, a in enumerate(CODECS) for k, b in enumerate(CODECS)]
"""Each two codecs of two legs, in every pair of legs."""
STATES = [state for state in State if state is not State.ASIDE]
CHANGES = (
    [walk for walk in EVERY if walk.state is not State.ASIDE]
    if FULL
    else [Walk(codecs, STATES[n % 5], n % 2 == 0) for n, codecs in enumerate(SQUARE)]
)
TRIPLES = [(a, b, c) for a in CODECS for b in CODECS for c in CODECS] if FULL else SQUARE


@pytest.mark.parametrize("walk", WALKS, ids=str)
def test_each_hears_exactly_whom_the_table_says_and_the_two_who_talk_notice_nothing(walk: Walk):
    faults = Walker(walk).go()
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("walk", CHANGES, ids=str)
def test_each_change_from_one_way_to_another_is_heard_within_300_ms(walk: Walk):
    faults = Walker(walk).change()
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("codecs", TRIPLES, ids="-".join)
def test_what_the_customer_is_sent_is_the_same_to_the_byte_whether_the_prompter_speaks_or_is_silent(
    codecs: tuple[str, str, str],
):
    spoken, silent = (prompted(codecs, speaks) for speaks in (True, False))
    assert len(spoken) > 150
    assert spoken == silent


@pytest.mark.parametrize("codecs", TRIPLES, ids="-".join)
def test_what_the_employee_is_sent_is_the_same_to_the_byte_whether_the_customers_adviser_speaks_or_is_silent(
    codecs: tuple[str, str, str],
):
    spoken, silent = (advised(codecs, speaks) for speaks in (True, False))
    assert len(spoken) > 80
    assert spoken == silent


def prompted(codecs: tuple[str, str, str], speaks: bool) -> list[bytes]:
    """What the customer got in a call in which the employee was listened to, whispered to and helped."""
    office = quiet_office(codecs, speaks)
    for mode in (Mode.LISTEN, Mode.WHISPER):
        assert office.supervise(mode, by="111") is None
        office.run(0.8)
    office.olga.hang_up()
    office.run(0.4)
    assert office.ask_help("105") is None
    office.run(0.8)
    office.expert.hang_up()
    office.run(0.4)
    return office.customer.packets


def advised(codecs: tuple[str, str, str], speaks: bool) -> list[bytes]:
    """What the employee got in a call in which somebody listened, and whispered to the customer."""
    office = quiet_office(codecs, speaks)
    for mode in (Mode.LISTEN, Mode.WHISPER_TO_CUSTOMER):
        assert office.supervise(mode, by="111") is None
        office.run(0.8)
    return office.anna.packets


def quiet_office(codecs: tuple[str, str, str], speaks: bool) -> Office:
    office = Office(Walk(codecs, State.PLAIN, recorded=False))
    if not speaks:
        office.olga.tone = office.expert.tone = None
    office.converse()
    return office


def test_taking_over_leaves_no_hole_in_what_is_said_to_the_customer_in_another_codec():
    office = Centre()
    olga = office.phone("111", tone=SUPERVISOR)
    office.customer.codecs, olga.codecs = ("PCMU",), ("PCMA",)
    office.converse()
    office.supervise(Mode.WHISPER_TO_CUSTOMER, by="111")
    office.run(2.0)
    office.customer.heard.clear()
    office.run(0.5)
    office.take_over(by="111")
    office.run(KEY_TAIL + 0.5)
    assert steady(office.customer, SUPERVISOR, frames=2)
