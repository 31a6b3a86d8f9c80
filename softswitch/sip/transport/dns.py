"""From host names to addresses (RFC 3263: SRV, A, AAAA), asked asynchronously and remembered.

An answer is kept for its TTL, at least a second and at most an hour. When the
name servers fail, the last good answer serves for up to an hour more: a trunk
must not go down because a name server does. A failure is remembered for some
seconds, so that a dead name server does not delay every call.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from softswitch.sip.events import Destination, Transport

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.resolver

__all__ = ["Resolver", "is_numeric", "read_hosts"]

Address = tuple[str, int]

SHORTEST_TTL, LONGEST_TTL = 1.0, 3600.0
STALE_LIFE = 3600.0
FAILURE_LIFE = 15.0
NEGATIVE_LIFE = 30.0  # "no such name" and "no such record": as a rule a name without AAAA or SRV
MOST_NAMES = 1024
# SRV records and addresses used of one answer: a hostile zone must not make us dial hundreds.
MOST_TARGETS, MOST_ADDRESSES = 8, 8
DEFAULT_PORT = 5060


@dataclass(frozen=True, slots=True)
class _Known:
    records: tuple[tuple[str, int], ...]  # (address, 0), or (SRV target, port)
    expires: float
    stale_until: float


class Resolver:
    """Resolves destinations for one event loop.

    ``now`` is the clock of the TTLs. ``hosts`` are fixed names, by default those
    of /etc/hosts. ``patience`` bounds all questions about one destination, in seconds.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        hosts: Mapping[str, Sequence[str]] | None = None,
        resolver: dns.asyncresolver.Resolver | None = None,
        patience: float = 2.0,
    ) -> None:
        self._now, self._patience = now, patience
        self._hosts = read_hosts() if hosts is None else hosts
        self._resolver = resolver
        self._known: dict[tuple[str, str], _Known] = {}
        self._asking: dict[Destination, asyncio.Task[list[Address]]] = {}

    def cached(self, destination: Destination) -> list[Address] | None:
        """Return the addresses if they are known without asking, fresh; None when ``resolve`` must be awaited."""
        host, port = destination.host, destination.port
        if is_numeric(host):
            return [(host, port or DEFAULT_PORT)]
        name = host.rstrip(".").lower()
        if name in self._hosts:
            return [(address, port or DEFAULT_PORT) for address in self._hosts[name]]
        if port:
            return self._join([(name, port)])
        services = self._fresh(_service(destination.transport, name), "SRV")
        if services is None:
            return None
        return self._join(services or [(name, DEFAULT_PORT)])

    async def resolve(self, destination: Destination) -> list[Address]:
        """Return numeric addresses to try in order; [] when the name cannot be resolved. Never raises.

        A destination with port 0 is looked for by SRV first (RFC 3263 section 4.2).
        """
        known = self.cached(destination)
        if known is not None:
            return known
        task = self._asking.get(destination)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._resolve(destination))
            self._asking[destination] = task
            task.add_done_callback(lambda _: self._asking.pop(destination, None))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Give up on open questions."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _join(self, targets: Sequence[tuple[str, int]]) -> list[Address] | None:
        """Return the addresses of all targets, or None if those of one are not known."""
        addresses: list[Address] = []
        for target, port in targets:
            if is_numeric(target):
                addresses.append((target, port))
                continue
            found = [self._hosts_of(target), self._fresh(target, "A"), self._fresh(target, "AAAA")]
            if found[0] is None and (found[1] is None or found[2] is None):
                return None
            addresses += [(address, port) for records in found for address, _ in records or ()]
        return addresses[:MOST_ADDRESSES]

    def _hosts_of(self, name: str) -> list[tuple[str, int]] | None:
        known = self._hosts.get(name)
        return None if known is None else [(address, 0) for address in known]

    async def _resolve(self, destination: Destination) -> list[Address]:
        name = destination.host.rstrip(".").lower()
        try:
            async with asyncio.timeout(self._patience):
                targets: Sequence[tuple[str, int]] = [(name, destination.port)]
                if not destination.port:
                    services = await self._ask(_service(destination.transport, name), "SRV")
                    targets = services or [(name, DEFAULT_PORT)]
                await asyncio.gather(
                    *(self._ask(target, kind) for target, _ in targets for kind in ("A", "AAAA") if self._wants(target))
                )
        except TimeoutError:
            return self._stale(destination)
        return self.cached(destination) or self._stale(destination)

    def _wants(self, target: str) -> bool:
        return not is_numeric(target) and target not in self._hosts

    def _stale(self, destination: Destination) -> list[Address]:
        """Return what was last known of a destination, however old."""
        name = destination.host.rstrip(".").lower()
        targets: Sequence[tuple[str, int]] = [(name, destination.port)]
        if not destination.port:
            targets = self._last(_service(destination.transport, name), "SRV") or [(name, DEFAULT_PORT)]
        return [
            (address, port)
            for target, port in targets
            for kind in ("A", "AAAA")
            for address, _ in self._last(target, kind)
        ][:MOST_ADDRESSES]

    def _fresh(self, name: str, kind: str) -> tuple[tuple[str, int], ...] | None:
        known = self._known.get((name, kind))
        return known.records if known is not None and self._now() < known.expires else None

    def _last(self, name: str, kind: str) -> tuple[tuple[str, int], ...]:
        known = self._known.get((name, kind))
        return known.records if known is not None and self._now() < known.stale_until else ()

    async def _ask(self, name: str, kind: str) -> tuple[tuple[str, int], ...]:
        """Ask one question and remember the answer; a failure keeps the old answer going for a while."""
        fresh = self._fresh(name, kind)
        if fresh is not None:
            return fresh
        resolver = self._resolver
        # In a thread, since it takes a fifth of a second; an office whose providers have addresses never loads it.
        await asyncio.to_thread(_load)
        import dns.asyncresolver
        import dns.exception
        import dns.resolver

        try:
            if resolver is None:
                resolver = self._resolver = dns.asyncresolver.Resolver()
            answer = await resolver.resolve(name, kind, lifetime=self._patience, search=kind != "SRV")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return self._remember(name, kind, (), NEGATIVE_LIFE, 0.0)
        except (dns.exception.DNSException, OSError, ValueError):
            last = self._last(name, kind)
            known = self._known.get((name, kind))
            left = 0.0 if known is None else known.stale_until - self._now() - FAILURE_LIFE
            return self._remember(name, kind, last, FAILURE_LIFE, max(0.0, left))
        ttl = 0.0 if answer.rrset is None else float(answer.rrset.ttl)
        ttl = min(max(ttl, SHORTEST_TTL), LONGEST_TTL)
        return self._remember(name, kind, _records(answer, kind), ttl, STALE_LIFE)

    def _remember(
        self, name: str, kind: str, records: tuple[tuple[str, int], ...], ttl: float, stale: float
    ) -> tuple[tuple[str, int], ...]:
        if len(self._known) >= MOST_NAMES:
            del self._known[next(iter(self._known))]
        now = self._now()
        self._known.pop((name, kind), None)
        self._known[name, kind] = _Known(records, now + ttl, now + ttl + stale)
        return records


