"""Which of our addresses a peer is told."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.events import Destination, Flow
from softswitch.switch.addresses import Addresses

PUBLIC = "203.0.113.5"
NETS = (ipaddress.IPv4Network("192.168.0.0/16"), ipaddress.IPv6Network("fd00::/8"))


def interface(transport: str, remote: str) -> tuple[str, int]:
    return ("fd00::1" if ":" in remote else "192.168.1.2"), 5060 if transport == "udp" else 5070


ADDRESSES = Addresses(PUBLIC, NETS, interface)


@pytest.mark.parametrize(
    ("remote", "told"),
    [
        ("192.168.4.4", "192.168.1.2"),  # inside
        ("198.51.100.7", PUBLIC),  # beyond the NAT
        ("fd00::7", "fd00::1"),
        ("2001:db8::7", PUBLIC),
        ("sip.provider.example", PUBLIC),  # a name: a provider's
    ],
)
def test_a_peer_is_told_the_address_by_which_it_reaches_us(remote: str, told: str):
    assert ADDRESSES.advertised(Destination("udp", remote, 5060)) == (told, 5060)
    assert ADDRESSES.media(remote)[1] == told


def test_a_stream_is_told_the_port_on_which_streams_are_taken():
    assert ADDRESSES.advertised(Flow("tcp", ("192.168.1.2", 41_000), ("192.168.4.4", 33_000))) == ("192.168.1.2", 5070)


def test_audio_is_bound_to_the_interface_whatever_is_told():
    assert ADDRESSES.media("198.51.100.7") == ("192.168.1.2", PUBLIC)


def test_without_a_public_address_everybody_is_told_the_interface():
    assert Addresses(None, (), interface).advertised(Destination("udp", "198.51.100.7", 5060)) == ("192.168.1.2", 5060)


def test_other_nets_count_from_the_reload_on():
    addresses = Addresses(PUBLIC, NETS, interface)
    addresses.use(None, ())
    assert addresses.media("198.51.100.7")[1] == "192.168.1.2"


@given(st.ip_addresses())
def test_exactly_who_is_in_none_of_our_nets_is_told_the_public_address(
    remote: ipaddress.IPv4Address | ipaddress.IPv6Address,
):
    inside = any(remote.version == net.version and remote in net for net in NETS)
    told, _ = ADDRESSES.advertised(Destination("udp", str(remote), 5060))
    assert (told == PUBLIC) is not inside
