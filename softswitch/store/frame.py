"""How one record stands in a spool file, and how records are found again in a file that something has happened to.

    magic  4 bytes  FE 4A FF 01   FE and FF never occur in UTF-8, so no payload can look like the start of a record
    length 4 bytes  of the payload
    number 8 bytes  rises from record to record
    crc    4 bytes  CRC-32 of length, number and payload
    payload         UTF-8 text

All big-endian. A process killed while it writes leaves a beginning of a record,
which its CRC gives away; a damaged sector costs the records it touches and no
others, because the next magic starts the next record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

__all__ = ["HEADER", "MAX_PAYLOAD", "Record", "frame", "records"]

MAGIC = b"\xfeJ\xff\x01"
HEADER = struct.Struct(">4sIQI")
_CHECKED = struct.Struct(">IQ")
MAX_PAYLOAD = 1 << 20  # bytes; the largest event is a 64 kB SIP header escaped sixfold


class Record(NamedTuple):
    number: int
    payload: bytes
    end: int
    """Offset of the first byte behind the record."""


def frame(number: int, payload: bytes) -> bytes:
    """Return the bytes of one record; ``payload`` is text in UTF-8, at most ``MAX_PAYLOAD`` bytes."""
    size = len(payload)
    return HEADER.pack(MAGIC, size, number, crc32(payload, crc32(_CHECKED.pack(size, number)))) + payload


def records(content: bytes, after: int = 0, start: int = 0) -> Iterator[Record]:
    """Yield every whole record whose number rises above ``after`` and above those before it, from offset ``start`` on.

    Whatever stands between is skipped: torn or damaged records, zeros of the
    reserve, leftovers with numbers that were seen already.
    """
    offset = start
    while (offset := content.find(MAGIC, offset)) >= 0 and offset + HEADER.size <= len(content):
        _, size, number, crc = HEADER.unpack_from(content, offset)
        end = offset + HEADER.size + size
        payload = content[offset + HEADER.size : end] if size <= MAX_PAYLOAD and end <= len(content) else None
        if payload is None or crc != crc32(payload, crc32(_CHECKED.pack(size, number))):
            offset += 1
            continue
        if number > after:
            yield Record(number, payload, end)
            after = number
        offset = end
