"""Whom to ask for help first: of those who could give it, who helped least lately, then who has been idle longest."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

from softswitch.directory.people import Person

__all__ = ["Experts"]

LATELY = 3600.0
"""Seconds for which help that somebody gave counts."""


class Experts:
    """What is remembered of people since the switch started; ``now`` is monotonic."""

    def __init__(self) -> None:
        self._helped: defaultdict[str, deque[float]] = defaultdict(deque)
        self._busy: dict[str, float] = {}

    def helped(self, extension: str, now: float) -> None:
        """Somebody has begun to help."""
        self._helped[extension].append(now)

    def busy(self, extension: str, now: float) -> None:
        """Somebody was in a conversation, or helped in one, until now."""
        self._busy[extension] = now

    def in_order(self, people: Iterable[Person], now: float) -> list[Person]:
        """Return whom to ask first, second and so on."""
        return sorted(people, key=lambda one: (self._lately(one.extension, now), self._since(one), one.extension))

    def _lately(self, extension: str, now: float) -> int:
        times = self._helped.get(extension)
        if times is None:
            return 0
        while times and now - times[0] > LATELY:
            times.popleft()
        return len(times)

    def _since(self, person: Person) -> float:
        """When somebody became idle; who was never busy has been idle longest."""
        return self._busy.get(person.extension, float("-inf"))
