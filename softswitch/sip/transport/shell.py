"""The shell round the SIP stack: sockets, names and one timer. Everything that decides is in the endpoint.

It feeds bytes and messages to the endpoint, carries out ``PutOnWire``, hands
every other output to the owner and wakes the endpoint at its deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from softswitch.clock import Clock
from softswitch.sip.events import Destination, Flow, PutOnWire, Transport
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import ParseError
from softswitch.sip.trace import Trace
from softswitch.sip.transport.dns import Resolver, is_numeric
from softswitch.sip.transport.tcp import StreamLimits, Streams
from softswitch.sip.transport.udp import UdpPort
from softswitch.sip.via import quoted_key

__all__ = ["Listen", "SipMachine", "SipShell"]

Address = tuple[str, int]
Out = TypeVar("Out")
Told_co = TypeVar("Told_co", covariant=True)

SWEEP = 1.0
# After a failed tick the deadline may still be past: the loop must not spin on it.
PENANCE = 1.0
# How long a found local address is believed: routes change when an office changes its line.
ROUTE_LIFE = 60.0
MOST_ROUTES = 4096
# Messages that wait for a name to be resolved.
MOST_WAITING = 1000
# Never used as addresses of anybody (RFC 5737, RFC 3849): they find the default route.
NOWHERE, NOWHERE_V6 = "192.0.2.1", "2001:db8::1"


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on: numeric, "0.0.0.0" and "::" for all; port 0 takes any free one."""

    transport: Transport
    host: str
    port: int = 5060


class SipMachine(Protocol[Told_co]):
    """What the shell drives. Outputs are ``PutOnWire`` and whatever else the machine tells its owner."""

    @property
    def deadline(self) -> float | None: ...

    def receive(self, data: bytes, flow: Flow, now: float) -> Sequence[PutOnWire | Told_co]: ...

    def receive_message(
        self, message: Request | Response | ParseError, flow: Flow, now: float
    ) -> Sequence[PutOnWire | Told_co]: ...

    def tick(self, now: float) -> Sequence[PutOnWire | Told_co]: ...

    def transport_failed(self, key: str, now: float) -> Sequence[PutOnWire | Told_co]: ...

    def flow_closed(self, flow: Flow, now: float) -> Sequence[PutOnWire | Told_co]: ...


