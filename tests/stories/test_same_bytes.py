"""Nobody who must not hear a third person can: what he is sent is the same to the byte, whatever the third does.

The same call is made several times under virtual time: once with nobody beside the two, once with a third who
speaks and once with one who is silent. An identical packet holds neither a voice nor a click, a step of level or a late
frame, in whatever codec: no decibel has to be measured for that.
"""

from __future__ import annotations

import os
import struct

import numpy as np
import pytest

from softswitch.calls.modes import Mode
from softswitch.media.engine import Track
from tests.sim.phone import Phone
from tests.stories.tone_matrix import CODECS, KEY, SETTLED, Office, State, Walk, every_walk

FULL = os.environ.get("SOFTSWITCH_MATRIX") == "full"
SQUARE = [(a, b, CODECS[(i + k) % 4]) for i, a in enumerate(CODECS) for k, b in enumerate(CODECS)]
"""Each two codecs of two legs, in every pair of legs."""
STATES = list(State)
SOME = [Walk(codecs, STATES[n % 6], n % 4 < 2) for n, codecs in enumerate((SQUARE * 2)[:24])]
WALKS = every_walk() if FULL else SOME

BESIDE_THE_CUSTOMER = (Mode.LISTEN, Mode.WHISPER, Mode.PROMPT)
BESIDE_THE_EMPLOYEE = (Mode.LISTEN, Mode.WHISPER_TO_CUSTOMER)
"""Ways to take part in which he hears nothing of it."""

Heard = list[tuple[int, int, bytes]]
"""Of each packet the sequence number and timestamp, counted from the first, and the rest: marker, type and payload."""


@pytest.mark.parametrize("walk", [walk for walk in WALKS if walk.state is not State.ASIDE], ids=str)
def test_the_customer_is_sent_the_same_as_if_nobody_listened_whispered_or_prompted(walk: Walk):
    alone, silent, spoken = (told(walk, third, BESIDE_THE_CUSTOMER)[0] for third in ("nobody", "silent", "speaks"))
    assert walk.state is State.EMPLOYEE_WAITS or len(alone) > 150
    assert alone == silent == spoken


@pytest.mark.parametrize("walk", [walk for walk in WALKS if walk.state is not State.ASIDE], ids=str)
def test_the_employee_is_sent_the_same_as_if_nobody_listened_or_advised_the_customer(walk: Walk):
    alone, silent, spoken = (told(walk, third, BESIDE_THE_EMPLOYEE)[1] for third in ("nobody", "silent", "speaks"))
    assert walk.state is State.CUSTOMER_WAITS or len(alone) > 100
    assert alone == silent == spoken


@pytest.mark.parametrize("walk", [walk for walk in WALKS if walk.state is State.ASIDE], ids=str)
def test_while_the_employee_talks_aside_the_customer_is_sent_the_same_whatever_those_two_say(walk: Walk):
    spoken, changed = (aside(walk, employee_says) for employee_says in (1013.0, 1777.0))
    assert len(spoken) > 100
    assert spoken == changed
    assert spoken == aside(walk, 1013.0, third_says=1777.0)


@pytest.mark.parametrize("walk", [walk for walk in WALKS if walk.recorded and walk.state is State.PLAIN], ids=str)
def test_both_tracks_of_the_recording_are_the_same_as_if_nobody_had_been_there(walk: Walk):
    alone, spoken = (office_of(walk, third, BESIDE_THE_CUSTOMER) for third in ("nobody", "speaks"))
    for track in (Track.LEFT, Track.RIGHT):
        one, other = (office.engine.recorded(office.engine.recordings[0])[track] for office in (alone, spoken))  # type: ignore[union-attr]
        assert len(one) > 10_000
        assert np.array_equal(one, other)


def test_what_is_to_be_heard_is_not_the_same():
    walk = Walk(("PCMU", "PCMU", "PCMU"), State.PLAIN, recorded=False)
    assert told(walk, "nobody", (Mode.WHISPER,))[1] != told(walk, "speaks", (Mode.WHISPER,))[1]
    assert told(walk, "nobody", (Mode.BARGE,))[0] != told(walk, "speaks", (Mode.BARGE,))[0]


def told(walk: Walk, third: str, modes: tuple[Mode, ...]) -> tuple[Heard, Heard]:
    """What the customer and the employee are sent in a call in which somebody takes part in these ways, or nobody."""
    office = office_of(walk, third, modes)
    return packets_of(office.customer), packets_of(office.anna)


def office_of(walk: Walk, third: str, modes: tuple[Mode, ...]) -> Office:
    office = Office(walk)
    if third == "silent":
        office.olga.tone = office.expert.tone = None
    converse(office)
    for mode in modes:
        phone = office.expert if mode is Mode.PROMPT else office.olga
        if third != "nobody":
            refused = office.ask_help("105") if mode is Mode.PROMPT else office.supervise(mode, by="111")
            assert refused is None
        office.run(0.2)
        press_digits(office)
        office.run(SETTLED)
        assert phone.talking == (third != "nobody")
        if mode is modes[-1] or modes[modes.index(mode) + 1] is Mode.PROMPT:
            phone.hang_up()
        office.run(SETTLED)
    return office


def aside(walk: Walk, employee_says: float, third_says: float = 1297.0) -> Heard:
    """What the customer is sent in a call in which the employee and a prompter talk aside; what they say is changed."""
    office = Office(walk)
    converse(office)
    assert office.ask_help("105") is None
    office.run(0.6)
    office.expert.press("0")
    office.run(KEY + SETTLED)
    office.anna.tone, office.expert.tone = employee_says, third_says
    office.run(0.5)
    return packets_of(office.customer)


def converse(office: Office) -> None:
    """Let the two talk; the state of the walk begins."""
    state = office.walk.state
    office.converse()
    office.run(0.3)
    office.begin(state)
    office.run(0.3)


def press_digits(office: Office) -> None:
    if office.walk.state is State.DIGITS:
        office.customer.press("1")
        office.anna.press("2")
        office.run(KEY)


def packets_of(phone: Phone) -> Heard:
    heads = [struct.unpack_from("!HI", packet, 2) for packet in phone.packets]
    return [
        ((number - heads[0][0]) & 0xFFFF, (timestamp - heads[0][1]) & 0xFFFFFFFF, packet[1:2] + packet[12:])
        for (number, timestamp), packet in zip(heads, phone.packets, strict=True)
    ]
