"""The file of a recording: its header, and what is made of it after a crash."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import wav

SECOND = bytes(range(256)) * 125
"""32,000 bytes: 8,000 frames of two 16-bit samples."""

WHOLE = wav.header(len(SECOND)) + SECOND


def samples(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        return bytes(file.readframes(file.getnframes()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "call.wav"


class TestHeader:
    def test_a_finished_file_is_read_by_others(self, path: Path) -> None:
        path.write_bytes(WHOLE)
        assert samples(path) == SECOND

    def test_the_header_is_the_canonical_one(self) -> None:
        # RIFF size 32036 = 0x7d24, fmt 16 bytes: PCM, 2 channels, 8000 Hz, 32000 B/s, 4 B per frame, 16 bits.
        assert wav.header(32_000).hex(" ", 4) == (
            "52494646 247d0000 57415645 666d7420 10000000 01000200 401f0000 007d0000 04001000 64617461 007d0000"
        )

    def test_sizes_stop_where_32_bits_end(self) -> None:
        assert wav.header(1 << 33)[4:8] == b"\xff\xff\xff\xff"
        assert len(wav.header(1 << 33)) == 44


class TestRepair:
    def test_a_right_file_is_left_alone(self, path: Path) -> None:
        path.write_bytes(WHOLE)
        assert wav.repair(path) == wav.Repaired(path, 1.0)
        assert path.read_bytes() == WHOLE

    @pytest.mark.parametrize("length", range(201))
    def test_a_file_cut_anywhere_at_its_beginning_is_playable(self, path: Path, length: int) -> None:
        path.write_bytes(WHOLE[:length])
        repaired = wav.repair(path)
        kept = WHOLE[44:length]
        frames = -(-len(kept) // 4)
        assert (repaired.error, repaired.duration) == (None, frames / 8000)
        assert samples(path) == kept.ljust(4 * frames, b"\0")

    @pytest.mark.parametrize("said", [0, 4, 16_000, 32_000, 64_000, 0xFFFFFFFF])
    def test_samples_are_never_removed_whatever_the_header_says(self, path: Path, said: int) -> None:
        path.write_bytes(wav.header(said) + SECOND)
        assert wav.repair(path) == wav.Repaired(path, 1.0, changed=said != 32_000)
        assert path.read_bytes() == WHOLE

    def test_a_second_repair_changes_nothing(self, path: Path) -> None:
        path.write_bytes(WHOLE[:171])
        assert wav.repair(path).changed
        assert not wav.repair(path).changed

    def test_a_header_of_zeros_is_written_anew(self, path: Path) -> None:
        path.write_bytes(bytes(44) + SECOND)
        assert wav.repair(path).duration == 1.0
        assert samples(path) == SECOND

    @pytest.mark.parametrize(
        "content", [b"ID3\x04 music", b"RIFF\0\0\0\0AVI ", WHOLE[:22] + b"\x01" + WHOLE[23:], b"\0" * 43 + b"x"]
    )
    def test_a_file_that_is_no_recording_is_left_alone_and_reported(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        repaired = wav.repair(path)
        assert repaired.error is not None
        assert "not a recording" in repaired.error
        assert path.read_bytes() == content

    def test_a_missing_file_is_reported(self, path: Path) -> None:
        assert wav.repair(path).error == f"{path}: No such file or directory"

    def test_a_link_is_not_followed(self, path: Path) -> None:
        target = path.with_name("elsewhere")
        target.write_bytes(WHOLE[:99])
        path.symlink_to(target)
        assert wav.repair(path).error is not None
        assert target.read_bytes() == WHOLE[:99]


class TestRepairAll:
    def test_unfinished_files_in_all_folders_get_their_names(self, tmp_path: Path) -> None:
        day = tmp_path / "2026" / "11"
        day.mkdir(parents=True)
        (day / "b.wav.part").write_bytes(WHOLE[:1004])
        (tmp_path / "a.wav.part").write_bytes(wav.header(0) + SECOND)
        (tmp_path / "done.wav").write_bytes(WHOLE)
        assert wav.repair_all(tmp_path) == [
            wav.Repaired(day / "b.wav", 240 / 8000, changed=True),
            wav.Repaired(tmp_path / "a.wav", 1.0, changed=True),
        ]
        assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.wav", "b.wav", "done.wav"]
        assert samples(tmp_path / "a.wav") == SECOND

    def test_a_finished_file_is_never_overwritten(self, tmp_path: Path) -> None:
        for name in ("a.wav", "a (2).wav"):
            (tmp_path / name).write_bytes(b"kept")
        (tmp_path / "a.wav.part").write_bytes(WHOLE)
        assert wav.repair_all(tmp_path) == [wav.Repaired(tmp_path / "a (3).wav", 1.0)]
        assert (tmp_path / "a.wav").read_bytes() == b"kept"

    def test_a_file_that_a_living_writer_holds_is_left_alone(self, tmp_path: Path) -> None:
        part = tmp_path / "a.wav.part"
        part.write_bytes(WHOLE[:100])
        descriptor = os.open(part, os.O_RDWR)
        assert wav.claim(descriptor)
        assert wav.repair_all(tmp_path) == []
        os.close(descriptor)
        assert len(wav.repair_all(tmp_path)) == 1

    def test_one_bad_file_does_not_stop_the_others(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav.part").write_bytes(b"garbage")
        (tmp_path / "b.wav.part").mkdir()
        (tmp_path / "c.wav.part").write_bytes(WHOLE)
        (tmp_path / "d.wav.part").symlink_to(tmp_path / "nowhere")
        done = wav.repair_all(tmp_path)
        assert [(repaired.path.name, repaired.error is None) for repaired in done] == [
            ("a.wav.part", False),
            ("c.wav", True),
            ("d.wav.part", False),
        ]

    def test_a_missing_directory_has_nothing_to_repair(self, tmp_path: Path) -> None:
        assert wav.repair_all(tmp_path / "none") == []


@given(st.integers(0, len(WHOLE)), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_a_file_cut_anywhere_with_any_sizes_keeps_every_sample(
    tmp_path_factory: pytest.TempPathFactory, length: int, riff: int, data: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "call.wav"
    content = WHOLE[:4] + riff.to_bytes(4, "little") + WHOLE[8:40] + data.to_bytes(4, "little") + SECOND
    path.write_bytes(content[:length])
    assert wav.repair(path).error is None
    kept = content[44:length]
    assert samples(path) == kept + bytes(-len(kept) % 4)
