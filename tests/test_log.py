"""The log: one event, one line, nothing of a peer's in it that a terminal obeys."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.log import LONGEST_VALUE, make_logger, printable


def logged(form: str = "json", **values: object) -> str:
    to = io.StringIO()
    make_logger(to, form="json" if form == "json" else "console", switch="Romashka").info("call arrived", **values)
    return to.getvalue()


def test_an_event_is_one_json_line_with_its_values() -> None:
    line = json.loads(logged(caller="101", legs=2, answered=None))
    assert {key: line[key] for key in ("event", "level", "switch", "caller", "legs", "answered")} == {
        "event": "call arrived",
        "level": "info",
        "switch": "Romashka",
        "caller": "101",
        "legs": 2,
        "answered": None,
    }
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "console"])
def test_control_characters_are_escaped(form: str) -> None:
    line = logged(form, agent="x\r\nforged line\x1b[31m\u202egnp\x00\u2028")
    assert line.count("\n") == 1
    assert not set(line) & set("\r\x1b\u202e\x00\u2028")


def test_a_long_value_is_cut() -> None:
    line = json.loads(logged(agent="a" * 1_000_000, raw=b"b" * 1_000_000))
    assert len(line["agent"]) == len(line["raw"]) == LONGEST_VALUE
    assert line["agent"].endswith("...")


def test_secrets_are_masked_at_any_depth() -> None:
    nested = {"Authorization": "canary", "list": [{"api_token": "canary"}]}
    line = logged(password="canary", nested=nested, ha1=["canary"])
    assert "canary" not in line
    assert line.count("***") == 4


def test_a_stack_cannot_forge_a_line_of_the_log() -> None:
    to = io.StringIO()
    log = make_logger(to)
    try:
        raise ValueError("x\n2026-11-23T10:00:00Z [info     ] all is well")
    except ValueError:
        log.exception("command failed")
    lines = to.getvalue().rstrip("\n").split("\n")
    assert "command failed" in lines[0]
    assert all(line.startswith(("  ", "Traceback")) for line in lines[1:])


def test_what_is_below_the_level_is_not_written() -> None:
    to = io.StringIO()
    log = make_logger(to, level="warning")
    log.info("quiet")
    log.warning("loud")
    assert to.getvalue().count("\n") == 1


def test_two_switches_log_apart() -> None:
    one, two = io.StringIO(), io.StringIO()
    first, second = make_logger(one, form="json"), make_logger(two, form="json", level="error")
    first.info("mine")
    second.error("yours")
    assert ("mine" in one.getvalue(), "yours" in one.getvalue()) == (True, False)
    assert ("mine" in two.getvalue(), "yours" in two.getvalue()) == (False, True)


values = st.recursive(
    st.text(max_size=30) | st.integers() | st.floats() | st.none() | st.binary(max_size=9) | st.builds(object),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(values)
def test_any_value_becomes_one_line(value: object) -> None:
    assert logged(value=value).count("\n") == 1
    assert logged("console", value=value).count("\n") == 1


@given(st.text(max_size=700))
def test_printable_text_is_printable(text: str) -> None:
    assert printable(text).isprintable()
