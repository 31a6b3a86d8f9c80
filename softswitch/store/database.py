"""The database: SQLite in a file of the office by default, PostgreSQL when it grows."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import aiosqlite
from sqlalchemy import AsyncAdaptedQueuePool, Connection, Table, event, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from softswitch.errors import NotPossible
from softswitch.store.schema import VERSION, meta, metadata

__all__ = ["Database", "is_damaged"]

CONNECT = 5.0  # seconds for a connection to PostgreSQL
COMMAND = 30.0  # seconds for one statement there
BUSY = 1.0  # seconds that SQLite waits for another's lock before it says so; the journal waits longer by itself


class Database:
    """One database and its connections; belongs to one event loop."""

    def __init__(self, where: Path | str, *, create: bool = True, busy: float = BUSY) -> None:
        """``where`` is a file of SQLite or a URL ("postgresql://softswitch@db/office"). Nothing is opened yet.

        ``create`` False reads only: it neither makes the file nor changes the tables.
        """
        self.url = _url(where)
        self.create = create
        self._busy = busy
        self._engine: AsyncEngine | None = None

    @property
    def path(self) -> Path | None:
        """The file, of SQLite."""
        if self.url.get_backend_name() != "sqlite" or not self.url.database:
            return None
        return Path(self.url.database)

    async def prepare(self) -> None:
        """Make the tables that are missing. Raises NotPossible if a newer version made them, DBAPIError if away."""
        if self.path is not None:
            _make_private(self.path)
        async with self.writing() as connection:
            await connection.run_sync(metadata.create_all)
            found = (await connection.execute(select(meta.c.value).where(meta.c.key == "version"))).scalar()
            if found is None:
                await connection.execute(meta.insert().values(key="version", value=str(VERSION)))
            elif not found.isdecimal() or int(found) > VERSION:
                raise NotPossible(f"database {self.url!r} has version {found}, this program knows up to {VERSION}")

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that writes; kept if the block ends well."""
        async with self.engine.connect() as connection:
            await connection.execution_options(writing=True)
            async with connection.begin():
                yield connection

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that sees one state of the database."""
        async with self.engine.connect() as connection, connection.begin():
            yield connection

    @property
    def engine(self) -> AsyncEngine:
        if self._engine is None:
            self._engine = self._make_engine()
        return self._engine

    def _make_engine(self) -> AsyncEngine:
        if self.path is None:
            return self._make_postgres()
        # mode=rw: a reader beside a running switch needs the shared memory file of the WAL, which mode=ro cannot make.
        uri = f"file:{_quoted(self.path)}?mode={'rwc' if self.create else 'rw'}"
        pragmas = (
            "PRAGMA journal_mode = WAL" if self.create else "PRAGMA query_only = ON",
            # NORMAL loses the last commits in a power cut but not the database; the spool still has those events.
            "PRAGMA synchronous = NORMAL",
        )

        async def connect() -> aiosqlite.Connection:
            # The driver's own transactions begin late and leave out DDL; ours begin where the engine says so.
            connecting = aiosqlite.connect(uri, uri=True, timeout=self._busy, isolation_level=None)
            # A program that ends without closing its database must end all the same (SQLAlchemy sees to that likewise).
            getattr(connecting, "_thread", threading.Thread()).daemon = True
            connection = await connecting
            try:
                for pragma in pragmas:
                    await connection.execute_fetchall(pragma)
            except BaseException:
                await connection.close()  # it has a thread, which nobody else would end
                raise
            return connection

        engine = create_async_engine("sqlite+aiosqlite://", async_creator=connect, poolclass=AsyncAdaptedQueuePool)

        def begin(connection: Connection) -> None:
            # A writer takes its lock at once: a read lock that wants to become one may be refused without waiting.
            writing = connection.get_execution_options().get("writing", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

        event.listen(engine.sync_engine, "begin", begin)
        return engine

    def _make_postgres(self) -> AsyncEngine:
        import asyncpg  # an extra, for those who use it
        from sqlalchemy.dialects.postgresql.asyncpg import dialect

        made: Any = dialect
        _, words = made().create_connect_args(self.url)
        # A lock of somebody else is an outage like any other: the events wait in the spool, not in the server's queue.
        settings = {"lock_timeout": f"{round(self._busy * 1000)}", "application_name": "softswitch"}

        async def connect() -> Any:
            try:
                return await asyncpg.connect(
                    **words, timeout=CONNECT, command_timeout=COMMAND, server_settings=settings
                )
            except asyncpg.PostgresError as error:
                # SQLAlchemy passes these on as they are: the server is starting, full, or does not know us.
                raise ConnectionError(str(error)) from error

        return create_async_engine("postgresql+asyncpg://", async_creator=connect, pool_pre_ping=True)

    async def harden(self) -> bool:
        """Bring every commit so far onto the disk for good; False if that is not possible now.

        SQLite with synchronous = NORMAL syncs its log only at a checkpoint.
        """
        if self.path is None:
            return True
        async with self.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            cursor = await cast("Any", raw.driver_connection).execute("PRAGMA wal_checkpoint(PASSIVE)")
            row = await cursor.fetchone()
            await cursor.close()
        busy, pages, done = row
        return bool(busy == 0 and pages == done)

    def upsert(self, table: Table, key: Sequence[str]) -> Any:
        """Return an insert of whole rows that replaces the rows that have the same key."""
        statement = self._insert(table)
        rest = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in key}
        return statement.on_conflict_do_update(index_elements=list(key), set_=rest)

    def insert_new(self, table: Table) -> Any:
        """Return an insert that leaves rows alone that are there already."""
        return self._insert(table).on_conflict_do_nothing()

    def _insert(self, table: Table) -> Any:
        if self.path is not None:
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # only where it is used: a start should not wait for it

        return postgresql.insert(table)

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    async def set_aside(self, now: datetime) -> Path | None:
        """Rename the file of a damaged SQLite database out of the way; returns its new name."""
        path = self.path
        if path is None or not path.exists():
            return None
        await self.close()
        aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{path}{suffix}", f"{aside}{suffix}")
        return aside


def is_damaged(error: Exception) -> bool:
    """Whether SQLite says that the file itself is broken, not busy, full or away."""
    code = getattr(error.orig, "sqlite_errorcode", None) if isinstance(error, DBAPIError) else None
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _url(where: Path | str) -> URL:
    if isinstance(where, Path):
        return URL.create("sqlite+aiosqlite", database=str(where))
    url = make_url(where)
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    return url.set(drivername=drivers.get(url.drivername, url.drivername))


def _quoted(path: Path) -> str:
    """Return the path as SQLite's URI wants it (https://sqlite.org/uri.html, section 3.1)."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _make_private(path: Path) -> None:
    """Make the file readable by its owner only before SQLite makes it for everybody."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
