"""The commands that ask a running switch."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from softswitch.api.views import EventRow
from tests.api.switchboard import CALL, CONVERSATION, EVENTS, FINISHED, LADDER, PEOPLE, STATUS, Switchboard, event
from tests.cli.calling import Office


def test_status_says_how_the_switch_is(office: Office) -> None:
    with office.running():
        done = office.call("status")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        "name Romashka (pbx.example)",
        "version 0.1.0, pid 4711",
        "configuration /etc/softswitch.toml",
        "running for 1:02:03",
        "listening on udp:0.0.0.0:5060, tcp:[::]:5060",
        "calls 1",
        "registered 2 of 3",
        "media 1 threads, 4 of 5000 ports, 1 recordings, ticks late by 0.51 ms (p99)",
        "media thread 1: 4 ports, ticks late by 0.51 ms (p99), 2.00 ms at most",
        "counters denied: 3, invite: 12",
        "warnings people.101.password: the password is easily guessed",
    ]


def test_metrics_are_printed_as_they_are(office: Office) -> None:
    with office.running():
        done = office.call("metrics")
    assert (done.code, done.out) == (0, "softswitch_calls_live 1.0\n")


def test_people_has_a_line_for_each_phone(office: Office) -> None:
    with office.running():
        done = office.call("people")
    assert done.lines[0] == "ext name groups state address device since expires in"
    # What a phone calls itself is shown, but what it wants of the terminal is not done.
    assert done.lines[2] == (
        "101 Anna Orlova sales talking udp 192.0.2.7:5062 Yealink SIP-T31P\\u001b[31m 2026-11-23 09:00:05 59:00"
    )
    assert done.lines[3].startswith("102 Viktor Belov sales, support unreachable udp 192.0.2.8:5060 ")
    assert done.lines[4].startswith("tcp 192.0.2.7:5062 ")
    assert done.lines[5] == "103 Ivan offline"


def test_calls_lists_what_runs(office: Office) -> None:
    with office.running():
        done = office.call("calls")
    assert done.lines[0] == "id started state caller called answered by lasts MOS result"
    assert done.lines[2:] == [
        "4rt0kqz1m2n3 2026-11-23 09:01:00 talking +79161234567 \\u202eEvil +74951234567 101 1:05 4.3"
    ]


def test_calls_adds_finished_ones_the_latest_last(office: Office) -> None:
    with office.running() as switch:
        done = office.call("calls", "--finished", "5")
    assert switch.asked == [("calls", 5)]
    assert [line.split(" ")[0] for line in done.lines[2:]] == ["3aaa", "4rt0kqz1m2n3"]


def test_show_tells_a_conversation_sentence_by_sentence(office: Office) -> None:
    with office.running() as switch:
        done = office.call("show", "4rt0")
    assert switch.asked == [("show", "4rt0", "en")]
    assert done.lines[-2:] == ["09:01:00 +79161234567 calls +74951234567", "09:01:05 Anna (101) answers"]
    assert "recording 2026/11/23/4rt0kqz1m2n3.wav" in done.lines


def test_trace_draws_the_ladder(office: Office) -> None:
    with office.running():
        done = office.call("trace", "4rt0")
    assert [line.split("│")[0].strip() for line in done.out.splitlines()[1:]] == [
        "09:01:00.000",
        "09:01:00.001",
        "09:01:00.004",
        "09:01:00.120",
    ]


def test_trace_prints_whole_messages_when_asked(office: Office) -> None:
    with office.running():
        done = office.call("trace", "4rt0", "--messages")
    assert "    To: <sip:x>\\u0007" in done.out.splitlines()


def test_reload_says_what_changed(office: Office) -> None:
    with office.running() as switch:
        done = office.call("reload")
    assert switch.asked == [("reload", None, "en")]
    assert done.lines == ["people.103 added: Ivan", "/etc/softswitch.toml is in force"]
    assert done.err == "x.toml:1:1 warning: y\n"


def test_reload_of_a_bad_file_says_why_and_that_the_old_one_stays(office: Office) -> None:
    with office.running():
        done = office.call("reload", "bad.toml")
    assert done.code == 1
    assert done.err.splitlines()[0].endswith('bad.toml:3:1 switch.nmae: unknown key (did you mean "name"?)')
    assert done.err.splitlines()[1:] == [
        "error: bad.toml was refused: 1",
        "  correct the lines above; the old configuration stays in force",
    ]


def test_what_the_switch_refuses_is_told(office: Office) -> None:
    with office.running():
        done = office.call("reload", "busy.toml")
    assert (done.code, done.err) == (1, "error: the switch refused: another reload is under way\n")


def test_stop_asks_the_switch_to_stop(office: Office) -> None:
    with office.running() as switch:
        done = office.call("stop")
    assert (switch.asked, done.out) == ([("stop",)], "the switch is stopping\n")


def test_an_unknown_conversation_leads_to_the_list(office: Office) -> None:
    with office.running():
        done = office.call("show", "zz")
    assert done.code == 1
    assert done.err.splitlines() == [
        "error: there is no conversation zz, or more than one begins so",
        "  see the ids with: softswitch calls --finished 20",
    ]


def test_a_trace_that_is_gone_leads_to_the_timeline(office: Office) -> None:
    with office.running():
        done = office.call("trace", "zz")
    assert (done.code, done.err.splitlines()[1]) == (1, "  its timeline is kept: softswitch show zz")


@pytest.mark.parametrize(
    ("words", "view"),
    [
        (["status"], STATUS),
        (["people"], PEOPLE),
        (["calls"], [CALL]),
        (["calls", "--finished", "1"], [FINISHED, CALL]),
        (["show", "4rt0"], CONVERSATION),
        (["trace", "4rt0"], LADDER),
        (["stop"], {"stopping": True}),
    ],
)
def test_json_is_the_view_itself(office: Office, words: list[str], view: object) -> None:
    with office.running():
        assert office.call(*words, "--json").json == view
        assert office.call("--json", *words).json == view


def test_json_of_a_failure_is_one_too(office: Office) -> None:
    done = office.call("--json", "status")
    assert done.code == 3
    assert done.json["error"]["kind"] == "not_running"
    assert done.json["error"]["next"][0] == f"start it with: softswitch run {office.config}"


class Ending(Switchboard):
    """A switch that stops after its events."""

    async def events(self, since: int | None) -> AsyncIterator[EventRow]:
        for row in EVENTS:
            yield row


def test_follow_tells_events_in_sentences(office: Office) -> None:
    with office.running(Ending()):
        done = office.call("calls", "--follow")
    assert done.out.splitlines() == [
        "09:01:01 Viktor Belov (102) calls 101  [4rt0kqz1m2n3]",
        "09:01:02 calling Anna Orlova (101) on 192.0.2.7  [4rt0kqz1m2n3]",
        "09:01:04 Anna Orlova (101) answers on 192.0.2.7  [4rt0kqz1m2n3]",
        "09:01:05 Anna Orlova (101) hangs up  [4rt0kqz1m2n3]",
        "09:01:06 the end: answered  [4rt0kqz1m2n3]",
    ]


class Later(Switchboard):
    """A switch whose call began before anybody listened."""

    async def events(self, since: int | None) -> AsyncIterator[EventRow]:
        yield event(9, "LegHeld", leg="l1")


def test_follow_knows_who_was_talking_before(office: Office) -> None:
    with office.running(Later()):
        done = office.call("calls", "--follow")
    assert done.out == "09:01:09 \\u202eEvil (+79161234567) puts the call on hold  [4rt0kqz1m2n3]\n"


def test_results_are_told_in_russian_too(office: Office) -> None:
    with office.running():
        assert "отвечен" in office.call("--lang", "ru", "calls", "--finished", "1").out


def test_follow_in_json_is_an_event_a_line(office: Office) -> None:
    with office.running(Ending()):
        done = office.call("calls", "--follow", "--json")
    assert [json.loads(line) for line in done.out.splitlines()] == EVENTS


def test_a_password_is_printed_where_a_script_can_take_it(office: Office) -> None:
    with office.running():
        done = office.call("password", "101")
        assert done.lines == ["101: 8m2k0qw7c4rt0kqz"]
        assert "shown this once" in done.err
        assert office.call("--lang", "ru", "password", "999").code != 0


def test_tokens_are_made_listed_and_revoked(office: Office) -> None:
    with office.running():
        assert office.call("token", "create", "101", "--name", "crm").lines == ["0123456789abcdef"]
        assert office.call("token", "list", "101").lines == ["crm 2026-11-23T09:00:00.000Z"]
        assert office.call("token", "revoke", "101", "--name", "crm").lines == ["the token crm is revoked"]
        assert office.call("token", "revoke", "101", "--name", "x").code != 0
        assert office.call("--json", "token", "create", "101", "--name", "crm").json["token"] == "0123456789abcdef"
