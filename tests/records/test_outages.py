"""The journal when database or disk refuse: calls go on, nothing is lost, nothing is twice."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from softswitch.errors import NotPossible
from softswitch.records.recovery import closing_events
from softswitch.store.files import DiskFiles
from softswitch.store.segment import read_spool
from tests.records.office import Office, until
from tests.records.story import at, call
from tests.store.failing import FailsAt, FullDisk

EVERY = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 8


# A database that is away --------------------------------------------------------------------------------------------


async def test_while_the_database_is_locked_events_wait_and_follow_in_order(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    with office.locked():
        office.publish(*call())
        assert await office.journal.durable()
        assert not await office.journal.flush(0.3)
        await until(lambda: office.complaints == [("database", True)])
        assert "locked" in office.alarms[0].text
    assert await office.journal.flush(10)
    assert office.numbers() == list(range(1, 16))
    assert office.complaints == [("database", True), ("database", False)]
    await office.stop()


async def test_a_switch_stopped_while_the_database_is_locked_brings_its_events_at_the_next_start(
    tmp_path: Path,
) -> None:
    office = await Office(tmp_path).start()
    with office.locked():
        office.publish(*call())
        await office.journal.close(patience=0.2)
    assert office.numbers() == []
    office = await Office(tmp_path).start()
    assert office.numbers() == list(range(1, 16))
    await office.stop()


async def test_a_start_while_the_database_is_locked_knows_what_the_spool_knows(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call()[:8])
    office = await office.killed()
    with office.locked():
        await office.start(patience=0.3)
        assert not office.recovered.complete
        await until(lambda: office.complaints == [("database", True)])
        assert [each.conversation for each in office.recovered.conversations] == ["c1"]
        office.publish(*closing_events(office.recovered, at(100)))
    assert await office.journal.flush(10)
    assert [kind for _, kind in office.stored()][8:] == ["LegEnded", "LegEnded", "ConversationEnded"]
    await office.stop()


async def test_a_database_without_space_holds_nothing_up(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call())
    assert await office.journal.flush(10)
    async with office.database.engine.connect() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite makes it the size the file has now
    for index in range(60):
        office.publish(*call(f"x{index}"))
    assert not await office.journal.flush(0.5)
    await until(lambda: bool(office.alarms))
    assert "full" in office.alarms[0].text
    assert await office.journal.durable()
    async with office.database.engine.connect() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert await office.journal.flush(20)
    assert office.numbers() == list(range(1, 61 * 15 + 1))
    await office.stop()


async def test_a_damaged_database_is_set_aside_and_begun_anew_from_the_spool(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call())
    await office.stop()
    (tmp_path / "softswitch.db").write_bytes(b"this was a database once" * 1000)
    office = await Office(tmp_path).start()
    assert office.complaints == [("damage", True)]
    assert len(list(tmp_path.glob("softswitch.db.damaged-*"))) == 1
    assert office.numbers() == list(range(1, 16))
    assert office.journal.append(call()[0]).seq == 16
    await office.stop()


async def test_a_database_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    await (await Office(tmp_path).start()).stop()
    with sqlite3.connect(tmp_path / "softswitch.db") as connection:
        connection.execute("UPDATE meta SET value = '2'")
    office = Office(tmp_path)
    with pytest.raises(NotPossible, match="version 2"):
        await office.start()
    await office.stop()


# A disk that refuses ------------------------------------------------------------------------------------------------


async def test_on_a_full_disk_events_wait_in_memory_and_reach_the_database_all_the_same(tmp_path: Path) -> None:
    disk = FullDisk()
    office = await Office(tmp_path, files=disk).start()
    office.publish(*call())
    assert await office.journal.flush(10)
    assert office.numbers() == list(range(1, 16))
    assert not await office.journal.durable(0.3)
    assert sorted(office.complaints) == [("reserve", True), ("spool", True)]
    disk.files = 5
    assert await office.journal.durable(5)
    assert ("spool", False) in office.complaints
    await office.stop()
    assert [number for number, _ in read_spool(tmp_path / "journal")] == list(range(1, 16))


class SlowToSync(DiskFiles):
    """A disk whose fsync takes until it is ``let``."""

    def __init__(self) -> None:
        self.let, self.syncing = threading.Event(), threading.Event()

    def sync(self, fd: int) -> None:
        self.syncing.set()
        self.let.wait(30)
        super().sync(fd)


async def test_a_switch_gives_signs_of_life_while_the_disk_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softswitch.records.journal.BEAT", 0.01)
    disk = SlowToSync()
    office = await Office(tmp_path, files=disk).start()
    office.publish(*call()[:9])
    await until(disk.syncing.is_set)
    office.clock.advance_to(office.clock.now() + 600.0)
    try:
        await until(lambda: b"09:10:00" in (tmp_path / "journal" / "alive").read_bytes())
    finally:
        disk.let.set()
    await office.stop()


class NeverSyncs(DiskFiles):
    """A disk whose fsync fails while it is ``broken``."""

    broken = False

    def sync(self, fd: int) -> None:
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)


class OutOfFiles(DiskFiles):
    """A process that may open no further file while it is ``full``, or (with EIO) a file that is unreadable then."""

    full, code = False, errno.EMFILE

    def read(self, path: Path, offset: int = 0, size: int = -1) -> bytes:
        if self.full:
            raise OSError(self.code, os.strerror(self.code))
        return super().read(path, offset, size)


async def test_while_no_file_can_be_opened_events_wait_and_none_is_passed_over(tmp_path: Path) -> None:
    disk = OutOfFiles()
    office = await Office(tmp_path, files=disk, queue=5).start()
    disk.full = True
    office.publish(*call())
    assert not await office.journal.flush(0.5)
    disk.full = False
    assert await office.journal.flush(10)
    assert office.numbers() == list(range(1, 16))
    await office.stop()


async def test_a_file_that_cannot_be_read_back_holds_up_nothing_and_is_told(tmp_path: Path) -> None:
    disk = OutOfFiles()
    disk.code = errno.EIO
    office = await Office(tmp_path, files=disk, queue=5).start()
    disk.full = True
    office.publish(*call())
    assert await office.journal.flush(10)
    assert ("damage", True) in office.complaints
    await office.stop()


async def test_while_the_disk_cannot_sync_nothing_is_called_durable(tmp_path: Path) -> None:
    disk = NeverSyncs()
    office = await Office(tmp_path, files=disk).start()
    disk.broken = True
    office.publish(*call())
    assert not await office.journal.durable(0.3)
    disk.broken = False
    assert await office.journal.durable(5)
    await office.stop()
    assert office.numbers() == list(range(1, 16))


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
async def test_whichever_call_to_the_disk_fails_nothing_is_lost_or_doubled(tmp_path: Path, code: int) -> None:
    for nth in range(1 + code % EVERY, 60, EVERY):
        folder = tmp_path / str(nth)
        files = FailsAt(nth, code=code)
        try:
            office = await Office(folder, files=files, segment=4096).start()
        except NotPossible:
            assert files.failed
            continue
        for index in range(3):
            office.publish(*call(f"c{index}"))
            await office.journal.durable(2)
        await office.stop()
        assert office.numbers() == list(range(1, 46)), (nth, files.failed)
        kept = [number for number, _ in read_spool(folder / "journal")]  # the first file may be released by now
        assert kept == list(range(kept[0], 46)), (nth, files.failed)
