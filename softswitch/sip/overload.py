"""Whether new calls are taken: shedding by how long datagrams wait (RFC 6357 section 5.3, local control).

Behind 500 ms of queue every peer sends again (timer T1), each repetition makes
the queue longer, and soon nobody's call is set up. New calls are therefore
refused, cheaply, until the queue is down to ``ENOUGH``; what belongs to calls
that are up goes on meanwhile.

That datagrams are late does not tell yet that there are too many: a machine
that stopped for a second finds a second of them, and works them off. As CoDel
(RFC 8289) does, the queue is therefore judged by the least wait of an interval,
not by one datagram: too many come when for ``INTERVAL`` all have waited longer
than ``MOST``, the queue was never empty, and it has not become shorter. With
``MOST`` that stays below T1.
"""

from __future__ import annotations

from collections.abc import Hashable

__all__ = ["ENOUGH", "INTERVAL", "MOST", "Overload"]

MOST = 0.25
ENOUGH = 0.05
INTERVAL = 0.2
FORGOTTEN = 1.0
"""Seconds without a datagram after which a queue is empty, whatever its last one has waited."""


class Overload:
    """``refused`` counts the calls that were not taken."""

    __slots__ = ("_queues", "refused")

    def __init__(self) -> None:
        self._queues: dict[Hashable, _Queue] = {}
        self.refused = 0

    def note(self, waited: float, now: float, queue: Hashable = None) -> None:
        """Learn that it is the turn of a datagram that came ``waited`` seconds ago; queues are judged apart."""
        known = self._queues.get(queue)
        if known is None:
            known = self._queues[queue] = _Queue()
        known.note(waited, now)

    def sheds(self, now: float) -> bool:
        """Whether calls are being refused."""
        return any(queue.sheds(now) for queue in self._queues.values())

    def refuses(self, now: float) -> bool:
        """Whether the new call that has just come is to be refused; it is counted."""
        sheds = self.sheds(now)
        self.refused += sheds
        return sheds


class _Queue:
    """The datagrams of one socket, in order of arrival.

    ``_since`` and ``_before`` are when the running interval began, and the wait of
    its first datagram; ``_since`` is None while datagrams are in time.
    """

    __slots__ = ("_before", "_last", "_shedding", "_since")

    def __init__(self) -> None:
        self._shedding = False
        self._since: float | None = None
        self._before = 0.0
        self._last = 0.0

    def note(self, waited: float, now: float) -> None:
        was_empty = now - waited > self._last
        self._last = now
        if waited <= MOST:
            self._since = None
            self._shedding = self._shedding and waited >= ENOUGH
        elif self._since is None or was_empty:
            self._since, self._before = now, waited
        elif now - self._since >= INTERVAL:
            self._shedding = self._shedding or waited >= self._before
            self._since, self._before = now, waited

    def sheds(self, now: float) -> bool:
        return self._shedding and now - self._last < FORGOTTEN
