"""One connection to the web port: how long it may take to ask, how many there may be, and how it is told to go.

uvicorn bounds neither the time that a request's head takes nor the connections
of one address: a few hundred clients who send a byte now and then would keep
everybody else out.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Collection

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["MOST_CONNECTIONS", "Connection", "LiveConnection"]

MOST_CONNECTIONS = 600
"""At a time; each agent's browser holds one or two."""

MOST_OF_ONE = 64
"""Of one address at a time; proxies, and this machine itself, speak for many."""

ASKING = 10.0
"""Seconds that a request may take to arrive, head and body."""

LEAVING = 20.0
"""Seconds that whoever is told to go has for reading that."""


class Connection(H11Protocol):
    """HTTP. ``data_received`` and the rest are called by the loop."""

    _asking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        host = self.client[0] if self.client is not None else ""
        trusted = self.config.forwarded_allow_ips
        peers = [getattr(one, "client", None) for one in self.connections]
        if crowded(host, [peer[0] if peer else "" for peer in peers], trusted or ()):
            transport.abort()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self._forget()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Bound the time until the request is here, from its first byte on, or from that of the connection."""
        asked = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        if asked or self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._forget()
        elif self._asking is None:
            self._asking = self.loop.call_later(ASKING, self.transport.abort)

    def _forget(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None


class LiveConnection(WebSocketsSansIOProtocol):
    """A WebSocket. Whoever reads too slowly is told so behind what waits for him, if he ever reads on."""

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close":
            self.writable.set()
            self.loop.call_later(LEAVING, self._abort)
        await super().send(message)

    def _abort(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.transport.abort()


def crowded(host: str, present: Collection[str], trusted: Collection[str]) -> bool:
    """Whether a connection from ``host`` is one too many among those ``present``, itself included."""
    if len(present) > MOST_CONNECTIONS:
        return True
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = True  # a socket of this machine has no address
    return not near and host not in trusted and sum(one == host for one in present) > MOST_OF_ONE
