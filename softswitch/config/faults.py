"""From faults to complaints: each ``Wrong`` and each pydantic error becomes a ``Problem`` with its place and words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from softswitch.config import words
from softswitch.config.kinds import Refused, quoted
from softswitch.config.positions import Path, Place, Positions
from softswitch.config.settings import Language
from softswitch.config.values import Wrong
from softswitch.errors import Problem

__all__ = ["Complaints", "dotted"]

_TYPES = {
    "string_type": ("not_text", "text"),
    "int_type": ("not_number", "number"),
    "int_from_float": ("not_number", "number"),
    "bool_type": ("not_flag", "flag"),
    "model_type": ("not_table", "table"),
    "dict_type": ("not_table", "table"),
    "model_attributes_type": ("not_table", "table"),
}
"""pydantic's words for a wrong type, by ours and the noun of what is expected."""

_DIGITS = re.compile(r"[0-9]{1,18}")


class Complaints:
    """Collects the problems of one file; places are looked up only when there is something to complain about."""

    def __init__(self, file: str, text: str, language: Language) -> None:
        self._file, self._text, self._language = file, text, language
        self._problems: dict[Problem, None] = {}

    @property
    def failed(self) -> bool:
        return any(problem.severity == "error" for problem in self._problems)

    @property
    def sorted(self) -> list[Problem]:
        """Everything found, in file order."""
        return sorted(self._problems, key=lambda problem: (problem.line, problem.column, problem.key, problem.reason))

    def add(self, path: Path, code: str, found: object = None, *, at_key: bool = False, **values: object) -> None:
        """Note a fault of the value (or the key itself) at ``path``; ``values`` fill its words."""
        self.put(self._place(path, at_key), path, code, {"found": words.shown(found), **values})

    def warn(self, path: Path, code: str, found: object = None, *, at_key: bool = False, **values: object) -> None:
        """Note something that works, but hardly as it was meant."""
        self.put(self._place(path, at_key), path, code, {"found": words.shown(found), **values}, "warning")

    def wrong(self, path: Path, wrong: Wrong, found: object = None) -> None:
        """Note what a parser of values said about the value at ``path``."""
        path += wrong.at
        place = self._place(path, at_key=wrong.code == "unknown_key")
        self.put(place, path, wrong.code, {"found": words.shown(_inside(found, wrong.at)), **wrong.values})

    def put(
        self,
        place: Place,
        path: Path,
        code: str,
        values: Mapping[str, object],
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        """Note a fault whose place is known already."""
        problem = Problem(
            file=self._file,
            line=place.line,
            column=place.column,
            key=dotted(path),
            reason=words.reason(code, values, self._language),
            hint=words.hint(code, values, self._language),
            severity=severity,
        )
        self._problems.setdefault(problem)

    def refused(self, path: Path, error: ValidationError, model: type[BaseModel]) -> None:
        """Note all faults that pydantic found in the table at ``path``."""
        details = error.errors(include_url=False)
        misspelt = {meant for one in details if (meant := _meant(one, model)) is not None}
        for one in details:
            if one["type"] == "missing" and (*one["loc"][:-1], one["loc"][-1]) in misspelt:
                continue  # "nmae: did you mean name?" says it already
            self._one(path + one["loc"], one, model)

    def line(self, path: Path) -> int:
        return self.positions.key(path).line

    @cached_property
    def positions(self) -> Positions:
        return Positions(self._text)

    def _place(self, path: Path, at_key: bool) -> Place:
        return self.positions.key(path) if at_key else self.positions.value(path)

    def _one(self, path: Path, error: ErrorDetails, model: type[BaseModel]) -> None:
        kind, found, context = error["type"], error["input"], error.get("ctx", {})
        if kind in _TYPES:
            code, noun = _TYPES[kind]
            bare = found.strip().lower() if isinstance(found, str) else ""
            if (noun == "flag" and bare in ("true", "false")) or (noun == "number" and _DIGITS.fullmatch(bare)):
                self.add(path, code, found, hint="no_quotes", bare=bare)
            else:
                self.add(path, code, found, noun=noun)
        elif kind == "missing":
            noun = _noun(model, error["loc"])
            self.add(path, "missing", at_key=True, noun=noun)
        elif kind == "extra_forbidden":
            self._unknown(path, error["loc"], model)
        elif kind in ("greater_than_equal", "less_than_equal"):
            low, high = _limits(model, error["loc"])
            code = "too_small" if kind == "greater_than_equal" else "too_large"
            self.add(path, code, found, hint="between", low=low, high=high)
        elif kind == "value_error" and isinstance(context.get("error"), Refused):
            self.wrong(path, context["error"].wrong, found)
        else:
            self.add(path, "invalid", found, error=error["msg"])

    def _unknown(self, path: Path, loc: Sequence[str | int], model: type[BaseModel]) -> None:
        known = _known(model, loc[:-1])
        word = str(loc[-1])
        if word == "register" and "account" in known:
            self.add(path, "unknown_key", at_key=True, hint="account")
            return
        self.add(path, "unknown_key", at_key=True, nearest=quoted(words.nearest(word, known)), known=known)


def dotted(path: Path) -> str:
    """Return the path as a person writes it; the line number tells elements of a list apart."""
    return ".".join(words.key(part) for part in path if isinstance(part, str))


def _meant(error: ErrorDetails, model: type[BaseModel]) -> Path | None:
    """Return the key that an unknown one was probably meant to be."""
    if error["type"] != "extra_forbidden":
        return None
    near = words.nearest(str(error["loc"][-1]), _known(model, error["loc"][:-1]))
    return None if near is None else (*error["loc"][:-1], near)


def _known(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    inner = _model_at(model, loc)
    return [info.alias or name for name, info in inner.model_fields.items()]


def _model_at(model: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel]:
    """Follow ``loc`` into the models of nested tables."""
    for part in loc:
        field = model.model_fields.get(str(part))
        if field is None:
            return model
        for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return model


def _noun(model: type[BaseModel], loc: Sequence[str | int]) -> str:
    inner = _model_at(model, loc[:-1])
    for name, info in inner.model_fields.items():
        if loc[-1] in (name, info.alias):
            return next((data.name for data in info.metadata if hasattr(data, "name")), "text")
    return "text"


def _limits(model: type[BaseModel], loc: Sequence[str | int]) -> tuple[object, object]:
    info = _model_at(model, loc[:-1]).model_fields[str(loc[-1])]
    low = next((data.ge for data in info.metadata if hasattr(data, "ge")), None)
    return low, next((data.le for data in info.metadata if hasattr(data, "le")), None)


def _inside(value: object, at: Path) -> object:
    for part in at:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
    return value
