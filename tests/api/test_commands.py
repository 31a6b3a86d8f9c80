"""The table of commands."""

from __future__ import annotations

import contextlib
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.api.commands import COMMANDS, BadRequest, Commands, arguments, failure
from softswitch.errors import ConfigError, NoSuch, NotPermitted, NotPossible

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def test_each_command_is_one_of_the_switch_with_the_same_parameters() -> None:
    for name, command in COMMANDS.items():
        asked = inspect.signature(getattr(Commands, name)).parameters
        assert [*asked][1:] == [*command.parameters]
        assert (command.call is None) != (command.stream is None)


def test_what_is_left_out_has_its_default() -> None:
    assert arguments(COMMANDS["show"], {"conversation": "x"}) == {"conversation": "x", "language": "en"}
    assert arguments(COMMANDS["events"], None) == {"since": None}
    assert arguments(COMMANDS["calls"], {"finished": None}) == {"finished": 0}


@given(
    st.sampled_from(sorted(COMMANDS)),
    json_values
    | st.dictionaries(
        st.sampled_from(["conversation", "language", "finished", "since", "path"]), json_values, max_size=3
    ),
)
def test_any_parameters_are_taken_or_refused_in_words(name: str, given_: object) -> None:
    with contextlib.suppress(BadRequest):
        assert arguments(COMMANDS[name], given_).keys() == COMMANDS[name].parameters.keys()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadRequest("x"), 400),
        (NotPermitted("x"), 403),
        (NoSuch("conversation", "x"), 404),
        (NotPossible("x"), 409),
        (ConfigError([]), 422),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_each_error_has_the_status_of_http(error: Exception, code: int) -> None:
    assert failure(error).code == code
    assert "secret" not in failure(error).message
