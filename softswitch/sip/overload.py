"""Whether new calls are taken: shedding by how long datagrams wait (RFC 6357 section 5.3, local control).

Behind 500 ms of queue every peer sends again (timer T1), each repetition makes
the queue longer, and soon nobody's call is set up. New calls are therefore
refused, cheaply, as soon as datagrams wait for ``MOST`` seconds, until the queue
is down to ``ENOUGH``; what belongs to calls that are up goes on meanwhile.
"""

from __future__ import annotations

__all__ = ["ENOUGH", "MOST", "Overload"]

MOST = 0.25
ENOUGH = 0.05


class Overload:
    """``refused`` counts the calls that were not taken."""

    __slots__ = ("refused", "shedding")

    def __init__(self) -> None:
        self.shedding = False
        self.refused = 0

    def note(self, waited: float) -> None:
        """Learn how many seconds lay between the arrival of a datagram at our socket and its turn."""
        if waited > MOST:
            self.shedding = True
        elif waited < ENOUGH:
            self.shedding = False

    def refuses(self) -> bool:
        """Whether the new call that has just come is to be refused; it is counted."""
        self.refused += self.shedding
        return self.shedding
