"""Reading the records: beside a running switch, after a crash, and where there is nothing."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from softswitch.clock import VirtualClock
from softswitch.errors import NoSuch
from softswitch.ids import NodeId
from softswitch.records.journal import Journal
from softswitch.records.query import Records
from softswitch.store.segment import SpoolReader, read_spool
from tests.records.office import Office
from tests.records.story import at, call


async def test_conversations_are_listed_the_latest_first(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    for index in range(5):
        office.publish(*call(f"c{index}", start=index * 100))
    await office.journal.flush()
    records = Records.open(tmp_path)
    assert [cdr.conversation for cdr in await records.conversations(3)] == ["c4", "c3", "c2"]
    assert [cdr.conversation for cdr in await records.conversations(3, before=at(200))] == ["c1", "c0"]
    await records.close()
    await office.stop()


async def test_running_and_ended_conversations_are_told_apart(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call("old"))
    await office.journal.flush()
    office.publish(*call("new", start=100)[:9])
    records = Records.open(tmp_path)
    for _ in range(2):  # once with the tail in the spool, once with everything in the database
        assert [cdr.conversation for cdr in await records.conversations(running=True)] == ["new"]
        assert [cdr.conversation for cdr in await records.conversations(running=False)] == ["old"]
        await office.journal.flush()
    await records.close()
    await office.stop()


async def test_what_only_the_spool_has_is_seen_beside_a_running_switch(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    with office.locked():
        office.publish(*call())
        records = Records.open(tmp_path)
        cdr = await records.cdr("c1")
        assert (cdr.result, cdr.talk, cdr.hold) == ("answered", 40.0, 15.0)
        assert len(await records.events("c1")) == 15
        await records.close()
    await office.stop()


async def test_a_conversation_is_complete_after_a_crash_before_any_restart(tmp_path: Path) -> None:
    office = await Office(tmp_path / "a").start()
    office.publish(*call()[:6])
    await office.journal.flush()
    office.publish(*call()[6:])
    after = tmp_path / "copy"
    (after / "journal").mkdir(parents=True)
    for path in [*office.folder.glob("softswitch.db*"), *(office.folder / "journal").glob("*.journal")]:
        if not path.name.endswith("-shm"):
            shutil.copy(path, after / path.relative_to(office.folder))
    await office.stop()
    records = Records.open(after)
    assert [event.seq for event in await records.events("c1")] == list(range(1, 16))
    assert [(leg.leg, leg.cause) for leg in await records.legs("c1")] == [("a", "local"), ("b", "hung up")]
    await records.close()


async def test_reading_while_the_drain_moves_sees_every_event_once(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    records = Records.open(tmp_path)
    for index in range(40):
        office.publish(*call(f"c{index}", start=index))
        found = await records.conversations(100)
        assert [cdr.conversation for cdr in found] == [f"c{each}" for each in range(index, -1, -1)]
        assert {cdr.result for cdr in found} == {"answered"}
        await asyncio.sleep(0.005)
    await records.close()
    await office.stop()


async def test_the_events_after_a_number_come_in_order_from_database_and_spool(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call("c1"))
    await office.journal.flush()
    office.publish(*call("c2"))
    records = Records.open(tmp_path)
    for _ in range(2):  # the second call is in the spool first, then in the database
        assert [event.seq async for event in records.since(5, chunk=4)] == list(range(6, 31))
        assert [event.seq async for event in records.since(30)] == []
        await office.journal.flush()
    await records.close()
    await office.stop()


async def test_an_office_that_never_ran_has_no_conversations(tmp_path: Path) -> None:
    records = Records.open(tmp_path / "nowhere")
    assert await records.conversations() == []
    with pytest.raises(NoSuch, match="no conversation 'c1'"):
        await records.timeline("c1")
    await records.close()
    assert not (tmp_path / "nowhere").exists()


async def test_a_conversation_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call("abc1"), *call("abd2"), *call("ab"))
    await office.journal.flush()
    office.publish(*call("x%_9"))
    records = Records.open(tmp_path)
    assert await records.find("abc") == "abc1"
    assert await records.find("ab") == "ab"  # the whole of one, though others begin so
    assert await records.find("x%") == "x%_9"
    for wrong in ("", "a", "%", "_b", "zzz"):
        with pytest.raises(NoSuch):
            await records.find(wrong)
    await records.close()
    await office.stop()


async def test_the_timeline_has_a_line_for_each_event_that_a_person_would_tell(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call())
    records = Records.open(tmp_path)
    lines = await records.timeline("c1")
    assert [line.kind for line in lines] == [type(event).__name__ for event in call() if "Dialog" not in str(event)]
    await records.close()
    await office.stop()


async def test_a_spool_that_is_read_again_and_again_is_read_as_a_whole_each_time(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, node=NodeId("n"), clock=VirtualClock())
    await journal.recover()
    folder = tmp_path / "journal"
    reader = SpoolReader(folder)
    for round_ in range(12):
        for event in call(f"c{round_}", start=round_ * 100.0):
            journal.append(event)
        for after in (0, round_ * 15, round_ * 15 + 7, 10**9, 3):
            assert reader.after(after) == read_spool(folder, after)
    await journal.close()
