"""The virtual telephones of ``tests.sim`` on real UDP sockets, for the parts that only sockets can show.

Each telephone has a loopback address of its own (127.x.y.z), as it would have in an office.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from softswitch.config import load
from softswitch.config.load import Loaded
from tests.sim.network import Address
from tests.sim.phone import Phone

_HOSTS = itertools.count(1)


def fresh_host() -> str:
    """A loopback address that no other test of this machine uses at this moment."""
    number = next(_HOSTS)
    return f"127.{20 + os.getpid() % 200}.{number // 250}.{number % 250 + 1}"


def configuration(folder: Path, host: str, more: str = "", *, listen: str = "", sip: str = "", rtp: str = "") -> Loaded:
    """An office of two, 101 and 102, listening on ``host``; the others are lines of the tables of their names."""
    path = folder / "office.toml"
    path.write_text(office(folder, host, more, listen=listen, sip=sip, rtp=rtp))
    return load(path)


def office(folder: Path, host: str, more: str = "", *, listen: str = "", sip: str = "", rtp: str = "") -> str:
    listen = listen or f'"udp:{host}:5060", "tcp:{host}:5060"'
    return f"""
[switch]
name = "Test"
domain = "office.example"
data = "{folder}/var"
[sip]
listen = [{listen}]
{sip}
[rtp]
ports = "20000-20999"
{rtp}
[people.101]
name = "Person 101"
password = "secret-101"
[people.102]
name = "Person 102"
password = "secret-102"
{more}
"""


class Line:
    """How a telephone is wired: what it says is rewritten on its way out, and what it is told on its way in."""

    def __init__(self, *rewritten: tuple[bytes, bytes], back: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._out, self._back = rewritten, tuple(back)

    def outgoing(self, data: bytes) -> bytes:
        return _rewritten(data, self._out)

    def incoming(self, data: bytes) -> bytes:
        return _rewritten(data, self._back)


def _rewritten(data: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    for old, new in pairs:
        data = data.replace(old, new)
    head, end, body = data.partition(b"\r\n\r\n")
    return re.sub(rb"Content-Length: [0-9]+", b"Content-Length: %d" % len(body), head) + end + body


PLAIN = Line()
TCP = Line((b"SIP/2.0/UDP ", b"SIP/2.0/TCP "))


class Desk:
    """What a telephone needs of its surroundings, on sockets. ``now`` is the machine's monotonic clock."""

    domain = "office.example"

    def __init__(self, switch: str, port: int = 5060) -> None:
        self.sip_address: Address = (switch, port)
        self.network = self
        self.dead: set[str] = set()
        self._sockets: dict[Address, socket.socket] = {}
        self._lines: dict[Address, Line] = {}
        self._phones: list[Phone] = []
        self._rest: dict[Address, bytes] = {}
        self._changed = asyncio.Event()

    @property
    def now(self) -> float:
        return time.monotonic()

    def send(self, source: Address, destination: Address, data: bytes, now: float) -> None:
        if source[0] in self.dead:
            return
        line, sock = self._lines.get(source), self._sockets[source]
        if line is not None:
            data = line.outgoing(data)
        if sock.type == socket.SOCK_STREAM:
            sock.sendall(data)
        else:
            sock.sendto(data, destination)

    def phone(self, name: str, *, line: Line = PLAIN, **behaviour: object) -> Phone:
        """A telephone over UDP on an address of its own."""
        phone = Phone(self, name, fresh_host(), **behaviour)  # type: ignore[arg-type]
        for address in (phone.sip, phone.rtp):
            self._wire(phone, address, _udp(address), line)
        return self._added(phone)

    def phone_over_tcp(self, name: str, **behaviour: object) -> Phone:
        """A telephone that keeps one connection to the switch, and takes no other."""
        phone = Phone(self, name, fresh_host(), **behaviour)  # type: ignore[arg-type]
        connection = socket.create_connection(self.sip_address, 5.0, source_address=(phone.host, 0))
        self._wire(phone, phone.sip, connection, TCP)
        self._wire(phone, phone.rtp, _udp(phone.rtp), PLAIN)
        return self._added(phone)

    def phone_over_ipv6(self, name: str, port: int, **behaviour: object) -> Phone:
        """A telephone on ``port`` (SIP) and the next one (RTP) of ::1, the only loopback address of IPv6."""
        phone = Phone(self, name, "::1", **behaviour)  # type: ignore[arg-type]
        phone.sip, phone.rtp = ("::1", port), ("::1", port + 1)
        line = Line(
            (b"::1:5060", b"[::1]:%d" % port), (b"IN IP4 ::1", b"IN IP6 ::1"), back=[(b"IN IP6 ::1", b"IN IP4 ::1")]
        )
        for address in (phone.sip, phone.rtp):
            self._wire(phone, address, _udp(address), line)
        return self._added(phone)

    def rewire(self, phone: Phone, line: Line) -> None:
        self._lines[phone.sip] = line

    def _added(self, phone: Phone) -> Phone:
        self._phones.append(phone)
        return phone

    def _wire(self, phone: Phone, address: Address, sock: socket.socket, line: Line) -> None:
        sock.setblocking(False)
        self._sockets[address] = sock
        if address == phone.sip:
            self._lines[address] = line
        reader = self._read_stream if sock.type == socket.SOCK_STREAM else self._read
        asyncio.get_running_loop().add_reader(sock, reader, sock, phone, address)

    def _read(self, sock: socket.socket, phone: Phone, address: Address) -> None:
        try:
            data, source = sock.recvfrom(65536)
        except OSError:
            return
        if phone.host not in self.dead:
            line = self._lines.get(address)
            phone.receive(data if line is None else line.incoming(data), source[:2], address[1])
        self._changed.set()

    def _read_stream(self, sock: socket.socket, phone: Phone, address: Address) -> None:
        """Take whole messages; no more than one is ever split over two reads here."""
        data = self._rest.get(address, b"") + sock.recv(65536)
        if not data:
            asyncio.get_running_loop().remove_reader(sock)
        while (end := data.find(b"\r\n\r\n")) >= 0:
            found = re.search(rb"Content-Length: ([0-9]+)", data[:end])
            length = end + 4 + (int(found[1]) if found else 0)
            if len(data) < length:
                break
            phone.receive(data[:length], self.sip_address, address[1])
            data = data[length:]
        self._rest[address] = data
        self._changed.set()

    async def until(self, condition: Callable[[], bool], limit: float = 40.0) -> None:
        """Turn the telephones until the condition holds; fails after ``limit`` seconds."""
        end = self.now + limit
        while not condition():
            assert self.now < end, "did not happen in time:\n" + "\n".join(
                f"{phone.name}: {phone.log[-12:]}" for phone in self._phones
            )
            for phone in self._phones:
                if phone.next is not None and phone.next <= self.now:
                    phone.tick()
            times = [phone.next for phone in self._phones if phone.next is not None]
            wait = min([0.02, *(max(0.0, at - self.now) for at in times)])
            self._changed.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def turn(self, seconds: float) -> None:
        """Let the telephones live for a while."""
        end = self.now + seconds
        await self.until(lambda: self.now >= end, seconds + 5.0)

    async def registered(self, *phones: Phone) -> None:
        for phone in phones:
            phone.register()
        await self.until(lambda: all(phone.status == 200 for phone in phones))

    def close(self) -> None:
        for sock in self._sockets.values():
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()


def _udp(address: Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(address)
    return sock
