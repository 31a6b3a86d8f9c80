"""A network without sockets: datagrams in flight under virtual time, lost and disordered by a seeded hand."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Link:
    """How datagrams fare: ``loss`` and ``duplicate`` are probabilities, ``delay`` and ``jitter`` seconds."""

    loss: float = 0.0
    delay: float = 0.010
    jitter: float = 0.0
    duplicate: float = 0.0


@dataclass(frozen=True, slots=True)
class Datagram:
    source: Address
    destination: Address
    data: bytes


class Network:
    def __init__(self, seed: int = 1, link: Link | None = None) -> None:
        self.link = link or Link()
        self.dead: set[str] = set()
        """Hosts that are switched off: nothing leaves them, nothing reaches them."""
        self._to_lose: list[bytes] = []
        self._random = random.Random(seed)
        self._flying: list[tuple[float, int, Datagram]] = []
        self._order = itertools.count()

    def lose_next(self, start: bytes) -> None:
        """Lose the next datagram that begins like this."""
        self._to_lose.append(start)

    def send(self, source: Address, destination: Address, data: bytes, now: float, *, lossy: bool = True) -> None:
        if source[0] in self.dead or destination[0] in self.dead:
            return
        lost = next((start for start in self._to_lose if data.startswith(start)), None)
        if lost is not None:
            self._to_lose.remove(lost)
            return
        link = self.link
        copies = 2 if lossy and self._random.random() < link.duplicate else 1
        for _ in range(copies):
            if lossy and self._random.random() < link.loss:
                continue
            at = now + link.delay + self._random.uniform(0, link.jitter)
            heapq.heappush(self._flying, (at, next(self._order), Datagram(source, destination, data)))

    @property
    def next(self) -> float | None:
        return self._flying[0][0] if self._flying else None

    def arrived(self, now: float) -> Datagram | None:
        while self._flying and self._flying[0][0] <= now:
            datagram = heapq.heappop(self._flying)[2]
            if datagram.destination[0] not in self.dead:
                return datagram
        return None
