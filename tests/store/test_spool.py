"""The spool: what was appended is there again, whatever happened to the process, the disk or the file."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.errors import NotPossible
from softswitch.store.files import Files
from softswitch.store.frame import HEADER, frame, records
from softswitch.store.segment import read_spool
from softswitch.store.spool import Alarm, Spool
from tests.store.failing import FailsAt, FullDisk, NoSync

SMALL = 4096  # bytes of a file, so that a test fills several


def payload(number: int) -> bytes:
    """Return some 30 to 130 bytes that tell which record they are of."""
    return b'{"seq":%d,"x":"%s"}' % (number, b"x" * (number * 37 % 100))


def make(folder: Path, files: Files | None = None, segment: int = SMALL, spares: int = 2) -> Spool:
    return Spool(folder, files=files, segment=segment, spares=spares)


def fill(spool: Spool, first: int, last: int) -> None:
    for number in range(first, last + 1):
        spool.append(number, payload(number))


def numbers(folder: Path) -> list[int]:
    found = read_spool(folder)
    assert all(body == payload(number) for number, body in found)
    return [number for number, _ in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


# What is written is there ------------------------------------------------------------------------------------------


def test_records_are_read_in_order_over_several_files(folder: Path) -> None:
    spool = make(folder)
    fill(spool, 1, 200)
    assert len(list(folder.glob("*.journal"))) > 3
    assert numbers(folder) == list(range(1, 201))
    assert [number for number, _ in spool.read(120, 10)] == list(range(121, 131))
    spool.close()


def test_a_new_owner_goes_on_with_the_numbering(folder: Path) -> None:
    spool = make(folder)
    fill(spool, 1, 30)
    spool.close()
    spool = make(folder)
    assert spool.last == 30
    fill(spool, 31, 60)
    spool.close()
    assert numbers(folder) == list(range(1, 61))


def test_numbering_goes_on_even_when_all_older_files_are_gone(folder: Path) -> None:
    spool = make(folder)
    fill(spool, 1, 300)
    spool.close()
    *older, last = sorted(folder.glob("*.journal"))
    for path in older:
        path.unlink()
    first = int(last.stem)
    last.write_bytes(bytes(SMALL))
    assert make(folder).last == first - 1


def test_reading_in_pieces_finds_every_record_once(folder: Path) -> None:
    spool = make(folder)
    fill(spool, 1, 150)
    found: list[int] = []
    while piece := spool.read(found[-1] if found else 0, 7):
        found += [number for number, _ in piece]
    assert found == list(range(1, 151))
    spool.close()


def test_only_one_owner_at_a_time(folder: Path) -> None:
    spool = make(folder)
    with pytest.raises(NotPossible, match="in use by another switch"):
        make(folder)
    spool.close()
    make(folder).close()


def test_others_may_not_read_the_journal(folder: Path) -> None:
    spool = make(folder)
    fill(spool, 1, 1)
    spool.close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_last_sign_of_life_is_kept(folder: Path) -> None:
    spool = make(folder)
    assert spool.beat_at is None
    spool.beat(datetime(2026, 11, 23, 9, 0, 1, 500000, tzinfo=UTC))
    spool.close()
    spool = make(folder)
    assert spool.beat_at == datetime(2026, 11, 23, 9, 0, 1, 500000, tzinfo=UTC)
    spool.close()


def test_a_torn_sign_of_life_is_none(folder: Path) -> None:
    make(folder).close()
    (folder / "alive").write_bytes(b"2026-11-2")
    assert make(folder).beat_at is None


# Broken files -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file with records 1 to 12."""
    folder = tmp_path_factory.mktemp("spool") / "journal"
    spool = make(folder, segment=2048)
    fill(spool, 1, 12)
    spool.close()
    (path,) = folder.glob("*.journal")
    return path


def ends(content: bytes) -> list[int]:
    return [record.end for record in records(content)]


