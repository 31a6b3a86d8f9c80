"""Feature codes: what people dial to supervise a colleague or to ask for help, and the keys while they do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["KEYS", "Codes", "Feature", "read"]

Word = Literal["listen", "whisper", "barge", "help", "mask", "skill", "review"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """What stands before the employee's extension; "" switches a feature off.

    ``help`` stands before the extension of the colleague who is asked; alone, it ends the help.
    ``mask`` stands alone: it keeps one's own conversation out of the recording, or lets it in again.
    ``skill`` stands before the number of a skill; alone, it means the only one.
    ``review`` stands alone: it asks for a review of one's own conversation, the present one or the last.
    ``back`` is the key that lets a parked employee talk again.
    """

    listen: str = "*41"
    whisper: str = "*42"
    barge: str = "*43"
    help: str = "*44"
    mask: str = "*45"
    skill: str = "*46"
    review: str = "*47"
    back: str = "*"


@dataclass(frozen=True, slots=True)
class Feature:
    """What was dialled: ``extension``, or the number of a skill, is "" where nothing followed the code."""

    word: Word
    extension: str


KEYS: Mapping[str, str] = MappingProxyType(
    {
        "0": "aside",
        "1": "park",
        "3": "whisper to customer",
        "4": "listen",
        "5": "whisper",
        "6": "barge",
        "7": "take over",
        "8": "quieter",
        "9": "louder",
        "#": "next",
    }
)
"""What a supervisor's keys do, unless the office says otherwise."""


def read(codes: Codes, dialled: str, extensions: Collection[str]) -> Feature | None:
    """Return what a person asks for by dialling this, None if it is no code with an extension.

    The longest code that fits decides. A code with somebody unknown behind it is
    returned all the same: whoever dialled it deserves a better answer than silence.
    """
    words: tuple[tuple[str, Word], ...] = (
        (codes.listen, "listen"),
        (codes.whisper, "whisper"),
        (codes.barge, "barge"),
        (codes.help, "help"),
        (codes.mask, "mask"),
        (codes.skill, "skill"),
        (codes.review, "review"),
    )
    found = [(code, word) for code, word in words if code and dialled.startswith(code)]
    if not found or dialled in extensions:
        return None
    code, word = max(found, key=lambda pair: len(pair[0]))
    rest = dialled.removeprefix(code)
    if word in ("mask", "review") and rest:
        return None
    return Feature(word, rest) if rest.isdigit() or not rest else None
