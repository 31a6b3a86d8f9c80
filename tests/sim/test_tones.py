"""What a caller hears who was answered already when his call comes to nothing; all others are told by a status."""

from __future__ import annotations

import numpy as np
import pytest

from softswitch.calls.call import Call
from softswitch.events import ConversationEnded
from softswitch.media.tones import tones_of
from tests.sim.audio import level_of
from tests.sim.office import VirtualOffice
from tests.sim.phone import Phone


class Clerk:
    """Answers or not, sends the caller on to ``number``, and is through with him when that fails."""

    def __init__(self, office: VirtualOffice, number: str, *, answers: bool) -> None:
        self.office, self.number, self.answers = office, number, answers

    def arrived(self, call: Call) -> None:
        self.call = call
        if self.answers:
            call.answer()
        call.dial(self.number, self.office.now)

    def refused(self, result: str) -> None:
        self.call.dismiss(self.office.now)

    def __getattr__(self, name: str) -> object:
        return lambda *_: None


def sent_to(number: str, *, answers: bool = True) -> tuple[VirtualOffice, Phone]:
    office = VirtualOffice(sound=True)
    office.reload(tones=tones_of("US"))
    office.control.attend("600", lambda: Clerk(office, number, answers=answers))  # type: ignore[arg-type,return-value]
    office.phone("102", refuse=486)
    anna = office.phone("101", tone=443)
    anna.call("600")
    office.run(1)
    return office, anna


def bursts(phone: Phone) -> float:
    """Beginnings of sound per second, in the last three."""
    frames = np.concatenate(phone.heard[-150:]).astype(np.int32).reshape(-1, 160)
    loud = np.abs(frames).max(axis=1) > 500
    return float(np.count_nonzero(loud[1:] & ~loud[:-1])) / 3


def test_who_was_answered_hears_busy_tone_and_is_hung_up_on_after_a_while():
    office, anna = sent_to("102")
    office.run(3.5)
    assert anna.talking
    assert anna.hears(480, 3) > -40
    assert anna.hears(620, 3) > -40
    assert bursts(anna) == pytest.approx(1.0, abs=0.34)  # half a second each, on and off
    office.run(7)
    assert anna.idle
    assert [event.result for event in office.told(ConversationEnded)] == ["answered"]


def test_congestion_is_twice_as_fast():
    office, anna = sent_to("103")  # nobody has a telephone there
    office.run(3.5)
    assert bursts(anna) == pytest.approx(2.0, abs=0.34)


def test_a_number_that_does_not_exist_has_a_tone_of_its_own():
    office, anna = sent_to("199")
    office.run(4)
    frames = anna.heard[-150:]
    for frequency in (950, 1400, 1800):
        assert max(level_of(np.concatenate(frames[at : at + 10]), frequency) for at in range(140)) > -25


def test_who_hangs_up_in_the_tone_is_gone_at_once():
    office, anna = sent_to("102")
    office.run(2)
    anna.hang_up()
    office.run(8)
    assert anna.idle
    assert office.control.at_rest


def test_who_was_never_answered_is_refused_with_the_status():
    office, anna = sent_to("102", answers=False)
    assert (anna.status, anna.idle) == (486, True)
    assert [event.result for event in office.told(ConversationEnded)] == ["busy"]
