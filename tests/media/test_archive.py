"""The recordings folder: what is listed, and what is deleted when it is old enough."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from softswitch.media.archive import delete, expired, kept

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAY = 86400.0


def put(folder: Path, name: str, age: float) -> Path:
    """Make a recording that ended so many seconds before NOW."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF")
    instant = (NOW - timedelta(seconds=age)).timestamp()
    os.utime(path, (instant, instant))
    return path


def test_recordings_older_than_is_said_are_expired(tmp_path: Path):
    put(tmp_path, "2026-05-26/aaaa.wav", 181 * DAY)
    put(tmp_path, "2026-05-27/bbbb.wav", 180 * DAY)
    put(tmp_path, "2026-11-22/cccc.wav", 1 * DAY)
    assert [one.conversation for one in expired(tmp_path, 180 * DAY, NOW)] == ["aaaa"]
    assert [one.conversation for one in kept(tmp_path)] == ["aaaa", "bbbb", "cccc"]


def test_nothing_expires_that_is_kept_for_ever(tmp_path: Path):
    put(tmp_path, "2016-11-23/aaaa.wav", 3650 * DAY)
    assert list(expired(tmp_path, None, NOW)) == []


def test_what_the_switch_did_not_write_is_not_its_own(tmp_path: Path):
    for name in ("holiday.wav", "2026-01-01/notes.txt", "2026-01-01/aaaa.wav.part", "music/aaaa.wav"):
        put(tmp_path, name, 365 * DAY)
    elsewhere = put(tmp_path / "elsewhere", "x.wav", 365 * DAY)
    (tmp_path / "2026-01-01" / "link.wav").symlink_to(elsewhere)
    assert list(expired(tmp_path, DAY, NOW)) == []


def test_a_day_goes_with_its_last_recording(tmp_path: Path):
    put(tmp_path, "2026-01-01/aaaa.wav", 300 * DAY)
    put(tmp_path, "2026-01-02/bbbb.wav", 300 * DAY)
    put(tmp_path, "2026-01-02/cccc.wav", 1 * DAY)
    for one in list(expired(tmp_path, DAY * 2, NOW)):
        delete(tmp_path, one)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["2026-01-02", "cccc.wav"]


def test_a_folder_that_is_not_there_has_no_recordings(tmp_path: Path):
    assert list(kept(tmp_path / "none")) == []


def test_the_second_file_of_a_name_belongs_to_the_same_conversation(tmp_path: Path):
    put(tmp_path, "2026-01-01/aaaa (2).wav", 300 * DAY)
    assert [one.conversation for one in kept(tmp_path)] == ["aaaa"]
