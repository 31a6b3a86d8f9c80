"""Passwords of people for the API, apart from what their telephones register with: argon2id, in a thread.

One hash is computed at a time: it takes a core and 64 MB for a tenth of a
second, and sound must not wait for whoever tries passwords.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from softswitch.errors import SwitchError

__all__ = ["MOST_WAITING", "Busy", "Passwords"]

T = TypeVar("T")

MOST_WAITING = 16
"""Logins that may wait for their turn; a flood of them is turned away rather than queued."""


class Busy(SwitchError):
    """Too many passwords are being checked already; come back in a moment (HTTP 429)."""


class Passwords:
    """Hashes and verifies. ``hasher`` None is RFC 9106's second choice with one lane."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1, type=Type.ID)
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """Return what is kept of a password. Raises Busy."""
        return await self._in_turn(self._hasher.hash, password)

    async def matches(self, kept: str | None, password: str) -> bool:
        """Tell whether the password is the one of which ``kept`` is kept. Raises Busy.

        With None the answer is no, and takes as long as any other: who is known
        here must not be seen from outside.
        """
        right = await self._in_turn(self._verify, kept or "", password)
        return right and kept is not None

    def _verify(self, kept: str, password: str) -> bool:
        # Made at the first question whoever it is about: only one of us is in here at a time.
        if self._nobodys is None:
            self._nobodys = self._hasher.hash("nobody has this one")
        try:
            return self._hasher.verify(kept or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[..., T], *values: str) -> T:
        if self._waiting >= MOST_WAITING:
            raise Busy("too many logins at once")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *values)
        finally:
            self._waiting -= 1
