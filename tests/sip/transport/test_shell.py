"""The shell round a small stack: two of them talk over loopback sockets; one has its timers run."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from softswitch.clock import SystemClock
from softswitch.ids import Ids
from softswitch.sip.events import Destination, Flow, PutOnWire, Transport
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import ParseError, parse
from softswitch.sip.trace import Trace
from softswitch.sip.transaction import Timers
from softswitch.sip.transactions import Failed, LayerOutput, RequestArrived, ResponseArrived, TransactionLayer
from softswitch.sip.transport.dns import Resolver
from softswitch.sip.transport.shell import Listen, SipShell
from softswitch.sip.transport.tcp import StreamLimits
from softswitch.sip.uri import Uri


class Stack:
    """The least stack that the shell can drive: it answers every request 200 and tells its owner everything else."""

    def __init__(self, timers: Timers) -> None:
        self.layer = TransactionLayer(Ids(), timers, lambda to: ("127.0.0.1", 5060))
        self.closed: list[Flow] = []
        self.explode = False

    @property
    def deadline(self) -> float | None:
        return self.layer.deadline

    def receive(self, data: bytes, flow: Flow, now: float) -> list[LayerOutput]:
        return self.receive_message(parse(data), flow, now)

    def receive_message(self, message: Request | Response | ParseError, flow: Flow, now: float) -> list[LayerOutput]:
        assert not self.explode, "told to explode"
        if isinstance(message, ParseError):
            return []
        outputs: list[LayerOutput] = []
        for output in self.layer.receive(message, flow, now):
            outputs.append(output)
            if isinstance(output, RequestArrived):
                key, opened = self.layer.accept(output.request, flow, now)
                outputs += [*opened, *self.layer.respond(key, output.request.reply(200, to_tag="b"), now)]
        return outputs

    def tick(self, now: float) -> list[LayerOutput]:
        assert not self.explode, "told to explode"
        return self.layer.tick(now)

    def transport_failed(self, key: str, now: float) -> list[LayerOutput]:
        return self.layer.transport_failed(key, now)  # type: ignore[arg-type]

    def flow_closed(self, flow: Flow, now: float) -> list[LayerOutput]:
        self.closed.append(flow)
        return []


class Node:
    """A running stack and what its owner was told."""

    def __init__(self, *listen: Listen, timers: Timers | None = None, **options: Any) -> None:
        self.stack = Stack(timers or Timers())
        self.told: list[Any] = []
        self.changed = asyncio.Event()
        self.react: Callable[[Any], None] = lambda output: None
        self.clock = SystemClock()
        self.trace = Trace()
        self.shell: SipShell[Any] = SipShell(self.stack, self.clock, listen, self.note, trace=self.trace, **options)

    def note(self, output: Any) -> None:
        self.told.append(output)
        self.changed.set()
        self.react(output)

    async def until(self, kind: type) -> Any:
        """Wait for an output of this kind and return it."""
        async with asyncio.timeout(5):
            while True:
                for output in self.told:
                    if isinstance(output, kind):
                        return output
                self.changed.clear()
                await self.changed.wait()

    def ask(self, to: Flow | Destination, size: int = 0) -> None:
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", "<sip:alice@office.example>;tag=a"),
                ("To", "<sip:bob@office.example>"),
                ("Call-ID", "call-1"),
                ("CSeq", "1 OPTIONS"),
            ]
        )
        request = Request("OPTIONS", Uri(user="bob", host="office.example"), headers, b"x" * size)
        self.shell.carry_out(self.stack.layer.request(request, to, self.clock.now())[1])

    def at(self, transport: Transport, host: str | None = None) -> Destination:
        """Return the address at which others reach this node."""
        (listen,) = [one for one in self.shell.listening if one.transport == transport]
        return Destination(transport, host or listen.host, listen.port)


Start = Callable[..., Awaitable[Node]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    nodes: list[Node] = []

    async def run(*transports: Transport, host: str = "127.0.0.1", **options: Any) -> Node:
        node = Node(*(Listen(transport, host, 0) for transport in transports), **options)
        await node.shell.start()
        nodes.append(node)
        return node

    yield run
    for node in nodes:
        await node.shell.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_request_and_response_travel_over_sockets(start: Start, transport: Transport) -> None:
    caller, callee = await start("udp", "tcp"), await start("udp", "tcp")
    caller.ask(callee.at(transport))
    arrived = await caller.until(ResponseArrived)
    assert arrived.response.status == 200
    assert arrived.flow.transport == transport
    assert (await callee.until(RequestArrived)).flow.remote == arrived.flow.local


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_ipv6_works_alike(start: Start, transport: Transport) -> None:
    try:
        caller, callee = await start("udp", "tcp", host="::1"), await start("udp", "tcp", host="::1")
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    caller.ask(callee.at(transport))
    assert (await caller.until(ResponseArrived)).flow.remote[0] == "::1"


async def test_request_too_large_for_a_datagram_arrives_by_tcp(start: Start) -> None:
    caller = await start("udp")
    callee = Node(Listen("udp", "127.0.0.1", 0))
    await callee.shell.start()
    listening = callee.shell.listening[0]
    both = Node(Listen("tcp", "127.0.0.1", listening.port))
    await both.shell.start()
    caller.ask(callee.at("udp"), size=1400)
    assert (await both.until(RequestArrived)).flow.transport == "tcp"
    await callee.shell.close()
    await both.shell.close()


async def test_request_too_large_for_a_datagram_arrives_by_udp_where_tcp_is_refused(start: Start) -> None:
    caller, callee = await start("udp"), await start("udp")
    caller.ask(callee.at("udp"), size=1400)
    assert (await callee.until(RequestArrived)).flow.transport == "udp"
    assert (await caller.until(ResponseArrived)).response.status == 200


async def test_timer_of_the_stack_is_run(start: Start) -> None:
    caller = await start("udp", timers=Timers(t1=0.001, t2=0.004, t4=0.005))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        caller.ask(Destination("udp", *silent.getsockname()))
        assert (await caller.until(Failed)).why == "timeout"
        silent.settimeout(1)
        received = [silent.recv(2000) for _ in range(5)]
    assert len(set(received)) == 1


async def test_refused_stream_is_told_to_the_stack(start: Start) -> None:
    caller = await start("udp")
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()
    caller.ask(Destination("tcp", *nobody))
    assert (await caller.until(Failed)).why == "transport"


async def test_request_to_a_telephone_that_is_switched_off_fails_at_once(start: Start) -> None:
    caller = await start("udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        off = closed.getsockname()
    caller.ask(Destination("udp", *off))
    assert (await caller.until(Failed)).why == "transport"


async def test_flow_that_is_gone_is_told_to_the_stack(start: Start) -> None:
    caller = await start("udp")
    caller.ask(Flow("tcp", ("127.0.0.1", 1), ("127.0.0.1", 2), connection=9))
    assert (await caller.until(Failed)).why == "transport"


async def test_address_of_a_family_without_a_socket_is_told_to_the_stack(start: Start) -> None:
    caller = await start("udp")
    caller.ask(Destination("udp", "2001:db8::1", 5060))
    assert (await caller.until(Failed)).why == "transport"


async def test_closed_connection_is_told_to_the_stack(start: Start) -> None:
    caller, callee = await start("tcp"), await start("tcp")
    caller.ask(callee.at("tcp"))
    flow = (await caller.until(ResponseArrived)).flow
    await callee.shell.close()
    async with asyncio.timeout(5):
        while not caller.stack.closed:
            await asyncio.sleep(0)
    assert caller.stack.closed == [flow]


async def test_names_are_resolved_before_sending(start: Start) -> None:
    clock = SystemClock()
    caller = await start("udp", resolver=Resolver(clock.now, hosts={"callee.example": ["127.0.0.1"]}))
    callee = await start("udp")
    caller.ask(callee.at("udp", "callee.example"))
    assert (await caller.until(ResponseArrived)).response.status == 200


async def test_name_that_cannot_be_resolved_is_told_to_the_stack(start: Start) -> None:
    class Nowhere(Resolver):
        """A resolver whose name servers know nothing."""

        async def _ask(self, name: str, kind: str) -> tuple[tuple[str, int], ...]:
            return self._remember(name, kind, (), 10.0, 0.0)

    caller = await start("udp", resolver=Nowhere(SystemClock().now, hosts={}))
    caller.ask(Destination("udp", "nobody.example", 5060))
    assert (await caller.until(Failed)).why == "transport"
    assert caller.shell.counters["no address"] == 1


async def test_bug_in_the_stack_costs_one_message_and_no_more(start: Start) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    caller = await start("udp", timers=Timers(t1=0.01))
    callee = await start("udp")
    callee.stack.explode = True
    caller.ask(callee.at("udp"))
    async with asyncio.timeout(5):
        while not complaints:
            await asyncio.sleep(0)
    callee.stack.explode = False
    assert (await caller.until(ResponseArrived)).response.status == 200  # to a retransmission
    assert callee.shell.counters["errors"] == len(complaints)


async def test_failing_timer_does_not_spin(start: Start) -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    node = await start("udp", timers=Timers(t1=0.001))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        node.ask(Destination("udp", *silent.getsockname()))
        node.stack.explode = True
        done = loop.create_future()
        loop.call_later(0.05, done.set_result, None)
        await done
    assert len(complaints) == 1


async def test_owner_that_fails_does_not_stop_the_outputs_behind(start: Start) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    node = await start("udp")

    def react(output: Any) -> None:
        if output == "first":
            node.shell.carry_out(["said meanwhile"])
            raise ValueError("owner fails")

    node.react = react
    node.shell.carry_out(["first", "second"])
    assert node.told == ["first", "second", "said meanwhile"]
    assert len(complaints) == 1


async def test_messages_of_both_directions_are_traced(start: Start) -> None:
    caller, callee = await start("udp"), await start("udp")
    caller.ask(callee.at("udp"))
    await caller.until(ResponseArrived)
    ladder = [(entry.sent, entry.summary) for entry in caller.trace.ladder(["call-1"])]
    assert ladder == [(True, "OPTIONS sip:bob@office.example"), (False, "200 OK")]


async def test_garbage_is_survived_and_does_not_disturb(start: Start) -> None:
    caller, callee = await start("udp"), await start("udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as vandal:
        for junk in (b"\xff" * 1000, b"INVITE", b"SIP/2.0 200 OK\r\n\r\n", b"\r\n" * 500):
            vandal.sendto(junk, ("127.0.0.1", callee.at("udp").port))
    caller.ask(callee.at("udp"))
    assert (await caller.until(ResponseArrived)).response.status == 200


class TestStartAndStop:
    async def test_address_in_use_leaves_nothing_open(self, start: Start) -> None:
        first = await start("udp")
        taken = first.shell.listening[0]
        second = Node(Listen("tcp", "127.0.0.1", 0), taken)
        with pytest.raises(OSError, match="in use"):
            await second.shell.start()
        third = await start("udp")  # whose finding of a port shows that the loop is well
        assert third.shell.listening[0].port != taken.port

    async def test_closing_twice_is_harmless(self, start: Start) -> None:
        node = await start("udp", "tcp")
        await node.shell.close()
        await node.shell.close()

    async def test_connections_beyond_the_limits_are_refused(self, start: Start) -> None:
        node = await start("tcp", limits=StreamLimits(connections=0))
        reader, writer = await asyncio.open_connection("127.0.0.1", node.at("tcp").port)
        assert await reader.read() == b""
        assert node.shell.counters["refused"] == 1
        writer.close()


class TestLocalAddress:
    async def test_specific_listener_is_named_itself(self, start: Start) -> None:
        node = await start("udp", "tcp")
        assert node.shell.local_address("udp", "127.0.0.1") == ("127.0.0.1", node.at("udp").port)
        assert node.shell.local_address("tcp", "127.0.0.1") == ("127.0.0.1", node.at("tcp").port)

    async def test_listener_on_all_addresses_is_named_by_the_one_that_leads_to_the_peer(self, start: Start) -> None:
        node = await start("udp", host="0.0.0.0")
        assert node.shell.local_address("udp", "127.0.0.1") == ("127.0.0.1", node.at("udp").port)

    async def test_unknown_name_is_taken_to_be_outside(self, start: Start) -> None:
        node = await start("udp")
        assert node.shell.local_address("udp", "nobody.example") == ("127.0.0.1", node.at("udp").port)

    async def test_without_any_listener_there_is_still_an_answer(self, start: Start) -> None:
        node = await start()
        assert node.shell.local_address("udp", "127.0.0.1") == ("127.0.0.1", 5060)


async def test_outputs_other_than_bytes_go_to_the_owner_in_order(start: Start) -> None:
    node = await start("udp")
    node.shell.carry_out(["one", PutOnWire(Destination("udp", "127.0.0.1", 9), b"x"), "two"])
    assert node.told == ["one", "two"]
