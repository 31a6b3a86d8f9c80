"""Where things stand in a TOML text."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from softswitch.config.positions import Path, Place, Positions, find_duplicate

TEXT = """\
# a comment
[switch]
name = "x"
a.b = 3
[people.101]
password = { env = "A", x = [1, { y = 2 }] }
[[inbound]]
number = "1"
[[inbound]]
number = [
  "2",  # the second
  "3",
]
[people."1 2".'z']
q = 1
"""


def test_each_key_and_value_has_its_line_and_column() -> None:
    places = Positions(TEXT)
    assert places.key(("switch", "name")) == Place(3, 1)
    assert places.value(("switch", "name")) == Place(3, 8)
    assert places.value(("switch", "a", "b")) == Place(4, 7)
    assert places.key(("people", "101")) == Place(5, 1)
    assert places.value(("people", "101", "password", "env")) == Place(6, 20)
    assert places.value(("people", "101", "password", "x", 1, "y")) == Place(6, 39)
    assert places.value(("people", "1 2", "z", "q")) == Place(15, 5)


def test_elements_of_a_list_of_tables_are_told_apart() -> None:
    places = Positions(TEXT)
    assert places.key(("inbound", 0)) == Place(7, 1)
    assert places.value(("inbound", 0, "number")) == Place(8, 10)
    assert places.value(("inbound", 1, "number")) == Place(10, 10)
    assert places.value(("inbound", 1, "number", 1)) == Place(12, 3)


def test_what_is_not_there_stands_where_its_parent_does() -> None:
    places = Positions(TEXT)
    assert places.key(("people", "101", "name")) == Place(5, 1)
    assert places.key(("rtp", "ports")) == Place(1, 1)


def test_a_key_written_twice_is_found_with_both_places() -> None:
    assert find_duplicate('[a]\nb = 1\n[c]\nb = 1\n[a.d]\n"b" = 2\nb = 3\n') == (
        ("a", "d", "b"),
        Place(7, 1),
        Place(6, 1),
    )
    assert find_duplicate("[a]\nb = 1\n[[c]]\nb = 1\n[[c]]\nb = 1\n") is None


keys = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True), st.text(st.characters(codec="utf-8"), max_size=4)
)
scalars = st.one_of(st.integers(-9, 9), st.booleans(), st.text(st.characters(codec="utf-8"), max_size=4))
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=5
)


def _quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08X}" for c in text) + '"'


def _written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            return _quoted(value)
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case _:
            return "{ " + ", ".join(f"{_quoted(key)} = {_written(inner)}" for key, inner in value.items()) + " }"


def _paths(value: Any, path: Path = ()) -> list[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in _paths(one, (*path, key)))]


@given(st.dictionaries(keys, trees, max_size=3))
def test_the_value_of_every_path_begins_where_it_is_said_to(document: dict[str, Any]) -> None:
    text = "".join(f"{_quoted(key)} = {_written(value)}\n" for key, value in document.items())
    assert tomllib.loads(text) == document
    places, lines = Positions(text), text.split("\n")
    for path in _paths(document)[1:]:
        value: Any = document
        for part in path:
            value = value[part]
        place = places.value(path)
        assert lines[place.line - 1][place.column - 1 :].startswith(_written(value))


@given(st.text(st.characters(codec="utf-8"), max_size=60) | st.text(alphabet='ab.=[]{}"\n #,1', max_size=40))
def test_no_text_makes_the_search_raise(text: str) -> None:
    Positions(text).value(("a", 0, "b"))
    find_duplicate(text)