@functools.cache
def _load() -> None:
    importlib.import_module("dns.asyncresolver")


def _records(answer: dns.resolver.Answer, kind: str) -> tuple[tuple[str, int], ...]:
    if kind != "SRV":
        return tuple((str(record.address), 0) for record in answer)[:MOST_ADDRESSES]
    # RFC 2782: lower priority first, then by weight. The heaviest first instead of a draw: all
    # messages of a transaction must go to one server, and the answer is shared by all calls.
    ordered = sorted(answer, key=lambda record: (record.priority, -record.weight, str(record.target)))
    targets = [(str(record.target).rstrip(".").lower(), int(record.port)) for record in ordered]
    return tuple(target for target in targets if target[0])[:MOST_TARGETS]


def _service(transport: Transport, name: str) -> str:
    return f"_sip._{transport}.{name}"


@functools.lru_cache(maxsize=4096)
def is_numeric(host: str) -> bool:
    """Whether the host is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def read_hosts(path: str = "/etc/hosts") -> dict[str, list[str]]:
    """Return the names of a hosts file with their addresses; {} when it cannot be read."""
    names: dict[str, list[str]] = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return names
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) > 1 and is_numeric(words[0]):
            for name in words[1:]:
                names.setdefault(name.lower(), []).append(words[0])
    return names