def test_cut_at_any_byte_all_whole_records_are_there_and_writing_goes_on(written: Path, tmp_path: Path) -> None:
    content = written.read_bytes()
    end = ends(content)
    for cut in range(end[-1] + 1):
        whole = sum(1 for each in end if each <= cut)
        folder = tmp_path / "cut"
        folder.mkdir()
        # Behind the cut stands the reserve: zeros, as after a kill, or nothing, as after a copy.
        (folder / written.name).write_bytes(content[:cut] + bytes(len(content) - cut) * (cut % 2))
        spool = make(folder, files=NoSync(), segment=2048, spares=0)
        assert spool.last == whole
        spool.append(whole + 1, payload(whole + 1))
        spool.close()
        assert numbers(folder) == list(range(1, whole + 2))
        shutil.rmtree(folder)


def test_any_damaged_byte_costs_at_most_its_own_record(written: Path) -> None:
    content = written.read_bytes()
    end = ends(content)
    for place in range(end[-1]):
        damaged = content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :]
        hurt = next(index for index, each in enumerate(end) if place < each) + 1
        assert [record.number for record in records(damaged)] == [n for n in range(1, 13) if n != hurt]


def test_damage_inside_is_told(written: Path, tmp_path: Path) -> None:
    content = written.read_bytes()
    (tmp_path / written.name).write_bytes(content[:30] + b"\xff" + content[31:])
    alarms: list[Alarm] = []
    spool = Spool(tmp_path, segment=2048, alarm=alarms.append)
    assert [alarm.subject for alarm in alarms] == ["damage"]
    assert spool.last == 12
    spool.close()


def test_what_was_torn_never_comes_back(folder: Path) -> None:
    # A power cut may keep a later page and lose an earlier one: record 3 without 2 behind the synced 1.
    spool = make(folder)
    fill(spool, 1, 3)
    spool.close()
    (path,) = folder.glob("*.journal")
    content = bytearray(path.read_bytes())
    end = ends(bytes(content))
    content[end[1] :] = frame(99, payload(99))[:-5] + bytes(len(content))
    path.write_bytes(bytes(content[:SMALL]))
    spool = make(folder)
    assert spool.last == 2
    fill(spool, 3, 20)
    spool.close()
    assert numbers(folder) == list(range(1, 21))


bodies = st.lists(st.text(max_size=30).map(str.encode), max_size=8)


@given(bodies, st.lists(st.binary(max_size=40), min_size=9, max_size=9))
def test_records_are_found_between_any_garbage(texts: list[bytes], garbage: list[bytes]) -> None:
    content = garbage[8]
    for number, text in enumerate(texts, 1):
        content += frame(number, text) + garbage[number - 1]
    # Garbage that ends like the beginning of a header could swallow nothing but itself: lengths are checked by the CRC.
    assert [(record.number, record.payload) for record in records(content)] == list(enumerate(texts, 1))


@given(
    st.binary(max_size=300) | st.lists(st.sampled_from([b"\xfeJ\xff\x01", b"\0", b"\xff"]), max_size=60).map(b"".join)
)
def test_garbage_alone_is_no_record_and_never_raises(content: bytes) -> None:
    assert list(records(content)) == []


@given(bodies, st.data())
def test_any_prefix_of_what_was_written_opens_with_a_prefix_of_the_records(
    texts: list[bytes], data: st.DataObject
) -> None:
    content = b"".join(frame(number, text) for number, text in enumerate(texts, 1))
    cut = content[: data.draw(st.integers(0, len(content)))]
    assert [(record.number, record.payload) for record in records(cut)] == list(enumerate(texts, 1))[: len(ends(cut))]


def test_a_header_of_twenty_bytes() -> None:
    assert HEADER.size == 20  # 4 magic, 4 length, 8 number, 4 CRC
    assert frame(7, b"{}").hex() == "fe4aff01" + "00000002" + "0000000000000007" + frame(7, b"{}")[16:20].hex() + "7b7d"


# A disk that refuses ------------------------------------------------------------------------------------------------


