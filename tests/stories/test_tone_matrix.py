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
from tests.stories.tone_matrix import CODECS, State, Walk, Walker, covering, every_walk

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


@pytest.mark.parametrize("walk", WALKS, ids=str)
def test_each_hears_exactly_whom_the_table_says_and_the_two_who_talk_notice_nothing(walk: Walk):
    faults = Walker(walk).go()
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("walk", CHANGES, ids=str)
def test_each_change_from_one_way_to_another_is_heard_within_300_ms(walk: Walk):
    faults = Walker(walk).change()
    assert not faults, "\n".join(faults)


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
