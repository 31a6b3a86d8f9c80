"""UDP on loopback: what arrives, what is not passed on, what cannot be sent."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from softswitch.sip.events import Flow
from softswitch.sip.transport.udp import DRAIN, UdpPort

Batch = list[tuple[bytes, Flow]]


class Listener:
    """A bound port and what it was told."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.batches: list[Batch] = []
        self.waited: list[float] = []
        self.unreachable: list[bytes] = []
        self.arrived = asyncio.Event()
        self.port = UdpPort.bind(host, 0, self.take, self.note_unreachable, lambda remote: "127.0.0.9")
        self.port.start(asyncio.get_running_loop())

    def take(self, batch: Batch, waited: list[float]) -> None:
        self.batches.append(batch)
        self.waited += waited
        self.arrived.set()

    def note_unreachable(self, quote: bytes) -> None:
        self.unreachable.append(quote)
        self.arrived.set()

    @property
    def received(self) -> Batch:
        return [one for batch in self.batches for one in batch]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.received) < count:
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


async def test_the_time_in_the_socket_is_told_of_each_datagram(peer: socket.socket) -> None:
    before = time.time()
    listener = Listener()
    peer.sendto(b"OPTIONS", listener.port.address)
    peer.sendto(b"\r\n\r\n", listener.port.address)
    peer.sendto(b"INVITE", listener.port.address)
    await listener.until(2)
    assert len(listener.waited) == 2
    assert all(0 < waited <= time.time() - before for waited in listener.waited)
    listener.port.close()


async def test_datagram_arrives_with_its_flow(peer: socket.socket) -> None:
    listener = Listener()
    peer.sendto(b"OPTIONS", listener.port.address)
    await listener.until(1)
    assert listener.received == [(b"OPTIONS", Flow("udp", listener.port.address, peer.getsockname()))]
    listener.port.close()


async def test_flow_of_a_socket_bound_to_all_addresses_names_the_one_that_reaches_the_peer(peer: socket.socket) -> None:
    listener = Listener("0.0.0.0")
    port = listener.port.address[1]
    peer.sendto(b"OPTIONS", ("127.0.0.1", port))
    await listener.until(1)
    assert listener.received[0][1].local == ("127.0.0.9", port)
    listener.port.close()


async def test_one_wake_up_brings_all_that_waits_up_to_a_bound(peer: socket.socket) -> None:
    listener = Listener()
    for number in range(DRAIN + 10):
        peer.sendto(b"%d hello" % number, listener.port.address)
    await listener.until(DRAIN + 10)
    assert [len(batch) for batch in listener.batches] == [DRAIN, 10]
    assert [data for data, _ in listener.received] == [b"%d hello" % number for number in range(DRAIN + 10)]
    listener.port.close()


@pytest.mark.parametrize("ping", [b"\r\n\r\n", b"\r\n", b"\0\0\0\0", b"", b" "])
async def test_keep_alives_are_counted_and_not_passed_on(peer: socket.socket, ping: bytes) -> None:
    listener = Listener()
    peer.sendto(ping, listener.port.address)
    peer.sendto(b"OPTIONS", listener.port.address)
    await listener.until(1)
    assert [data for data, _ in listener.received] == [b"OPTIONS"]
    assert listener.port.counters["keep-alive"] == 1
    listener.port.close()


async def test_short_text_is_passed_on(peer: socket.socket) -> None:
    listener = Listener()
    peer.sendto(b"BYE", listener.port.address)
    await listener.until(1)
    assert listener.received[0][0] == b"BYE"
    listener.port.close()


async def test_sent_datagram_leaves_from_the_bound_address(peer: socket.socket) -> None:
    listener = Listener()
    assert listener.port.send(b"hello", peer.getsockname())
    assert peer.recvfrom(100) == (b"hello", listener.port.address)
    listener.port.close()


@pytest.mark.parametrize(
    ("data", "remote"),
    [(b"x", ("127.0.0.1", 0)), (b"x", ("255.255.255.255", 5060)), (b"x" * 70_000, ("127.0.0.1", 5060))],
    ids=["port 0", "broadcast", "too large"],
)
async def test_what_can_never_arrive_is_told(data: bytes, remote: tuple[str, int]) -> None:
    listener = Listener()
    assert not listener.port.send(data, remote)
    assert listener.port.counters["send failed"] == 1
    listener.port.close()


async def test_closed_port_sends_nothing_and_may_be_closed_again() -> None:
    listener = Listener()
    listener.port.close()
    listener.port.close()
    assert not listener.port.send(b"x", ("127.0.0.1", 9))


async def test_port_in_use_is_an_error() -> None:
    listener = Listener()
    with pytest.raises(OSError, match="in use"):
        UdpPort.bind(*listener.port.address, listener.take, listener.note_unreachable, str)
    listener.port.close()


async def test_datagram_to_a_closed_port_comes_back_as_unreachable(peer: socket.socket) -> None:
    listener = Listener()
    nobody = peer.getsockname()
    peer.close()
    listener.port.send(b"hello", nobody)
    async with asyncio.timeout(5):
        await listener.arrived.wait()
    assert listener.unreachable == [b"hello"]
    listener.port.close()


async def test_port_goes_on_after_any_number_of_errors(peer: socket.socket) -> None:
    listener = Listener()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    for number in range(20):
        assert listener.port.send(b"to nobody", nobody)
        assert listener.port.send(b"to somebody", peer.getsockname())  # not lost to the error of the one before
        assert peer.recv(100) == b"to somebody"
        peer.sendto(b"back", listener.port.address)
        await listener.until(number + 1)
    async with asyncio.timeout(5):
        while len(listener.unreachable) < 20:
            listener.arrived.clear()
            await listener.arrived.wait()
    assert listener.port.counters["send failed"] == 0
    listener.port.close()
