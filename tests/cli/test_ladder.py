"""SIP ladders in text."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from softswitch.api.views import LadderEntry, LadderView
from softswitch.cli.ladder import draw, message
from tests.api.switchboard import LADDER


def entry(source: str, target: str, summary: str, at: str = "2026-11-23T09:01:00.000Z") -> LadderEntry:
    return LadderEntry(at=at, source=source, target=target, summary=summary, call_id="c", text="")


def drawn(columns: list[str], *entries: LadderEntry) -> list[str]:
    return draw(LadderView(id="x", columns=columns, entries=list(entries)), UTC)


def test_a_call_is_drawn_message_by_message() -> None:
    assert draw(LADDER, UTC) == [
        "                      provider 203.0.113.5:5060                        switch"
        "                            101 192.0.2.7:5062",
        "09:01:00.000                      │─ INVITE sip:74951234567@pbx.example ─▶│"
        "                                       │",
        "09:01:00.001                      │◀──────────── 100 Trying ──────────────│"
        "                                       │",
        "09:01:00.004                      │                                       │"
        "──── INVITE sip:101@192.0.2.7:5062 ───▶│",
        "09:01:00.120                      │                                       │"
        "◀──────────── 180 Ringing ─────────────│",
    ]


def test_columns_stand_no_further_apart_than_they_must() -> None:
    assert drawn(["a", "b"], entry("a", "b", "BYE")) == [
        "                      a               b",
        "09:01:00.000          │───── BYE ────▶│",
    ]


def test_parameters_of_a_uri_are_left_out() -> None:
    lines = drawn(["a", "b"], entry("a", "b", "BYE sip:a@b;transport=tcp"), entry("b", "a", "480 Gone; sorry"))
    assert ("─ BYE sip:a@b ─" in lines[1], " 480 Gone; sorry " in lines[2]) == (True, True)


def test_times_are_those_of_the_place() -> None:
    view = LadderView(id="x", columns=["a", "b"], entries=[entry("a", "b", "BYE")])
    assert draw(view, timezone(timedelta(hours=3)))[1].startswith("12:01:00.000 ")


def test_a_summary_that_is_too_long_is_cut() -> None:
    line = drawn(["a", "b"], entry("a", "b", "x" * 100))[1]
    assert (len(line), "x... " in line) == (75, True)


def test_what_a_peer_sent_cannot_move_the_cursor() -> None:
    lines = drawn(["a\x1b[2J", "b"], entry("a\x1b[2J", "b", "\x1b[2J\r\n", at="\x1b"))
    lines.append(message(entry("a\x07", "b", "x") | {"text": "To: \x1b[2J\r\n\r\n"}))
    assert "\x1b" not in "".join(lines)


names = st.text(max_size=12)


@given(st.lists(names, min_size=1, max_size=5, unique=True), st.data())
def test_any_ladder_is_drawn_a_line_a_message(columns: list[str], data: st.DataObject) -> None:
    ends = st.sampled_from(columns)
    entries = data.draw(st.lists(st.builds(entry, ends, ends, st.text(max_size=60), st.text(max_size=30)), max_size=5))
    lines = drawn(columns, *entries)
    assert len(lines) == 1 + len(entries)
    assert all("\n" not in line for line in lines)
