"""The commands of heads: what is asked of the switch, and what it answers."""

from __future__ import annotations

import pytest

from tests.cli.calling import Office


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("listen", "101", "--as", "110"), ("supervise", "101", "110", "listen", False, None)),
        (("whisper", "101", "--as", "110", "--follow"), ("supervise", "101", "110", "whisper", True, None)),
        (
            ("whisper", "101", "--as", "110", "--customer"),
            ("supervise", "101", "110", "whisper to customer", False, None),
        ),
        (("barge", "101", "--as", "110"), ("supervise", "101", "110", "barge", False, None)),
        (("listen", "101", "--as", "110", "--in", "4rt0"), ("supervise", "101", "110", "listen", False, "4rt0")),
        (("takeover", "101", "--as", "110"), ("take_over", "101", "110", False)),
        (("takeover", "101", "--as", "110", "--park"), ("take_over", "101", "110", True)),
        (("leave", "--as", "110"), ("leave", "110")),
        (("prompt", "101", "--by", "105"), ("ask_help", "101", "105")),
        (("prompt", "101", "--by", "group:sales"), ("ask_help", "101", "group:sales")),
        (("prompt", "101", "--end"), ("end_help", "101")),
        (("mask", "0k3"), ("mask", "0k3", True)),
        (("unmask", "0k3"), ("mask", "0k3", False)),
    ],
)
def test_a_command_asks_the_switch_for_it(office: Office, words: tuple[str, ...], asked: tuple[object, ...]) -> None:
    with office.running() as switch:
        done = office.call(*words)
    assert (done.code, done.err) == (0, "")
    assert done.out.strip()
    assert switch.asked == [asked]


def test_a_refusal_says_why(office: Office) -> None:
    with office.running():
        done = office.call("listen", "101", "--as", "102")
    assert done.code != 0
    assert "employees may do this only with their own conversations" in done.err


def test_whom_to_ask_must_be_said_in_either_language(office: Office) -> None:
    assert "give --by EXTENSION, or --end" in office.call("prompt", "101").err
    assert "--by НОМЕР" in office.call("--lang", "ru", "prompt", "101").err
