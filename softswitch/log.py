"""The log: one event, one line, whatever a peer put into it.

A logger belongs to one switch and is passed to its parts; nothing is configured
for the whole process, so that two switches in one program log apart. Values
from the network are cut and their control characters escaped before any
renderer sees them, and keys that could hold a secret are masked.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, Protocol, Self, TextIO, cast

__all__ = ["LONGEST_VALUE", "Log", "make_logger", "printable"]

LONGEST_VALUE = 512
"""Characters of one value; what is longer is cut and marked."""

MOST_ITEMS = 32
DEEPEST = 4


class Log(Protocol):
    """What parts of the switch may say to their logger: an event in plain words, and its values by name."""

    def bind(self, **values: Any) -> Self: ...

    def debug(self, event: str, /, **values: Any) -> Any: ...

    def info(self, event: str, /, **values: Any) -> Any: ...

    def warning(self, event: str, /, **values: Any) -> Any: ...

    def error(self, event: str, /, **values: Any) -> Any: ...

    def exception(self, event: str, /, **values: Any) -> Any:
        """As ``error``, with the stack of the exception being handled."""
        ...


_SECRET_PARTS = ("password", "secret", "authorization", "ha1", "token", "credential")
_MASK = "***"


def make_logger(
    to: TextIO | None = None,
    *,
    form: Literal["json", "console"] = "console",
    level: Literal["debug", "info", "warning", "error"] = "info",
    color: bool = False,
    **bound: object,
) -> Log:
    """Return the logger of one switch, writing lines to ``to`` (standard error by default).

    ``form`` "json" is one JSON object per line, "console" is for reading.
    ``bound`` values, the switch's name for one, stand in every line.
    """
    import structlog  # takes a tenth of a second, which ``softswitch --help`` should not wait for

    render: Any
    if form == "json":
        render = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        render = structlog.dev.ConsoleRenderer(colors=color, pad_event_to=0, sort_keys=False)
    logger = structlog.wrap_logger(
        structlog.WriteLogger(to if to is not None else sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            clean,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("Log", logger.bind(**bound))


def clean(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask secrets, escape and cut everything else; the processor before the renderer."""
    for key, value in event.items():
        if key == "exception":
            # Its lines are what it is read for; indented, none of them can pass for a log line of its own.
            event[key] = _escaped(str(value), keep="\n").replace("\n", "\n    ")
        else:
            event[key] = _cleaned(key, value, 0)
    return event


def printable(text: str) -> str:
    """Return ``text`` fit for one line of a terminal: unprintable characters as escapes, at most 512 characters."""
    cut = text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."
    return _escaped(cut)


def _cleaned(key: str, value: Any, depth: int) -> Any:
    if any(part in key.lower() for part in _SECRET_PARTS):
        return _MASK
    match value:
        case None | bool() | int() | float():
            return value
        case bytes():
            return printable(value[: LONGEST_VALUE + 1].decode(errors="backslashreplace"))
        case Mapping() if depth < DEEPEST:
            some = list(value.items())[:MOST_ITEMS]
            return {printable(str(name)): _cleaned(str(name), item, depth + 1) for name, item in some}
        case list() | tuple() | set() | frozenset() if depth < DEEPEST:
            return [_cleaned(key, item, depth + 1) for item in list(value)[:MOST_ITEMS]]
        case _:
            return printable(str(value))


def _escaped(text: str, keep: str = "") -> str:
    # Beside control characters: those that reverse or hide text, and the separators that end a line for some viewers.
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else f"\\u{ord(c):04x}" for c in text)
