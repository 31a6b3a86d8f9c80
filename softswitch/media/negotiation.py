"""Offer and answer (RFC 3264): from two session descriptions to the ``MediaSession`` of one port.

Pure functions: descriptions in, descriptions and sessions out. This switch
speaks one audio stream per leg over RTP/AVP (or AVPF, answered as offered) and
answers with exactly one codec, so that the peer cannot change it mid-call
without asking. Everything else in an offer is declined line by line.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from softswitch.media.engine import Address, Codec, MediaSession
from softswitch.sip.sdp import Attribute, Connection, Direction, Encoding, Media, Origin, SessionDescription, following

__all__ = ["Refused", "accept", "answer", "common", "direction_of", "held", "offer", "remote_host", "reoffer"]

STATIC = {Codec.PCMU: 0, Codec.PCMA: 8}
"""Payload types that need no rtpmap (RFC 3551 table 4)."""

_PAYLOAD_TYPES = {str(number): number for number in range(128)}
"""By their text; "08" is none, it would not come back as it was offered."""

_BY_NUMBER = {number: codec for codec, number in STATIC.items()}
_BY_NAME = {codec.value: codec for codec in STATIC}

TELEPHONE_EVENT = 101
"""Our dynamic payload type for RFC 4733; the number most phones use too."""

DIGITS = "0-15"
"""The events 0-9, *, #, A-D (RFC 4733 section 3.2)."""

CLOCK = 8000

PTIME = 20
"""Milliseconds per packet that we ask for."""

PTIMES = (20, 40, 60)
"""What the core can send when the peer asks for it; everything else gets PTIME, as ptime is a wish (RFC 8866 6.4)."""

PROTOCOLS = frozenset({"RTP/AVP", "RTP/AVPF"})

# Warning codes of RFC 3261 section 20.43, for the 488 that tells the peer why.
_NETWORK_ADDRESS = 301
_TRANSPORT = 302
_MEDIA_TYPE = 304
_MEDIA_FORMAT = 305
_MISCELLANEOUS = 399


@dataclass(frozen=True, slots=True)
class Refused:
    """No session is possible: the status to answer with, why, and the code for a Warning header."""

    reason: str
    status: int = 488
    warning: int = _MISCELLANEOUS


class _Spoken(NamedTuple):
    """What a media line can speak: payload types of our codecs in the line's order, and of telephone-event."""

    codecs: dict[Codec, int]
    digits: int | None


class _Agreed(NamedTuple):
    codec: Codec
    payload_type: int
    digits: int | None


def offer(
    local: Address,
    codecs: Sequence[Codec],
    *,
    session_id: int,
    version: int,
    direction: Direction = Direction.SENDRECV,
) -> SessionDescription:
    """Offer one audio stream at ``local`` with these codecs, most wanted first, and telephone-event."""
    formats = [(STATIC[codec], codec) for codec in codecs]
    return _description(local, session_id, version, [_audio(local[1], "RTP/AVP", formats, TELEPHONE_EVENT, direction)])


def reoffer(
    ours: SessionDescription,
    local: Address,
    codecs: Sequence[Codec],
    *,
    direction: Direction = Direction.SENDRECV,
) -> SessionDescription:
    """Offer again in a dialog where ``ours`` was the last description that we sent.

    RFC 3264 section 8: the same media lines in the same order, the same meaning
    of every payload type, and a version that is one more if anything changed.
    """
    index = next((i for i, media in enumerate(ours.media) if media.kind == "audio" and media.port), None)
    fresh = offer(local, codecs, session_id=0, version=0, direction=direction)
    if index is None:
        return following(ours, replace(fresh, media=(*ours.media, *fresh.media)))
    before = ours.media[index]
    used, digits = _spoken(before)
    formats = _numbered(codecs, used, digits)
    if digits is None:
        digits = _unused(TELEPHONE_EVENT, {*used.values(), *(number for number, _ in formats)})
    again = _audio(local[1], before.protocol, formats, digits, direction)
    media = (*ours.media[:index], again, *ours.media[index + 1 :])
    return following(ours, replace(fresh, media=media))


def answer(
    offered: SessionDescription,
    local: Address,
    codecs: Sequence[Codec],
    *,
    session_id: int,
    version: int,
    prefer: Codec | None = None,
    direction: Direction = Direction.SENDRECV,
) -> tuple[SessionDescription, MediaSession] | Refused:
    """Answer an offer: one media line for each offered one, in its order, at most one of them accepted.

    Of the codecs that both sides know, ``prefer`` (what the other leg speaks)
    wins, else the first that the peer lists. ``direction`` is what we are
    willing to do, as we would write it: SENDONLY holds the peer. An offer in
    which every stream is disabled (port 0) is answered likewise, with a session
    that neither sends nor receives.
    """
    refusals: list[Refused] = []
    for index, media in enumerate(offered.media):
        agreed = _agreed(offered, media, _spoken(media), local, codecs, prefer=prefer)
        if isinstance(agreed, Refused):
            refusals.append(agreed)
            continue
        ours = _offered_direction(offered, media).mirrored.limited_to(direction)
        lines = list(map(_declined, offered.media))
        lines[index] = _audio(local[1], media.protocol, [(agreed.payload_type, agreed.codec)], agreed.digits, ours)
        session = _session(offered, media, agreed, ours, dtmf_receive=agreed.digits)
        return _description(local, session_id, version, lines), session
    if not offered.media or any(media.port for media in offered.media):
        return _weightiest(refusals)
    session = MediaSession(remote=None, codec=codecs[0], payload_type=STATIC[codecs[0]], sends=False, receives=False)
    return _description(local, session_id, version, map(_declined, offered.media)), session


