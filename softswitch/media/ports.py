"""The UDP ports of RTP and RTCP: chosen at random, in pairs, and cooled down after use.

A random number from a large range makes a guess at a running call's port
expensive, and the cool-down keeps the late packets of the last call out of the
next one: both are defences against RTP bleed and injection.
"""

from __future__ import annotations

import errno
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from softswitch.errors import NotPossible
from softswitch.frozen import dataclass
from softswitch.ids import Ids

__all__ = ["PortPair", "PortPool"]

EXPEDITED = 46 << 2
"""DSCP EF for voice (RFC 4594 section 4.1), as the TOS byte."""


@dataclass(frozen=True, slots=True)
class PortPair:
    """Two bound, unconnected, non-blocking UDP sockets: an even port and the next one (RFC 3550 section 11)."""

    rtp: socket.socket
    rtcp: socket.socket
    host: str
    port: int

    @property
    def local(self) -> tuple[str, int]:
        """The RTP address to write into a session description."""
        return self.host, self.port


class PortPool:
    """Opens and takes back pairs of ports from ``low`` to ``high``, both included.

    ``cooldown`` is how many seconds a number rests after ``release``; when no
    rested one is left, the one that rests longest is taken, after ``least`` at
    the earliest: 5,000 pairs that rest 30 s would bound the switch to 83 calls a
    second. ``now`` tells monotonic seconds. The pool belongs to the thread that
    commands the engine.
    """

    def __init__(
        self,
        low: int,
        high: int,
        ids: Ids,
        *,
        cooldown: float = 30.0,
        least: float = 2.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        assert 0 < low <= high <= 65_535, f"RTP ports {low}-{high} are no range of UDP ports"
        self._low, self._high = low, high
        self._ids, self._cooldown, self._now = ids, cooldown, now
        self._spared = max(0.0, cooldown - least)
        self._free = list(range(low + low % 2, high, 2))
        self._cooling: deque[tuple[float, int]] = deque()
        self._open: set[int] = set()

    def __str__(self) -> str:
        return f"of {self._low}-{self._high}, {len(self)} pairs are open and {len(self._cooling)} rest"

    def __len__(self) -> int:
        """Return how many pairs are open."""
        return len(self._open)

    def open(self, host: str) -> PortPair:
        """Bind a pair on ``host``, a numeric IPv4 or IPv6 address of this machine.

        Raises ``NotPossible`` when no pair is left, ``host`` is not ours, or
        the process may open no more files.
        """
        now = self._now()
        self._warm_up(now)
        if not self._free and self._cooling and self._cooling[0][0] <= now + self._spared:
            self._free.append(self._cooling.popleft()[1])
        refused: list[int] = []
        try:
            while self._free:
                number = self._draw()
                try:
                    pair = _bind(host, number)
                except OSError as error:
                    if error.errno in (errno.EADDRINUSE, errno.EACCES):
                        refused.append(number)
                        continue
                    self._free.append(number)
                    raise NotPossible(f"no RTP port on {host}: {error.strerror or error}") from error
                self._open.add(number)
                return pair
        finally:
            # Somebody else has these numbers now; try them again when they may be free.
            self._cooling.extend((self._now() + self._cooldown, number) for number in refused)
        raise NotPossible(f"no RTP port left: {self}")

    def release(self, pair: PortPair) -> None:
        """Close both sockets and let the numbers rest; a second release of a pair does nothing."""
        for endpoint in (pair.rtp, pair.rtcp):
            # A connected UDP socket can report a late ICMP error here; it is closed all the same.
            with suppress(OSError):
                endpoint.close()
        if pair.port in self._open:
            self._open.discard(pair.port)
            self._cooling.append((self._now() + self._cooldown, pair.port))

    def _warm_up(self, now: float) -> None:
        while self._cooling and self._cooling[0][0] <= now:
            self._free.append(self._cooling.popleft()[1])

    def _draw(self) -> int:
        """Take a random free number in constant time."""
        index = self._ids.below(len(self._free))
        self._free[index], self._free[-1] = self._free[-1], self._free[index]
        return self._free.pop()


def _bind(host: str, port: int) -> PortPair:
    rtp = _bound(host, port)
    try:
        rtcp = _bound(host, port + 1)
    except OSError:
        rtp.close()
        raise
    return PortPair(rtp, rtcp, host, port)


def _bound(host: str, port: int) -> socket.socket:
    family, address = _address(host, port)
    endpoint = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, EXPEDITED)
        else:
            endpoint.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED)
        endpoint.bind(address)
    except OSError:
        endpoint.close()
        raise
    return endpoint


def _address(host: str, port: int) -> tuple[int, tuple[Any, ...]]:
    """Return family and address to bind. Numeric only: no name is looked up."""
    if ":" not in host:
        # getaddrinfo costs as much as socket and bind together; inet_aton would read "10.1" and names are refused.
        try:
            socket.inet_pton(socket.AF_INET, host)
        except OSError as error:
            raise OSError(errno.EADDRNOTAVAIL, f"{host} is no numeric address") from error
        return socket.AF_INET, (host, port)
    flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    # A link-local address keeps its %interface.
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)[0]
    return family, address
