"""What differs from leg to leg: packet lengths, clocks of digits, and codecs that nobody here knows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from softswitch.errors import NotPossible
from softswitch.media import kernels, libopus
from softswitch.media.engine import Codec, Digit, Track, Unheard
from softswitch.rtp.packet import Packet
from tests.media.test_recording import NOWHERE, start, stop
from tests.media.virtual_room import AMPLITUDE, Phone, Room, gaps, level

LIBRARY = libopus.find()
if isinstance(LIBRARY, libopus.Library):
    kernels.use_opus(LIBRARY.addresses)
G729 = {"payload_type": 18, "format": "G729/8000 annexb=no"}


def strangers(room: Room, **other: object) -> tuple[Phone, Phone]:
    """Two phones that speak a codec which the core does not know."""
    a, b = room.phone(440.0), room.phone(880.0)
    for phone, session in ((a, G729), (b, G729 | other)):
        phone.silent = True
        room.renegotiate(phone, codec=Codec.PASSTHROUGH, **session)
    room.call(a, b)
    room.run(0.05)
    return a, b


def say(room: Room, phone: Phone, count: int, size: int = 20) -> None:
    for i in range(count):
        phone.send(bytes([i % 256]) * size, phone.session.payload_type, room.now)
        room.run(0.02)


@pytest.mark.parametrize(("ptime", "size"), [(10, 80), (20, 160), (30, 240), (40, 320), (50, 400), (60, 480)])
def test_packets_are_as_long_as_the_peer_wants_them(ptime: int, size: int) -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0, ptime=ptime)
    room.call(a, b)
    room.run(1.2)
    assert {len(p.payload) for p in b.audio} == {size}
    assert set(gaps(b.audio)) <= {(1, size)}
    assert abs(b.level(440.0)) < 3
    assert {len(p.payload) for p in a.audio} == {160}


@pytest.mark.parametrize(("asked", "got"), [(0, 20), (5, 20), (25, 20), (200, 60)])
def test_a_length_that_we_cannot_make_becomes_the_nearest_below(asked: int, got: int) -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0, ptime=asked)
    room.engine.hear(b.port, {a.port: 0.9})
    room.run(0.5)
    assert {len(p.payload) for p in b.audio} == {got * 8}


def test_a_change_of_packet_length_in_mid_speech_leaves_no_gap() -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0)
    room.engine.hear(b.port, {a.port: 0.9})
    room.run(0.5)
    for ptime in (30, 10, 60, 20):
        room.renegotiate(b, ptime=ptime)
        room.run(0.31)
    ends = [(p.timestamp + len(p.payload)) % (1 << 32) for p in b.packets]
    assert [p.timestamp for p in b.packets[1:]] == ends[:-1]
    assert {step for step, _ in gaps(b.packets)} <= {1}


def test_an_unknown_codec_passes_between_two_who_agree_on_it() -> None:
    room = Room()
    a, b = strangers(room)
    say(room, a, 20)
    assert [p.payload for p in b.packets] == [bytes([i]) * 20 for i in range(20)]
    assert gaps(b.packets) == []
    assert room.told(Unheard) == []


def test_its_numbers_are_those_of_each_side() -> None:
    room = Room()
    a, b = strangers(room, payload_type=97)
    say(room, a, 3)
    assert {p.payload_type for p in b.packets} == {97}


def test_it_does_not_pass_where_the_parameters_differ_and_that_is_told() -> None:
    room = Room()
    a, b = strangers(room, format="G729/8000 annexb=yes")
    say(room, a, 20)
    assert b.packets == []
    assert {event.port for event in room.told(Unheard) if isinstance(event, Unheard)} == {a.port, b.port}


def test_who_cannot_be_mixed_is_silent_and_the_others_hear_each_other() -> None:
    room = Room()
    a, b = strangers(room)
    c = room.phone(1217.0)
    d = room.phone()
    room.connect((d, [a, c]), (c, [a, d]))
    say(room, a, 40)
    assert abs(d.level(1217.0)) < 3
    assert {event.port for event in room.told(Unheard) if isinstance(event, Unheard)} == {a.port}
    assert len(b.packets) == 40


def test_recording_it_is_told_too_and_records_the_other_side() -> None:
    room = Room()
    a, _ = strangers(room)
    c = room.phone(880.0)
    recording = start(room, [a], [c])
    say(room, a, 30)
    left, right = stop(room, recording)
    assert not left.any()
    assert right.any()
    assert [event.port for event in room.told(Unheard) if isinstance(event, Unheard)] == [a.port]


def test_its_timeline_goes_on_by_its_own_clock() -> None:
    room = Room()
    a, b = strangers(room, format="AMR-WB/16000", clock=16_000)
    room.renegotiate(a, format="AMR-WB/16000", clock=16_000)
    room.engine.receive(a.port, bytes(Packet(18, 1, 0, 1, bytes(20))), a.address, room.now)
    room.run(0.1)
    # Another stream of the peer: our timeline goes on by the time that has passed, 100 ms at 16 kHz.
    room.engine.receive(a.port, bytes(Packet(18, 7, 0, 2, bytes(20))), a.address, room.now)
    room.run(0.001)
    first, second = b.packets
    assert (second.timestamp - first.timestamp) % (1 << 32) == 1600


def test_a_digit_is_counted_by_the_clock_that_was_agreed() -> None:
    room = Room()
    a, b = room.phone(440.0, dtmf_clock=48_000), room.phone(880.0, Codec.PCMA)
    room.call(a, b)
    room.run(0.2)
    assert a.session.dtmf_receive is not None
    for i in range(1, 8):
        duration = min(960 * i, 4800)
        payload = bytes([5, 0x8A if i >= 5 else 0x0A, duration >> 8, duration & 255])
        a.send(payload, a.session.dtmf_receive, room.now, timestamp=a.timestamp)
        room.run(0.001)
    room.run(0.4)
    assert [(e.digit, round(e.duration, 3)) for e in room.told(Digit) if isinstance(e, Digit)] == [("5", 0.1)]
    assert max(e.duration for _, e in b.events) == 800
    room.engine.send_digits(a.port, "7")
    room.run(0.4)
    assert max(e.duration for _, e in a.events) == 4800


def test_digits_of_different_clocks_do_not_pass_as_they_are() -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0, dtmf_clock=48_000)
    room.call(a, b)
    room.run(0.2)
    a.press(room, 5)
    room.run(0.3)
    assert max(e.duration for _, e in b.events) == 4800


def test_whispers_have_a_third_channel() -> None:
    room = Room()
    customer, agent, prompter = room.phone(440.0), room.phone(880.0), room.phone(1217.0)
    tracks = {Track.LEFT: [customer.port], Track.RIGHT: [agent.port], Track.WHISPER: [prompter.port]}
    recording = room.engine.record(room.room, tracks, NOWHERE)  # type: ignore[arg-type]
    room.run(1.0)
    room.engine.stop_recording(recording)
    room.run(0.03)
    found = room.engine.recorded(recording)
    assert set(found) == set(Track)
    assert {len(pcm) for pcm in found.values()} == {8000}
    for track, frequency in zip(Track, (440.0, 880.0, 1217.0), strict=True):
        assert level(found[track][2000:6000], frequency) == pytest.approx(0, abs=0.5)
        others = {440.0, 880.0, 1217.0} - {frequency}
        assert all(level(found[track][2000:6000], other) < -60 for other in others)


def test_a_recording_at_16_khz_holds_telephone_sound_in_its_place() -> None:
    room = Room()
    customer, agent = room.phone(440.0), room.phone(880.0)
    room.call(customer, agent)
    room.run(0.1)
    recording = room.engine.record(
        room.room, {Track.LEFT: [customer.port], Track.RIGHT: [agent.port]}, NOWHERE, rate=16_000
    )
    room.run(1.0)
    room.engine.stop_recording(recording)
    room.run(0.03)
    found = room.engine.recorded(recording)
    assert len(found[Track.LEFT]) == 16_000
    # At twice the rate a tone has half its place on the measure for 8 kHz.
    assert level(found[Track.LEFT][4000:12_000], 220.0) == pytest.approx(0, abs=0.5)
    assert level(found[Track.RIGHT][4000:12_000], 440.0) == pytest.approx(0, abs=0.5)


def test_another_rate_is_refused() -> None:
    room = Room()
    with pytest.raises(NotPossible):
        room.engine.record(room.room, {}, NOWHERE, rate=44_100)


@pytest.mark.skipif(isinstance(LIBRARY, libopus.Missing), reason=str(LIBRARY))
@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 50, 60])
def test_packets_of_opus_are_as_long_as_the_peer_wants_them(ptime: int) -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone()
    b.silent = True
    room.renegotiate(b, codec=Codec.OPUS, payload_type=111, ptime=ptime)
    room.call(a, b)
    room.run(1.5)
    codec = kernels.Codec(6)
    packets = b.packets
    assert {codec.lasts(p.payload) for p in packets} == {ptime * 48}
    assert {(q.timestamp - p.timestamp) % (1 << 32) for p, q in itertools.pairwise(packets)} == {ptime * 48}
    # Code 3 with sizes of their own (RFC 6716 section 3.2.5) where Opus has no frame so long: frames of 10 ms.
    if ptime in (30, 50):
        assert {p.payload[0] & 3 for p in packets} == {3}
        assert {p.payload[1] for p in packets} == {0x80 | ptime // 10}
    heard = np.concatenate([np.frombuffer(codec.decode(p.payload) or b"", "<i2") for p in packets]).astype(float)
    assert len(heard) == len(packets) * ptime * 16
    tone = heard[-8000:] @ np.exp(-2j * np.pi * 440 * np.arange(8000) / 16_000) / 4000
    assert 20 * np.log10(abs(tone) / AMPLITUDE) == pytest.approx(0, abs=1.5)
    assert (
        np.abs(np.diff(heard[-8000:])).max() < 1.5 * AMPLITUDE * 2 * np.pi * 440 / 16_000
    )  # no frame is missing or cut


@pytest.mark.skipif(isinstance(LIBRARY, libopus.Missing), reason=str(LIBRARY))
def test_lengths_of_opus_change_in_mid_speech_without_a_gap() -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone()
    b.silent = True
    room.renegotiate(b, codec=Codec.OPUS, payload_type=111)
    room.call(a, b)
    room.run(0.5)
    for ptime in (50, 30, 60, 50, 10, 30, 20):
        room.renegotiate(b, ptime=ptime)
        room.run(0.27)
    codec = kernels.Codec(6)
    ends = [(p.timestamp + codec.lasts(p.payload)) % (1 << 32) for p in b.packets]
    assert [p.timestamp for p in b.packets[1:]] == ends[:-1]
