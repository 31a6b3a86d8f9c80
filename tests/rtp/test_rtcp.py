"""RFC 3550 section 6.4."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.rtp.packet import Malformed
from softswitch.rtp.rtcp import Block, Received, Report, Sender, parse, round_trip

BLOCK = Block(source=7, fraction_lost=64, lost=3, highest=70_000, jitter=12, last_report=0x10000, delay=0x8000)
REPORT = Report(ssrc=9, cname=b"0123456789abcdef", sender=Sender(0x0102030405060708, 160, 2, 320), block=BLOCK)


def test_a_report_has_the_layout_of_section_6_4_1() -> None:
    data = bytes(REPORT)
    assert len(data) == 28 + 24 + 28
    assert data[:8].hex() == "81c8000c00000009"  # 13 words
    assert data[8:16].hex() == "0102030405060708"
    assert data[28:36].hex() == "0000000740000003"
    assert data[52:62].hex() == "81ca0006000000090110"  # SDES of 7 words, item CNAME of 16 bytes


def test_a_report_is_read_by_the_one_it_is_about() -> None:
    assert parse(bytes(REPORT), 7) == Received(ssrc=9, middle_ntp=0x03040506, block=BLOCK, bye=False)


def test_a_block_about_somebody_else_is_not_ours() -> None:
    found = parse(bytes(REPORT), 8)
    assert isinstance(found, Received)
    assert found.block is None


def test_negative_loss_is_kept_as_duplicates_make_it() -> None:
    found = parse(bytes(Report(9, REPORT.cname, None, Block(7, 0, -2, 0, 0, 0, 0))), 7)
    assert isinstance(found, Received)
    assert found.block is not None
    assert found.block.lost == -2


def test_goodbye_is_seen() -> None:
    data = bytes(Report(9, REPORT.cname)) + struct.pack("!BBHI", 0x81, 203, 1, 9)
    assert parse(data, 7) == Received(9, None, None, bye=True)


def test_the_last_packet_says_goodbye_after_its_report() -> None:
    data = bytes(Report(9, REPORT.cname, bye=True))
    assert data[-8:].hex() == "81cb000100000009"
    assert parse(data, 7) == Received(9, None, None, bye=True)


RR = bytes.fromhex("80c9000100000009")


@pytest.mark.parametrize(
    "tail",
    [
        "81ca000300000009" "0102616200000000",  # CNAME "ab", the end, and zeros up to the word
        "82ca000400000009" "0000000000000008" "00000000",  # two chunks without items
        "80ca0000",
        "82cb000200000009" "0000000a",
        "81cb000300000009" "0563686565720000",  # a reason
        "a1cb000200000009" "00000004",  # padded
        "80cc000200000009" "74657374",  # APP
    ],
)  # fmt: skip
def test_compound_packets_are_read_whole(tail: str) -> None:
    data = RR + bytes.fromhex(tail)
    assert isinstance(parse(data, 7), Received), parse(data, 7)
    assert kernels.parse_reports(data, 7) is not None


@pytest.mark.parametrize(
    "tail",
    [
        "81ca000200000009" "01096162",  # an item longer than the packet
        "81ca000200000009" "01026162",  # no end of the items
        "82ca000200000009" "00000000",  # a chunk is missing
        "81cb0000",  # no source
        "81cb000200000009" "09636865",  # a reason longer than the packet
        "a1cb000200000009" "00000003",  # padding of three bytes
        "a1cb000200000009" "0000000c",  # padding longer than the packet
        "a1cb000200000009" "00000004" "80c9000100000009",  # padding before the end
    ],
)  # fmt: skip
def test_what_has_no_end_in_a_compound_packet_is_refused_by_both(tail: str) -> None:
    data = RR + bytes.fromhex(tail)
    assert isinstance(parse(data, 7), Malformed)
    assert kernels.parse_reports(data, 7) is None


def test_a_compound_packet_begins_with_a_report() -> None:
    for data in ("81cb000100000009", "a0c900020000000900000004"):
        assert isinstance(parse(bytes.fromhex(data), 7), Malformed)
        assert kernels.parse_reports(bytes.fromhex(data), 7) is None


def test_round_trip_is_a_minus_lsr_minus_dlsr() -> None:
    # Sent at 1.0, held 0.5 s by the peer, back at 1.625: 125 ms on the wire.
    assert round_trip(0x1A000, BLOCK) == pytest.approx(0.125)


def test_without_a_report_of_ours_there_is_no_round_trip() -> None:
    assert round_trip(0x1A000, Block(7, 0, 0, 0, 0, 0, 0)) is None


def test_a_round_trip_that_cannot_be_is_not_told() -> None:
    assert round_trip(0x10000, BLOCK) is None  # it would be negative


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\xc9\x00\x00",
        b"\x40\xc9\x00\x01" + bytes(4),
        b"\x80\xc9\xff\xff" + bytes(4),
        b"\x9f\xc9\x00\x01" + bytes(4),
        b"\x80\x00\x00\x01" + bytes(4),
        b"\x80\xc9\x00\x01" + bytes(6),
    ],
    ids=["empty", "short", "version", "length 65535", "31 blocks", "type 0", "rest"],
)
def test_malformed_reports_are_refused_by_both(data: bytes) -> None:
    assert isinstance(parse(data, 7), Malformed)
    assert kernels.parse_reports(data, 7) is None


u32 = st.integers(0, (1 << 32) - 1)
blocks = st.builds(Block, u32, st.integers(0, 255), st.integers(-(1 << 23), (1 << 23) - 1), u32, u32, u32, u32)
senders = st.builds(Sender, st.integers(0, (1 << 64) - 1), u32, u32, u32)
reports = st.builds(
    Report,
    u32,
    st.binary(min_size=16, max_size=16),
    st.one_of(st.none(), senders),
    st.one_of(st.none(), blocks),
    st.booleans(),
)


@given(reports)
def test_kernel_and_twin_write_alike(report: Report) -> None:
    sender = report.sender and (report.sender.ntp, report.sender.timestamp, report.sender.packets, report.sender.octets)
    block = report.block and fields(report.block)
    assert kernels.write_report(report.ssrc, report.cname, sender, block, report.bye) == bytes(report)


@given(st.one_of(st.binary(max_size=100), st.builds(lambda r, n, tail: bytes(r)[:n] + tail, reports,
                                                    st.integers(0, 90), st.binary(max_size=8))), u32)  # fmt: skip
def test_kernel_and_twin_read_alike(data: bytes, ours: int) -> None:
    found = parse(data, ours)
    if isinstance(found, Malformed):
        assert kernels.parse_reports(data, ours) is None
    else:
        block = found.block and fields(found.block)
        assert kernels.parse_reports(data, ours) == (found.ssrc, found.middle_ntp, block, found.bye)


@given(reports)
def test_round_trip_of_the_bytes(report: Report) -> None:
    ours = report.block.source if report.block else 1
    found = parse(bytes(report), ours)
    assert isinstance(found, Received)
    assert (found.ssrc, found.block) == (report.ssrc, report.block)


def fields(block: Block) -> tuple[int, ...]:
    return (
        block.source,
        block.fraction_lost,
        block.lost,
        block.highest,
        block.jitter,
        block.last_report,
        block.delay,
    )