def test_the_reserve_carries_the_spool_over_a_full_disk(folder: Path) -> None:
    disk = FullDisk(files=3)
    alarms: list[Alarm] = []
    spool = Spool(folder, segment=SMALL, spares=2, files=disk, alarm=alarms.append)
    spool.spare_made(spool.make_spare())
    spool.spare_made(spool.make_spare())
    spool.append(1, payload(1))
    assert disk.files == 1
    disk.files = 0
    spool.spare_made(spool.make_spare())
    assert [(alarm.subject, alarm.raised) for alarm in alarms] == [("reserve", True)]
    number = 1
    while not spool.waiting:
        number += 1
        spool.append(number, payload(number))
    # Two files of 4,096 bytes, at the end of each less than a record is free, and one record is too many for both. A
    # record takes 20 bytes of header, 17 of JSON with its number and up to 99 of text: 136.
    assert 2 * SMALL - 2 * 136 < sum(20 + len(payload(each)) for each in range(1, number + 1)) < 2 * SMALL + 136
    assert [(alarm.subject, alarm.raised) for alarm in alarms] == [("reserve", True), ("spool", True)]
    spool.close()


def test_behind_the_reserve_records_wait_in_memory_and_follow_in_order(folder: Path) -> None:
    disk = FullDisk(files=1)
    alarms: list[Alarm] = []
    spool = Spool(folder, segment=SMALL, spares=0, files=disk, alarm=alarms.append)
    fill(spool, 1, 120)
    waiting = spool.waiting
    assert waiting > 20
    assert [number for number, _ in spool.read(0, 1000)] == list(range(1, 121))
    spool.retry()
    assert spool.waiting == waiting
    disk.files = 10
    fill(spool, 121, 125)
    spool.retry()
    assert spool.waiting == 0
    assert [(alarm.subject, alarm.raised) for alarm in alarms] == [("spool", True), ("spool", False)]
    assert numbers(folder) == list(range(1, 126))
    spool.close()


def test_when_memory_is_full_the_last_quarter_is_for_what_is_vital(folder: Path) -> None:
    spool = Spool(folder, segment=SMALL, spares=0, memory=1000, files=FullDisk())
    for number in range(1, 101):
        spool.append(number, b"x" * 50)
    assert (spool.waiting, spool.lost) == (15, 85)  # 750 bytes
    for number in range(101, 111):
        spool.append(number, b"x" * 50, vital=True)
    assert (spool.waiting, spool.lost) == (20, 90)
    spool.close()


def test_a_full_disk_at_the_start_leaves_the_spares_of_the_last_owner(folder: Path) -> None:
    spool = make(folder)
    spool.make_spare()
    spool.make_spare()
    spool.close()
    spool = make(folder, files=FullDisk())
    assert not spool.spares_missing
    fill(spool, 1, 60)
    assert spool.waiting == 0
    spool.close()
    assert numbers(folder) == list(range(1, 61))


def test_a_disk_that_takes_three_bytes_at_a_time_gets_them_all(folder: Path) -> None:
    spool = make(folder, files=FullDisk(files=10, piece=3))
    fill(spool, 1, 60)
    spool.close()
    assert numbers(folder) == list(range(1, 61))


def test_too_long_a_record_is_refused_and_told(folder: Path) -> None:
    alarms: list[Alarm] = []
    spool = Spool(folder, segment=SMALL, alarm=alarms.append)
    spool.append(1, b"x" * SMALL)
    spool.append(2, payload(2))
    assert (spool.lost, [alarm.subject for alarm in alarms]) == (1, ["damage"])
    spool.close()
    assert numbers(folder) == [2]


def scenario(folder: Path, files: Files) -> tuple[int, int]:
    """Two owners after each other write 30 records each; returns the last number and how many were given up."""
    last = lost = 0
    for _ in range(2):
        try:
            spool = make(folder, files=files)
        except NotPossible:
            continue
        for number in range(spool.last + 1, spool.last + 31):
            spool.append(number, payload(number))
            if number % 10 == 0:
                spool.retry()
                sync = spool.unsynced()
                try:
                    if sync is not None:
                        sync.run()
                        spool.synced_through(sync)
                except OSError as error:
                    spool.sync_failed(error)
                if spool.spares_missing:
                    spool.spare_made(spool.make_spare())
            last = max(last, number)
        for _ in range(12):  # the disk comes back before the owner leaves
            spool.retry()
        spool.close()
        lost += spool.lost
    return last, lost


