"""In and out of the mixer in the middle of speech: no sample is lost, none is said twice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.media.engine import Codec
from tests.media.virtual_room import LAW, Phone, Room, gaps, sine

LEVELS = [round(300 * 1.35**k) for k in range(15)]
"""So far apart that a frame's number can be read at a gain of 1.0 and of 0.9 alike."""


class Counting(Phone):
    """A phone whose frames are of one level each, that of their number."""

    __slots__ = ()

    def speak(self, now: float) -> None:
        n, self.spoken = self.spoken, self.spoken + 1
        law, payload_type = LAW[self.session.codec]
        pcm = np.full(160, LEVELS[n % len(LEVELS)], np.int16)
        if not self.silent:
            self.send(kernels.encode(law, pcm.tobytes()), payload_type, now)
        self.timestamp = (self.timestamp + 160) % (1 << 32)


def counting(room: Room, codec: Codec = Codec.PCMU) -> Counting:
    plain = room.phone(None, codec)
    made = Counting(plain.engine, plain.port, plain.address, plain.session, plain.ssrc, plain.phase, None)
    room.phones[room.phones.index(plain)] = made
    return made


def numbers(phone: Phone) -> list[int]:
    """The numbers of the frames that a phone has got, read from the end of each: there a ramp has ended."""
    law = LAW[phone.session.codec][0]
    ends = [int(np.frombuffer(kernels.decode(law, p.payload[-1:]), "<i2")[0]) for p in phone.audio]
    # A mix begins with the silence before the first word.
    ends = list(itertools.dropwhile(lambda end: abs(end) < 100, ends))
    return [int(np.argmin([abs(np.log(max(end, 1) / level / 0.95)) for level in LEVELS])) for end in ends]


def seamless(phone: Phone) -> None:
    assert len({p.ssrc for p in phone.packets}) == 1
    assert gaps(phone.packets) == []
    found = numbers(phone)
    assert [(b - a) % len(LEVELS) for a, b in itertools.pairwise(found)] == [1] * (len(found) - 1)


@pytest.mark.parametrize("phase", range(0, 20, 3))
def test_into_the_mixer_and_back_every_frame_comes_once(phase: int) -> None:
    room = Room()
    a, b = counting(room), room.phone()
    a.phase = phase / 1000
    b.silent = True
    for _ in range(4):
        room.engine.hear(b.port, {a.port: 1.0})
        room.run(0.3)
        room.engine.hear(b.port, {a.port: 0.9})
        room.run(0.3)
    seamless(b)
    assert len(b.packets) >= 117  # of 120: the last may still wait


gains = st.sampled_from(["passed", "softer", "with another", "with another, softer"])
steps = st.lists(st.tuples(gains, st.integers(1, 150)), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(steps, st.integers(0, 19), st.sampled_from([Codec.PCMU, Codec.PCMA]))
def test_whatever_is_asked_in_whatever_order_nothing_is_lost_or_repeated(
    story: list[tuple[str, int]], phase: int, codec: Codec
) -> None:
    room = Room()
    a, b, c = counting(room, codec), room.phone(None, codec), room.phone(None, codec)
    a.phase = phase / 1000
    b.silent = c.silent = True
    for what, milliseconds in story:
        row = {a.port: 0.9 if "softer" in what else 1.0}
        if "another" in what:
            row[c.port] = 1.0
        room.engine.hear(b.port, row)  # type: ignore[arg-type]
        room.run(milliseconds / 1000)
    room.run(0.2)
    seamless(b)


def test_a_supervisor_who_comes_and_goes_costs_the_two_nothing() -> None:
    room = Room()
    a, b = counting(room), counting(room)
    c = room.phone()
    c.silent = True
    room.call(a, b)
    room.run(0.3)
    for _ in range(4):
        room.connect((c, [a, b]))  # listens
        room.run(0.11)
        room.connect((b, [a, c]))  # whispers
        room.run(0.27)
        room.connect((a, [b, c]))  # barges
        room.run(0.19)
        room.connect((a, [b]), (b, [a]), (c, []))
        room.run(0.23)
    seamless(a)
    seamless(b)


def test_what_waits_is_sent_at_once_when_the_mixer_is_left() -> None:
    room = Room()
    a, b = counting(room), room.phone()
    b.silent = True
    room.engine.hear(b.port, {a.port: 0.9})
    room.run(0.5)
    room.engine.hear(b.port, {a.port: 1.0})
    room.run(0.1)
    b.forget()
    payload = kernels.encode(0, np.full(160, 1, np.int16).tobytes())
    a.silent = True
    a.send(payload, 0, room.now)
    room.step()
    assert [p.payload for p in b.packets] == [payload]


@pytest.mark.parametrize("first", ["rows", "listener", "source"])
def test_who_is_heard_before_both_have_a_session_is_passed_through_from_the_first_packet(first: str) -> None:
    room = Room()
    a, b = room.phone(440.0, signed=first == "source"), room.phone(signed=first == "listener")
    b.silent = a.silent = True
    room.connect((b, [a]))
    room.run(0.1)
    for phone in (a, b):
        room.engine.set_session(phone.port, phone.session)
    room.run(0.1)
    a.silent = False
    payload = kernels.encode(0, np.full(160, 1, np.int16).tobytes())
    a.send(payload, 0, room.now)
    room.step()
    assert b.packets[-1].payload == payload
    b.forget()
    room.run(1.0)
    assert gaps(b.packets) == []
    assert b.packets[-1].payload == kernels.encode(0, sine(440.0, 160, (a.spoken - 1) * 160).tobytes())
