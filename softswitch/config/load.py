"""Reading the office's file: text -> TOML -> tables -> settings, with every fault found in one go."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from softswitch.config.build import Builder
from softswitch.config.checks import (
    check_codes,
    check_heads,
    check_numbers,
    check_skills,
    check_sockets,
    check_trunks,
    check_web,
)
from softswitch.config.faults import Complaints
from softswitch.config.positions import Place, find_duplicate
from softswitch.config.settings import Language, Settings
from softswitch.config.tables import Tables
from softswitch.errors import ConfigError, Problem

__all__ = ["Loaded", "load"]

LARGEST = 4 * 1024 * 1024
"""Bytes; an office of a thousand people needs a twentieth of it."""

_AT = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")
_SYNTAX = (
    ("Invalid value", "syntax_value"),
    ("Unterminated string", "syntax_string"),
    ("Illegal character '\\n'", "syntax_string"),
    ("Illegal character", "syntax_character"),
    ("at the end of a table declaration", "syntax_header"),
    ("at the end of an array declaration", "syntax_header"),
    ("Unescaped '\\'", "syntax_escape"),
    ("Invalid hex value", "syntax_escape"),
    ("Escaped character", "syntax_escape"),
    ("Unclosed inline table", "syntax_inline"),
    ("Unclosed array", "syntax_array"),
    ("Invalid initial character for a key part", "syntax_statement"),
    ("Invalid statement", "syntax_statement"),
    ("Expected '=' after a key", "syntax_statement"),
    ("Expected newline", "syntax_rest"),
    ("Invalid date or datetime", "syntax_date"),
)
"""What tomllib says, by how we say it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """``generated`` has the passwords made just now, by extension: to be shown once."""

    settings: Settings
    warnings: tuple[Problem, ...]
    generated: Mapping[str, str] = field(repr=False)


def load(
    path: str | Path, environ: Mapping[str, str] | None = None, *, language: Language = "en", create: bool = False
) -> Loaded:
    """Return the settings that the file means; ``environ`` None is the environment of the process.

    Raises ConfigError with all problems (warnings among them) in file order, said
    in ``language``. ``create``: make the passwords that are to be generated and not
    there yet, and store them under the data folder; otherwise that is a warning.
    Nothing else is written, no name is resolved and no socket opened.
    """
    path = Path(path)
    text = _text(path, language)
    to = Complaints(str(path), text, language)
    raw = _toml(text, to)
    if raw is None:
        raise ConfigError(to.sorted)
    tables = Tables(raw, to)
    check_sockets(tables.sip, tables.rtp, to)
    check_codes(tables.codes, tables.outbound, to)
    check_web(tables.web, tables.sip, to)
    check_trunks(tables.trunks, to)
    check_heads(tables.people, tables.groups, to)
    check_skills(tables.people, tables.skills, to)
    check_numbers(tables.people, tables.inbound, tables.outbound, to)
    builder = Builder(path.absolute(), tables, os.environ if environ is None else environ, to)
    settings = builder.settings(create=create)
    if settings is None:
        raise ConfigError(to.sorted)
    return Loaded(settings, tuple(to.sorted), MappingProxyType(builder.generated))


def _text(path: Path, language: Language) -> str:
    """Return the file's text, without the mark that Windows editors put in front of UTF-8."""

    def refuse(code: str, **values: object) -> ConfigError:
        to = Complaints(str(path), "", language)
        to.put(Place(1, 1), (), code, values)
        return ConfigError(to.sorted)

    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise refuse("no_file") from None
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else None
        raise refuse("unreadable", error=(said or "its name is impossible").lower()) from None
    if len(content) > LARGEST:
        raise refuse("too_big", limit=LARGEST)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse("not_utf8") from None


def _toml(text: str, to: Complaints) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except RecursionError:
        to.put(Place(1, 1), (), "too_deep", {})
    except ValueError as error:
        _syntax(text, str(error), to)
    return None


def _syntax(text: str, said: str, to: Complaints) -> None:
    """Complain about text that is not TOML, in our words where we know better than the parser."""
    found = _AT.search(said)
    if said.startswith(("Cannot overwrite", "Cannot declare", "Duplicate")):
        twice = find_duplicate(text)
        if twice is not None:
            path, second, first = twice
            to.put(second, path, "twice", {"line": first.line, **({"hint": "merge"} if len(path) == 1 else {})})
            return
    place = Place(int(found[1]), int(found[2])) if found and found[1] else _end(text)
    message = _AT.sub("", said)
    code = next((code for start, code in _SYNTAX if start in message), "syntax")
    if code == "syntax_escape":
        # tomllib names the place behind the escape, or the end of the text.
        backslash = text.split("\n")[place.line - 1].rfind("\\", 0, place.column)
        place = Place(place.line, backslash + 1) if backslash >= 0 else place
    to.put(place, (), code, {"error": message[:1].lower() + message[1:]})


def _end(text: str) -> Place:
    lines = text.rstrip("\n").split("\n")
    return Place(len(lines), len(lines[-1]) + 1)
