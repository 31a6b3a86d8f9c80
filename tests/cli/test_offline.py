"""What can be known when no switch is running."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

import pytest

from softswitch.clock import VirtualClock
from softswitch.events import Event
from softswitch.ids import NodeId
from softswitch.media import wav
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


def test_recordings_are_listed_with_who_talked_and_until_when_they_stay(stopped: Office) -> None:
    config = stopped.folder / "softswitch.toml"
    config.write_text(config.read_text() + '\n[recording]\nkeep = "180d"\n')
    path = stopped.folder / "var/recordings/2026-11-23/4rt0.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(wav.header(320_000) + bytes(320_000))
    ended = datetime(2026, 11, 23, 9, 1, 5, tzinfo=UTC).timestamp()
    os.utime(path, (ended, ended))
    [row] = stopped.call("recordings", "--json").json
    assert row == {
        "conversation": "4rt0",
        "path": "2026-11-23/4rt0.wav",
        "ended": "2026-11-23T09:01:05.000Z",
        "duration": 10.0,
        "bytes": 320_044,
        "expires": "2027-05-22T09:01:05.000Z",
        "caller": "101",
        "called": "102",
    }
    assert "2026-11-23/4rt0.wav" in stopped.call("recordings").out


def test_expired_recordings_are_shown_before_they_go(stopped: Office) -> None:
    config = stopped.folder / "softswitch.toml"
    config.write_text(config.read_text() + '\n[recording]\nkeep = "180d"\n')
    path = stopped.folder / "var/recordings/2020-01-01/old0.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(wav.header(0))
    assert stopped.call("recordings", "--expired", "--json").json == []
    os.utime(path, (1577836800, 1577836800))
    [row] = stopped.call("recordings", "--expired", "--json").json
    assert (row["path"], row["caller"]) == ("2020-01-01/old0.wav", "")


def test_a_damaged_database_is_salvaged(stopped: Office) -> None:
    (stopped.folder / "var/softswitch.db").rename(stopped.folder / "var/damaged.db")
    assert stopped.call("salvage", str(stopped.folder / "var/damaged.db")).out.startswith("9 events read from ")
    assert stopped.call("show", "4rt").code == 0
