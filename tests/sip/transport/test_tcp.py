"""TCP on loopback: framing, limits, dialling, closing. Idle times are told to ``tick``, not waited for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from softswitch.sip.events import Flow
from softswitch.sip.message import Request
from softswitch.sip.parser import ParseError
from softswitch.sip.transport.tcp import StreamLimits, Streams

OPTIONS = (
    b"OPTIONS sip:office.example SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKone\r\nMax-Forwards: 70\r\n"
    b"From: <sip:a@office.example>;tag=a\r\nTo: <sip:office.example>\r\nCall-ID: one\r\nCSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class Side:
    """Streams under test, their clock, and what they told."""

    def __init__(self, **limits: Any) -> None:
        self.time = 0.0
        self.messages: list[tuple[Any, Flow]] = []
        self.closed: list[Flow] = []
        self.failed: list[str] = []
        self.changed = asyncio.Event()
        self.streams = Streams(
            lambda: self.time,
            StreamLimits(**limits),
            on_message=lambda item, flow: self.note(self.messages, (item, flow)),
            on_closed=lambda flow: self.note(self.closed, flow),
            on_failed=lambda key: self.note(self.failed, key),
        )

    def note(self, where: list[Any], what: Any) -> None:
        where.append(what)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def sides() -> AsyncIterator[Callable[..., Side]]:
    made: list[Side] = []

    def make(**limits: Any) -> Side:
        made.append(Side(**limits))
        return made[-1]

    yield make
    for side in made:
        await side.streams.close()


async def dial(address: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*address)


async def gone(reader: asyncio.StreamReader) -> bytes:
    """Return what the peer still gets before its connection ends."""
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def test_message_arrives_whole_however_it_is_cut(sides: Callable[..., Side]) -> None:
    side = sides()
    _, writer = await dial(await side.streams.listen("127.0.0.1", 0))
    for at in range(0, len(OPTIONS), 50):
        writer.write(OPTIONS[at : at + 50])
        await writer.drain()
    writer.write(OPTIONS + OPTIONS)
    await side.until(lambda: len(side.messages) == 3)
    assert all(isinstance(item, Request) for item, _ in side.messages)
    writer.close()


async def test_flow_names_both_ends_and_the_connection(sides: Callable[..., Side]) -> None:
    side = sides()
    address = await side.streams.listen("127.0.0.1", 0)
    _, first = await dial(address)
    first.write(OPTIONS)
    _, second = await dial(address)
    second.write(OPTIONS)
    await side.until(lambda: len(side.messages) == 2)
    flows = {flow for _, flow in side.messages}
    assert {flow.remote for flow in flows} == {writer.get_extra_info("sockname") for writer in (first, second)}
    assert {(flow.transport, flow.local) for flow in flows} == {("tcp", address)}
    assert len({flow.connection for flow in flows}) == 2
    first.close()
    second.close()


async def test_answer_goes_back_on_the_same_connection(sides: Callable[..., Side]) -> None:
    side = sides()
    reader, writer = await dial(await side.streams.listen("127.0.0.1", 0))
    writer.write(OPTIONS)
    await side.until(lambda: bool(side.messages))
    assert side.streams.send(side.messages[0][1], b"SIP/2.0 200 OK\r\n\r\n", "")
    assert await reader.readexactly(18) == b"SIP/2.0 200 OK\r\n\r\n"
    writer.close()


async def test_ping_gets_its_pong(sides: Callable[..., Side]) -> None:
    side = sides()
    reader, writer = await dial(await side.streams.listen("127.0.0.1", 0))
    writer.write(b"\r\n\r\n")
    async with asyncio.timeout(5):
        assert await reader.readexactly(2) == b"\r\n"
    writer.close()


async def test_lost_framing_is_told_and_closes_the_connection(sides: Callable[..., Side]) -> None:
    side = sides()
    reader, writer = await dial(await side.streams.listen("127.0.0.1", 0))
    writer.write(OPTIONS.replace(b"Content-Length: 0", b"Content-Length: -1"))
    assert await gone(reader) == b""
    assert isinstance(side.messages[0][0], ParseError)
    assert side.closed == [side.messages[0][1]]
    writer.close()


async def test_answer_to_a_message_that_lost_the_framing_is_still_sent(sides: Callable[..., Side]) -> None:
    side = sides()
    reader, writer = await dial(await side.streams.listen("127.0.0.1", 0))

    def answer(item: Any, flow: Flow) -> None:
        side.streams.send(flow, b"SIP/2.0 400 Bad\r\n\r\n", "")

    side.streams.on_message = answer
    writer.write(OPTIONS.replace(b"Content-Length: 0", b"Content-Length: -1"))
    assert await gone(reader) == b"SIP/2.0 400 Bad\r\n\r\n"
    writer.close()


async def test_end_of_a_connection_is_told_once(sides: Callable[..., Side]) -> None:
    side = sides()
    _, writer = await dial(await side.streams.listen("127.0.0.1", 0))
    writer.write(OPTIONS)
    await side.until(lambda: bool(side.messages))
    writer.close()
    await side.until(lambda: bool(side.closed))
    assert (side.closed, len(side.streams)) == ([side.messages[0][1]], 0)
    assert not side.streams.send(side.closed[0], b"late", "key")


class TestDialling:
    async def test_two_sides_talk_over_one_connection(self, sides: Callable[..., Side]) -> None:
        caller, callee = sides(), sides()
        address = await callee.streams.listen("127.0.0.1", 0)
        caller.streams.send_to([address], OPTIONS, "c one")
        caller.streams.send_to([address], OPTIONS, "c two")  # while the connection is being made
        await callee.until(lambda: len(callee.messages) == 2)
        caller.streams.send_to([address], OPTIONS, "c three")  # and when it is there
        await callee.until(lambda: len(callee.messages) == 3)
        assert (len(caller.streams), len(callee.streams)) == (1, 1)
        callee.streams.send(callee.messages[0][1], OPTIONS, "c back")
        await caller.until(lambda: bool(caller.messages))
        assert caller.messages[0][1] == caller.streams.flows[0]

    async def test_refused_connection_fails_every_message_that_waited(self, sides: Callable[..., Side]) -> None:
        side = sides()
        with socket.create_server(("127.0.0.1", 0)) as server:
            nobody = server.getsockname()
        side.streams.send_to([nobody], OPTIONS, "c one")
        side.streams.send_to([nobody], OPTIONS, "s two")
        await side.until(lambda: len(side.failed) == 2)
        assert side.failed == ["c one", "s two"]

    async def test_next_address_is_tried_when_one_refuses(self, sides: Callable[..., Side]) -> None:
        caller, callee = sides(), sides()
        with socket.create_server(("127.0.0.1", 0)) as server:
            nobody = server.getsockname()
        address = await callee.streams.listen("127.0.0.1", 0)
        caller.streams.send_to([nobody, address], OPTIONS, "c one")
        await callee.until(lambda: bool(callee.messages))
        caller.streams.send_to([nobody, address], OPTIONS, "c two")
        await callee.until(lambda: len(callee.messages) == 2)
        assert (len(caller.streams), caller.failed) == (1, [])

    async def test_silence_of_the_network_fails_in_time(self, sides: Callable[..., Side]) -> None:
        side = sides(connect=0.05)
        with socket.socket() as full:  # its backlog of one is taken: further SYNs are dropped
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = [socket.socket() for _ in range(3)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            side.streams.send_to([full.getsockname()], OPTIONS, "c one")
            await side.until(lambda: side.failed == ["c one"])
            for filler in fillers:
                filler.close()

    async def test_requests_under_way_fail_with_their_connection_and_responses_do_not(
        self, sides: Callable[..., Side]
    ) -> None:
        caller, callee = sides(), sides()
        address = await callee.streams.listen("127.0.0.1", 0)
        caller.streams.send_to([address], OPTIONS, "c request")
        await callee.until(lambda: bool(callee.messages))
        caller.streams.send(caller.streams.flows[0], b"SIP/2.0 200 OK\r\n", "s response")
        await callee.streams.close()
        await caller.until(lambda: bool(caller.closed))
        assert caller.failed == ["c request"]


class TestLimits:
    async def test_connections_of_one_address_are_bounded(self, sides: Callable[..., Side]) -> None:
        side = sides(per_address=2)
        address = await side.streams.listen("127.0.0.1", 0)
        dialled = [await dial(address) for _ in range(3)]
        assert await gone(dialled[2][0]) == b""
        assert (len(side.streams), side.streams.counters["refused"]) == (2, 1)
        for _, writer in dialled:
            writer.close()

    async def test_connections_are_bounded_and_a_free_place_is_taken_again(self, sides: Callable[..., Side]) -> None:
        side = sides(connections=1)
        address = await side.streams.listen("127.0.0.1", 0)
        _, first = await dial(address)
        first.write(OPTIONS)
        await side.until(lambda: len(side.messages) == 1)
        reader, second = await dial(address)
        assert await gone(reader) == b""
        first.close()
        await side.until(lambda: bool(side.closed))
        _, third = await dial(address)
        third.write(OPTIONS)
        await side.until(lambda: len(side.messages) == 2)
        second.close()
        third.close()

    async def test_reader_that_never_reads_is_cut_off(self, sides: Callable[..., Side]) -> None:
        side = sides(send_queue=100_000)
        _, writer = await dial(await side.streams.listen("127.0.0.1", 0))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(OPTIONS)
        await side.until(lambda: bool(side.messages))
        flow = side.messages[0][1]
        sent = 0
        while side.streams.send(flow, b"x" * 50_000, ""):
            sent += 1
            assert sent < 1000
        await side.until(lambda: bool(side.closed))
        assert side.streams.counters["send queue full"] == 1
        writer.close()

    async def test_connection_that_says_nothing_is_closed_after_20_seconds(self, sides: Callable[..., Side]) -> None:
        side = sides()
        reader, writer = await dial(await side.streams.listen("127.0.0.1", 0))
        writer.write(b"\r\n\r\n")  # a ping is no message
        assert await reader.readexactly(2) == b"\r\n"
        side.streams.tick(19.9)
        assert len(side.streams) == 1
        side.streams.tick(20.0)
        assert await gone(reader) == b""
        await side.until(lambda: bool(side.closed))
        writer.close()

    async def test_connection_that_spoke_may_be_idle_for_fifteen_minutes(self, sides: Callable[..., Side]) -> None:
        side = sides()
        reader, writer = await dial(await side.streams.listen("127.0.0.1", 0))
        writer.write(OPTIONS)
        await side.until(lambda: bool(side.messages))
        side.streams.tick(899.9)
        assert len(side.streams) == 1
        side.streams.tick(900.0)
        assert await gone(reader) == b""
        writer.close()

    async def test_message_that_never_ends_closes_the_connection(self, sides: Callable[..., Side]) -> None:
        side = sides()
        reader, writer = await dial(await side.streams.listen("127.0.0.1", 0))
        writer.write(b"\r\n\r\n" + OPTIONS[:100])
        assert await reader.readexactly(2) == b"\r\n"
        side.streams.tick(10.0)
        assert await gone(reader) == b""
        assert isinstance(side.messages[0][0], ParseError)
        writer.close()


async def test_closing_ends_everything_and_tells_nobody(sides: Callable[..., Side]) -> None:
    side = sides()
    address = await side.streams.listen("127.0.0.1", 0)
    reader, writer = await dial(address)
    writer.write(OPTIONS)
    await side.until(lambda: bool(side.messages))
    await side.streams.close()
    await side.streams.close()
    assert await gone(reader) == b""
    assert (len(side.streams), side.closed, side.failed) == (0, [], [])
    with pytest.raises(ConnectionRefusedError):
        await dial(address)
    writer.close()
