"""The brake on guessing passwords: after some failures a source must wait for one account, then for all.

A machine without a clock. What it remembers is bounded, and does not depend on
whether an account exists.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["Lockout", "network"]

FREE = 5
"""Failures of one source at one account before it must wait; somebody who mistypes needs about three."""

FREE_SOURCE = 30
"""Failures of one source at all accounts: several people may sit behind one address."""

FIRST_WAIT, LONGEST_WAIT = 30.0, 900.0
"""Seconds; the wait doubles with each further failure."""

FORGET = 3600.0
"""Seconds after the last failure after which it is forgotten."""

MOST_KEPT = 10_000


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0
    until: float = 0.0


class Lockout:
    """Ask ``wait`` first, tell each try by ``tried`` before its outcome is known, and each success by ``succeeded``."""

    def __init__(self) -> None:
        # Under None is the source as a whole: "" is the account of a caller who shows no number.
        self._kept: OrderedDict[tuple[str, str | None], _Failures] = OrderedDict()

    def wait(self, source: str, account: str, now: float) -> float:
        """Return the seconds until this source may try this account, 0.0 if at once."""
        source = network(source)
        untils = [self._kept[key].until for key in ((source, account), (source, None)) if key in self._kept]
        return max(0.0, max(untils, default=now) - now)

    def tried(self, source: str, account: str, now: float) -> float:
        """Count a try as a failure until ``succeeded``: many at once must not all be free. Return the new wait."""
        source = network(source)
        self._count((source, account), FREE, now)
        self._count((source, None), FREE_SOURCE, now)
        return self.wait(source, account, now)

    def succeeded(self, source: str, account: str) -> None:
        """Forget the failures at this account, and this try at the source."""
        source = network(source)
        self._kept.pop((source, account), None)
        whole = self._kept.get((source, None))
        if whole is not None:
            whole.count -= 1

    def _count(self, key: tuple[str, str | None], free: int, now: float) -> None:
        failures = self._kept.setdefault(key, _Failures())
        self._kept.move_to_end(key)
        if now - failures.last > FORGET:
            failures.count = 0
        failures.count += 1
        failures.last = now
        if failures.count >= free:
            doubled = min(failures.count - free, 10)
            failures.until = now + min(FIRST_WAIT * 2**doubled, LONGEST_WAIT)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def network(source: str) -> str:
    """Return what one attacker has: an IPv4 address, or the /64 of an IPv6 address (RFC 6177)."""
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
