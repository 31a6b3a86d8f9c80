"""Identifiers and the one source of randomness that makes them.

Machines never draw random numbers themselves: they are given an ``Ids``. In
production it draws from the operating system; a test seeds it and gets the
same tags, branches and ports in every run.
"""

from __future__ import annotations

import random
from typing import NewType

__all__ = ["ConversationId", "Ids", "LegId", "NodeId"]

ConversationId = NewType("ConversationId", str)
LegId = NewType("LegId", str)
NodeId = NewType("NodeId", str)

# Crockford's base 32: no i, l, o, u, so that an id can be read over the telephone.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Ids:
    """Makes every identifier and random choice; ``Ids(seed)`` repeats itself, ``Ids()`` cannot be guessed."""

    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)

    def token(self, bits: int = 64) -> str:
        """Return an unguessable lower-case word of at least ``bits`` bits."""
        value = self._random.getrandbits(bits)
        letters = []
        for _ in range((bits + 4) // 5):
            letters.append(_ALPHABET[value & 31])
            value >>= 5
        return "".join(letters)

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
        return self._random.randrange(limit)

    def between(self, low: float, high: float) -> float:
        """Return a uniform real number in ``[low, high]``."""
        return self._random.uniform(low, high)

    def shuffled(self, items: list[int]) -> list[int]:
        """Return the items in random order; the argument is left alone."""
        return self._random.sample(items, len(items))
