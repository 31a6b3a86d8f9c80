"""The tone matrix: each triple of codecs of the customer, the employee and the supervisor, one story for each.

A story walks through every mode and leaves after each, so that every mode has its before, its during and its after.
The telephones' codecs are not ours: G.711 by its formula, G.722 and Opus by other libraries.
"""

from __future__ import annotations

import itertools

import pytest

from softswitch.calls.modes import Mode
from softswitch.calls.supervision import KEY_TAIL
from softswitch.media.engine import Codec
from tests.sim.phone import Phone
from tests.stories.centre import CUSTOMER, EMPLOYEE, SENT, SUPERVISOR, Centre, requests_of, steady, undisturbed

ALL = (Codec.OPUS, Codec.G722, Codec.PCMA, Codec.PCMU)
CODECS = ("PCMU", "PCMA", "G722", "opus")
WINDOW, SETTLED = 0.5, 0.3
"""Seconds over which a level is taken; seconds in which a change must have taken effect."""

HEARD_BY = {
    Mode.LISTEN: (),
    Mode.WHISPER: ("employee",),
    Mode.BARGE: ("employee", "customer"),
    Mode.WHISPER_TO_CUSTOMER: ("customer",),
}


def hears_exactly(phone: Phone, *frequencies: float, seconds: float = WINDOW, below: float = 60.0) -> bool:
    """Whether the others' tones are within 3 dB of what was sent, or at least ``below`` dB under it."""
    levels = {tone: phone.hears(tone, seconds) for tone in (CUSTOMER, EMPLOYEE, SUPERVISOR) if tone != phone.tone}
    return all(
        abs(level - SENT) <= 3.0 if tone in frequencies else level <= SENT - below for tone, level in levels.items()
    )


def nothing_of_itself(phone: Phone) -> bool:
    """Whether it hears no echo. What Opus adds to a sum of two tones is none, but is only 36 dB below them."""
    assert phone.tone is not None
    return phone.hears(phone.tone, WINDOW) <= SENT - (36.0 if phone.codec == "opus" else 55.0)


def without_supervisor(office: Centre) -> bool:
    office.run(SETTLED)
    office.listen_for(WINDOW)
    return hears_exactly(office.customer, EMPLOYEE) and hears_exactly(office.anna, CUSTOMER)


@pytest.mark.parametrize("codecs", list(itertools.product(CODECS, repeat=3)), ids="-".join)
def test_in_any_codecs_each_hears_exactly_whom_the_mode_says_and_the_two_notice_nothing(codecs: tuple[str, str, str]):
    office = Centre(codecs=ALL)
    customer, anna = office.customer, office.anna
    olga = office.phone("111", tone=SUPERVISOR, answer=0.05)  # a head who may whisper to customers
    customer.codecs, anna.codecs, olga.codecs = ((codec,) for codec in codecs)
    anna.answer = 0.05
    office.converse()
    office.run(1.0)  # till the telephones' buffers have found their length
    requests = len(requests_of(customer)), len(requests_of(anna))
    assert without_supervisor(office)
    for mode, heard_by in HEARD_BY.items():
        assert office.supervise(mode, by="111") is None
        office.run_until(lambda: olga.talking, 2)
        assert tuple(phone.codec for phone in (customer, anna, olga)) == codecs
        office.run(SETTLED)
        office.listen_for(WINDOW)
        assert hears_exactly(customer, EMPLOYEE, *([SUPERVISOR] if "customer" in heard_by else []))
        assert hears_exactly(anna, CUSTOMER, *([SUPERVISOR] if "employee" in heard_by else []))
        assert hears_exactly(olga, CUSTOMER, EMPLOYEE)
        assert nothing_of_itself(olga)
        if mode is not Mode.WHISPER_TO_CUSTOMER:
            olga.hang_up()
            assert without_supervisor(office)
    assert undisturbed(anna, requests[1])
    assert office.take_over(by="111") is None
    office.run(SETTLED + KEY_TAIL)
    office.listen_for(2 * WINDOW)
    assert anna.idle
    # The employee's leg is gone: what Opus makes of the head's G.711 is no voice of hers.
    assert hears_exactly(customer, SUPERVISOR, seconds=2 * WINDOW, below=52.0 if customer.codec == "opus" else 60.0)
    assert hears_exactly(olga, CUSTOMER)
    assert undisturbed(customer, requests[0])


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
