"""Names to addresses, against a name server of our own on loopback. Time is a number that the test sets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from softswitch.sip.events import Destination, Transport
from softswitch.sip.transport.dns import Resolver, is_numeric, read_hosts


class NameServer(asyncio.DatagramProtocol):
    """Answers from a table of ("name", "TYPE") to (ttl, records). ``mood``: "well", "failing", "silent"."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self.mood = "well"
        self.asked: Counter[tuple[str, str]] = Counter()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True)
        self.asked[name, kind] += 1
        if self.mood == "silent":
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.mood == "failing":
            response.set_rcode(dns.rcode.SERVFAIL)
        elif (name, kind) in self.table:
            ttl, records = self.table[name, kind]
            response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, *records))
        elif not any(known == name for known, _ in self.table):
            response.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(response.to_wire(), addr)


class World:
    def __init__(self, server: NameServer) -> None:
        self.server, self.time = server, 0.0
        asker = dns.asyncresolver.Resolver(configure=False)
        asker.nameservers = ["127.0.0.1"]
        asker.port = server.transport.get_extra_info("sockname")[1]
        self.resolver = Resolver(lambda: self.time, hosts={"pbx": ["192.0.2.77"]}, resolver=asker, patience=0.2)

    async def find(self, host: str, port: int = 5060, transport: Transport = "udp") -> list[tuple[str, int]]:
        return await self.resolver.resolve(Destination(transport, host, port))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    _, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    server.table = {
        ("trunk.example", "A"): (300, ["198.51.100.1"]),
        ("trunk.example", "AAAA"): (300, ["2001:db8::1"]),
        ("old.example", "A"): (300, ["198.51.100.9"]),
        ("_sip._udp.carrier.example", "SRV"): (
            300,
            ["20 1 5080 c.carrier.example.", "10 1 5071 b.carrier.example.", "10 9 5070 a.carrier.example."],
        ),
        ("a.carrier.example", "A"): (300, ["198.51.100.11"]),
        ("b.carrier.example", "A"): (300, ["198.51.100.12"]),
        ("c.carrier.example", "A"): (300, ["198.51.100.13"]),
    }
    made = World(server)
    yield made
    await made.resolver.close()
    server.transport.close()


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("192.0.2.5", 5070, [("192.0.2.5", 5070)]),
        ("192.0.2.5", 0, [("192.0.2.5", 5060)]),
        ("2001:db8::5", 5060, [("2001:db8::5", 5060)]),
        ("pbx", 5060, [("192.0.2.77", 5060)]),
        ("PBX.", 0, [("192.0.2.77", 5060)]),
    ],
)
async def test_numbers_and_fixed_names_are_known_without_asking(
    world: World, host: str, port: int, expected: list[tuple[str, int]]
) -> None:
    assert world.resolver.cached(Destination("udp", host, port)) == expected
    assert not world.server.asked


async def test_name_with_a_port_has_all_its_addresses_ipv4_first(world: World) -> None:
    assert await world.find("trunk.example", 5070) == [("198.51.100.1", 5070), ("2001:db8::1", 5070)]
    assert ("_sip._udp.trunk.example", "SRV") not in world.server.asked


async def test_name_without_a_port_is_looked_for_as_a_service(world: World) -> None:
    # Priority 10 before 20; of the same priority the heavier one first.
    assert await world.find("carrier.example", 0) == [
        ("198.51.100.11", 5070),
        ("198.51.100.12", 5071),
        ("198.51.100.13", 5080),
    ]


async def test_name_without_service_records_has_the_usual_port(world: World) -> None:
    assert await world.find("old.example", 0) == [("198.51.100.9", 5060)]


async def test_service_of_another_transport_is_another_question(world: World) -> None:
    assert await world.find("carrier.example", 0, "tcp") == []
    assert world.server.asked["_sip._tcp.carrier.example", "SRV"] == 1


async def test_unknown_name_has_no_addresses_and_is_not_asked_for_again_at_once(world: World) -> None:
    assert await world.find("nobody.example") == await world.find("nobody.example") == []
    assert world.server.asked["nobody.example", "A"] == 1


