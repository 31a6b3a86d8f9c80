"""The configuration reference as Markdown, written from the schema: what is not described here does not exist.

``python -m softswitch.config.reference`` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from softswitch.config.kinds import Bounds, Noun
from softswitch.config.schema import LOCAL_NETS, TABLES, Table
from softswitch.config.values import show_duration
from softswitch.config.words import NOUNS, shown

__all__ = ["markdown"]

_INTRODUCTION = """\
# Configuration reference

Written from the schema of the program: every key is here, and nothing else is accepted.
`softswitch check FILE` finds every mistake in one go, with line and column.
`softswitch reload` (or SIGHUP) applies a changed file while calls go on; the few keys that need a restart say so then.

- **Times** are a number and a unit, `"250ms"`, `"20s"`, `"5m"`, `"2h"`, `"180d"`, also together: `"1h30m"`.
- **Lists** of one may be written without brackets: `group = "sales"`.
- **Relative paths** are relative to the file, those of recordings to the data folder.
- **Numbers** are international, `"+74951234567"`, unless a key says otherwise.
"""

_PATTERNS = """\
## Number patterns

| written | stands for |
|---|---|
| `X` | one digit, 0 to 9 |
| `Z` | one digit, 1 to 9 |
| `N` | one digit, 2 to 9 |
| `[2-49]` | one digit out of 2, 3, 4 and 9 |
| `.` | one digit or more; only at the end |
| digits, `*`, `#` | themselves |
| `+` | only in front: the pattern is held against the number in +E.164 |

A pattern without `+` is held against what was dialled: this is how emergency and short numbers are written.
For one with `+`, what was dialled is first read as people of `switch.country` mean it: in Russia `8 916 123-45-67`,
`+7 916 123 45 67` and `916 123 45 67` are all `+79161234567`, and both `8 10 44 …` and `00 44 …` are `+44…`.
An extension is always tried before any outbound rule.

## Passwords

| written | the password is |
|---|---|
| `{ env = "PASSWORD_101" }` | in that environment variable |
| `{ file = "secrets/101" }` | the first line of that file; warned about when everybody may read it |
| `"generate"` | made at the first run, shown once, kept in `passwords/` of the data folder |
| `"any other text"` | that text, with a warning |

The switch keeps only the digests that phones are checked against. Generated passwords and a provider's account are
kept as they are: a phone must be set up with the one, the other has to answer challenges.
"""


def markdown() -> str:
    """Return the whole manual page."""
    parts = [_INTRODUCTION]
    parts += ["\n".join(_table(table)) + "\n" for table in TABLES]
    parts.append(_PATTERNS)
    return "\n".join(parts)


def _table(table: type[Table]) -> Iterator[str]:
    yield f"## `{table.header}`"
    yield ""
    yield table.about
    yield ""
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    for name, info in table.model_fields.items():
        cells = (f"`{info.alias or name}`", _kind(info), _default(info), info.description or "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(info: FieldInfo) -> str:
    """Return what is written there: the noun of the kind and an example, or the plain type."""
    noun = next((one.name for one in _metadata(info) if isinstance(one, Noun)), None)
    bounds = next((one for one in _metadata(info) if isinstance(one, Bounds)), None)
    if bounds is not None:
        return f'a time, `"{bounds.low}"` to `"{bounds.high}"`'
    if noun is not None:
        what, _, example = NOUNS[noun]
        return f"{what}, as {example}" if example.startswith(('"', "{")) else f"{what}: {example}"
    low = next((one.ge for one in info.metadata if hasattr(one, "ge")), None)
    high = next((one.le for one in info.metadata if hasattr(one, "le")), None)
    if low is not None:
        return f"a whole number, {low} to {high}"
    return "true or false" if "bool" in str(info.annotation) else "a table"


def _metadata(info: FieldInfo) -> list[Any]:
    """Return the metadata of the kind, also when it may be left out (``Kind | None``)."""
    found = list(info.metadata)
    for part in getattr(info.annotation, "__args__", ()):
        found += getattr(part, "__metadata__", ())
    return found


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is PydanticUndefined:
        return "**required**"
    if value is LOCAL_NETS:
        return "the private ranges"
    noun = next((one.name for one in _metadata(info) if isinstance(one, Noun)), None)
    match value:
        case None:
            return {"threads": '`"auto"`', "time": '`"forever"`'}.get(noun or "", "none")
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f'`"{show_duration(value)}"`'
        case (int() as low, int() as high) if noun == "ports":
            return f'`"{low}-{high}"`'
        case () | "":
            return "none"
        case tuple():
            return "`[" + ", ".join(shown(str(item)) for item in value) + "]`"
        case str():
            return f"`{shown(str(value))}`"
        case _:
            return f"`{value}`"


if __name__ == "__main__":
    print(markdown(), end="")