def accept(ours: SessionDescription, answered: SessionDescription) -> MediaSession | Refused:
    """Take the peer's answer to our offer ``ours``."""
    if len(answered.media) < len(ours.media):
        return Refused(f"the answer has {len(answered.media)} media lines, the offer has {len(ours.media)}")
    for mine, theirs in zip(ours.media, answered.media, strict=False):
        if not mine.port:
            continue
        if not theirs.port:
            return Refused("the peer declined the audio stream", warning=_MEDIA_TYPE)
        spoken = _spoken(mine)
        # An answer may leave out the rtpmap of a number that the offer explained.
        heard = _spoken(theirs, mine.encodings)
        agreed = _agreed(answered, theirs, heard, _local(ours, mine), list(spoken.codecs))
        if isinstance(agreed, Refused):
            return agreed
        direction = ours.direction_of(mine).limited_to(_offered_direction(answered, theirs).mirrored)
        receives_digits = spoken.digits if agreed.digits is not None else None
        return _session(answered, theirs, agreed, direction, dtmf_receive=receives_digits)
    return Refused("the offer had no audio stream", warning=_MEDIA_TYPE)


def direction_of(description: SessionDescription) -> Direction:
    """Return what the writer does with audio; INACTIVE where its stream is disabled.

    ``c=0.0.0.0`` is the hold of RFC 2543 (RFC 3264 section 8.4): it wants to
    hear nothing, whatever its direction says.
    """
    for media in description.media:
        if media.kind == "audio" and media.port:
            return _offered_direction(description, media)
    return Direction.INACTIVE


def held(description: SessionDescription) -> bool:
    """Whether the writer of the description does not want to hear us: it put the call on hold."""
    return not direction_of(description).receives


def common(description: SessionDescription, codecs: Sequence[Codec]) -> tuple[Codec, ...]:
    """Return which of the codecs the writer's audio speaks, in its order; empty where there is no plain RTP audio."""
    for media in description.media:
        if media.kind == "audio" and media.port and media.protocol.upper() in PROTOCOLS:
            return tuple(codec for codec in _spoken(media).codecs if codec in codecs)
    return ()


def remote_host(description: SessionDescription) -> str | None:
    """Return the numeric address where the writer wants its audio, to choose our own address for the port.

    None where it names no such address: no audio line, hold by 0.0.0.0, a host name.
    """
    for media in description.media:
        if media.kind == "audio" and media.port:
            return _host(description.connection_of(media))
    return None


# Reading ------------------------------------------------------------------------------------------------------------


def _spoken(media: Media, known: Mapping[str, Encoding] | None = None) -> _Spoken:
    """Read the formats of a line; ``known`` explains those that it does not explain itself."""
    encodings = {**known, **media.encodings} if known else media.encodings
    codecs: dict[Codec, int] = {}
    digits: int | None = None
    for form in media.formats:
        number, encoding = _PAYLOAD_TYPES.get(form), encodings.get(form)
        if number is None:
            continue
        codec = _codec(number, encoding)
        if codec is not None:
            codecs.setdefault(codec, number)
        elif digits is None and encoding is not None and _is_digits(encoding):
            digits = number
    return _Spoken(codecs, digits)


def _is_digits(encoding: Encoding) -> bool:
    """Whether it is telephone-event at the clock of our codecs."""
    return encoding.clock == CLOCK and encoding.name.lower() == "telephone-event"


def _codec(number: int, encoding: Encoding | None) -> Codec | None:
    if encoding is None:
        # Without an rtpmap only the static numbers mean something (RFC 3551 section 6).
        return _BY_NUMBER.get(number)
    if encoding.clock != CLOCK or encoding.channels != 1:
        return None
    # Encoding names are case-insensitive (RFC 4855 section 3).
    return _BY_NAME.get(encoding.name.upper())


def _agreed(
    description: SessionDescription,
    media: Media,
    spoken: _Spoken,
    local: Address,
    codecs: Sequence[Codec],
    *,
    prefer: Codec | None = None,
) -> _Agreed | Refused:
    """Choose the codec for a line of the peer's, or say why the line cannot be the audio stream."""
    if media.kind != "audio":
        return Refused(f"no {media.kind[:20]} here, audio only", warning=_MEDIA_TYPE)
    if not media.port:
        return Refused("the audio stream is disabled", warning=_MEDIA_TYPE)
    if media.protocol.upper() not in PROTOCOLS:
        return Refused(f"transport {media.protocol[:30]} is not RTP/AVP", warning=_TRANSPORT)
    shared = [codec for codec in spoken.codecs if codec in codecs]
    if not shared:
        return Refused(f"no common codec, {' '.join(codecs)} is known here", warning=_MEDIA_FORMAT)
    unreachable = _unreachable(description.connection_of(media), local)
    if unreachable is not None:
        return Refused(unreachable, warning=_NETWORK_ADDRESS)
    codec = prefer if prefer is not None and prefer in shared else shared[0]
    return _Agreed(codec, spoken.codecs[codec], spoken.digits)


