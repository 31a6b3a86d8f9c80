"""Whole rows, many at a time, by one prepared statement.

SQLAlchemy's own way costs 40 us a row, in the thread of the calls: it makes a
dictionary of each row and asks each value's type how to bind it. What goes into
SQLite has five types only, so here a row is one pass over its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from softswitch.store.database import Database

__all__ = ["Rows", "clean"]

_LIMIT = (1 << 63) - 1


def clean(value: Any) -> Any:
    """Return a value that every database takes: text without NUL and lone surrogates, integers of 64 bits."""
    if isinstance(value, str):
        if not value.isascii():
            value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value.replace("\0", "\ufffd") if "\0" in value else value
    if isinstance(value, int) and not -_LIMIT <= value <= _LIMIT:
        return _LIMIT if value > 0 else -_LIMIT
    return value


class Rows:
    """A statement that stores whole rows of a table; each row has the table's columns in their order."""

    def __init__(self, database: Database, table: Table, statement: Any) -> None:
        self._statement = statement
        self._names = tuple(column.name for column in table.columns)
        self._sql = ""
        if database.path is not None:
            compiled = statement.compile(dialect=sqlite.dialect())
            assert tuple(compiled.positiontup) == self._names
            self._sql = str(compiled)

    async def put(self, connection: AsyncConnection, rows: Sequence[Sequence[Any]]) -> None:
        """Raises DBAPIError."""
        if not rows:
            return
        if self._sql:
            # Nearly all values are plain text or nothing, for which a call of a function each would be the most of it.
            plain = [
                tuple(
                    [
                        value
                        if value is None or (type(value) is str and value.isascii() and "\0" not in value)
                        else _of_sqlite(value)
                        for value in row
                    ]
                )
                for row in rows
            ]
            await connection.exec_driver_sql(self._sql, plain)
        else:
            await connection.execute(
                self._statement, [dict(zip(self._names, map(clean, row), strict=True)) for row in rows]
            )


def _of_sqlite(value: Any) -> Any:
    """Return a value as ``schema`` reads it back from SQLite."""
    kind = type(value)
    if kind is str:
        return clean(value)
    if kind is datetime:
        at = value if value.tzinfo is UTC else value.astimezone(UTC)
        return at.isoformat(" ", "microseconds")[:26]
    if kind is int:
        return clean(value)
    return value
