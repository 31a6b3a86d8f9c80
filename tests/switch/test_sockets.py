"""Calls over what only real sockets can show: TCP, IPv6, large requests, telephones behind a NAT."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from softswitch import Switch
from tests.sim.phone import Phone
from tests.switch.real import Desk, Line, configuration, fresh_host


async def talk(desk: Desk, anna: Phone, boris: Phone) -> None:
    """Both register, talk, hear each other's tone and nothing of their own, and hang up."""
    await desk.registered(anna, boris)
    anna.call(boris.name)
    await desk.until(lambda: len(anna.heard) > 60 and len(boris.heard) > 60)
    assert abs(anna.hears(880) + 16) < 3
    assert abs(boris.hears(440) + 16) < 3
    boris.hang_up()
    await desk.until(lambda: anna.idle and boris.idle)


async def test_two_phones_over_tcp_talk(tmp_path: Path):
    host = fresh_host()
    async with Switch(configuration(tmp_path, host)):
        desk = Desk(host)
        await talk(desk, desk.phone_over_tcp("101", tone=440), desk.phone_over_tcp("102", tone=880, answer=0.1))
        desk.close()


async def test_a_phone_over_tcp_calls_one_over_udp(tmp_path: Path):
    host = fresh_host()
    async with Switch(configuration(tmp_path, host)):
        desk = Desk(host)
        await talk(desk, desk.phone_over_tcp("101", tone=440), desk.phone("102", tone=880, answer=0.1))
        desk.close()


async def test_a_phone_over_udp_calls_one_over_tcp(tmp_path: Path):
    host = fresh_host()
    async with Switch(configuration(tmp_path, host)):
        desk = Desk(host)
        await talk(desk, desk.phone("101", tone=440), desk.phone_over_tcp("102", tone=880, answer=0.1))
        desk.close()


async def test_two_phones_over_ipv6_talk(tmp_path: Path):
    base = 30_000 + 20 * (os.getpid() % 1000)
    listen = f'"udp:[::1]:{base}", "tcp:[::1]:{base}"'
    async with Switch(configuration(tmp_path, "::1", listen=listen)):
        desk = Desk("::1", base)
        anna = desk.phone_over_ipv6("101", base + 2, tone=440)
        await talk(desk, anna, desk.phone_over_ipv6("102", base + 4, tone=880, answer=0.1))
        desk.close()


async def test_a_phone_behind_a_nat_is_reached_where_its_packets_come_from(tmp_path: Path):
    host = fresh_host()
    async with Switch(configuration(tmp_path, host)) as switch:
        desk = Desk(host)
        anna = desk.phone("101", tone=440, contact="192.168.7.7")
        boris = desk.phone("102", tone=880, answer=0.1, contact="192.168.7.8")
        # The descriptions name addresses beyond the NAT too: only what arrives tells where to send.
        desk.rewire(anna, Line((b"c=IN IP4 " + anna.host.encode(), b"c=IN IP4 192.168.7.7")))
        desk.rewire(boris, Line((b"c=IN IP4 " + boris.host.encode(), b"c=IN IP4 192.168.7.8")))
        await talk(desk, anna, boris)
        assert {device.bound.remote_host for device in switch.live.devices.values()} == {anna.host, boris.host}
        desk.close()


def with_long_contact(phone: Phone) -> Line:
    """An INVITE to this Contact has more than 1300 bytes, for which RFC 3261 section 18.1.1 wants TCP."""
    plain = b"Contact: <sip:%b@%b:5060" % (phone.name.encode(), phone.host.encode())
    return Line((plain, plain + b";x=" + b"c" * 700))


async def test_a_request_of_more_than_1300_bytes_goes_over_tcp(tmp_path: Path):
    host = fresh_host()
    async with Switch(configuration(tmp_path, host)):
        desk = Desk(host)
        anna, boris = desk.phone("101"), desk.phone("102")
        desk.rewire(boris, with_long_contact(boris))
        with socket.create_server(boris.sip) as listener:
            listener.setblocking(False)
            await desk.registered(anna, boris)
            anna.call("102")
            loop = asyncio.get_running_loop()
            connection, _ = await asyncio.wait_for(asyncio.gather(loop.sock_accept(listener), desk.turn(1.0)), 10.0)
            with connection[0] as stream:
                request = stream.recv(65536)
        assert request.startswith(b"INVITE sip:102@")
        assert b"Via: SIP/2.0/TCP" in request
        assert len(request) > 1300
        assert not boris.ringing
        desk.close()


async def test_a_large_request_goes_over_udp_after_all_where_nobody_takes_tcp(tmp_path: Path):
    host = fresh_host()
    async with Switch(configuration(tmp_path, host)):
        desk = Desk(host)
        anna, boris = desk.phone("101", tone=440), desk.phone("102", tone=880, answer=0.1)
        desk.rewire(boris, with_long_contact(boris))
        await talk(desk, anna, boris)
        desk.close()