def every_call() -> Iterator[int]:
    with TemporaryDirectory() as folder:
        counted = FailsAt(0)
        scenario(Path(folder) / "journal", counted)
    assert counted.calls > 90
    return iter(range(1, counted.calls + 1))


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EMFILE])
def test_one_failing_call_of_any_kind_at_any_time_loses_nothing(tmp_path: Path, code: int) -> None:
    for nth in every_call():
        files = FailsAt(nth, code=code)
        last, lost = scenario(tmp_path / str(nth), files)
        assert files.failed, nth
        assert (numbers(tmp_path / str(nth)), lost) == (list(range(1, last + 1)), 0), (nth, files.failed)
        assert last in (30, 60)  # 30 if the folder could not be opened once: that is told, not hidden
        shutil.rmtree(tmp_path / str(nth), ignore_errors=True)


def test_a_disk_that_fails_for_a_while_loses_nothing(tmp_path: Path) -> None:
    for nth in range(1, 100, 3):
        folder = tmp_path / str(nth)
        last, _ = scenario(folder, FailsAt(nth, times=12))
        assert numbers(folder) == list(range(1, last + 1)), nth


# On the disk and off it ---------------------------------------------------------------------------------------------


def test_a_sync_covers_what_was_written_before_it_began(folder: Path) -> None:
    spool = make(folder)
    fill(spool, 1, 50)
    sync = spool.unsynced()
    assert sync is not None
    fill(spool, 51, 100)  # begins new files while the sync runs
    sync.run()
    spool.synced_through(sync)
    assert spool.synced == 50
    sync = spool.unsynced()
    assert sync is not None
    sync.run()
    spool.synced_through(sync)
    assert spool.synced == 100
    assert spool.unsynced() is None
    spool.close()


def test_after_a_failed_sync_all_that_is_uncertain_is_written_again_elsewhere(folder: Path) -> None:
    spool = make(folder)
    fill(spool, 1, 10)
    sync = spool.unsynced()
    assert sync is not None
    sync.run()
    spool.synced_through(sync)
    fill(spool, 11, 20)
    before = set(folder.glob("*.journal"))
    spool.sync_failed(OSError(errno.EIO, os.strerror(errno.EIO)))
    (fresh,) = set(folder.glob("*.journal")) - before
    assert [record.number for record in records(fresh.read_bytes())] == list(range(11, 21))
    assert numbers(folder) == list(range(1, 21))
    spool.close()


def test_files_are_released_when_all_of_them_is_safe_but_for_the_last_two(folder: Path) -> None:
    spool = make(folder)
    fill(spool, 1, 400)
    files = sorted(folder.glob("*.journal"))
    assert not spool.releasable(400)  # not on the disk yet
    sync = spool.unsynced()
    assert sync is not None
    sync.run()
    spool.synced_through(sync)
    third = int(files[2].stem)
    spool.release(third - 2)
    assert sorted(folder.glob("*.journal")) == files[1:]
    spool.release(third - 1)
    assert sorted(folder.glob("*.journal")) == files[2:]
    spool.release(400)
    assert sorted(folder.glob("*.journal")) == files[-2:]
    assert [number for number, _ in spool.read(395, 10)] == [396, 397, 398, 399, 400]
    spool.close()


def test_what_a_torn_record_left_behind_the_end_is_wiped_at_the_next_start(folder: Path) -> None:
    spool = make(folder)
    fill(spool, 1, 3)
    spool.close()
    (path,) = folder.glob("*.journal")
    end = len(path.read_bytes().rstrip(b"\0"))
    with path.open("r+b") as file:
        file.seek(end)
        file.write(frame(4, payload(4))[:-1])
    make(folder).close()
    assert path.read_bytes()[end:].strip(b"\0") == b""
    assert numbers(folder) == [1, 2, 3]
