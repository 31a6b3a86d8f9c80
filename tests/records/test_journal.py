"""The journal: every event is numbered, survives, and reaches the database in order and once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from softswitch.clock import SystemClock
from softswitch.errors import NotPossible
from softswitch.events import DigitPressed
from softswitch.ids import ConversationId, LegId, NodeId
from softswitch.records.journal import Journal
from tests.records.office import NODE, Office, until
from tests.records.story import NINE, at, call

DIGIT = DigitPressed(conversation=ConversationId("c1"), leg=LegId("a"), digit="5")


async def test_events_get_the_node_rising_numbers_and_the_time(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    first = office.journal.append(DIGIT)
    office.clock.advance_to(office.clock.now() + 2.5)
    second = office.journal.append(DIGIT)
    assert (first.seq, first.node, first.at) == (1, "n1", NINE)
    assert (second.seq, second.node, second.at) == (2, "n1", NINE + timedelta(seconds=2.5))
    assert second.up == 1002.5
    assert replace(second, seq=0, node=NodeId(""), at=DIGIT.at, up=0.0) == DIGIT
    await office.stop()


async def test_an_event_that_knows_its_time_keeps_it(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    assert office.journal.append(replace(DIGIT, at=at(-3600))).at == at(-3600)
    await office.stop()


async def test_numbering_goes_on_after_a_restart(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(DIGIT)
    await office.stop()
    office = await Office(tmp_path).start()
    assert office.journal.append(DIGIT).seq == 2
    await office.stop()
    assert office.stored() == [(1, "DigitPressed"), (2, "DigitPressed")]


async def test_numbering_goes_on_when_the_spool_was_deleted(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(DIGIT, DIGIT)
    await office.stop()
    for path in (tmp_path / "journal").iterdir():
        path.unlink()
    office = await Office(tmp_path).start()
    assert office.journal.append(DIGIT).seq == 3
    await office.stop()


async def test_after_flush_everything_is_in_the_database(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call())
    assert await office.journal.flush()
    assert office.stored() == [(seq, type(event).__name__) for seq, event in enumerate(call(), 1)]
    await office.stop()


async def test_without_a_flush_events_reach_the_database_by_themselves(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(DIGIT)
    await until(lambda: office.numbers() == [1])
    await office.stop()


async def test_a_durable_event_has_been_synced(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call())
    assert await office.journal.durable()
    assert office.spool.synced == 15
    await office.stop()


async def test_an_answer_is_synced_though_nobody_waits_for_it(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(call()[5])
    await until(lambda: office.spool.synced == 1)
    await office.stop()


async def test_more_events_than_memory_holds_are_read_back_from_the_spool(tmp_path: Path) -> None:
    office = await Office(tmp_path, queue=10).start()
    office.publish(*[DIGIT] * 200)
    assert await office.journal.flush(10)
    office.publish(*[DIGIT] * 5)
    assert await office.journal.flush(10)
    assert office.numbers() == list(range(1, 206))
    await office.stop()


async def test_spool_files_go_when_the_database_has_their_events_for_good(tmp_path: Path) -> None:
    office = await Office(tmp_path, segment=4096).start()
    office.publish(*[DIGIT] * 300)
    await office.journal.durable()
    await office.journal.flush(10)
    office.publish(DIGIT)
    await until(lambda: len(list((tmp_path / "journal").glob("*.journal"))) == 2)
    await office.stop()
    assert office.numbers() == list(range(1, 302))


async def test_a_second_switch_on_the_same_data_is_refused(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    with pytest.raises(NotPossible, match="in use by another switch"):
        Journal.open(tmp_path, node=NODE, clock=SystemClock())
    await office.stop()


async def test_closing_twice_is_no_harm(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(DIGIT)
    await office.stop()
    await office.stop()
    assert office.numbers() == [1]
