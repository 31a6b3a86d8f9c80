"""RFC 4733 through the core: told once, passed once, and sent."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from softswitch.media.engine import Codec, Digit
from tests.media.test_recording import start, stop
from tests.media.virtual_room import Phone, Room


def pair(codec: Codec = Codec.PCMU, **session: object) -> tuple[Room, Phone, Phone]:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0, codec, **session)
    room.call(a, b)
    room.run(0.2)
    return room, a, b


def digits(room: Room) -> list[tuple[str, float]]:
    return [(event.digit, round(event.duration, 3)) for event in room.told(Digit) if isinstance(event, Digit)]


def heard_digits(phone: Phone) -> list[int]:
    """What a phone makes of what it was sent: one digit for each timestamp that has an end."""
    return [event for event, _ in dict.fromkeys((e.event, t) for t, e in phone.events if e.end)]


def test_a_digit_is_told_once() -> None:
    room, a, _ = pair()
    a.press(room, 5)
    a.press(room, 5)
    a.press(room, 11)
    assert digits(room) == [("5", 0.1), ("5", 0.1), ("#", 0.1)]


def test_a_digit_whose_ends_are_lost_is_told_by_the_silence() -> None:
    room, a, _ = pair()
    a.press(room, 5, ends=0)
    assert digits(room) == []
    room.run(0.3)
    assert digits(room) == [("5", 0.08)]


def test_a_relay_passes_a_digit_with_the_other_sides_number() -> None:
    room, a, b = pair(dtmf_send=96)
    a.press(room, 7)
    room.run(0.2)
    assert heard_digits(b) == [7]
    assert len({timestamp for timestamp, _ in b.events}) == 1
    assert [e.duration for _, e in b.events] == [160, 320, 480, 640, 800, 800, 800]
    sequence = [p.sequence for p in b.packets]
    assert all((y - x) % 65_536 == 1 for x, y in itertools.pairwise(sequence))


def test_the_mixer_passes_a_digit_once_with_its_length() -> None:
    room, a, b = pair(Codec.PCMA, dtmf_send=96)
    a.press(room, 7)
    a.press(room, 8)
    room.run(0.4)
    assert heard_digits(b) == [7, 8]
    assert {e.duration for _, e in b.events if e.end} == {800}
    sequence = [p.sequence for p in b.packets]
    assert all((y - x) % 65_536 == 1 for x, y in itertools.pairwise(sequence))


def test_a_digit_of_which_only_ends_came_is_passed_by_the_mixer() -> None:
    room, a, b = pair(Codec.PCMA)
    start_at = a.timestamp
    a.silent = True
    a.send(bytes([3, 0x8A, 3, 0x20]), 101, room.now, timestamp=start_at)
    room.run(0.4)
    assert heard_digits(b) == [3]


def test_a_digit_after_audio_continues_the_timeline() -> None:
    room, a, b = pair(Codec.PCMA)
    a.press(room, 7)
    room.run(0.3)
    audio = [p.timestamp for p in b.audio]
    (start_at,) = {timestamp for timestamp, _ in b.events}
    assert start_at not in audio
    assert (start_at - audio[0]) % 160 == 0
    # Seven frames of events took the place of audio.
    steps = {(y - x) % (1 << 32) for x, y in itertools.pairwise(audio)}
    assert steps == {160, 8 * 160}


def test_a_listener_that_does_not_know_events_gets_no_gap() -> None:
    room, a, b = pair(dtmf_send=None)
    a.press(room, 7)
    room.run(0.2)
    sequence = [p.sequence for p in b.packets]
    assert all((y - x) % 65_536 == 1 for x, y in itertools.pairwise(sequence))
    assert {p.payload_type for p in b.packets} == {0}
    assert digits(room) == [("7", 0.1)]


@pytest.mark.parametrize("gain", [1.0, 0.9])
def test_digits_are_not_in_the_audio(gain: float) -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone()
    room.engine.hear(b.port, {a.port: gain})
    recording = start(room, [a], [b])
    room.run(0.2)
    a.press(room, 1)
    room.run(0.3)
    left, _ = stop(room, recording)
    quiet = np.abs(left.astype(int)).reshape(-1, 8)[: len(left) // 8].max(axis=1) < 50
    assert quiet[200:].sum() * 8 >= 6 * 160  # seven event packets, no sound in place of them


def test_we_send_digits_of_100_ms_with_pauses() -> None:
    room, _a, b = pair()
    b.forget()
    room.engine.send_digits(b.port, "19#")
    room.run(0.7)
    assert heard_digits(b) == [1, 9, 11]
    assert [e.duration for _, e in b.events] == [160, 320, 480, 640, 800, 800, 800] * 3
    starts = sorted({(t - b.events[0][0]) % (1 << 32) for t, _ in b.events})
    assert starts == [0, 8 * 160, 16 * 160]  # 100 ms and 60 ms of pause
    markers = [p.marker for p in b.packets if p.payload_type == 101]
    assert [i for i, marker in enumerate(markers) if marker] == [0, 7, 14]


def test_digits_of_ours_leave_the_relay_and_it_goes_on_seamlessly() -> None:
    room, _a, b = pair()
    room.engine.send_digits(b.port, "5")
    room.run(0.5)
    sequence = [p.sequence for p in b.packets]
    assert all((y - x) % 65_536 == 1 for x, y in itertools.pairwise(sequence))
    assert abs(b.level(440.0, 0.2)) < 1
    first, last = b.audio[0], b.audio[-1]
    ran = ((last.timestamp - first.timestamp) % (1 << 32)) / 8000
    assert ran == pytest.approx(0.68, abs=0.03)


def test_digits_to_a_peer_that_does_not_know_them_are_ignored() -> None:
    room, _, b = pair(dtmf_send=None)
    room.engine.send_digits(b.port, "12")
    room.run(0.5)
    assert b.events == []
    assert {p.payload_type for p in b.packets} == {0}


def test_digits_are_sent_to_a_peer_that_hears_nothing() -> None:
    room = Room()
    a = room.phone()
    room.engine.send_digits(a.port, "42")
    room.run(0.5)
    assert heard_digits(a) == [4, 2]
    assert a.audio == []


def test_signs_that_are_no_digits_are_left_out() -> None:
    room, _, b = pair()
    room.engine.send_digits(b.port, "1w-a?")
    room.run(0.6)
    assert heard_digits(b) == [1, 12]


def test_a_damaged_event_is_counted_and_not_told() -> None:
    room, a, _b = pair()
    a.send(b"\x05", 101, room.now)
    a.send(b"\xf0\x80\x00\x10", 101, room.now)
    room.run(1.1)
    assert digits(room) == []
    assert room.stats[a.port].bad_packet == 2
