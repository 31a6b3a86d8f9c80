"""The RTP packet (RFC 3550 section 5.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["HEADER", "Malformed", "Packet", "is_rtcp", "parse"]

HEADER = 12
"""Bytes of the fixed header."""

_FIXED = struct.Struct("!BBHII")
_PADDING, _EXTENSION, _SOURCES = 0x20, 0x10, 0x0F


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not an RTP packet; ``reason`` is for a person."""

    reason: str


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; ``payload`` is without header extension and padding."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def __bytes__(self) -> bytes:
        """The packet as it is sent: no contributing sources, no extension, no padding."""
        second = self.payload_type | (0x80 if self.marker else 0)
        return _FIXED.pack(0x80, second, self.sequence, self.timestamp, self.ssrc) + self.payload


def is_rtcp(data: bytes) -> bool:
    """Tell RTCP on the RTP port by its packet type (RFC 5761 section 4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223


def parse(data: bytes) -> Packet | Malformed:
    """Read a datagram; anything may be in it."""
    if len(data) < HEADER or len(data) > 65_535:
        return Malformed(f"{len(data)} bytes are no RTP packet")
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != 2:
        return Malformed(f"version is {first >> 6}, not 2")
    start = HEADER + 4 * (first & _SOURCES)
    if start > len(data):
        return Malformed("contributing sources reach beyond the end")
    if first & _EXTENSION:
        if start + 4 > len(data):
            return Malformed("header extension is cut off")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
        if start > len(data):
            return Malformed("header extension reaches beyond the end")
    padding = 0
    if first & _PADDING:
        if start == len(data):
            return Malformed("padding without a byte that counts it")
        padding = data[-1]
        if padding == 0 or padding > len(data) - start:
            return Malformed(f"padding of {padding} bytes does not fit")
    return Packet(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=data[start : len(data) - padding],
        marker=bool(second & 0x80),
    )
