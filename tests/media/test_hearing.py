"""Who hears whom, by tones: 440 Hz customer, 880 Hz agent, 300 Hz music, 1217 Hz supervisor."""

from __future__ import annotations

import numpy as np
import pytest

from softswitch.media.engine import Codec, Tone
from tests.media.virtual_room import AMPLITUDE, Phone, Room

CUSTOMER, AGENT, MUSIC, SUPERVISOR = 440.0, 880.0, 300.0, 1217.0
EVERYBODY = {CUSTOMER, AGENT, MUSIC, SUPERVISOR}
LOUD = 20 * float(np.log10(AMPLITUDE / 32768)) - 3.01
"""dBov of what phones speak."""


def hears(phone: Phone, *frequencies: float) -> bool:
    """The given frequencies within 3 dB, and none of the others above -60 dB."""
    wanted = all(abs(phone.level(f)) <= 3 for f in frequencies)
    return wanted and all(phone.level(f) <= -60 for f in EVERYBODY - set(frequencies))


@pytest.mark.parametrize("customer_codec", [Codec.PCMU, Codec.PCMA])
@pytest.mark.parametrize("agent_codec", [Codec.PCMU, Codec.PCMA])
def test_two_parties_hear_each_other_and_not_themselves(customer_codec: Codec, agent_codec: Codec) -> None:
    room = Room()
    customer, agent = room.phone(CUSTOMER, customer_codec), room.phone(AGENT, agent_codec)
    room.call(customer, agent)
    room.run(1.0)
    assert hears(customer, AGENT)
    assert hears(agent, CUSTOMER)
    assert {p.payload_type for p in customer.packets} == {customer.session.payload_type}


def test_the_held_party_hears_music_and_the_holder_nothing() -> None:
    room = Room()
    customer, agent = room.phone(CUSTOMER), room.phone(AGENT, Codec.PCMA)
    room.call(customer, agent)
    room.run(0.3)
    music = room.engine.play(room.room, Tone((MUSIC,), LOUD))
    room.engine.hear(customer.port, {music: 1.0})
    room.engine.hear(agent.port, {})
    room.run(0.1)
    agent.forget()
    room.run(0.7)
    assert hears(customer, MUSIC)
    assert agent.packets == []


def test_after_the_hold_they_hear_each_other_again() -> None:
    room = Room()
    customer, agent = room.phone(CUSTOMER), room.phone(AGENT)
    music = room.engine.play(room.room, Tone((MUSIC,), LOUD))
    room.engine.hear(customer.port, {music: 1.0})
    room.run(0.5)
    room.call(customer, agent)
    room.engine.stop(music)
    room.run(0.7)
    assert hears(customer, AGENT)
    assert hears(agent, CUSTOMER)


def test_three_parties_hear_both_others() -> None:
    room = Room()
    a, b, c = room.phone(CUSTOMER), room.phone(AGENT, Codec.PCMA), room.phone(SUPERVISOR)
    room.connect((a, [b, c]), (b, [a, c]), (c, [a, b]))
    room.run(1.0)
    assert hears(a, AGENT, SUPERVISOR)
    assert hears(b, CUSTOMER, SUPERVISOR)
    assert hears(c, CUSTOMER, AGENT)


def test_a_listener_hears_both_and_nobody_hears_the_listener() -> None:
    room = Room()
    customer, agent, supervisor = room.phone(CUSTOMER), room.phone(AGENT), room.phone(SUPERVISOR)
    room.call(customer, agent)
    room.run(0.3)
    room.connect((supervisor, [customer, agent]))
    room.run(0.7)
    assert hears(supervisor, CUSTOMER, AGENT)
    assert hears(customer, AGENT)
    assert hears(agent, CUSTOMER)


def test_a_whisper_reaches_the_agent_alone() -> None:
    room = Room()
    customer, agent, supervisor = room.phone(CUSTOMER), room.phone(AGENT), room.phone(SUPERVISOR)
    room.connect((customer, [agent]), (agent, [customer, supervisor]), (supervisor, [customer, agent]))
    room.run(1.0)
    assert hears(customer, AGENT)
    assert hears(agent, CUSTOMER, SUPERVISOR)


@pytest.mark.parametrize(("gain", "decibels"), [(0.5, -6.02), (2.0, 6.02), (0.1, -20.0)])
def test_a_gain_is_heard(gain: float, decibels: float) -> None:
    room = Room()
    customer, agent = room.phone(CUSTOMER), room.phone(AGENT)
    room.engine.hear(customer.port, {agent.port: gain})
    room.run(1.0)
    assert customer.level(AGENT) == pytest.approx(decibels, abs=0.3)


def test_a_source_that_is_muted_is_not_heard() -> None:
    room = Room()
    a, b, c = room.phone(CUSTOMER), room.phone(AGENT), room.phone(SUPERVISOR)
    room.engine.hear(a.port, {b.port: 0.0, c.port: 1.0})
    room.run(1.0)
    assert hears(a, SUPERVISOR)


def test_two_loud_voices_saturate_and_do_not_wrap() -> None:
    room = Room()
    a, b, c = room.phone(), room.phone(100.0), room.phone(130.0)
    room.engine.hear(a.port, {b.port: 4.0, c.port: 4.0})
    room.run(1.0)
    heard = a.heard()
    assert heard.max() == 32_124  # the largest value of mu-law
    wraps = np.abs(np.diff(heard.astype(int))) > 10_000
    assert not wraps.any()


def test_a_change_of_gain_is_a_ramp_of_one_frame_and_not_a_step() -> None:
    room = Room()
    a, b = room.phone(), room.phone(AGENT)
    room.engine.hear(a.port, {b.port: 0.5})
    room.run(0.5)
    steady = np.abs(np.diff(a.heard(0.3).astype(int))).max()
    a.forget()
    room.engine.hear(a.port, {})
    room.run(0.1)
    faded = a.heard(0.1).astype(int)
    assert np.abs(np.diff(faded)).max() <= steady * 1.1
    assert np.abs(faded[-20:]).max() < 600


def test_who_leaves_is_no_longer_heard_and_the_others_go_on() -> None:
    room = Room()
    a, b, c = room.phone(CUSTOMER), room.phone(AGENT), room.phone(SUPERVISOR)
    room.connect((a, [b, c]), (b, [a, c]), (c, [a, b]))
    room.run(0.3)
    room.engine.close_port(c.port)
    room.phones.remove(c)
    room.run(0.8)
    assert hears(a, AGENT)
    assert hears(b, CUSTOMER)


def test_stale_and_foreign_sources_are_silent() -> None:
    room = Room()
    a, b = room.phone(CUSTOMER), room.phone(AGENT)
    elsewhere = room.engine.open_port(room.engine.open_room(), "10.99.0.1")
    room.engine.hear(a.port, {elsewhere.id: 1.0, b.port: 1.0})
    room.run(0.6)
    assert hears(a, AGENT)
