"""Time as an input: the clocks, and the list of deadlines that machines share.

``now`` is seconds on a monotonic clock whose zero means nothing; only events
carry UTC. No other module of the machines' floors may read a clock.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

__all__ = ["Clock", "Deadlines", "SystemClock", "VirtualClock", "earliest"]

Key = TypeVar("Key", bound=Hashable)


class Clock(Protocol):
    def now(self) -> float:
        """Return monotonic seconds."""
        ...

    def utc(self) -> datetime:
        """Return the civil time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        return datetime.now(UTC)


class VirtualClock:
    """A clock that moves only when told to, for tests and simulations."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 9, 0, tzinfo=UTC), now: float = 1000.0) -> None:
        self._origin, self._zero, self._now = start, now, now

    def now(self) -> float:
        return self._now

    def utc(self) -> datetime:
        return self._origin + timedelta(seconds=self._now - self._zero)

    def advance_to(self, now: float) -> None:
        """Move forward to ``now``; moving backward is a broken invariant."""
        assert now >= self._now, f"time ran backward from {self._now} to {now}"
        self._now = now


def earliest(*times: float | None) -> float | None:
    """Return the first of these instants, None when there is none."""
    first = None
    for at in times:
        if at is not None and (first is None or at < first):
            first = at
    return first


class Deadlines(Generic[Key]):
    """At most one deadline per key; the earliest is found in O(1), set and cleared in O(log n).

    A cleared or replaced entry stays in the heap until it surfaces or until the
    dead outnumber the living, so memory is bounded by twice the live keys.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Key]] = []
        self._live: dict[Key, tuple[float, int, Key]] = {}
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._live)

    def set(self, key: Key, at: float | None) -> None:
        """Set, move or (with None) clear the deadline of ``key``."""
        if at is None:
            self._live.pop(key, None)
            return
        known = self._live.get(key)
        if known is not None and known[0] == at:
            return
        entry = self._live[key] = (at, next(self._order), key)
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._live):
            self._heap = list(self._live.values())
            heapq.heapify(self._heap)

    @property
    def next(self) -> float | None:
        """The earliest deadline, or None."""
        heap, live = self._heap, self._live
        while heap:
            entry = heap[0]
            if live.get(entry[2]) is entry:
                return entry[0]
            heapq.heappop(heap)
        return None

    def due(self, now: float) -> Key | None:
        """Remove and return the key whose deadline is earliest, if it is not after ``now``."""
        at = self.next
        if at is None or at > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._live[key]
        return key
