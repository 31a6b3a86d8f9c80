"""RTCP reports, SDES and BYE (RFC 3550 sections 6.4 to 6.6), as much of them as one party of a call needs."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from softswitch.rtp.packet import Malformed

__all__ = ["CNAME", "Block", "Received", "Report", "Sender", "parse", "round_trip"]

SR, RR, SDES, BYE = 200, 201, 202, 203
CNAME = 16
"""Bytes of our canonical names: random ones, so that they tell nothing (RFC 7022)."""


@dataclass(frozen=True, slots=True)
class Block:
    """A reception report block (section 6.4.1) about the stream ``source``; jitter in timestamp units."""

    source: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int

    def __bytes__(self) -> bytes:
        lost = min(self.lost, 0x7FFFFF) & 0xFFFFFF
        return struct.pack(
            "!IIIIII",
            self.source,
            self.fraction_lost << 24 | lost,
            self.highest,
            self.jitter,
            self.last_report,
            self.delay,
        )


@dataclass(frozen=True, slots=True)
class Sender:
    """Sender information; ``ntp`` is 32.32 fixed point."""

    ntp: int
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Report:
    """What one compound packet of ours says: a report, then SDES with the CNAME that section 6.1 demands.

    ``bye``: it is the last one.
    """

    ssrc: int
    cname: bytes
    sender: Sender | None = None
    block: Block | None = None
    bye: bool = False

    def __bytes__(self) -> bytes:
        body = struct.pack("!I", self.ssrc)
        if self.sender is not None:
            s = self.sender
            body += struct.pack("!QIII", s.ntp, s.timestamp, s.packets, s.octets)
        count = 0
        if self.block is not None:
            body += bytes(self.block)
            count = 1
        head = struct.pack("!BBH", 0x80 | count, SR if self.sender else RR, len(body) // 4)
        assert len(self.cname) == CNAME
        # One chunk: SSRC, item CNAME, and the zeros that end the items and fill up the word.
        chunk = struct.pack("!IBB", self.ssrc, 1, CNAME) + self.cname + bytes(2)
        last = struct.pack("!BBHI", 0x81, BYE, 1, self.ssrc) if self.bye else b""
        return head + body + struct.pack("!BBH", 0x81, SDES, len(chunk) // 4) + chunk + last


@dataclass(frozen=True, slots=True)
class Received:
    """What a compound packet of the peer says to us. ``middle_ntp`` is None without a sender report."""

    ssrc: int
    middle_ntp: int | None
    block: Block | None
    bye: bool


def parse(data: bytes, ours: int) -> Received | Malformed:
    """Read a compound packet; of its report blocks the last one about our SSRC ``ours`` is kept.

    Malformed is also what does not begin with a report, or is padded before its end (appendix A.2).
    """
    if len(data) < 8 or len(data) > 65_535:
        return Malformed(f"{len(data)} bytes are no RTCP packet")
    ssrc, middle, block, bye = 0, None, None, False
    at = 0
    while at < len(data):
        if len(data) - at < 4 or data[at] >> 6 != 2:
            return Malformed(f"no RTCP header at byte {at}")
        kind, count = data[at + 1], data[at] & 31
        length = 4 * (int.from_bytes(data[at + 2 : at + 4], "big") + 1)
        if length > len(data) - at:
            return Malformed(f"the packet at byte {at} reaches beyond the end")
        if at == 0 and kind not in (SR, RR):
            return Malformed(f"it begins with packet type {kind}, not with a report")
        end = at + length
        if data[at] & 0x20:
            padding = data[end - 1]
            if at == 0 or end < len(data) or padding == 0 or padding % 4 or padding + 4 > length:
                return Malformed(f"the packet at byte {at} is padded, and wrongly")
            length -= padding
        if kind in (SR, RR):
            head = 28 if kind == SR else 8
            if length < head + 24 * count:
                return Malformed(f"the report at byte {at} is too short for its {count} blocks")
            ssrc = int.from_bytes(data[at + 4 : at + 8], "big")
            if kind == SR:
                middle = int.from_bytes(data[at + 10 : at + 14], "big")
            for i in range(count):
                found = _block(data, at + head + 24 * i)
                if found.source == ours:
                    block = found
        elif kind == SDES:
            if not _chunks_fit(data[at : at + length], count):
                return Malformed(f"the source description at byte {at} has no end")
        elif kind == BYE:
            if not _bye_fits(data[at : at + length], count):
                return Malformed(f"the BYE at byte {at} is too short")
            bye = True
        elif not 192 <= kind <= 223:
            return Malformed(f"packet type {kind} is not RTCP")
        at = end
    return Received(ssrc, middle, block, bye)


def round_trip(middle_ntp_now: int, block: Block) -> float | None:
    """Return seconds to the peer and back (section 6.4.1: A - LSR - DLSR); None if the peer saw no report of ours."""
    if block.last_report == 0:
        return None
    trip = (middle_ntp_now - block.last_report - block.delay) % (1 << 32)
    return trip / 65_536 if trip < 60 << 16 else None


def _chunks_fit(packet: bytes, count: int) -> bool:
    """Whether the chunks of an SDES packet and their items end where they should (section 6.5)."""
    at = 4
    for _ in range(count):
        if len(packet) - at < 4:
            return False
        at += 4
        while True:
            if at >= len(packet):
                return False
            if packet[at] == 0:
                break
            if len(packet) - at < 2 or packet[at + 1] > len(packet) - at - 2:
                return False
            at += 2 + packet[at + 1]
        at = (at + 4) // 4 * 4  # at least one zero, and up to the end of the word
        if at > len(packet):
            return False
    return True


def _bye_fits(packet: bytes, count: int) -> bool:
    """Whether a BYE's sources and its reason lie within it (section 6.6)."""
    at = 4 + 4 * count
    return at <= len(packet) and (at == len(packet) or packet[at] <= len(packet) - at - 1)


def _block(data: bytes, at: int) -> Block:
    source, lost, highest, jitter, last_report, delay = struct.unpack_from("!IIIIII", data, at)
    signed = lost & 0xFFFFFF
    if signed & 0x800000:
        signed -= 1 << 24
    return Block(source, lost >> 24, signed, highest, jitter, last_report, delay)
