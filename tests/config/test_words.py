"""The sentences themselves: every one is whole in both languages, and every one is said somewhere."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.config import reference, words

SOURCES = "".join(
    path.read_text(encoding="utf-8")
    for path in Path(words.__file__).parent.glob("*.py")
    if path.name not in ("words.py", "reference.py")
)


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("table", [words.REASONS, words.HINTS], ids=["reasons", "hints"])
def test_both_languages_say_the_same_things(table: dict[str, tuple[str, str]]) -> None:
    apart = {
        code
        for code, (english, russian) in table.items()
        if not _placeholders(russian) <= _placeholders(english) | {"noun", "kind"}
    }
    assert apart == set()


def test_no_sentence_ends_with_a_full_stop_or_begins_with_a_capital() -> None:
    english = [text for text, _ in (*words.REASONS.values(), *words.HINTS.values())]
    assert [text for text in english if text.endswith(".") or re.match(r"[A-Z](?![A-Z])", text)] == []


def test_every_sentence_is_said_somewhere() -> None:
    silent = {code for code in words.REASONS if f'"{code}"' not in SOURCES and not code.startswith("pattern_")}
    assert silent == set()


def test_every_noun_is_named_by_a_kind() -> None:
    assert {noun for noun in words.NOUNS if f'"{noun}"' not in SOURCES} == set()


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("longest-idel", ["longest-idle", "random"], "longest-idle"),
        ("prots", ["ports", "codecs"], "ports"),
        ("Secret", ["password", "name"], "password"),
        ("secret", ["name"], None),
        ("xyzzy", ["ports"], None),
        ("pcma", ["PCMA"], "PCMA"),
    ],
)
def test_the_nearest_word_is_the_one_that_was_meant(word: str, known: list[str], meant: str | None) -> None:
    assert words.nearest(word, known) == meant


scalars = st.text(max_size=60) | st.integers() | st.floats() | st.booleans()


@given(
    scalars
    | st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=6,
    )
)
def test_a_shown_value_is_one_printable_line(value: object) -> None:
    shown = words.shown(value)
    assert "\n" not in shown
    assert len(shown) < 600


def test_the_reference_has_every_key_of_every_table() -> None:
    page = reference.markdown()
    for key in ("domain", "listen", "ports", "what", "password", "head", "server", "realm", "to", "as"):
        assert f"| `{key}` |" in page
    assert page.count("## `[") == 12
    assert "PydanticUndefined" not in page
    assert '| `expires` | a time, `"1m"` to `"1d"` | `"1h"` |' in page
