"""The commands about reviews: what is asked of the switch, what is shown, and what the database knows without it."""

from __future__ import annotations

import asyncio

import pytest

from softswitch.api.views import ReviewView
from softswitch.clock import VirtualClock
from softswitch.events import RecordingFinished, RecordingStarted, ReviewAsked, ReviewClosed, ReviewCommented
from softswitch.ids import ConversationId, NodeId
from softswitch.records.journal import Journal
from tests.api.switchboard import REVIEWED, Switchboard
from tests.cli.calling import Office
from tests.cli.test_using import completions
from tests.records.story import at, call

ID = "4rt0kqz1m2n3"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("reviews",), [("reviews", False, 50)]),
        (("reviews", "--all", "--last", "7"), [("reviews", True, 7)]),
        (("review", "4rt"), [("review", "4rt", None)]),
        (("review", "4rt", "101"), [("review", "4rt", "101")]),
        (("review", "4rt", "--ask", "--as", "101"), [("review_ask", "4rt", "101", "")]),
        (("review", "4rt", "--ask", "the price", "--as", "101"), [("review_ask", "4rt", "101", "the price")]),
        (
            ("review", "4rt", "--comment", "too fast", "--as", "110"),
            [("review_comment", "4rt", None, "110", "too fast", None, 1)],
        ),
        (
            ("review", "4rt", "101", "--comment", "x", "--at", "1:05", "--recording", "2", "--as", "110"),
            [("review_comment", "4rt", "101", "110", "x", 65.0, 2)],
        ),
        (
            ("review", "4rt", "--mark", "4", "--close", "--as", "110"),
            [("review_mark", "4rt", None, "110", 4), ("review_close", "4rt", None, "110")],
        ),
    ],
)
def test_a_command_asks_the_switch_for_it(
    office: Office, words: tuple[str, ...], asked: list[tuple[object, ...]]
) -> None:
    with office.running() as switch:
        done = office.call(*words)
    assert (done.code, done.err) == (0, "")
    assert switch.asked == asked


@pytest.mark.parametrize(("place", "seconds"), [("0", 0.0), ("65.5", 65.5), ("0:07", 7.0), ("1:02:03", 3723.0)])
def test_a_place_is_said_as_players_show_it(office: Office, place: str, seconds: float) -> None:
    with office.running() as switch:
        office.call("review", "4rt", "--comment", "x", "--at", place, "--as", "110")
    assert switch.asked == [("review_comment", "4rt", None, "110", "x", seconds, 1)]


def test_the_tasks_are_a_table(office: Office) -> None:
    with office.running():
        head, row = (line for line in office.call("reviews").lines if not set(line) <= set("─ "))
        assert head == "id asked by asked caller called state mark comments note"
        assert row.startswith(f"{ID} 101 2026-11-23 09:10:00 +79161234567 +74951234567 open 4 2 was the price right?")
        assert "\x1b" not in row
        assert "просит" in office.call("--lang", "ru", "reviews").out
        assert office.call("reviews", "--json").json[0]["employee"] == "101"


def test_a_review_shows_its_comments_at_their_places(office: Office) -> None:
    with office.running():
        done = office.call("review", "4rt")
        assert done.lines[-2:] == ["110: well done", r"0:41 110: too fast\u0007"]
        assert "mark 4 (110)" in done.lines
        assert "recording 1: 1:05" in done.lines
        assert office.call("review", "4rt", "--json").json == REVIEWED
        assert office.call("review", "4rt", "--mark", "4", "--as", "110", "--json").json == REVIEWED
        assert "оценка 4 (110)" in office.call("--lang", "ru", "review", "4rt").lines


def test_a_refusal_says_why_in_either_language(office: Office) -> None:
    with office.running():
        words = ("review", "4rt", "101", "--comment", "x", "--as", "101")
        assert "nobody reviews a conversation of their own" in office.call(*words).err
        assert "свой разговор не разбирают" in office.call("--lang", "ru", *words).err
        done = office.call("review", "zz")
    assert (done.code, done.err.splitlines()) == (
        1,
        [
            "error: nobody asked for a review of zz, or more than one conversation begins so",
            "  see which there are: softswitch reviews --all",
        ],
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--mark", "4"), "say who does it: --as EXTENSION"),
        (("--at", "5", "--as", "110"), "--at goes with --comment"),
        (("102", "--ask", "--as", "101"), "whoever asks does so for himself"),
        (("--comment", "x", "--at", "soon", "--as", "110"), "soon is no place in a recording"),
        (("--mark", "6", "--as", "110"), "6"),
    ],
)
def test_wrong_usage_says_what_is_meant(office: Office, words: tuple[str, ...], told: str) -> None:
    done = office.call("review", "4rt", *words)
    assert done.code == 2
    assert told in done.err


def test_ids_under_review_complete_themselves(office: Office) -> None:
    config = ["--config", str(office.config)]
    assert completions(*config, "review") == []
    with office.running():
        assert completions(*config, "review", begun="4r") == [ID]
        assert "--comment" in completions("review", "4rt", begun="--c")


@pytest.fixture
def stopped(office: Office) -> Office:
    """An office whose switch had one call with a review, one with a closed one, and was stopped."""

    async def write() -> None:
        journal = Journal.open(office.folder / "var", node=NodeId("pbx.example"), clock=VirtualClock())
        await journal.recover()
        one, two = ConversationId("c1"), ConversationId("d2")
        for event in (
            *call("c1"),
            *(one for one in call("d2", start=100.0) if not isinstance(one, RecordingStarted | RecordingFinished)),
            ReviewAsked(conversation=one, at=at(300), employee="101", note="the price", via="api"),
            ReviewCommented(
                conversation=one, at=at(310), employee="101", by="110", text="high", recording=1, position=7.9
            ),
            ReviewAsked(conversation=two, at=at(320), employee="102", note="", via="api"),
            ReviewClosed(conversation=two, at=at(330), employee="102", by="102"),
        ):
            journal.append(event)
        await journal.flush()
        await journal.close()

    asyncio.run(write())
    return office


def test_reviews_are_read_from_the_database_when_no_switch_runs(stopped: Office) -> None:
    done = stopped.call("reviews")
    assert (done.code, done.err) == (0, "the switch is not running; from the database:\n")
    assert done.lines[-1].startswith("c1 101 ")
    assert [row["conversation"] for row in stopped.call("reviews", "--all", "--json").json] == ["c1", "d2"]
    assert stopped.call("review", "c1").lines[-1] == "0:07 110: high"
    assert stopped.call("review", "zz").code == 1
    assert stopped.call("review", "c1", "--mark", "4", "--as", "110").code == 3


def test_a_long_comment_of_several_lines_is_shown_whole(office: Office) -> None:
    words = " ".join(["advice"] * 200)

    class Talkative(Switchboard):
        async def review(self, conversation: str, employee: str | None) -> ReviewView:
            return {**REVIEWED, "comments": [{**REVIEWED["comments"][0], "text": f"{words}\n{words}"}]}

    with office.running(Talkative()):
        assert office.call("review", "4rt").out.count("advice") == 400
