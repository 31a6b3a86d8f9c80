"""A disk that is really full: a small tmpfs where root may mount one, a limit on file sizes elsewhere."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import subprocess
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from softswitch.store.segment import read_spool
from tests.records.office import Office, until
from tests.records.story import call


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs: " + mounted.stderr.decode().strip())
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


async def test_on_a_full_disk_the_reserve_is_used_then_memory_and_all_follows_when_there_is_space(
    small_disk: Path,
) -> None:
    office = await Office(small_disk, segment=1 << 15).start()
    office.publish(*call("before"))
    assert await office.journal.flush(10)
    assert await office.journal.durable()
    await until(lambda: not office.spool.spares_missing)
    fill(small_disk / "filler")
    for index in range(40):  # 40 times 15 events of 120 to 330 bytes: more than three files of 32 kB
        office.publish(*call(f"full-{index:02}"))
    assert office.spool.waiting > 0
    assert not await office.journal.durable(0.5)
    (small_disk / "filler").unlink()
    assert await office.journal.durable(10)
    assert await office.journal.flush(20)
    office.publish(*call("after"))
    await office.stop()
    assert office.numbers() == list(range(1, 42 * 15 + 1))
    assert [number for number, _ in read_spool(small_disk / "journal")][-1] == 42 * 15
    assert {subject for subject, raised in office.complaints if raised} >= {"spool", "reserve"}


def _limited(folder: Path, tell: Connection) -> None:
    """Run an office whose database may not grow for a while."""

    async def run() -> tuple[bool, list[tuple[str, bool]], int]:
        office = await Office(folder, segment=1 << 14).start()
        office.publish(*call("before"))
        await office.journal.flush(10)
        size = max(path.stat().st_size for path in folder.glob("softswitch.db*") if "shm" not in path.name)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, hard))
        for index in range(40):
            office.publish(*call(f"x{index}"))
        flushed = await office.journal.flush(0.5)
        durable = await office.journal.durable()
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await office.journal.flush(20)
        await office.stop()
        return durable and not flushed, office.complaints, len(office.numbers())

    tell.send(asyncio.run(run()))


def test_a_database_file_that_may_not_grow_holds_nothing_up(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_limited, args=(tmp_path / "office", theirs))
    process.start()
    theirs.close()
    waited, complaints, stored = ours.recv()
    process.join()
    assert waited
    assert complaints == [("database", True), ("database", False)]
    assert stored == 41 * 15
