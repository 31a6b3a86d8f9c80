"""What the SIP stack must be told before it starts, and whom it asks about people and trunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from softswitch.sip.auth import DigestClient
from softswitch.sip.events import Destination, Flow
from softswitch.sip.transaction import Timers

__all__ = ["Authority", "SipSettings", "TrunkPeer"]


def _own_address(way: Flow | Destination) -> tuple[str, int]:
    return way.local if isinstance(way, Flow) else ("127.0.0.1", 5060)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkPeer:
    """A trunk to watch: it is asked by OPTIONS every ``keep_alive`` seconds, never if that is None."""

    name: str
    to: Destination
    keep_alive: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SipSettings:
    """The stack's settings; times in seconds.

    ``advertised`` tells host and port for Via and Contact towards a flow or
    destination, since an office has phones on both sides of its NAT. ``hosts``
    are further names and addresses under which this switch is known, beside
    ``domain``.
    """

    domain: str
    realm: str = ""
    server: str = "softswitch"
    hosts: frozenset[str] = frozenset()
    advertised: Callable[[Flow | Destination], tuple[str, int]] = _own_address
    timers: Timers = field(default_factory=Timers)
    min_expires: int = 60
    max_expires: int = 3600
    default_expires: int = 3600
    max_contacts: int = 10
    session_expires: int = 1800
    min_se: int = 90
    nonce_life: float = 60.0
    # In the order offered. RFC 8760 wants SHA-256 first; not every phone survives the sight of it.
    algorithms: tuple[str, ...] = ("MD5",)
    keepalive_interval: float = 10.0
    keepalive_patience: float = 15.0
    trunks: tuple[TrunkPeer, ...] = ()


class Authority(Protocol):
    """Who may do what; answered from memory by the composition root, since each request waits for it."""

    def credentials(self, user: str) -> Mapping[str, str] | None:
        """Return HA1 by algorithm ("MD5", "SHA-256") of a person, None for an unknown one."""
        ...

    def trunk_of(self, flow: Flow) -> str | None:
        """Return the trunk whose configured address this flow comes from."""
        ...

    def account(self, name: str) -> DigestClient | None:
        """Return what answers the challenges of the trunk of that name."""
        ...

    def display(self, person: str) -> str:
        """Return the name that others see when this person calls."""
        ...
