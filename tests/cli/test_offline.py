"""What can be known when no switch is running."""

from __future__ import annotations

import asyncio

import pytest

from softswitch.clock import VirtualClock
from softswitch.events import Event
from softswitch.ids import NodeId
from softswitch.records.journal import Journal
from tests.api.test_present import CALL
from tests.cli.calling import Office


async def _write(office: Office, events: list[Event]) -> None:
    journal = Journal.open(office.folder / "var", node=NodeId("pbx.example"), clock=VirtualClock())
    await journal.recover()
    for event in events:
        journal.append(event)
    await journal.flush()
    await journal.close()


@pytest.fixture
def stopped(office: Office) -> Office:
    """An office whose switch had one call and was stopped."""
    asyncio.run(_write(office, CALL))
    return office


def test_show_reads_the_database(stopped: Office) -> None:
    done = stopped.call("show", "4rt")
    assert (done.code, done.err) == (0, "")
    assert "result answered" in done.lines
    assert done.lines[-1] == "09:01:05 the end: answered"
    assert "09:00:00 the call goes to 102 (rule: extension)" in done.lines


def test_show_of_an_unknown_conversation_fails(stopped: Office) -> None:
    assert stopped.call("show", "zz").code == 1


def test_finished_calls_are_read_from_the_database(stopped: Office) -> None:
    done = stopped.call("calls", "--finished", "5")
    assert (done.code, done.err) == (0, "the switch is not running; from the database:\n")
    assert done.lines[-1].startswith("4rt0 2026-11-23 09:00:00 ended 101 Anna 102 102 ")
    [row] = stopped.call("calls", "--finished", "5", "--json").json
    assert (row["id"], row["state"], row["result"]) == ("4rt0", "ended", "answered")


def test_rebuild_computes_the_records_from_the_journal(stopped: Office) -> None:
    before = stopped.call("show", "4rt", "--json").json
    done = stopped.call("rebuild")
    assert (done.code, done.out) == (0, "records computed anew from 9 events\n")
    assert stopped.call("rebuild", "--json").json == {"events": 9, "unread": 0}
    assert stopped.call("show", "4rt", "--json").json == before


@pytest.mark.parametrize(
    "words", [["status"], ["people"], ["calls"], ["calls", "--follow"], ["trace", "4rt"], ["reload"], ["stop"]]
)
def test_what_only_a_running_switch_knows_says_how_to_start_it(stopped: Office, words: list[str]) -> None:
    done = stopped.call(*words)
    assert done.code == 3
    assert done.err.splitlines() == [
        f"error: no switch is running here (no such file or directory: {stopped.folder}/var/control.sock)",
        f"  start it with: softswitch run {stopped.config}",
        f"  or name its file: softswitch --config FILE {words[0]}",
    ]


@pytest.mark.parametrize("words", [["show", "x"], ["calls", "--finished", "3"]])
def test_an_office_that_never_ran_is_not_running(office: Office, words: list[str]) -> None:
    assert office.call(*words).code == 3


def test_rebuild_of_an_office_that_never_ran_fails(office: Office) -> None:
    done = office.call("rebuild")
    assert (done.code, done.err.splitlines()[1]) == (1, "  start the switch and make a call")
