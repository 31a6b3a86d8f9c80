"""Which of our addresses a peer is told: the interface that reaches it, or the public one beyond our own nets."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from softswitch.config.settings import Network
from softswitch.sip.events import Destination, Flow, Transport

__all__ = ["Addresses"]


class Addresses:
    """``local`` tells the address and port of ours from which packets to a host leave; it is asked per peer."""

    def __init__(
        self, public: str | None, local_nets: Sequence[Network], local: Callable[[Transport, str], tuple[str, int]]
    ) -> None:
        self._local = local
        self.use(public, local_nets)

    def use(self, public: str | None, local_nets: Sequence[Network]) -> None:
        self._public, self._local_nets = public, tuple(local_nets)

    def advertised(self, to: Flow | Destination) -> tuple[str, int]:
        """Host and port for Via and Contact towards ``to`` (RFC 3261 sections 8.1.1.8 and 18.1.1)."""
        remote = to.remote[0] if isinstance(to, Flow) else to.host
        host, port = self._local(to.transport, remote)
        return self._public_for(remote) or host, port

    def media(self, remote: str) -> tuple[str, str]:
        """Address to bind for audio with this peer, and the one to write into SDP."""
        host = self._local("udp", remote)[0]
        return host, self._public_for(remote) or host

    def _public_for(self, remote: str) -> str | None:
        if self._public is None:
            return None
        try:
            address = ipaddress.ip_address(remote)
        except ValueError:
            return self._public
        near = any(address.version == net.version and address in net for net in self._local_nets)
        return None if near else self._public