class SipShell(Generic[Out]):
    """Runs one SIP stack on the event loop in which ``start`` is awaited.

    ``on_output`` gets every output but ``PutOnWire``, in order, on the loop. Who
    calls the endpoint directly (to invite, to command) gives the outputs to
    ``carry_out``. All methods belong to the loop's thread.
    """

    def __init__(
        self,
        endpoint: SipMachine[Out],
        clock: Clock,
        listen: Sequence[Listen],
        on_output: Callable[[Out], None],
        *,
        limits: StreamLimits | None = None,
        resolver: Resolver | None = None,
        trace: Trace | None = None,
        on_waited: Callable[[float, float, Address], None] = lambda _waited, _now, _local: None,
    ) -> None:
        """``on_waited`` is told, before each datagram, how many seconds it waited for its turn, the time, and where."""
        self._endpoint, self._clock, self._listen, self._on_output = endpoint, clock, listen, on_output
        self._on_waited = on_waited
        self._trace = trace
        self._resolver = resolver or Resolver(clock.now)
        self._streams = Streams(
            clock.now,
            limits or StreamLimits(),
            on_message=self._on_message,
            on_closed=lambda flow: self.carry_out(endpoint.flow_closed(flow, clock.now())),
            on_failed=lambda key: self.carry_out(endpoint.transport_failed(key, clock.now())),
        )
        self._ports: list[UdpPort] = []
        self._udp_by_local: dict[Address, UdpPort] = {}
        self._stream_addresses: list[Address] = []
        self._routes: dict[str, tuple[str, float]] = {}
        self._reached: dict[tuple[Transport, str], Address] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed: float | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._waiting: set[asyncio.Task[None]] = set()
        self._outputs: deque[PutOnWire | Out] = deque()
        self._busy = False
        self._not_before = 0.0
        self._own_counters: Counter[str] = Counter()
        self.received = self.sent = 0
        """SIP messages (and what came instead of them), keep-alives not counted."""

    async def start(self) -> None:
        """Bind all addresses; OSError, with nothing left open, when one of them cannot be bound."""
        self._loop = asyncio.get_running_loop()
        try:
            for listen in self._listen:
                if listen.transport == "udp":
                    port = UdpPort.bind(listen.host, listen.port, self._on_datagrams, self._on_unreachable, self._route)
                    self._ports.append(port)
                    port.start(self._loop)
                else:
                    self._stream_addresses.append(await self._streams.listen(listen.host, listen.port))
        except OSError:
            await self.close()
            raise
        self._reached.clear()
        self._sweep()
        self._arm()

    async def close(self) -> None:
        """Stop listening, close all connections, give up what waits. May be called twice."""
        for handle in (self._timer, self._sweeper):
            if handle is not None:
                handle.cancel()
        self._timer = self._sweeper = self._armed = None
        self._loop = None
        for port in self._ports:
            port.close()
        for task in list(self._waiting):
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        await self._resolver.close()
        await self._streams.close()

    @property
    def listening(self) -> list[Listen]:
        """The addresses as bound, with real ports."""
        return [Listen("udp", *port.address) for port in self._ports] + [
            Listen("tcp", *address) for address in self._stream_addresses
        ]

    @property
    def connections(self) -> list[Flow]:
        """The open stream connections."""
        return self._streams.flows

    @property
    def counters(self) -> Counter[str]:
        """What was dropped or refused below the endpoint, by reason."""
        return sum((port.counters for port in self._ports), self._own_counters + self._streams.counters)

    # Outputs --------------------------------------------------------------------------------------------------------

    def carry_out(self, outputs: Iterable[PutOnWire | Out]) -> None:
        """Carry out what the endpoint returned, and what it returns in consequence; then set the timer."""
        self._outputs.extend(outputs)
        self._drain()
        self._arm()

    def _drain(self) -> None:
        if self._busy:  # called from within ``on_output``: the outer call goes on with these, in order
            return
        self._busy = True
        try:
            while self._outputs:
                output = self._outputs.popleft()
                if isinstance(output, PutOnWire):
                    self._put(output)
                else:
                    self._tell(output)
        finally:
            self._busy = False

    def _tell(self, output: Out) -> None:
        try:
            self._on_output(output)
        except Exception as error:
            self._report("an output of the SIP stack was not taken", error)

    def _put(self, put: PutOnWire) -> None:
        to = put.to
        self.sent += 1
        if self._trace is not None:
            self._trace.record(self._clock.now(), to, put.data, sent=True)
        if isinstance(to, Flow):
            if to.transport == "tcp":
                sent = self._streams.send(to, put.data, put.key)
            else:
                port = self._udp_by_local.get(to.local) or self._find_port(to.local, to.remote[0])
                sent = port is not None and port.send(put.data, to.remote)
            if not sent:
                self._failed(put.key)
            return
        addresses = self._resolver.cached(to)
        if addresses is not None:
            self._send_to(to, addresses, put)
        elif self._loop is None or len(self._waiting) >= MOST_WAITING:
            self._own_counters["too many unresolved"] += 1
            self._failed(put.key)
        else:
            task = self._loop.create_task(self._resolve_and_send(to, put))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _resolve_and_send(self, to: Destination, put: PutOnWire) -> None:
        self._send_to(to, await self._resolver.resolve(to), put)
        self.carry_out(())

    def _send_to(self, to: Destination, addresses: list[Address], put: PutOnWire) -> None:
        if to.transport == "tcp":
            if addresses and self._loop is not None:
                self._streams.send_to(addresses, put.data, put.key)
                return
        else:
            for host, remote_port in addresses:
                port = self._find_port(None, host)
                if port is not None:
                    if not port.send(put.data, (host, remote_port)):
                        self._failed(put.key)
                    return
        self._own_counters["no address"] += 1
        self._failed(put.key)

    def _failed(self, key: str) -> None:
        if key:
            self._outputs.extend(self._endpoint.transport_failed(key, self._clock.now()))

    def _find_port(self, local: Address | None, remote_host: str) -> UdpPort | None:
        """Return the socket of a local address, else one that can reach the remote host."""
        family = socket.AF_INET6 if ":" in remote_host else socket.AF_INET
        fitting = [port for port in self._ports if port.family == family]
        if local is not None:
            for port in fitting:
                if port.address[1] == local[1] and (port.wildcard or port.address[0] == local[0]):
                    self._udp_by_local[local] = port
                    return port
        if len(fitting) > 1:
            routed = self._route(remote_host)
            fitting.sort(key=lambda port: (port.address[0] != routed, not port.wildcard))
        return fitting[0] if fitting else None

    # Inputs ---------------------------------------------------------------------------------------------------------

    def _on_datagrams(self, datagrams: list[tuple[bytes, Flow]], waited: list[float]) -> None:
        self.received += len(datagrams)
        began = self._clock.now()
        for (data, flow), lay in zip(datagrams, waited, strict=True):
            # Anew for each: what the one before set off has been given later times, and time must not run backward.
            now = self._clock.now()
            self._on_waited(lay + now - began, now, flow.local)
            if self._trace is not None:
                self._trace.record(now, flow, data, sent=False)
            try:
                self._outputs.extend(self._endpoint.receive(data, flow, now))
            except Exception as error:
                self._report("a datagram was not survived", error)
            self._drain()
        self._arm()

    def _on_unreachable(self, quote: bytes) -> None:
        key = quoted_key(quote)
        if key is not None:
            self._failed(key)
            self.carry_out(())

    def _on_message(self, message: Request | Response | ParseError, flow: Flow) -> None:
        now = self._clock.now()
        self.received += 1
        if self._trace is not None and not isinstance(message, ParseError):
            self._trace.record(now, flow, message.encode(), sent=False)
        try:
            outputs = self._endpoint.receive_message(message, flow, now)
        except Exception as error:
            self._report("a message was not survived", error)
            return
        self.carry_out(outputs)

    # Time -----------------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Have ``_wake`` called at the deadline. A timer that is early is left: it costs less than setting it anew."""
        deadline = self._endpoint.deadline
        if deadline is None or self._loop is None:
            return
        if self._armed is not None and self._armed <= deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = deadline
        delay = max(deadline, self._not_before) - self._clock.now()
        self._timer = self._loop.call_later(max(0.0, delay), self._wake)

    def _wake(self) -> None:
        self._timer = self._armed = None
        try:
            outputs = self._endpoint.tick(self._clock.now())
        except Exception as error:
            self._report("a timer was not survived", error)
            self._not_before = self._clock.now() + PENANCE
            outputs = ()
        self.carry_out(outputs)

    def _sweep(self) -> None:
        if self._loop is None:
            return
        self._streams.tick(self._clock.now())
        self._sweeper = self._loop.call_later(SWEEP, self._sweep)

    def _report(self, message: str, error: Exception) -> None:
        """A bug of ours must not end more than the message that woke it; the loop's handler logs it."""
        self._own_counters["errors"] += 1
        if self._loop is not None:
            self._loop.call_exception_handler({"message": message, "exception": error})

    # Addresses ------------------------------------------------------------------------------------------------------

    def local_address(self, transport: Transport, remote: str) -> Address:
        """Return host and port under which ``remote`` (numeric, or a name perhaps not yet known) can reach us.

        The address is the one that packets to ``remote`` leave from; the port is
        that of a listener there, or of the first one if there is none.
        """
        if not is_numeric(remote):
            known = self._resolver.cached(Destination(transport, remote, 5060))
            remote = known[0][0] if known else NOWHERE
        routed = self._route(remote)
        found = self._reached.get((transport, routed))
        if found is None:
            found = self._reached[transport, routed] = self._listener(transport, routed)
        return found

    def _listener(self, transport: Transport, routed: str) -> Address:
        bound = [port.address for port in self._ports] if transport == "udp" else self._stream_addresses
        family = [address for address in bound if (":" in address[0]) == (":" in routed)]
        for host, port in family:
            if host == routed or host in ("0.0.0.0", "::"):
                return (routed, port)
        return (family or bound or [(routed, 5060)])[0]

    def _route(self, remote: str) -> str:
        """Return the address that packets to a numeric host leave from, by connecting a UDP socket: nothing is sent."""
        now = self._clock.now()
        known = self._routes.get(remote)
        if known is not None and now < known[1]:
            return known[0]
        if len(self._routes) >= MOST_ROUTES:
            self._routes.clear()
        local = _source_address(remote) or _source_address(NOWHERE_V6 if ":" in remote else NOWHERE)
        local = local or ("::1" if ":" in remote else "127.0.0.1")
        self._routes[remote] = (local, now + ROUTE_LIFE)
        return local


def _source_address(remote: str) -> str | None:
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((remote, 5060))
        return str(probe.getsockname()[0])
    return None
