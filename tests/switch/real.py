"""The virtual telephones of ``tests.sim`` on real UDP sockets, for the parts that only sockets can show.

Each telephone has a loopback address of its own (127.x.y.z), as it would have in an office.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time
from collections.abc import Callable
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


def configuration(folder: Path, host: str, more: str = "") -> Loaded:
    """An office of two, 101 and 102, listening on ``host``."""
    path = folder / "office.toml"
    path.write_text(
        f"""
[switch]
name = "Test"
domain = "office.example"
data = "{folder}/var"
[sip]
listen = ["udp:{host}:5060", "tcp:{host}:5060"]
[rtp]
ports = "20000-20999"
[people.101]
name = "Person 101"
password = "secret-101"
[people.102]
name = "Person 102"
password = "secret-102"
{more}
"""
    )
    return load(path)


class Desk:
    """What a telephone needs of its surroundings, on sockets. ``now`` is the machine's monotonic clock."""

    domain = "office.example"

    def __init__(self, switch: str) -> None:
        self.sip_address: Address = (switch, 5060)
        self.network = self
        self.dead: set[str] = set()
        self._sockets: dict[Address, socket.socket] = {}
        self._phones: list[Phone] = []
        self._changed = asyncio.Event()

    @property
    def now(self) -> float:
        return time.monotonic()

    def send(self, source: Address, destination: Address, data: bytes, now: float) -> None:
        if source[0] not in self.dead:
            self._sockets[source].sendto(data, destination)

    def phone(self, name: str, **behaviour: object) -> Phone:
        phone = Phone(self, name, fresh_host(), **behaviour)  # type: ignore[arg-type]
        self._phones.append(phone)
        loop = asyncio.get_running_loop()
        for address in (phone.sip, phone.rtp):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.bind(address)
            self._sockets[address] = sock
            loop.add_reader(sock, self._read, sock, phone, address)
        return phone

    def _read(self, sock: socket.socket, phone: Phone, address: Address) -> None:
        try:
            data, source = sock.recvfrom(65536)
        except OSError:
            return
        if phone.host not in self.dead:
            phone.receive(data, source, address[1])
        self._changed.set()

    async def until(self, condition: Callable[[], bool], limit: float = 15.0) -> None:
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

    async def registered(self, *phones: Phone) -> None:
        for phone in phones:
            phone.register()
        await self.until(lambda: all(phone.status == 200 for phone in phones))

    def close(self) -> None:
        for sock in self._sockets.values():
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
