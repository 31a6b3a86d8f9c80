"""SIP over TCP: listening, connecting, and the limits that keep strangers from filling the process.

A connection is refused over the limits, and closed when its first message does
not come, when a message does not end, when it is idle for long, when its
framing is lost, or when the peer does not read what we send.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from softswitch.sip.events import Flow
from softswitch.sip.framing import KeepAlive, StreamFramer
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import DEFAULT_LIMITS, Limits, ParseError
from softswitch.sip.via import awaits_response

__all__ = ["StreamLimits", "Streams"]

Address = tuple[str, int]
# Keys of the requests written last: when the connection dies, these may never be answered.
KEYS_IN_FLIGHT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Bounds of all stream connections; times in seconds, sizes in bytes."""

    connections: int = 2000
    per_address: int = 200  # an office behind one NAT
    send_queue: int = 256 << 10
    first_message: float = 20.0
    idle: float = 900.0  # phones keep their connection for a registration and ping it
    connect: float = 4.0
    messages: Limits = field(default=DEFAULT_LIMITS)


class _Connection(asyncio.Protocol):
    """One stream. It knows its socket, its framer and what was written last."""

    def __init__(self, streams: Streams, dialled: Address | None) -> None:
        self._streams, self.dialled = streams, dialled
        self.framer = StreamFramer(streams.limits.messages)
        self.keys: deque[str] = deque(maxlen=KEYS_IN_FLIGHT)
        self.flow: Flow | None = None
        self.transport: asyncio.Transport | None = None
        self.opened = self.last = streams.now()
        self.spoke = dialled is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self.transport = transport = cast(asyncio.Transport, transport)
        local, remote = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if not local or not remote:  # gone already
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            _keep_alive(sock)
        self.flow = Flow("tcp", local[:2], remote[:2], self._streams.next_id())
        if not self._streams.admit(self):
            self.flow = None
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.flow is None or self.transport is None:
            return
        self.last = self._streams.now()
        self.take(self.framer.receive(data, self.last))

    def take(self, items: Sequence[Request | Response | ParseError | KeepAlive]) -> None:
        """Pass on what the framer found; close when it lost its place."""
        assert self.transport is not None
        assert self.flow is not None
        for item in items:
            if isinstance(item, KeepAlive):
                self.write(item.pong, "")
            else:
                self.spoke = True
                self._streams.on_message(item, self.flow)
        if self.framer.closed:
            self.transport.close()  # after the error's answer is written

    def write(self, data: bytes, key: str) -> bool:
        if self.transport is None or self.transport.is_closing():
            return False
        if self.transport.get_write_buffer_size() + len(data) > self._streams.limits.send_queue:
            self._streams.counters["send queue full"] += 1
            self.transport.abort()
            return False
        if awaits_response(key):
            self.keys.append(key)
        self.transport.write(data)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.flow is not None:
            self._streams.forget(self, self.flow)


