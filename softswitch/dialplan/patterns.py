"""Number patterns of the dial plan.

=========  ==========================================================
``X``      one digit, 0 to 9
``Z``      one digit, 1 to 9
``N``      one digit, 2 to 9
``[2-49]`` one digit out of 2, 3, 4 or 9
``.``      one digit or more; only at the end
others     digits, ``*`` and ``#`` stand for themselves; ``+`` only in front
=========  ==========================================================

A pattern with "+" is held against the number in E.164; one without is held
against what was dialled, which is how short and emergency numbers are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

__all__ = ["BadPattern", "Pattern", "parse"]

LONGEST = 64
"""Characters in a pattern; E.164 numbers have 15 digits."""

_CLASSES = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]"}
_SET = re.compile(r"\[((?:[0-9]-[0-9]|[0-9])+)\]")
_RANGE = re.compile(r"([0-9])-([0-9])")


@dataclass(frozen=True, slots=True)
class BadPattern:
    """Why a text is no pattern: ``part`` of it, at ``offset`` characters from 0."""

    code: Literal["empty", "long", "set", "backwards", "plus", "dot", "case", "character"]
    part: str
    offset: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern; ``international`` ones are held against E.164."""

    text: str
    international: bool
    _expression: re.Pattern[str] = field(repr=False, compare=False)

    def matches(self, number: str) -> bool:
        """Tell whether the whole of ``number`` fits; linear in its length."""
        return self._expression.fullmatch(number) is not None


@lru_cache(maxsize=1024)
def parse(text: str) -> Pattern | BadPattern:
    """Compile a pattern, or say what is wrong and where."""
    if not text:
        return BadPattern("empty", text, 0)
    if len(text) > LONGEST:
        return BadPattern("long", text[:LONGEST], LONGEST)
    parts: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == "+" and at == 0:
            parts.append(r"\+")
        elif letter in _CLASSES:
            parts.append(_CLASSES[letter])
        elif letter in "0123456789*#":
            parts.append(re.escape(letter))
        elif letter == "[":
            found = _SET.match(text, at)
            if found is None:
                return BadPattern("set", text[at:], at)
            if any(low > high for low, high in _RANGE.findall(found[1])):
                return BadPattern("backwards", found[0], at)
            parts.append(found[0])
            at = found.end()
            continue
        elif letter == "." and at == len(text) - 1 and parts:
            parts.append("[0-9]+")
        else:
            return _misplaced(letter, at)
        at += 1
    if parts == [r"\+"]:
        return BadPattern("empty", text, 1)
    return Pattern(text, text.startswith("+"), re.compile("".join(parts)))


def _misplaced(letter: str, at: int) -> BadPattern:
    match letter:
        case "+":
            return BadPattern("plus", letter, at)
        case ".":
            return BadPattern("dot", letter, at)
        case "x" | "z" | "n":
            return BadPattern("case", letter, at)
        case _:
            return BadPattern("character", letter, at)
