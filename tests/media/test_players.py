"""Tones, files and music as sources."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from softswitch.errors import NoSuch, NotPossible
from softswitch.media.engine import Codec, File, PlayEnded, RoomId, Tone
from tests.media.virtual_room import Room, gaps, level, sine


def sound(path: Path, seconds: float, frequency: float = 440.0) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(sine(frequency, round(seconds * 8000)).tobytes())
    return path


def test_a_file_is_heard_whole_and_its_end_is_told(tmp_path: Path) -> None:
    room = Room()
    a = room.phone()
    player = room.engine.play(room.room, File(sound(tmp_path / "hello.wav", 0.5)))
    room.engine.hear(a.port, {player: 1.0})
    room.run(1.0)
    assert room.told(PlayEnded) == [PlayEnded(player)]
    assert sum(np.abs(a.heard(1.0).astype(int)) > 10) == pytest.approx(4000, abs=50)
    assert gaps(a.packets) == []


def test_after_the_end_nothing_is_sent(tmp_path: Path) -> None:
    room = Room()
    a = room.phone()
    player = room.engine.play(room.room, File(sound(tmp_path / "hello.wav", 0.1)))
    room.engine.hear(a.port, {player: 1.0})
    room.run(0.3)
    assert 5 <= len(a.packets) <= 6


def test_after_an_announcement_the_other_party_is_relayed(tmp_path: Path) -> None:
    room = Room()
    a, b = room.phone(), room.phone(880.0)
    player = room.engine.play(room.room, File(sound(tmp_path / "hello.wav", 0.3)))
    room.engine.hear(a.port, {player: 1.0, b.port: 1.0})
    room.run(1.0)
    assert abs(a.level(880.0)) < 1
    spoken = b.spoken
    b.send(bytes(range(160)), 0, room.now)
    room.step()
    assert a.packets[-1].payload == bytes(range(160)), spoken
    assert {step for step, _ in gaps(a.packets)} <= {1}


def test_music_goes_round_without_a_seam(tmp_path: Path) -> None:
    room = Room()
    a = room.phone()
    music = room.engine.play(room.room, File(sound(tmp_path / "music.wav", 0.25, 400.0), loop=True))
    room.engine.hear(a.port, {music: 1.0})
    room.run(3.0)
    assert room.told(PlayEnded) == []
    assert a.level(400.0, 2.0) == pytest.approx(0, abs=0.2)
    assert np.abs(np.diff(a.heard(2.0).astype(int))).max() < 8000 * 2 * np.pi * 400 / 8000 + 600


def test_a_folder_is_played_by_name_and_comes_round_to_its_first_file(tmp_path: Path) -> None:
    sound(tmp_path / "2 low.wav", 0.4, 400.0)
    sound(tmp_path / "1 high.wav", 0.4, 1000.0)
    (tmp_path / "read me.txt").write_text("no sound")
    room = Room()
    a = room.phone()
    player = room.engine.play(room.room, File(tmp_path, loop=True))
    room.engine.hear(a.port, {player: 1.0})
    room.run(1.12)
    heard = a.heard(1.1)
    assert level(heard[800:2800], 1000.0) > -3
    assert level(heard[800:2800], 400.0) < -30
    assert level(heard[4000:6000], 400.0) > -3
    assert level(heard[7200:8600], 1000.0) > -3


def test_music_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    sound(tmp_path / "1.wav", 0.5, 1000.0)
    sound(tmp_path / "2.wav", 0.5, 400.0)
    room = Room()
    a = room.phone()
    first = room.engine.play(room.room, File(tmp_path, loop=True))
    room.engine.hear(a.port, {first: 1.0})
    room.run(0.6)
    at = room.engine.position(first)
    assert at == pytest.approx(0.6, abs=0.03)
    room.engine.stop(first)
    again = room.engine.play(room.room, File(tmp_path, loop=True, start=at))
    room.engine.hear(a.port, {again: 1.0})
    a.forget()
    room.run(0.3)
    assert level(a.heard(0.2), 400.0) > -3
    assert room.engine.position(again) == pytest.approx(0.9, abs=0.05)
    assert room.engine.position(first) == 0.0


def test_a_start_beyond_the_end_comes_round(tmp_path: Path) -> None:
    room = Room()
    player = room.engine.play(room.room, File(sound(tmp_path / "x.wav", 0.5), loop=True, start=1.2))
    room.run(0.02)
    assert room.engine.position(player) == pytest.approx(0.2, abs=0.03)


def test_all_listeners_hear_the_same_place_of_the_music() -> None:
    room = Room()
    a, b = room.phone(), room.phone()
    music = room.engine.play(room.room, Tone((300.0,), -16.0))
    room.engine.hear(a.port, {music: 1.0})
    room.run(0.2)
    room.engine.hear(b.port, {music: 1.0})
    room.run(0.3)
    assert a.packets[-1].payload == b.packets[-1].payload


def test_a_player_that_is_stopped_says_nothing_more() -> None:
    room = Room()
    a = room.phone()
    tone = room.engine.play(room.room, Tone((425.0,)))
    room.engine.hear(a.port, {tone: 1.0})
    room.run(0.3)
    room.engine.stop(tone)
    a.forget()
    room.run(0.2)
    assert a.packets == []
    assert room.told(PlayEnded) == []


def test_a_cadence_is_repeated_as_often_as_asked() -> None:
    room = Room()
    a = room.phone()
    busy = room.engine.play(room.room, Tone((425.0,), -10.0, (0.2, 0.2), 3))
    room.engine.hear(a.port, {busy: 1.0})
    room.run(2.0)
    assert room.told(PlayEnded) == [PlayEnded(busy)]
    heard = np.abs(a.heard(1.2).astype(int)).reshape(-1, 160).max(axis=1) > 1000
    rises = int(np.sum(np.diff(heard.astype(int)) == 1)) + int(heard[0])
    assert rises == 3


def test_a_tone_has_its_level_in_dbov() -> None:
    room = Room()
    a = room.phone()
    tone = room.engine.play(room.room, Tone((1000.0,), -20.0))
    room.engine.hear(a.port, {tone: 1.0})
    room.run(1.0)
    heard = a.heard().astype(float)
    assert 20 * np.log10(np.sqrt(np.mean(heard**2)) / 32_768) == pytest.approx(-20.0, abs=0.2)
    assert level(a.heard(), 500.0) < -60


def test_a_file_that_is_no_sound_cannot_be_played(tmp_path: Path) -> None:
    room = Room()
    with pytest.raises(NotPossible):
        room.engine.play(room.room, File(tmp_path / "missing.wav"))


def test_a_room_that_is_not_there_cannot_play() -> None:
    room = Room()
    with pytest.raises(NoSuch):
        room.engine.play(RoomId(99), Tone((425.0,)))


def test_players_are_given_back_when_they_end() -> None:
    room = Room()
    for _ in range(200):  # the engine of these tests has 64 places
        tone = room.engine.play(room.room, Tone((425.0,), -10.0, (0.02,), 1))
        room.engine.stop(tone)
        room.run(0.002)
    room.run(0.1)


def wide(path: Path, seconds: float, frequency: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        samples = 8192 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * 44_100)) / 44_100)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_wide_band_music_is_heard_wide_by_whom_it_can_reach_so_and_folds_back_for_nobody(tmp_path: Path) -> None:
    room = Room()
    narrow, broad = room.phone(), room.phone()
    broad.silent = True
    room.renegotiate(broad, codec=Codec.L16_16, payload_type=113)
    player = room.engine.play(room.room, File(wide(tmp_path / "high.wav", 1.5, 6000.0), loop=True))
    for phone in (narrow, broad):
        room.engine.hear(phone.port, {player: 1.0})
    room.run(1.0)
    heard = np.concatenate([np.frombuffer(packet.payload, ">i2") for packet in broad.audio]).astype(float)[-8000:]
    wave_ = np.exp(-2j * np.pi * 6000 * np.arange(8000) / 16_000)
    assert 2 * abs(np.mean(heard * wave_)) == pytest.approx(8192, rel=0.05)
    assert np.abs(narrow.heard(0.5)).max() < 100  # 6 kHz would alias to 2 kHz
    assert room.engine.position(player) == pytest.approx(1.0 - 0.01, abs=0.03)


def test_shuffled_music_begins_with_another_piece_for_each(tmp_path: Path) -> None:
    for number in range(6):
        sound(tmp_path / f"{number}.wav", 0.2)
    room = Room()
    played = [room.engine.play(room.room, File(tmp_path, loop=True, play="shuffle")) for _ in range(12)]
    room.run(0.02)
    begun = {round(room.engine.position(one) / 0.2) for one in played}
    assert len(begun) > 2
    assert begun <= set(range(6))
    again = room.engine.play(room.room, File(tmp_path, loop=True, play="shuffle", start=0.5))
    room.run(0.02)
    assert room.engine.position(again) == pytest.approx(0.51, abs=0.02)


def test_music_that_is_heard_together_is_at_one_place_for_whoever_comes_when(tmp_path: Path) -> None:
    music = File(sound(tmp_path / "a.wav", 3.0), loop=True, play="together")
    room = Room()
    room.run(0.02)
    first = room.engine.play(room.room, music)
    room.run(0.7)
    room.engine.stop(first)
    room.run(0.5)
    second = room.engine.play(room.room, music)
    room.run(0.3)
    assert room.engine.position(second) == pytest.approx(1.5, abs=0.03)
    room.run(2.0)
    third = room.engine.play(room.room, music)
    room.run(0.1)
    assert room.engine.position(second) == pytest.approx(room.engine.position(third), abs=0.021)
    assert room.engine.position(third) == pytest.approx(0.6, abs=0.03)
