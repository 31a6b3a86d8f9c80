"""Who guesses passwords: bad answers to challenges are counted per source address and account.

A request without credentials is no guess, and a stale nonce is none either:
phones make both all day. What is asked of an address with a healthy
registration is the affair of the gate, which does not ban it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["Ban", "Bans"]

GUESSES: Final = 10
WITHIN: Final = 60.0
LASTS: Final = 600.0
MOST: Final = 10_000
"""Pairs that are remembered; a flood of invented names forgets the oldest."""
LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Ban:
    """``until`` is monotonic seconds."""

    source: str
    account: str
    until: float


class Bans:
    """Counts guesses, and remembers for ``LASTS`` who made too many."""

    def __init__(self) -> None:
        self._guesses: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()
        self._bans: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        """How many pairs are remembered, for whatever reason."""
        return len(self._guesses) + len(self._bans)

    def guessed(self, source: str, account: str, now: float) -> bool:
        """Note a bad answer; return whether it is one too many. The count then begins anew."""
        key = (source, account[:LONGEST_NAME])
        times = self._guesses.pop(key, None) or deque(maxlen=GUESSES)
        times.append(now)
        if len(times) == GUESSES and now - times[0] <= WITHIN:
            return True
        self._guesses[key] = times
        if len(self._guesses) > MOST:
            self._guesses.popitem(last=False)
        return False

    def add(self, source: str, account: str, now: float) -> Ban:
        key = (source, account[:LONGEST_NAME])
        self._bans.pop(key, None)
        self._bans[key] = now + LASTS
        if len(self._bans) > MOST:
            self._bans.popitem(last=False)
        return Ban(*key, self._bans[key])

    def restore(self, bans: Iterable[Ban]) -> None:
        """Take back what a process before had, the oldest first; before anything is added."""
        self._bans.update({(ban.source, ban.account): ban.until for ban in bans})

    def holds(self, source: str, account: str, now: float) -> bool:
        if not self._bans:
            return False
        key = (source, account[:LONGEST_NAME])
        until = self._bans.get(key)
        if until is None:
            return False
        if until <= now:
            del self._bans[key]
            return False
        return True

    def lift(self, source: str | None, account: str | None, now: float) -> list[Ban]:
        """End the bans of this source, this account, or both; None is any. Return those that were in force."""
        lifted = [ban for ban in self.all(now) if source in (None, ban.source) and account in (None, ban.account)]
        for ban in lifted:
            del self._bans[ban.source, ban.account]
        return lifted

    def all(self, now: float) -> list[Ban]:
        """The bans in force, the oldest first."""
        for key, until in list(self._bans.items()):
            if until > now:
                break  # all last equally long, so the rest ends later
            del self._bans[key]
        return [Ban(source, account, until) for (source, account), until in self._bans.items()]
