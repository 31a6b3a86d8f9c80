"""Everything that this program can complain about, as one tree.

    SwitchError
    ├── ConfigError      the office's TOML file is wrong: where, what, what instead
    ├── NotPossible      the thing exists but its state forbids the request
    ├── NotPermitted     the actor may not do this
    └── NoSuch           nothing has that name or id

What a *peer* sends is never an exception: parsers return a ``ParseError`` value
(``softswitch.sip.parser``) and machines return the 4xx to be sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ConfigError", "NoSuch", "NotPermitted", "NotPossible", "Problem", "SwitchError"]


class SwitchError(Exception):
    """Base of all errors that a caller of this library may want to catch."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a configuration file; ``str()`` is one line for a person. A warning does not refuse the file."""

    file: str
    line: int
    column: int
    key: str
    reason: str
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        if self.severity == "warning":
            where += " warning:"
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where} {self.key}: {self.reason}{hint}" if self.key else f"{where} {self.reason}{hint}"


class ConfigError(SwitchError):
    """A configuration file was refused; ``problems`` has every fault found, in file order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class NotPossible(SwitchError):
    """The request is understood but the present state forbids it (HTTP 409)."""


class NotPermitted(SwitchError):
    """The actor lacks the right to do this (HTTP 403)."""


class NoSuch(SwitchError):
    """Nothing of this kind has that id (HTTP 404)."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"no {kind} {name!r}")
