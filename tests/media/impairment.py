"""A network that does to packets what networks do: seeded, so that every run is the same."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

__all__ = ["Impairment", "Network"]


@dataclass(frozen=True, slots=True)
class Impairment:
    """What happens on the way; shares are 0.0 to 1.0, times in seconds.

    ``burst`` is the mean number of packets lost in a row (Gilbert's model; 1.0
    loses each for itself). ``jitter`` delays each packet by up to so much; in a
    ``queue`` none overtakes another. ``reordered`` packets come up to three
    packet times later than they would. ``ppm`` is how much the sender's clock is fast.
    """

    loss: float = 0.0
    burst: float = 1.0
    jitter: float = 0.0
    queue: bool = False
    reordered: float = 0.0
    doubled: float = 0.0
    ppm: float = 0.0


class Network:
    """Carries datagrams one way: ``send`` them, and ask what is ``due``."""

    def __init__(self, impairment: Impairment, seed: int = 1) -> None:
        self._impairment = impairment
        self._random = random.Random(seed)
        self._flying: list[tuple[float, int, bytes]] = []
        self._sent = 0
        self._losing = False
        self._newest = 0.0
        self.lost: list[int] = []
        """Which of the packets were lost, counted from 0."""

    def period(self, ptime: float) -> float:
        """What a sender of ``ptime`` seconds a packet takes for one, by a true clock."""
        return ptime / (1 + self._impairment.ppm / 1e6)

    def send(self, data: bytes, now: float) -> None:
        how, number = self._impairment, self._sent
        self._sent += 1
        if self._loses():
            self.lost.append(number)
            return
        for _ in range(2 if self._random.random() < how.doubled else 1):
            at = now + self._random.uniform(0, how.jitter)
            if self._random.random() < how.reordered:
                at += self._random.uniform(0.02, 0.06)
            if how.queue:
                at = self._newest = max(at, self._newest)
            heapq.heappush(self._flying, (at, number, data))

    def due(self, now: float) -> list[bytes]:
        """Take what has arrived by ``now``, in the order of arrival."""
        found = []
        while self._flying and self._flying[0][0] <= now:
            found.append(heapq.heappop(self._flying)[2])
        return found

    def _loses(self) -> bool:
        # Gilbert: the lossy state lasts `burst` packets in the mean, and is entered so that `loss` of all are in it.
        how = self._impairment
        leave = 1 / how.burst
        enter = how.loss * leave / (1 - how.loss) if how.loss < 1 else 1.0
        if how.burst <= 1.0:
            self._losing = self._random.random() < how.loss
        else:
            self._losing = self._random.random() < (1 - leave if self._losing else enter)
        return self._losing
