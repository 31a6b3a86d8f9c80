"""Where each key of a TOML text stands, so that a complaint can name line and column."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tree_sitter

__all__ = ["Path", "Place", "Positions", "find_duplicate"]

Path = tuple[str | int, ...]
"""Keys and array indices from the root, as pydantic's ``loc``."""

_KEYS = frozenset({"bare_key", "quoted_key", "dotted_key"})


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1; a column counts characters, not bytes."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Entry:
    key: Place
    value: Place


class Positions:
    """The places of keys and values of one text, by path. A path that is not there has its parent's place."""

    def __init__(self, text: str) -> None:
        self._text = _Text(text)
        self._entries: dict[Path, _Entry] = {}
        for node, path in self._text.statements():
            self._put(node, path)

    def key(self, path: Path) -> Place:
        """Return where the key of ``path`` is written (for a table: its header)."""
        return self._nearest(path).key

    def value(self, path: Path) -> Place:
        """Return where the value of ``path`` begins (for a table: its header)."""
        return self._nearest(path).value

    def _nearest(self, path: Path) -> _Entry:
        for length in range(len(path), 0, -1):
            entry = self._entries.get(path[:length])
            if entry is not None:
                return entry
        return _Entry(Place(1, 1), Place(1, 1))

    def _put(self, node: tree_sitter.Node, path: Path) -> None:
        """Note one header or pair, then what is inside its value; with a stack, since arrays may nest without end."""
        waiting = [(node, path)]
        while waiting:
            node, path = waiting.pop()
            place = self._text.place(node)
            if node.type == "pair":
                value = node.named_children[-1]
                self._note(path, place, self._text.place(value))
                waiting.append((value, path))
            elif node.type == "inline_table":
                waiting += [(pair, path + _key(pair)) for pair in node.named_children if pair.type == "pair"]
            elif node.type == "array":
                items = [item for item in node.named_children if item.type != "comment"]
                for index, item in enumerate(items):
                    self._note((*path, index), self._text.place(item), self._text.place(item))
                    waiting.append((item, (*path, index)))
            elif node.type in ("table", "table_array_element"):
                self._note(path, place, place)

    def _note(self, path: Path, key: Place, value: Place) -> None:
        # [people.101] also makes "people"; the first mention is where a person would look.
        for length in range(1, len(path)):
            self._entries.setdefault(path[:length], _Entry(key, key))
        self._entries.setdefault(path, _Entry(key, value))


class _Text:
    """A parsed text: its statements in order, and the places of its nodes."""

    def __init__(self, text: str) -> None:
        self._source = text.encode()
        self._lines = self._source.split(b"\n")
        self._tree = _parser().parse(self._source)

    def place(self, node: tree_sitter.Node) -> Place:
        row, column = node.start_point
        return Place(row + 1, len(self._lines[row][:column].decode(errors="replace")) + 1)

    def statements(self) -> Iterator[tuple[tree_sitter.Node, Path]]:
        """Yield headers and pairs with their full paths, in file order."""
        counts: dict[Path, int] = {}
        for node in self._tree.root_node.named_children:
            if node.type == "pair":
                yield node, _key(node)
            elif node.type in ("table", "table_array_element"):
                path = _inside_arrays(_key(node), counts, repeated=node.type == "table_array_element")
                yield node, path
                for pair in node.named_children:
                    if pair.type == "pair":
                        yield pair, path + _key(pair)


def find_duplicate(text: str) -> tuple[Path, Place, Place] | None:
    """Return the first key or table that is written twice, with its second and its first place.

    tomllib refuses such a text but names the place of a pair only as "at end of document".
    """
    parsed = _Text(text)
    seen: dict[Path, Place] = {}
    for node, path in parsed.statements():
        place = parsed.place(node)
        if path in seen:
            return path, place, seen[path]
        seen[path] = place
    return None


def _inside_arrays(key: Path, counts: dict[Path, int], *, repeated: bool) -> Path:
    """Put the index of the latest element after each prefix that is an array of tables; count a new one."""
    path: Path = ()
    for depth, part in enumerate(key, 1):
        path = (*path, part)
        if depth == len(key) and repeated:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


@cache
def _parser() -> tree_sitter.Parser:
    """A file without a fault never needs it: it is loaded for the first complaint."""
    import tree_sitter
    import tree_sitter_toml

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language()))


def _key(node: tree_sitter.Node) -> Path:
    """Return the key of a pair or header as its parts; quoting is left to tomllib."""
    written = next((child for child in node.named_children if child.type in _KEYS), None)
    if written is None or written.text is None:
        return ()
    try:
        table: object = tomllib.loads(f"{written.text.decode()} = 0")
    except (ValueError, RecursionError):
        return ()
    path: Path = ()
    while isinstance(table, dict):
        [(part, table)] = table.items()
        path = (*path, part)
    return path
