"""Identifiers and the one source of randomness that makes them.

Machines never draw random numbers themselves: they are given an ``Ids``. In
production it draws from the operating system; a test seeds it and gets the
same tags, branches and ports in every run.
"""

from __future__ import annotations

import os
import random
from typing import NewType

__all__ = ["ConversationId", "Ids", "LegId", "NodeId"]

ConversationId = NewType("ConversationId", str)
LegId = NewType("LegId", str)
NodeId = NewType("NodeId", str)

# Crockford's base 32: no i, l, o, u, so that an id can be read over the telephone.
_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"

# A letter for each byte: eight letters' worth of randomness for five, and no loop.
_LETTERS = _ALPHABET * 8

_DRAWN_AHEAD = 4096  # bytes of one system call; a call set-up takes some 250


class _System(random.SystemRandom):
    """The operating system's generator, asked for much at a time. No byte is given out twice."""

    def __init__(self) -> None:
        self._ahead, self._at = b"", 0
        super().__init__()

    def randbytes(self, n: int) -> bytes:
        at = self._at
        if at + n > len(self._ahead):
            self._ahead, at = os.urandom(max(n, _DRAWN_AHEAD)), 0
        self._at = at + n
        return self._ahead[at : at + n]

    def getrandbits(self, k: int) -> int:
        size = (k + 7) // 8
        return int.from_bytes(self.randbytes(size), "big") >> (size * 8 - k)

    def random(self) -> float:
        return self.getrandbits(53) * 2.0**-53


class Ids:
    """Makes every identifier and random choice; ``Ids(seed)`` repeats itself, ``Ids()`` cannot be guessed."""

    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = _System() if seed is None else random.Random(seed)

    def token(self, bits: int = 64) -> str:
        """Return an unguessable lower-case word of at least ``bits`` bits."""
        return self._random.randbytes((bits + 4) // 5).translate(_LETTERS).decode()

    def conversation(self) -> ConversationId:
        return ConversationId(self.token(60))

    def leg(self) -> LegId:
        return LegId(self.token(60))

    def tag(self) -> str:
        """Return a From or To tag (RFC 3261 section 19.3 asks for 32 bits; ours has 64)."""
        return self.token(64)

    def branch(self) -> str:
        """Return a Via branch with the magic cookie of RFC 3261 section 8.1.1.7."""
        return "z9hG4bK" + self.token(80)

    def call_id(self) -> str:
        return self.token(120)

    def below(self, limit: int) -> int:
        """Return a uniform integer from 0 to ``limit - 1``."""
        bits = (limit - 1).bit_length()
        while True:
            drawn = self._random.getrandbits(bits) if bits else 0
            if drawn < limit:
                return drawn

    def between(self, low: float, high: float) -> float:
        """Return a uniform real number in ``[low, high]``."""
        return self._random.uniform(low, high)

    def shuffled(self, items: list[int]) -> list[int]:
        """Return the items in random order; the argument is left alone."""
        return self._random.sample(items, len(items))
