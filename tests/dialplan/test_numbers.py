"""Reading what people dial and providers send."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.dialplan.numbers import clean, e164, is_country

dialled = st.text(max_size=60) | st.text(alphabet="0123456789+*#() -.;=ext", max_size=60)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8 916 123-45-67", "+79161234567"),
        ("89161234567", "+79161234567"),
        ("+7 (916) 123 45 67", "+79161234567"),
        ("9161234567", "+79161234567"),
        ("79161234567", "+79161234567"),
        ("8 10 44 20 7183 8750", "+442071838750"),
        ("00442071838750", "+442071838750"),
        ("+442071838750", "+442071838750"),
        ("88005553535", "+78005553535"),
    ],
)
def test_numbers_are_read_as_people_in_russia_mean_them(text: str, number: str) -> None:
    assert e164(text, "RU") == number


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("020 7183 8750", "GB", "+442071838750"),
        ("0049 30 901820", "GB", "+4930901820"),
        ("(212) 555-1234", "US", "+12125551234"),
        ("011 44 20 7183 8750", "US", "+442071838750"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("0612345678", "IT", "+390612345678"),
    ],
)
def test_each_country_has_its_own_prefixes(text: str, country: str, number: str) -> None:
    assert e164(text, country) == number


def test_a_number_of_the_town_needs_the_area_code() -> None:
    assert e164("123-45-67", "RU") is None
    assert e164("123-45-67", "RU", "495") == "+74951234567"
    assert e164("8 916 123 45 67", "RU", "495") == "+79161234567"


@pytest.mark.parametrize("text", ["112", "101", "01", "*51", "", "+", "+7", "810", "0" * 41, "abc", "٨٩١٦"])
def test_what_cannot_be_a_number_of_the_world_is_none(text: str) -> None:
    assert e164(text, "RU") is None


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("8 (916) 123-45-67", "89161234567"),
        ("+7.916/1234567", "+79161234567"),
        ("+74951234567;phone-context=evil.example", "+74951234567"),
        ("*51", "*51"),
        ("anna", ""),
        ("8%2B7", ""),
        ("101@evil", ""),
        ("1+2", ""),
        ("1" * 41, ""),
    ],
)
def test_only_digits_and_their_like_are_left(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_country_is_two_capital_letters_of_a_region_with_numbers() -> None:
    assert [code for code in ("RU", "DE", "US", "ru", "XX", "", "ZZ") if is_country(code)] == ["RU", "DE", "US"]


@given(dialled, st.sampled_from(["RU", "US", "IT", "GB", "XX", ""]), st.sampled_from(["", "495", "0"]))
def test_whatever_is_dialled_is_read_or_not_and_never_raises(text: str, country: str, area: str) -> None:
    number = e164(text, country, area)
    # E.164 section 6: at most 15 digits.
    assert number is None or re.fullmatch(r"\+[1-9][0-9]{1,16}", number)
    assert re.fullmatch(r"(\+?[0-9*#]{1,40})?", clean(text))


@given(st.from_regex(r"\+(7[49][0-9]{9}|44[1-9][0-9]{9}|1[2-9][0-9]{9})", fullmatch=True))
def test_reading_a_read_number_changes_nothing(text: str) -> None:
    number = e164(text, "RU")
    assert number is None or e164(number, "DE") == number