class Streams:
    """All TCP connections of one stack, accepted and dialled.

    ``on_message(item, flow)`` gets each message and each ParseError, ``on_closed(flow)``
    the end of a connection, ``on_failed(key)`` each message that could not be sent
    and each request whose connection died under it.
    ``tick`` is to be called about once a second.
    """

    def __init__(
        self,
        now: Callable[[], float],
        limits: StreamLimits,
        *,
        on_message: Callable[[Request | Response | ParseError, Flow], None],
        on_closed: Callable[[Flow], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self.now, self.limits = now, limits
        self.on_message, self._on_closed, self._on_failed = on_message, on_closed, on_failed
        self.counters: Counter[str] = Counter()
        self._ids = itertools.count(1)
        self._servers: list[asyncio.Server] = []
        self._connections: dict[Flow, _Connection] = {}
        self._by_remote: dict[Address, _Connection] = {}
        self._per_address: Counter[str] = Counter()
        self._dialling: dict[Address, list[tuple[bytes, str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._empty = asyncio.Event()

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def flows(self) -> list[Flow]:
        return list(self._connections)

    async def listen(self, host: str, port: int) -> Address:
        """Listen on a numeric address and return it; OSError when that is not possible."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self, None), host, port, backlog=512, reuse_address=True)
        self._servers.append(server)
        address = server.sockets[0].getsockname()
        return (address[0], address[1])

    async def close(self) -> None:
        """Stop listening and close all connections."""
        self._closed = True
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        for connection in list(self._connections.values()):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connections:  # connection_lost comes in the loop's next round
            await self._empty.wait()

    def send(self, flow: Flow, data: bytes, key: str) -> bool:
        """Write to a connection; False when it is gone."""
        connection = self._connections.get(flow)
        return connection is not None and connection.write(data, key)

    def send_to(self, addresses: Sequence[Address], data: bytes, key: str) -> None:
        """Write to an open connection to the first address, or dial the addresses in turn until one accepts."""
        first = addresses[0]
        connection = self._by_remote.get(first)
        if connection is not None and connection.write(data, key):
            return
        waiting = self._dialling.get(first)
        if waiting is not None:
            if sum(len(held) for held, _ in waiting) + len(data) > self.limits.send_queue:
                self._fail(key)
            else:
                waiting.append((data, key))
            return
        self._dialling[first] = [(data, key)]
        task = asyncio.get_running_loop().create_task(self._dial(addresses))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def tick(self, now: float) -> None:
        """Close what is late or idle."""
        for connection in list(self._connections.values()):
            if connection.transport is None:
                continue
            framer = connection.framer
            if framer.deadline is not None and framer.deadline <= now:
                self.counters["message too slow"] += 1
                connection.take(framer.tick(now))
            elif not connection.spoke and now - connection.opened >= self.limits.first_message:
                self.counters["silent"] += 1
                connection.transport.abort()
            elif now - connection.last >= self.limits.idle:
                self.counters["idle"] += 1
                connection.transport.close()

    # Called by connections ------------------------------------------------------------------------------------------

    def next_id(self) -> int:
        return next(self._ids)

    def admit(self, connection: _Connection) -> bool:
        assert connection.flow is not None
        host = connection.flow.remote[0]
        full = len(self._connections) >= self.limits.connections or self._per_address[host] >= self.limits.per_address
        if self._closed or (full and connection.dialled is None):
            self.counters["refused"] += 1
            return False
        self._connections[connection.flow] = connection
        self._by_remote[connection.dialled or connection.flow.remote] = connection
        self._per_address[host] += 1
        return True

    def forget(self, connection: _Connection, flow: Flow) -> None:
        if self._connections.pop(flow, None) is None:
            return
        remote = connection.dialled or flow.remote
        if self._by_remote.get(remote) is connection:
            del self._by_remote[remote]
        self._per_address[flow.remote[0]] -= 1
        if not self._per_address[flow.remote[0]]:
            del self._per_address[flow.remote[0]]
        if self._closed:
            if not self._connections:
                self._empty.set()
        else:
            for key in connection.keys:
                self._on_failed(key)
            self._on_closed(flow)

    # Inside ---------------------------------------------------------------------------------------------------------

    async def _dial(self, addresses: Sequence[Address]) -> None:
        first = addresses[0]
        connection = None
        loop = asyncio.get_running_loop()
        for host, port in addresses:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(self.limits.connect):
                    _, connection = await loop.create_connection(lambda: _Connection(self, first), host, port)
                break
        waiting = self._dialling.pop(first, [])
        for data, key in waiting:
            if connection is None or not connection.write(data, key):
                self._fail(key)

    def _fail(self, key: str) -> None:
        self.counters["send failed"] += 1
        if key and not self._closed:
            self._on_failed(key)


def _keep_alive(sock: socket.socket) -> None:
    """Let the kernel find dead peers within a minute: neither side may ever send again."""
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
    ):
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, value)
