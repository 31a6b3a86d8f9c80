"""Recordings: which side is where, and when."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from softswitch.media import native
from softswitch.media.engine import MOST_TAPPED, Codec, RecordingEnded, RecordingId, Tone, Track
from softswitch.rtp import g711
from softswitch.rtp.packet import Packet
from tests.media.virtual_room import Phone, Room, level, sine

NOWHERE = Path("/nowhere/at/all.wav")
FRAME = 160


def start(room: Room, left: list[Phone], right: list[Phone], path: Path = NOWHERE) -> RecordingId:
    tracks = {Track.LEFT: [p.port for p in left], Track.RIGHT: [p.port for p in right]}
    return room.engine.record(room.room, tracks, path)  # type: ignore[arg-type]


def stop(room: Room, recording: RecordingId) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    room.engine.stop_recording(recording)
    room.run(0.03)
    tracks = room.engine.recorded(recording)
    return tracks[Track.LEFT], tracks[Track.RIGHT]


def onset(pcm: NDArray[np.int16]) -> float:
    """Seconds until it is loud."""
    return float(np.argmax(np.abs(pcm.astype(int)) > 2000)) / 8000


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA])
@pytest.mark.parametrize("relayed", [True, False])
def test_each_side_is_on_its_own_track(codec: Codec, relayed: bool) -> None:
    room = Room()
    customer, agent = room.phone(440.0, codec), room.phone(880.0, codec)
    room.engine.hear(agent.port, {customer.port: 1.0 if relayed else 0.9})
    recording = start(room, [customer], [agent])
    room.run(2.0)
    left, right = stop(room, recording)
    assert level(left[4000:12_000], 440.0) == pytest.approx(0, abs=0.5)
    assert level(right[4000:12_000], 880.0) == pytest.approx(0, abs=0.5)
    assert level(left[4000:12_000], 880.0) < -60
    assert level(right[4000:12_000], 440.0) < -60


@pytest.mark.parametrize("rate", [8000, 16_000])
@pytest.mark.parametrize("tracks", [2, 3])
@pytest.mark.parametrize("phase", [0.0, 0.011, 0.019])
@pytest.mark.parametrize("relayed", [True, False])
def test_no_sample_is_missing_where_one_block_follows_another(
    rate: int, tracks: int, phase: float, relayed: bool
) -> None:
    room = Room()
    customer, agent = room.phone(440.0), room.phone(880.0)
    customer.phase = phase
    room.engine.hear(agent.port, {customer.port: 1.0 if relayed else 0.9})
    heard = {Track.LEFT: [customer.port], Track.RIGHT: [agent.port], Track.WHISPER: []}
    recording = room.engine.record(room.room, dict(list(heard.items())[:tracks]), NOWHERE, rate=rate)
    room.run(3.0)
    room.engine.stop_recording(recording)
    room.run(0.03)
    left = room.engine.recorded(recording)[Track.LEFT][rate // 2 : 5 * rate // 2].astype(int)
    silent = np.abs(left) < 100
    # A sine of 440 Hz crosses 100 of 5193 within less than 10 us.
    assert not (silent[:-2] & silent[1:-1] & silent[2:]).any()


@given(st.integers(0, 19), st.integers(0, 19), st.integers(0, 400))
def test_both_sides_begin_when_they_began(left_phase: int, right_phase: int, later: int) -> None:
    room = Room()
    customer, agent = room.phone(440.0), room.phone(880.0)
    customer.phase, agent.phase = left_phase / 1000, right_phase / 1000
    agent.silent = customer.silent = True
    recording = start(room, [customer], [agent])
    room.run(0.1)
    customer.silent = False
    began = round(room.now * 1000)
    room.run(later / 1000)
    agent.silent = False
    second = round(room.now * 1000)
    room.run(0.5)
    left, right = stop(room, recording)
    # From the moment they may speak to their next packet, and 100 ms of silence before.
    left_wait, right_wait = (left_phase - began - 1) % 20 + 1, (right_phase - second - 1) % 20 + 1
    assert onset(left) == pytest.approx((100 + left_wait) / 1000, abs=0.003)
    assert onset(right) == pytest.approx((100 + later + right_wait) / 1000, abs=0.003)


def test_the_length_is_the_time_from_record_to_stop() -> None:
    room = Room()
    customer, agent = room.phone(440.0), room.phone(880.0)
    recording = start(room, [customer], [agent])
    room.run(3.217)
    left, right = stop(room, recording)
    assert len(left) == len(right)
    assert len(left) / 8000 == pytest.approx(3.217, abs=0.02)
    (ended,) = room.told(RecordingEnded)
    assert isinstance(ended, RecordingEnded)
    assert ended.duration == pytest.approx(3.217, abs=0.02)
    assert ended.error is None


def test_a_loss_is_silence_of_its_length_and_moves_nothing() -> None:
    room = Room()
    customer, agent = room.phone(440.0), room.phone(880.0)
    customer.lost = {20, 21, 22}
    recording = start(room, [customer], [agent])
    room.run(1.0)
    left, _ = stop(room, recording)
    first = int(np.flatnonzero(left)[0]) - 1  # a sine begins with a zero
    spoken = sine(440.0, 7800)
    spoken[20 * FRAME : 23 * FRAME] = 0
    error = left[first : first + 7800].astype(int) - spoken
    assert np.abs(error).max() <= 260  # half a step of mu-law at this level


def test_packets_in_the_wrong_order_find_their_places() -> None:
    room = Room()
    a, b = room.phone(), room.phone()
    a.silent = b.silent = True
    recording = start(room, [a], [b])
    room.run(0.02)
    for together in ([0], [], [2, 1], [], [4, 3], [5]):
        for i in together:
            packet = Packet(0, i, 160 * i, 9, bytes([0x80 + i]) * FRAME)
            room.engine.receive(a.port, bytes(packet), a.address, room.now)
        room.run(0.02)
    left, _ = stop(room, recording)
    loud = left[left != 0]
    assert loud.tolist() == [g711.ulaw_decode(0x80 + i) for i in range(6) for _ in range(FRAME)]


def test_music_and_tones_are_recorded_as_sources() -> None:
    room = Room()
    customer, agent = room.phone(440.0), room.phone()
    music = room.engine.play(room.room, Tone((300.0,), -16.0))
    tracks = {Track.LEFT: [customer.port], Track.RIGHT: [agent.port, music]}
    recording = room.engine.record(room.room, tracks, NOWHERE)
    room.run(1.5)
    _, right = stop(room, recording)
    jumps = np.abs(np.diff(right[800:].astype(int)))
    assert level(right[2000:10_000], 300.0) > -6
    assert jumps.max() < 8000 * 2 * np.pi * 300 / 8000


def test_a_retrack_moves_a_source_to_the_other_side() -> None:
    room = Room()
    customer, agent, second = room.phone(440.0), room.phone(880.0), room.phone(1217.0)
    recording = start(room, [customer], [agent])
    room.run(1.0)
    room.engine.retrack(recording, {Track.LEFT: [customer.port], Track.RIGHT: [second.port]})
    room.run(1.0)
    left, right = stop(room, recording)
    assert level(right[2000:7000], 880.0) > -1 > -60 > level(right[2000:7000], 1217.0)
    assert level(right[10_000:15_000], 1217.0) > -1 > -60 > level(right[10_000:15_000], 880.0)
    assert level(left[2000:15_000], 440.0) > -1


def test_a_recording_goes_on_when_a_port_is_closed() -> None:
    room = Room()
    customer, agent = room.phone(440.0), room.phone(880.0)
    recording = start(room, [customer], [agent])
    room.run(0.5)
    room.engine.close_port(agent.port)
    room.phones.remove(agent)
    room.run(0.7)
    left, right = stop(room, recording)
    assert level(left[5000:9000], 440.0) > -1
    assert not right[5000:].any()


def test_timestamps_that_jump_do_not_move_the_sound() -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone()
    recording = start(room, [a], [b])
    room.run(0.5)
    a.timestamp = (a.timestamp + 1_000_000) % (1 << 32)
    room.run(0.5)
    a.timestamp = (a.timestamp - 3_000_000) % (1 << 32)
    room.run(0.5)
    left, _ = stop(room, recording)
    frames = np.abs(left[400 : len(left) - 400].astype(int)).reshape(-1, 160 // 4).max(axis=1)
    assert (frames > 4000).mean() > 0.95


def test_a_clock_that_is_slow_stays_in_time() -> None:
    # 200 ppm over ten minutes are 120 ms; the recording may be off by 20 ms at the end.
    room = Room()
    a, b = room.phone(), room.phone()
    a.silent = b.silent = True
    recording = start(room, [a], [b])
    start_time = room.now
    for n in range(30_000):
        at = round(start_time + n * 0.020004, 6)
        loud = n >= 29_990
        packet = Packet(0, n % 65_536, 160 * n, 9, bytes([0x80 if loud else 0xFF]) * FRAME)
        room.engine.receive(a.port, bytes(packet), a.address, at)
        room.engine.step(at)
    room.engine.events()
    room.now = round(at, 3)
    left, _ = stop(room, recording)
    assert onset(left) == pytest.approx(29_990 * 0.020004, abs=0.02)


def test_a_reader_who_was_held_up_says_nothing_about_the_sender() -> None:
    # For five seconds each packet is read 30 ms after it came, and who reads it knows that it may have been so.
    room = Room()
    a, b = room.phone(), room.phone()
    a.silent = b.silent = True
    recording = start(room, [a], [b])
    start_time = room.now
    for n in range(500):
        held_up = 0.03 if 100 <= n < 350 else 0.0
        at = round(start_time + n * 0.02 + held_up, 6)
        packet = Packet(0, n, 160 * n, 9, bytes([0x80 if n in (340, 490) else 0xFF]) * FRAME)
        room.engine.receive(a.port, bytes(packet), a.address, at, held_up)
        room.engine.step(at)
    room.engine.events()
    room.now = round(at, 3)
    left, _ = stop(room, recording)
    loud = np.flatnonzero(np.abs(left.astype(int)) > 4000)
    assert loud[0] == pytest.approx(340 * FRAME, abs=8)
    assert list(loud - loud[0]) == [*range(FRAME), *range(150 * FRAME, 151 * FRAME)]


def test_the_file_is_a_stereo_wav_with_the_same_sound(tmp_path: Path) -> None:
    room = Room()
    customer, agent = room.phone(440.0), room.phone(880.0)
    path = tmp_path / "call.wav"
    recording = start(room, [customer], [agent], path)
    room.run(1.0)
    left, right = stop(room, recording)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert np.array_equal(samples[:, 0], left)
    assert np.array_equal(samples[:, 1], right)


def test_closing_the_room_ends_the_recording() -> None:
    room = Room()
    customer, agent = room.phone(440.0), room.phone(880.0)
    start(room, [customer], [agent])
    room.run(0.5)
    room.engine.close_room(room.room)
    room.phones.clear()
    room.run(0.05)
    assert len(room.told(RecordingEnded)) == 1


def test_the_core_has_room_for_as_many_sources_of_a_track_as_are_promised() -> None:
    assert native.TAPS == MOST_TAPPED
