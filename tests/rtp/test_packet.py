"""RFC 3550 section 5.1, and the kernel beside its twin."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.rtp.packet import Malformed, Packet, is_rtcp, parse

PACKET = Packet(payload_type=8, sequence=65_535, timestamp=160, ssrc=0xDEADBEEF, payload=b"\xd5" * 160, marker=True)


def kernel_parse(data: bytes) -> Packet | None:
    found = kernels.parse(data)
    return None if found is None else Packet(*found)


def test_a_packet_is_read_as_it_was_written() -> None:
    assert bytes(PACKET)[:12].hex() == "8088ffff000000a0deadbeef"
    assert parse(bytes(PACKET)) == PACKET


def test_contributing_sources_extension_and_padding_are_not_payload() -> None:
    head = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 0, 1, 2, 3)
    data = head + bytes(8) + struct.pack("!HH", 0xBEDE, 1) + bytes(4) + b"voice" + b"\x00\x00\x03"
    assert parse(data) == Packet(0, 1, 2, 3, b"voice")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        bytes(PACKET)[:11],
        b"\x40" + bytes(PACKET)[1:],  # version 1
        b"\x8f" + bytes(PACKET)[1:40],  # 15 contributing sources in 28 bytes
        b"\x90" + bytes(PACKET)[1:12],  # an extension without its header
        b"\x90" + bytes(PACKET)[1:12] + b"\xbe\xde\xff\xff" + bytes(160),  # extension of 65,535 words
        b"\xa0" + bytes(PACKET)[1:12],  # padding of nothing
        b"\xa0" + bytes(PACKET)[1:12] + bytes(160),  # padding of 0 bytes
        b"\xa0" + bytes(PACKET)[1:12] + b"\xff" * 160,  # padding of 255 bytes in 160
        b"\x80\x00" + bytes(65_534),  # 65,536 bytes
    ],
    ids=["empty", "one byte", "short", "version", "sources", "extension", "long extension", "no padding",
         "zero padding", "padding", "64 kB"],
)  # fmt: skip
def test_malformed_packets_are_refused_by_both(data: bytes) -> None:
    assert isinstance(parse(data), Malformed)
    assert kernels.parse(data) is None


def test_a_packet_of_nothing_but_padding_is_empty() -> None:
    data = b"\xa0" + bytes(PACKET)[1:12] + bytes(159) + b"\xa0"
    assert parse(data) == kernel_parse(data) == Packet(8, 65_535, 160, 0xDEADBEEF, b"", True)


def test_reports_are_told_from_audio_by_the_second_byte() -> None:
    assert is_rtcp(b"\x80\xc8")
    assert is_rtcp(b"\x81\xdf")
    assert not is_rtcp(bytes(PACKET))
    assert not is_rtcp(b"\x80\x80")
    assert not is_rtcp(b"\x80")


packets = st.builds(
    Packet,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 65_535),
    timestamp=st.integers(0, (1 << 32) - 1),
    ssrc=st.integers(0, (1 << 32) - 1),
    payload=st.binary(max_size=300),
    marker=st.booleans(),
)


@given(packets)
def test_round_trip(packet: Packet) -> None:
    assert parse(bytes(packet)) == packet


@given(st.one_of(st.binary(max_size=64), st.builds(lambda first, rest: bytes([first]) + rest, st.integers(0x80, 0xBF),
                                                   st.binary(max_size=120))))  # fmt: skip
def test_any_bytes_are_judged_alike_by_kernel_and_twin(data: bytes) -> None:
    expected = parse(data)
    assert kernel_parse(data) == (None if isinstance(expected, Malformed) else expected)
