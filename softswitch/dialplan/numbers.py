"""Telephone numbers: what people dial and providers send, read into E.164."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

__all__ = ["clean", "e164", "is_country"]

LONGEST = 40
"""Digits that anybody may dial; E.164 allows 15, prefixes add a few."""

# RFC 3966 section 5.1.1 calls these visual separators; people paste numbers with spaces too.
_SEPARATORS = str.maketrans("", "", " -.()/\u00a0")
_DIALLED = re.compile(r"\+?[0-9*#]{1,40}")
_NUMBER = re.compile(r"\+?[0-9]{2,40}")


def is_country(code: str) -> bool:
    """Tell whether ``code`` is a region (ISO 3166-1 alpha-2) whose numbers we can read."""
    return code in phonenumbers.SUPPORTED_REGIONS


def clean(dialled: str) -> str:
    """Return digits, ``*``, ``#`` and a leading ``+`` of what was dialled; "" if it is no number at all.

    Parameters of a telephone-subscriber (``;phone-context=`` of RFC 3966) say
    nothing that routing may rely on and are cut off.
    """
    text = dialled.partition(";")[0].translate(_SEPARATORS)
    return text if _DIALLED.fullmatch(text) else ""


@lru_cache(maxsize=4096)
def e164(dialled: str, country: str, area: str = "") -> str | None:
    """Return the number as "+" and digits, or None if it cannot be one.

    Read in this order: "+" and "00" as international everywhere, then the
    prefixes of ``country`` ("8" and "810" in Russia), then, when only a
    subscriber's part was dialled, ``area`` in front. The length must be
    possible in its country: whether a number is in use nobody but its
    exchange knows, and number plans change faster than tables.
    """
    text = clean(dialled)
    if not _NUMBER.fullmatch(text):
        return None
    if text.startswith("00"):
        text = "+" + text[2:]
    full = _read(text, country)
    if full is None and area and not text.startswith(("+", "0")):
        full = _read(area + text, country)
    return full


def _read(text: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
