"""What the core hears in a port's sound: levels, speech, digits; and digits as sound for who knows no events."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from softswitch.media import kernels
from softswitch.media.engine import Codec, Digit, Means, Track
from softswitch.rtp.dtmf import DIGITS
from softswitch.rtp.dtmf_tone import DigitTone
from softswitch.rtp.rtcp import Block, Report
from tests.media.virtual_room import FRAME, LAW, Phone, Room, sine


def pair(**second: object) -> tuple[Room, Phone, Phone]:
    """Two phones in a call, the first on PCMU; what ``second`` says makes it differ."""
    room = Room()
    a, b = room.phone(None), room.phone(None, **second)  # type: ignore[arg-type]
    room.call(a, b)
    room.run(0.3)
    return room, a, b


def say(room: Room, phone: Phone, pcm: NDArray[np.int16]) -> None:
    """Let the phone speak these samples, in packets of 20 ms."""
    law, payload_type = LAW[phone.session.codec]
    phone.silent = True
    for at in range(0, len(pcm) - FRAME + 1, FRAME):
        phone.send(kernels.encode(law, pcm[at : at + FRAME].astype("<i2").tobytes()), payload_type, room.now)
        room.run(0.02)
    phone.silent = False


def keys(digits: str, milliseconds: int = 80, pause: int = 60) -> NDArray[np.int16]:
    parts = []
    for digit in digits:
        tone = DigitTone()
        parts += [tone.frame(DIGITS.index(digit), 8000, True, True, milliseconds * 8), np.zeros(pause * 8, np.int16)]
    return np.concatenate(parts)


def pressed(room: Room, phone: Phone) -> list[tuple[str, Means]]:
    return [(e.digit, e.means) for e in room.events if isinstance(e, Digit) and e.port == phone.port]


def heard_keys(phone: Phone, seconds: float) -> str:
    """The digits in the sound that a phone has heard."""
    receiver, pcm = kernels.InbandReceiver(), phone.heard(seconds)
    found = [n for at in range(0, len(pcm) - 159, 160) for n in receiver.receive(pcm[at : at + 160].tobytes())]
    return "".join(DIGITS[n[1]] for n in found if n[0] == "ended")


# Digits as sound ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA])
def test_keys_that_sound_are_told_once_each_and_become_events_for_who_agreed_on_them(codec: Codec) -> None:
    room, a, b = pair(codec=codec)
    room.renegotiate(a, dtmf_send=None, dtmf_receive=None)
    room.engine.watch(a.port, digits=True)
    b.forget()
    say(room, a, keys("1590*#D55"))
    room.run(0.5)
    assert pressed(room, a) == [(digit, Means.SOUND) for digit in "1590*#D55"]
    ended = {timestamp: event.event for timestamp, event in b.events if event.end}
    assert [ended[timestamp] for timestamp in sorted(ended)] == [DIGITS.index(digit) for digit in "1590*#D55"]


def test_who_is_not_watched_has_no_keys_in_its_sound() -> None:
    room, a, b = pair()
    say(room, a, keys("123"))
    room.run(0.5)
    assert pressed(room, a) == []
    assert b.events == []


def test_a_key_held_by_who_vanishes_is_released() -> None:
    room, a, b = pair()
    room.engine.watch(a.port, digits=True)
    say(room, a, keys("7", 100, 0))
    a.silent = True
    room.run(0.3)
    assert pressed(room, a) == [("7", Means.SOUND)]
    b.forget()
    room.run(1.0)
    assert b.events == []


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA])
def test_events_become_tones_for_who_knows_no_events(codec: Codec) -> None:
    room, a, b = pair(codec=codec, dtmf_send=None, dtmf_receive=None)
    b.forget()
    for digit in "159#":
        a.press(room, DIGITS.index(digit))
        room.run(0.1)
    room.run(0.3)
    assert b.events == []
    assert heard_keys(b, 2.0) == "159#"
    numbers = [p.sequence for p in b.packets]
    assert [(y - x) % 65_536 for x, y in itertools.pairwise(numbers)] == [1] * (len(numbers) - 1)


def test_keys_that_we_press_reach_who_knows_no_events_as_tones() -> None:
    room, a, b = pair(dtmf_send=None, dtmf_receive=None)
    b.forget()
    room.engine.send_digits(b.port, "0987654321ABCD*#")
    room.run(3.5)
    assert heard_keys(b, 3.6) == "0987654321ABCD*#"
    assert a.events == []


# Levels ---------------------------------------------------------------------------------------------------------------


def test_a_watched_port_tells_its_level_and_speech_each_second() -> None:
    room, a, _ = pair()
    a.frequency = None
    room.engine.watch(a.port, levels=True)
    rng = np.random.default_rng(3)
    found = []
    for part in (rng.normal(0, 30, 8000), sine(500, 8000), rng.normal(0, 30, 8000), rng.normal(0, 30, 8000)):
        say(room, a, part.astype(np.int16))
        levels = room.stats[a.port].levels
        assert levels is not None
        found.append(levels)
    loudest = max(found, key=lambda levels: levels.level)
    # A sine of 8000 has 5657 RMS: -15.3 dBov.
    assert loudest.level == pytest.approx(-15.3, abs=1.5)
    assert loudest.speech > 0.6
    assert loudest.noise < -45
    assert found[-1].speech == 0.0


def test_who_is_only_passed_through_costs_and_tells_no_level() -> None:
    room, a, _ = pair()
    room.run(2.2)
    assert room.stats[a.port].levels is None


def test_a_recorded_port_tells_its_level_without_being_watched() -> None:
    room, a, b = pair()
    a.frequency = b.frequency = 440.0
    room.engine.record(room.room, {Track.LEFT: [a.port], Track.RIGHT: [b.port]}, Path("/nonexistent/x.wav"))
    room.run(2.5)
    levels = room.stats[a.port].levels
    assert levels is not None
    assert levels.level == pytest.approx(-15.3, abs=0.3)


def test_two_who_speak_at_once_overlap() -> None:
    room, a, b = pair()
    for phone in (a, b):
        room.engine.watch(phone.port, levels=True)
    quiet = np.random.default_rng(1).normal(0, 20, 4000).astype(np.int16)
    say(room, a, quiet)
    say(room, b, quiet)
    a.frequency, b.frequency = 440.0, 880.0
    room.run(1.5)
    together = room.stats[a.port].levels
    b.frequency = None
    room.run(2.5)
    alone = room.stats[a.port].levels
    assert together is not None
    assert alone is not None
    assert together.overlap == pytest.approx(together.speech, abs=0.05)
    assert together.overlap > 0.6
    assert alone.overlap == 0.0


# Masks ----------------------------------------------------------------------------------------------------------------


def test_what_a_masked_port_says_and_presses_is_heard_and_not_recorded() -> None:
    room, a, b = pair()
    recording = room.engine.record(room.room, {Track.LEFT: [a.port], Track.RIGHT: [b.port]}, Path("/nonexistent/x.wav"))
    a.frequency, b.frequency = 440.0, 880.0
    room.run(1.0)
    room.engine.mask(a.port, True)
    room.engine.watch(a.port, digits=True)
    say(room, a, keys("4276", 100, 100))
    assert b.events
    room.engine.mask(a.port, False)
    room.run(1.0)
    room.engine.stop_recording(recording)
    room.run(0.1)
    recorded = room.engine.recorded(recording)
    left = recorded[Track.LEFT]
    assert np.abs(left[1000:7000]).max() > 5000
    assert np.abs(left[8200:14000]).max() == 0
    assert np.abs(left[-6000:-800]).max() > 5000
    assert np.abs(recorded[Track.RIGHT][8200:14000]).max() > 5000
    assert [digit for digit, _ in pressed(room, a)] == list("4276")


# RTCP and the score ---------------------------------------------------------------------------------------------------


def test_their_report_tells_loss_and_jitter_at_their_side() -> None:
    room, a, b = pair()
    b.frequency = 880.0
    room.run(0.5)
    ours = a.packets[0].ssrc
    block = Block(ours, 64, 7, 0, 160, 0, 0)
    room.engine.receive(a.port, bytes(Report(a.ssrc, bytes(16), None, block)), (a.address[0], 4001), room.now)
    room.run(1.1)
    stats = room.stats[a.port]
    assert (stats.remote_lost, stats.remote_loss, stats.remote_jitter) == (7, 0.25, pytest.approx(0.02, abs=1e-6))


def test_a_clean_second_is_better_than_one_with_losses() -> None:
    room, a, _ = pair()
    room.run(2.0)
    clean = room.stats[a.port].mos
    a.lost = set(range(a.spoken + 10, a.spoken + 60, 5))
    room.run(1.0)
    worst = room.stats[a.port].mos
    assert worst is not None
    assert clean is not None
    assert clean > 4.2
    assert worst < 3.7