async def test_answer_is_kept_for_its_ttl(world: World) -> None:
    await world.find("old.example")
    world.time = 299.0
    await world.find("old.example")
    assert world.server.asked["old.example", "A"] == 1
    world.time = 300.0
    await world.find("old.example")
    assert world.server.asked["old.example", "A"] == 2


@pytest.mark.parametrize(("ttl", "kept", "gone"), [(0, 0.9, 1.0), (1_000_000, 3599.0, 3600.0)])
async def test_ttl_is_at_least_a_second_and_at_most_an_hour(world: World, ttl: int, kept: float, gone: float) -> None:
    world.server.table["old.example", "A"] = (ttl, ["198.51.100.9"])
    world.server.table["old.example", "AAAA"] = (ttl, ["2001:db8::9"])
    await world.find("old.example")
    asked = Destination("udp", "old.example", 5060)
    world.time = kept
    assert world.resolver.cached(asked) is not None
    world.time = gone
    assert world.resolver.cached(asked) is None


@pytest.mark.parametrize("mood", ["failing", "silent"])
async def test_last_good_answer_serves_for_an_hour_when_the_name_server_fails(world: World, mood: str) -> None:
    await world.find("trunk.example")
    world.server.mood = mood
    world.time = 300.0
    assert await world.find("trunk.example") == [("198.51.100.1", 5060), ("2001:db8::1", 5060)]
    world.time = 3899.0
    assert await world.find("trunk.example") == [("198.51.100.1", 5060), ("2001:db8::1", 5060)]
    world.time = 3900.0 + 15.0
    assert await world.find("trunk.example") == []


@pytest.mark.parametrize("mood", ["failing", "silent"])
async def test_last_good_services_serve_too(world: World, mood: str) -> None:
    before = await world.find("carrier.example", 0)
    world.server.mood = mood
    world.time = 400.0
    assert await world.find("carrier.example", 0) == before


async def test_failing_server_is_not_asked_for_every_call(world: World) -> None:
    world.server.mood = "failing"
    for _ in range(5):
        assert await world.find("trunk.example") == []
    first = world.server.asked["trunk.example", "A"]
    world.time = 14.9
    await world.find("trunk.example")
    assert world.server.asked["trunk.example", "A"] == first
    world.time, world.server.mood = 15.0, "well"
    assert await world.find("trunk.example") != []


async def test_silent_server_costs_no_more_than_the_patience(world: World) -> None:
    world.server.mood = "silent"
    async with asyncio.timeout(1.0):  # patience is 0.2 s
        assert await world.find("carrier.example", 0) == []


async def test_questions_for_one_name_at_one_time_are_one_question(world: World) -> None:
    answers = await asyncio.gather(*(world.find("old.example") for _ in range(20)))
    assert all(answer == [("198.51.100.9", 5060)] for answer in answers)
    assert world.server.asked["old.example", "A"] == 1


async def test_hostile_answers_are_cut_short(world: World) -> None:
    world.server.table["big.example", "A"] = (300, [f"198.51.100.{n}" for n in range(50)])
    assert len(await world.find("big.example")) == 8


async def test_service_that_is_not_offered_has_no_addresses(world: World) -> None:
    world.server.table["_sip._udp.none.example", "SRV"] = (300, ["0 0 0 ."])
    assert await world.find("none.example", 0) == []


@pytest.mark.parametrize("name", ["a" * 70 + ".example", "a..b", "*", "ж.example", ""])
async def test_impossible_names_have_no_addresses(world: World, name: str) -> None:
    assert await world.find(name) == []


def test_hosts_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("# the office\n127.0.0.1 localhost Local\n::1\tlocalhost # both\nnonsense here\n192.0.2.1\n")
    assert read_hosts(str(file)) == {"localhost": ["127.0.0.1", "::1"], "local": ["127.0.0.1"]}
    assert read_hosts(str(tmp_path / "absent")) == {}


@pytest.mark.parametrize(("host", "numeric"), [("192.0.2.1", True), ("::1", True), ("a.example", False), ("", False)])
def test_numeric_hosts_are_told_from_names(host: str, numeric: bool) -> None:
    assert is_numeric(host) is numeric