def _unreachable(connection: Connection | None, local: Address) -> str | None:
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


def _weightiest(refusals: list[Refused]) -> Refused:
    """Of all lines' refusals, the one nearest to success: wrong address, then codec, then transport."""
    order = (_NETWORK_ADDRESS, _MEDIA_FORMAT, _TRANSPORT, _MEDIA_TYPE)
    nearest = sorted(refusals, key=lambda refusal: order.index(refusal.warning))
    return nearest[0] if nearest else Refused("no audio stream is offered", warning=_MEDIA_TYPE)


def _offered_direction(description: SessionDescription, media: Media) -> Direction:
    direction = description.direction_of(media)
    connection = description.connection_of(media)
    if connection is not None and connection.on_hold:
        return direction.limited_to(Direction.SENDONLY)
    return direction


def _numeric(connection: Connection | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address to send to; None on hold and for a host name."""
    if connection is None or connection.on_hold:
        return None
    try:
        return ipaddress.ip_address(connection.address)
    except ValueError:
        return None


def _host(connection: Connection | None) -> str | None:
    address = _numeric(connection)
    return None if address is None else str(address)


def _session(
    description: SessionDescription, media: Media, agreed: _Agreed, ours: Direction, *, dtmf_receive: int | None
) -> MediaSession:
    host = _host(description.connection_of(media))
    remote = (host, media.port) if host is not None else None
    return MediaSession(
        remote=remote,
        codec=agreed.codec,
        payload_type=agreed.payload_type,
        dtmf_send=agreed.digits,
        dtmf_receive=dtmf_receive,
        ptime=_ptime(media),
        sends=ours.sends,
        receives=ours.receives,
        rtcp_remote=_rtcp(media, remote),
    )


def _ptime(media: Media) -> int:
    wanted, longest = media.ptime, media.maxptime
    return wanted if wanted in PTIMES and (longest is None or wanted <= longest) else PTIME


def _rtcp(media: Media, remote: Address | None) -> Address | None:
    """Where the peer wants RTCP: ``a=rtcp`` (RFC 3605), else the next port (RFC 3550 section 11)."""
    if remote is None:
        return None
    said = media.rtcp
    port = said[0] if said is not None else remote[1] + 1
    host = _host(said[1]) if said is not None else None
    return (host or remote[0], port) if 0 < port <= 65_535 else None


def _numbered(codecs: Sequence[Codec], used: dict[Codec, int], digits: int | None) -> list[tuple[int, Codec]]:
    """Give every codec the payload type that it has in this dialog, or else its static one if that is still free."""
    taken = {*used.values(), digits}
    formats = []
    for codec in codecs:
        number = used[codec] if codec in used else _unused(STATIC[codec], taken)
        taken.add(number)
        formats.append((number, codec))
    return formats


def _unused(wanted: int, taken: Container[int | None]) -> int:
    """Return the wanted payload type, or the first free dynamic one (RFC 3551 section 6: 96 to 127)."""
    free: Iterator[int] = (number for number in (wanted, *range(96, 128)) if number not in taken)
    return next(free)


# Writing ------------------------------------------------------------------------------------------------------------


def _description(local: Address, session_id: int, version: int, media: Iterable[Media]) -> SessionDescription:
    connection = Connection.to(local[0])
    origin = Origin(session_id=str(session_id), version=str(version), connection=connection)
    return SessionDescription(origin=origin, connection=connection, media=tuple(media))


def _audio(
    port: int, protocol: str, formats: list[tuple[int, Codec]], digits: int | None, direction: Direction
) -> Media:
    attributes = [_rtpmap(str(number), Encoding(codec, CLOCK)) for number, codec in formats]
    numbers = [str(number) for number, _ in formats]
    if digits is not None:
        numbers.append(str(digits))
        attributes.append(_rtpmap(str(digits), Encoding("telephone-event", CLOCK)))
        attributes.append(Attribute("fmtp", f"{digits} {DIGITS}"))
    attributes += [Attribute("ptime", str(PTIME)), Attribute(direction)]
    return Media(kind="audio", port=port, protocol=protocol, formats=tuple(numbers), attributes=tuple(attributes))


def _rtpmap(form: str, encoding: Encoding) -> Attribute:
    return Attribute("rtpmap", f"{form} {encoding.name}/{encoding.clock}")


def _declined(media: Media) -> Media:
    """RFC 3264 section 6: port zero, and at least one format, which means nothing."""
    return Media(kind=media.kind, port=0, protocol=media.protocol, formats=media.formats[:1] or ("0",))


def _local(description: SessionDescription, media: Media) -> Address:
    connection = description.connection_of(media)
    assert connection is not None, "our own description names no address"
    return connection.address, media.port
