"""What opens the API: browser sessions and programs' tokens, kept as digests; and the hashes of passwords.

All of it is in memory too, since each request asks; the database is written
first, so that what was revoked stays so after a restart. Belongs to one loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, select

from softswitch.ids import Ids
from softswitch.store import schema
from softswitch.store.database import Database

__all__ = ["SESSION", "Grant", "Grants"]

SESSION = timedelta(hours=12)
"""How long a login lasts: a working day, so that nobody is thrown out in the midst of it."""

STRENGTH = 160
"""Bits of a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One session or token of ``person``; ``name`` is what its owner calls a token. A token does not expire."""

    id: str
    person: str
    kind: Literal["session", "token"]
    name: str
    created_at: datetime
    expires_at: datetime | None

    def valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


class Grants:
    """``load`` before anything else; everything that writes raises SQLAlchemyError when the database is away."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database, self._ids = database, ids
        self._by_digest: dict[str, Grant] = {}
        self._passwords: dict[str, str] = {}
        self._watchers: list[Callable[[], None]] = []
        self.loaded = False

    async def load(self, now: datetime) -> None:
        """Read what is kept, and delete what has expired."""
        table = schema.web_grants
        async with self._database.writing() as connection:
            await connection.execute(delete(table).where(table.c.expires_at <= now))
            rows = (await connection.execute(select(table))).mappings().all()
            kept = (await connection.execute(select(schema.web_passwords))).mappings().all()
        self._by_digest = {row["digest"]: _grant(dict(row)) for row in rows}
        self._passwords = {row["person"]: row["hash"] for row in kept}
        self.loaded = True

    def watch(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever a grant ends, for whoever holds a connection open by it."""
        self._watchers.append(changed)

    # Grants ----------------------------------------------------------------------------------------------------------

    def find(self, token: str, now: datetime) -> Grant | None:
        """Return the grant that a token opens, if it is valid."""
        # A digest is looked up, never compared byte by byte: timing tells nothing of use about the token.
        grant = self._by_digest.get(_digest(token))
        return grant if grant is not None and grant.valid(now) else None

    def holds(self, grant: Grant, now: datetime) -> bool:
        """Tell whether a grant found earlier is still good."""
        return grant.valid(now) and any(one.id == grant.id for one in self._by_digest.values())

    def of(self, person: str, kind: Literal["session", "token"]) -> list[Grant]:
        return [one for one in self._by_digest.values() if (one.person, one.kind) == (person, kind)]

    async def open(self, person: str, kind: Literal["session", "token"], name: str, now: datetime) -> tuple[str, Grant]:
        """Make a grant, and forget those that have expired; return the token, which is kept nowhere, and the grant."""
        token = self._ids.token(STRENGTH)
        grant = Grant(
            id=self._ids.token(60),
            person=person,
            kind=kind,
            name=name,
            created_at=now,
            expires_at=now + SESSION if kind == "session" else None,
        )
        row = {field: getattr(grant, field) for field in Grant.__slots__} | {"digest": _digest(token)}
        table = schema.web_grants
        async with self._database.writing() as connection:
            await connection.execute(delete(table).where(table.c.expires_at <= now))
            await connection.execute(table.insert().values(row))
        self._by_digest = {digest: one for digest, one in self._by_digest.items() if one.valid(now)}
        self._by_digest[row["digest"]] = grant
        return token, grant

    async def revoke(self, *grants: Grant) -> None:
        """End grants, for good."""
        wanted = {one.id for one in grants}
        table = schema.web_grants
        async with self._database.writing() as connection:
            await connection.execute(delete(table).where(table.c.id.in_(wanted)))
        self._by_digest = {digest: one for digest, one in self._by_digest.items() if one.id not in wanted}
        for changed in self._watchers:
            changed()

    async def forget_strangers(self, people: Container[str]) -> list[Grant]:
        """Delete what belongs to nobody of ``people``, and return the grants among it.

        An extension is given to the next employee one day, who must not inherit what opened the API to the one before.
        """
        gone = [one for one in self._by_digest.values() if one.person not in people]
        strangers = {one for one in self._passwords if one not in people}
        if strangers:
            table = schema.web_passwords
            async with self._database.writing() as connection:
                await connection.execute(delete(table).where(table.c.person.in_(strangers)))
            self._passwords = {one: kept for one, kept in self._passwords.items() if one not in strangers}
        if gone:
            await self.revoke(*gone)
        return gone

    # Passwords -------------------------------------------------------------------------------------------------------

    def password(self, person: str) -> str | None:
        """Return the hash of a person's password, None if there is none."""
        return self._passwords.get(person)

    async def set_password(self, person: str, hashed: str, now: datetime) -> None:
        put = self._database.upsert(schema.web_passwords, ["person"])
        async with self._database.writing() as connection:
            await connection.execute(put.values(person=person, hash=hashed, set_at=now))
        self._passwords[person] = hashed


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _grant(row: dict[str, object]) -> Grant:
    row.pop("digest")
    return Grant(**row)  # type: ignore[arg-type]
