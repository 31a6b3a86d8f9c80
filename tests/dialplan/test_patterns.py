"""Number patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.dialplan.patterns import BadPattern, Pattern, parse

anything = st.text(max_size=70) | st.text(alphabet="0123456789XZN[]-.+*#x", max_size=70)


def matches(pattern: str, number: str) -> bool:
    found = parse(pattern)
    assert isinstance(found, Pattern)
    return found.matches(number)


@pytest.mark.parametrize(
    ("pattern", "fits", "misses"),
    [
        ("112", ["112"], ["11", "1122", "012"]),
        ("X", list("0123456789"), ["", "00", "*", "٣"]),
        ("Z", list("123456789"), ["0"]),
        ("N", list("23456789"), ["0", "1"]),
        ("0[1-4]", ["01", "04"], ["00", "05", "0"]),
        ("[2-49]00", ["200", "300", "400", "900"], ["100", "500"]),
        ("+7XXXXXXXXXX", ["+79161234567"], ["79161234567", "+7916123456", "+791612345678", "+89161234567"]),
        ("+44.", ["+441", "+442071838750"], ["+44", "+45207", "+44*"]),
        ("*5X#", ["*50#"], ["*5#", "*50"]),
    ],
)
def test_a_pattern_fits_whole_numbers_only(pattern: str, fits: list[str], misses: list[str]) -> None:
    assert [number for number in fits if not matches(pattern, number)] == []
    assert [number for number in misses if matches(pattern, number)] == []


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("", BadPattern("empty", "", 0)),
        ("+", BadPattern("empty", "+", 1)),
        (".", BadPattern("dot", ".", 0)),
        ("1.2", BadPattern("dot", ".", 1)),
        ("7+", BadPattern("plus", "+", 1)),
        ("+7xx", BadPattern("case", "x", 2)),
        ("0[14", BadPattern("set", "[14", 1)),
        ("[]", BadPattern("set", "[]", 0)),
        ("[^1]", BadPattern("set", "[^1]", 0)),
        ("[9-2]1", BadPattern("backwards", "[9-2]", 0)),
        ("8 800", BadPattern("character", " ", 1)),
        ("1" * 65, BadPattern("long", "1" * 64, 64)),
    ],
)
def test_what_is_no_pattern_says_why_and_where(text: str, bad: BadPattern) -> None:
    assert parse(text) == bad


def test_only_a_pattern_with_plus_is_international() -> None:
    assert [parse(text).international for text in ("+7X", "7X", "X.") if isinstance(parse(text), Pattern)] == [  # type: ignore[union-attr]
        True,
        False,
        False,
    ]


@given(anything, anything)
def test_no_text_makes_a_pattern_or_its_match_raise(text: str, number: str) -> None:
    found = parse(text)
    if isinstance(found, Pattern):
        found.matches(number)
    else:
        assert 0 <= found.offset <= len(text)


@given(st.from_regex(r"\+?[0-9*#]{1,20}", fullmatch=True))
def test_a_number_without_wildcards_fits_itself(number: str) -> None:
    assert matches(number, number)
