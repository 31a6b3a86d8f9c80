"""Login of people: who holds which session or token, and what happens to whoever guesses.

A password of the API is not the telephone's. It is made by ``softswitch password
101``, shown once, and changed by its owner. A wrong password, an unknown person
and one without a password are answered alike, after the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from softswitch import events as facts
from softswitch.clock import Clock
from softswitch.directory.grants import Grant, Grants
from softswitch.directory.lockout import Lockout
from softswitch.directory.passwords import Passwords
from softswitch.directory.people import Directory
from softswitch.errors import NoSuch, NotPossible, SwitchError
from softswitch.events import Event
from softswitch.ids import Ids

__all__ = ["SHORTEST", "Locked", "Login", "NotNow", "WrongPassword"]

SHORTEST = 10
"""Characters of a password that somebody chooses."""

MADE = 80
"""Bits of a password that is made: 16 letters, none of which can be mistaken for another."""


class WrongPassword(SwitchError):
    """Nobody has this extension and this password (HTTP 401)."""


class Locked(SwitchError):
    """Too many failures: nothing is tried for ``wait`` seconds (HTTP 429)."""

    def __init__(self, wait: float) -> None:
        self.wait = wait
        super().__init__(f"too many failed logins: try again in {wait:.0f} s")


class NotNow(SwitchError):
    """The database is away, and with it who may come in (HTTP 503)."""


class Login:
    """``directory`` returns the one in force: whoever is removed from the configuration is out at once."""

    def __init__(
        self,
        grants: Grants,
        *,
        directory: Callable[[], Directory],
        publish: Callable[[Event], object],
        clock: Clock,
        ids: Ids,
        passwords: Passwords | None = None,
    ) -> None:
        self.grants = grants
        self._directory, self._publish, self._clock, self._ids = directory, publish, clock, ids
        self._passwords = passwords or Passwords()
        self._lockout = Lockout()

    async def ready(self) -> None:
        """Read what is kept, if that has not been possible yet. Raises NotNow."""
        if self.grants.loaded:
            return
        try:
            await self.grants.load(self._clock.utc())
        except (SQLAlchemyError, OSError) as error:
            raise NotNow("the database is away: nobody can log in") from error
        await self.forget_strangers()

    async def forget_strangers(self) -> None:
        """End everything of people who are no longer in the directory. Raises NotNow."""
        if not self.grants.loaded:
            return  # what is read later is looked through then
        try:
            gone = await self.grants.forget_strangers(self._directory().people)
        except (SQLAlchemyError, OSError) as error:
            raise NotNow("the database is away") from error
        for one in gone:
            if one.kind == "token":
                self._publish(facts.TokenRevoked(person=one.person, name=one.name, by="configuration"))

    def grant(self, token: str) -> Grant | None:
        """Return the valid grant that a token opens, of a person who is in the directory."""
        found = self.grants.find(token, self._clock.utc())
        return found if found is not None and found.person in self._directory().people else None

    def holds(self, grant: Grant) -> bool:
        """Tell whether a grant that was good is so still."""
        return grant.person in self._directory().people and self.grants.holds(grant, self._clock.utc())

    async def enter(self, person: str, password: str, source: str) -> tuple[str, Grant]:
        """Log in; return the session's token and the session. Raises WrongPassword, Locked, Busy and NotNow."""
        await self.ready()
        await self._check(person, password, source)
        token, grant = await self._open(person, "session", "")
        self._publish(facts.LoggedIn(person=person, source=source))
        return token, grant

    async def leave(self, grant: Grant) -> None:
        """Log out: the token opens nothing from now on."""
        await self._revoke(grant)
        self._publish(facts.LoggedOut(person=grant.person))

    async def change(self, grant: Grant, old: str, new: str, source: str) -> None:
        """Change one's own password; all other sessions end. Raises as ``enter``, and NotPossible for a weak one."""
        await self.ready()
        if len(new) < SHORTEST or new == old:
            raise NotPossible(f"a new password has at least {SHORTEST} characters and is not the old one")
        await self._check(grant.person, old, source)
        await self._set(grant.person, new, by=grant.person, keep=grant)

    async def make_password(self, person: str, by: str) -> str:
        """Make a password for somebody and return it; all sessions of that person end. Raises NoSuch and NotNow."""
        self._known(person)
        await self.ready()
        made = self._ids.token(MADE)
        await self._set(person, made, by=by)
        return made

    async def make_token(self, person: str, name: str, by: str) -> tuple[str, Grant]:
        """Make a token for a program that acts as ``person``. Raises NoSuch, NotPossible and NotNow."""
        self._known(person)
        await self.ready()
        if any(one.name == name for one in self.grants.of(person, "token")):
            raise NotPossible(f"{person} has a token {name!r} already")
        token, grant = await self._open(person, "token", name)
        self._publish(facts.TokenMade(person=person, name=name, by=by))
        return token, grant

    async def revoke_token(self, person: str, name: str, by: str) -> None:
        """End a token of a person, by its name or its id. Raises NoSuch and NotNow."""
        await self.ready()
        found = next((one for one in self.grants.of(person, "token") if name in (one.name, one.id)), None)
        if found is None:
            raise NoSuch("token", name)
        await self._revoke(found)
        self._publish(facts.TokenRevoked(person=person, name=found.name, by=by))

    # -----------------------------------------------------------------------------------------------------------------

    async def _check(self, person: str, password: str, source: str) -> None:
        wait = self._lockout.wait(source, person, self._clock.now())
        if wait > 0:
            raise Locked(wait)
        wait = self._lockout.tried(source, person, self._clock.now())
        kept = self.grants.password(person) if person in self._directory().people else None
        if not await self._passwords.matches(kept, password):
            self._publish(facts.LoginRefused(person=person, source=source, wait=round(wait, 3)))
            raise WrongPassword("no such extension and password")
        self._lockout.succeeded(source, person)

    async def _open(self, person: str, kind: Literal["session", "token"], name: str) -> tuple[str, Grant]:
        try:
            return await self.grants.open(person, kind, name, self._clock.utc())
        except (SQLAlchemyError, OSError) as error:
            raise NotNow("the database is away") from error

    async def _revoke(self, *grants: Grant) -> None:
        try:
            await self.grants.revoke(*grants)
        except (SQLAlchemyError, OSError) as error:
            raise NotNow("the database is away") from error

    async def _set(self, person: str, password: str, by: str, keep: Grant | None = None) -> None:
        hashed = await self._passwords.hash(password)
        try:
            await self.grants.set_password(person, hashed, self._clock.utc())
        except (SQLAlchemyError, OSError) as error:
            raise NotNow("the database is away") from error
        others = [one for one in self.grants.of(person, "session") if keep is None or one.id != keep.id]
        await self._revoke(*others)
        self._publish(facts.PasswordChanged(person=person, by=by))

    def _known(self, person: str) -> None:
        if person not in self._directory().people:
            raise NoSuch("person", person)
