"""What a peer's session description says of its audio: where it wants it, which way it goes, in which codecs.

Nothing here is ours to decide; ``negotiation`` does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from softswitch.media.engine import Address, Codec
from softswitch.media.formats import Format, spoken
from softswitch.sip.sdp import Connection, Direction, Media, SessionDescription

__all__ = [
    "PROTOCOLS",
    "PTIME",
    "common",
    "direction_of",
    "direction_on",
    "foreign",
    "held",
    "host_of",
    "ptime_of",
    "rtcp_of",
    "unreachable",
]

PTIME = 20
"""Milliseconds per packet that we ask for."""

PTIMES = range(10, 61, 10)
"""What the core can send when the peer asks for it; everything else gets PTIME, as ptime is a wish (RFC 8866 6.4)."""

FOREIGN = 8
"""How many codecs of a peer's that we do not know may be offered to another; no telephone has more."""

PROTOCOLS = frozenset({"RTP/AVP", "RTP/AVPF"})
"""Transports that are plain RTP."""


def direction_of(description: SessionDescription) -> Direction:
    """Return what the writer does with audio; INACTIVE where its stream is disabled.

    ``c=0.0.0.0`` is the hold of RFC 2543 (RFC 3264 section 8.4): it wants to
    hear nothing, whatever its direction says.
    """
    for media in description.media:
        if media.kind == "audio" and media.port:
            return direction_on(description, media)
    return Direction.INACTIVE


def held(description: SessionDescription) -> bool:
    """Whether the writer of the description does not want to hear us: it put the call on hold."""
    return not direction_of(description).receives


def common(description: SessionDescription, codecs: Sequence[Codec]) -> tuple[Codec, ...]:
    """Return which of the codecs the writer's audio speaks, in its order; empty where there is no plain RTP audio."""
    media = _plain(description)
    return () if media is None else tuple(codec for codec in spoken(media).codecs if codec in codecs)


def foreign(description: SessionDescription) -> tuple[tuple[Format, int], ...]:
    """Return the writer's codecs that could only be passed through, with his payload types, in his order."""
    media = _plain(description)
    if media is None:
        return ()
    found = [(form, number) for form, number in spoken(media).formats.items() if form.codec is Codec.PASSTHROUGH]
    return tuple(found[:FOREIGN])


def _plain(description: SessionDescription) -> Media | None:
    """Return the line of plain RTP audio, if there is one."""
    for media in description.media:
        if media.kind == "audio" and media.port and media.protocol.upper() in PROTOCOLS:
            return media
    return None


def unreachable(connection: Connection | None, local: Address) -> str | None:
    """Say why the local address cannot send to this connection, or None if it can."""
    if connection is None:
        return "no connection address"
    if "/" in connection.address:
        return "multicast is not possible"
    address = _numeric(connection)
    if address is None:
        # Hold, or a host name: it is not resolved, the peer's packets will tell where it is.
        return None
    if address.is_multicast:
        return "multicast is not possible"
    if (address.version == 6) != (":" in local[0]):
        return f"IPv{address.version} address, {local[0]} cannot reach it"
    return None


def direction_on(description: SessionDescription, media: Media) -> Direction:
    """Return what the writer does on this line."""
    direction = description.direction_of(media)
    connection = description.connection_of(media)
    if connection is not None and connection.on_hold:
        return direction.limited_to(Direction.SENDONLY)
    return direction


def _numeric(connection: Connection | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address to send to; None on hold and for a host name."""
    if connection is None or connection.on_hold:
        return None
    return _read_address(connection.address)


@lru_cache(maxsize=4096)
def _read_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def host_of(connection: Connection | None) -> str | None:
    """Return the numeric address where audio is wanted; None on hold and for a host name."""
    address = _numeric(connection)
    return None if address is None else str(address)


def ptime_of(media: Media) -> int:
    """Return how many milliseconds a packet to the peer lasts."""
    asked, longest = media.ptime, media.maxptime
    wanted = PTIME if asked is None or asked not in PTIMES else asked
    return wanted if longest is None or wanted <= longest else max(PTIMES[0], min(PTIME, longest // 10 * 10))


def rtcp_of(media: Media, remote: Address | None) -> Address | None:
    """Where the peer wants RTCP: ``a=rtcp`` (RFC 3605), else the next port (RFC 3550 section 11)."""
    if remote is None:
        return None
    said = media.rtcp
    port = said[0] if said is not None else remote[1] + 1
    host = host_of(said[1]) if said is not None else None
    return (host or remote[0], port) if 0 < port <= 65_535 else None
