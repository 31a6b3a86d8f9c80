"""ITU-T G.711: PCMU (mu-law) and PCMA (A-law), sample by sample as the recommendation's tables define them.

16-bit linear samples are taken as 14 bits (mu-law) or 13 bits (A-law) by
cutting the low bits of the magnitude in one's complement, which puts every
decision value where tables 1a to 2b have it (the same as the ITU's software
tool library, G.191, does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["alaw_decode", "alaw_encode", "decode", "encode", "ulaw_decode", "ulaw_encode"]


def ulaw_encode(sample: int) -> int:
    """Return the mu-law code of a 16-bit sample."""
    negative = sample < 0
    magnitude = min(((~sample if negative else sample) >> 2) + 33, 0x1FFF)
    segment = magnitude.bit_length() - 6
    mantissa = magnitude >> (segment + 1) & 15
    code = segment << 4 | mantissa
    return ~code & (0x7F if negative else 0xFF)


def ulaw_decode(code: int) -> int:
    """Return the 16-bit sample of a mu-law code."""
    inverted = ~code & 0xFF
    segment, mantissa = inverted >> 4 & 7, inverted & 15
    magnitude = (((mantissa << 1) + 33 << segment) - 33) * 4
    return -magnitude if inverted & 0x80 else magnitude


def alaw_encode(sample: int) -> int:
    """Return the A-law code of a 16-bit sample, with its even bits inverted as it is sent."""
    negative = sample < 0
    magnitude = (~sample if negative else sample) >> 4
    if magnitude < 16:
        code = magnitude
    else:
        segment = magnitude.bit_length() - 4
        code = segment << 4 | magnitude >> (segment - 1) & 15
    return (code | (0 if negative else 0x80)) ^ 0x55


def alaw_decode(code: int) -> int:
    """Return the 16-bit sample of an A-law code."""
    straight = code ^ 0x55
    segment, mantissa = straight >> 4 & 7, straight & 15
    magnitude = (mantissa << 1) + 1
    if segment:
        magnitude = (magnitude + 32) << (segment - 1)
    return magnitude * 8 if straight & 0x80 else -magnitude * 8


_ENCODERS: dict[str, Callable[[int], int]] = {"PCMU": ulaw_encode, "PCMA": alaw_encode}
_DECODERS: dict[str, Callable[[int], int]] = {"PCMU": ulaw_decode, "PCMA": alaw_decode}


def encode(law: str, samples: Sequence[int]) -> bytes:
    """Encode 16-bit samples; ``law`` is "PCMU" or "PCMA"."""
    return bytes(map(_ENCODERS[law], samples))


def decode(law: str, codes: bytes) -> list[int]:
    """Decode to 16-bit samples; ``law`` is "PCMU" or "PCMA"."""
    return list(map(_DECODERS[law], codes))
