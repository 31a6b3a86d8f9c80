"""Offer and answer (RFC 3264): from two session descriptions to the ``MediaSession`` of one port.

Pure functions: descriptions in, descriptions and sessions out. This switch
speaks one audio stream per leg over RTP/AVP (or AVPF, answered as offered) and
answers with exactly one codec, so that the peer cannot change it mid-call
without asking. Everything else in an offer is declined line by line. What
formats mean is read in ``formats``; codecs that the core does not know are
agreed upon only to be passed from one leg to another.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from softswitch.media import formats
from softswitch.media.engine import Address, Codec, MediaSession
from softswitch.media.formats import COMFORT_NOISE, DYNAMIC, NUMBERS, Format, Spoken, spoken
from softswitch.sip.sdp import Attribute, Connection, Direction, Encoding, Media, Origin, SessionDescription, following

__all__ = [
    "Refused",
    "accept",
    "answer",
    "common",
    "direction_of",
    "foreign",
    "held",
    "offer",
    "passing",
    "refusal",
    "remote_host",
    "reoffer",
]

TELEPHONE_EVENT = {8000: 101, 48_000: 110}
"""Our dynamic payload types for RFC 4733, by clock; the numbers most phones use too."""

DIGITS = "0-15"
"""The events 0-9, *, #, A-D (RFC 4733 section 3.2)."""

PTIME = 20
"""Milliseconds per packet that we ask for."""

PTIMES = range(10, 61, 10)
"""What the core can send when the peer asks for it; everything else gets PTIME, as ptime is a wish (RFC 8866 6.4)."""

FOREIGN = 8
"""How many codecs of a peer's that we do not know may be offered to another; no telephone has more."""

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


class _Agreed(NamedTuple):
    format: Format
    payload_type: int
    digits: tuple[int, int] | None
    """Clock and payload type of telephone-event."""
    identity: str
    noise: bool
    """Comfort noise may be sent to the peer."""


def offer(
    local: Address,
    codecs: Sequence[Codec],
    *,
    session_id: int,
    version: int,
    foreign: Sequence[tuple[Format, int]] = (),
    direction: Direction = Direction.SENDRECV,
    events: bool = True,
) -> SessionDescription:
    """Offer one audio stream at ``local`` with these codecs, most wanted first, comfort noise and telephone-event.

    ``foreign`` are formats of the other leg's peer and the payload types that he
    gave them: they come last, because whoever shares a codec with us can be mixed.
    ``events``: telephone-event may be agreed upon.
    """
    numbered = _numbered([*formats.ours(codecs), *(form for form, _ in foreign)], dict(foreign), set())
    digits = _digits(codecs, {}, {number for _, number in numbered}) if events else {}
    noise = _quiet(numbered)
    return _description(
        local, session_id, version, [_audio(local[1], "RTP/AVP", numbered, digits, direction, noise=noise)]
    )


def reoffer(
    ours: SessionDescription,
    local: Address,
    codecs: Sequence[Codec],
    *,
    keep: str = "",
    direction: Direction = Direction.SENDRECV,
    events: bool = True,
) -> SessionDescription:
    """Offer again in a dialog where ``ours`` was the last description that we sent.

    RFC 3264 section 8: the same media lines in the same order, the same meaning
    of every payload type, and a version that is one more if anything changed.
    ``keep`` is the ``MediaSession.format`` of the codec that is passed through.
    """
    index = next((i for i, media in enumerate(ours.media) if media.kind == "audio" and media.port), None)
    fresh = offer(local, codecs, session_id=0, version=0, direction=direction, events=events)
    if index is None:
        return following(ours, replace(fresh, media=(*ours.media, *fresh.media)))
    before = ours.media[index]
    used = spoken(before)
    kept = used.of_identity(keep) if keep else None
    wanted = formats.ours(codecs) if kept is None else [kept, *formats.ours(codecs)]
    numbers = {form: used.formats[same] for form in wanted if (same := _same(form, used)) is not None}
    # A number means one thing for the whole dialog, also when it is not offered any more.
    numbered = _numbered(wanted, numbers, {*used.digits.values(), *used.formats.values()})
    taken = {*used.formats.values(), *(number for _, number in numbered)}
    digits = _digits(codecs, used.digits, taken) if events else {}
    noise = _quiet(numbered) and COMFORT_NOISE not in used.formats.values()
    again = _audio(local[1], before.protocol, numbered, digits, direction, noise=noise)
    media = (*ours.media[:index], again, *ours.media[index + 1 :])
    return following(ours, replace(fresh, media=media))


def answer(
    offered: SessionDescription,
    local: Address,
    codecs: Sequence[Codec],
    *,
    session_id: int,
    version: int,
    prefer: MediaSession | None = None,
    direction: Direction = Direction.SENDRECV,
    events: bool = True,
) -> tuple[SessionDescription, MediaSession] | Refused:
    """Answer an offer: one media line for each offered one, in its order, at most one of them accepted.

    Of the codecs that both sides know, the one of ``prefer`` (what the other leg
    speaks) wins, else the first that the peer lists; a codec unknown to us is
    agreed upon only if the other leg speaks it. ``direction`` is what we are
    willing to do, as we would write it: SENDONLY holds the peer. An offer in
    which every stream is disabled (port 0) is answered likewise, with a session
    that neither sends nor receives.
    """
    found = _acceptable(offered, local, codecs, prefer)
    if isinstance(found, Refused):
        return found
    lines = list(map(_declined, offered.media))
    if found is None:
        codec = codecs[0] if codecs else Codec.PCMU
        session = MediaSession(remote=None, codec=codec, payload_type=NUMBERS[codec], sends=False, receives=False)
        return _description(local, session_id, version, lines), session
    index, agreed = found
    media = offered.media[index]
    if not events:
        agreed = agreed._replace(digits=None)
    ours = _offered_direction(offered, media).mirrored.limited_to(direction)
    digits = {} if agreed.digits is None else dict([agreed.digits])
    written = [(_answered(agreed.format, prefer), agreed.payload_type)]
    lines[index] = _audio(local[1], media.protocol, written, digits, ours, noise=agreed.noise)
    session = _session(offered, media, agreed, ours, dtmf_receive=None if agreed.digits is None else agreed.digits[1])
    return _description(local, session_id, version, lines), session


def refusal(
    offered: SessionDescription, local: Address, codecs: Sequence[Codec], *, prefer: MediaSession | None = None
) -> Refused | None:
    """Say why ``answer`` would refuse an offer, None if it would not."""
    found = _acceptable(offered, local, codecs, prefer)
    return found if isinstance(found, Refused) else None


def _acceptable(
    offered: SessionDescription, local: Address, codecs: Sequence[Codec], prefer: MediaSession | None
) -> tuple[int, _Agreed] | Refused | None:
    """Return the line that can be accepted and what is agreed on it; None where every stream is disabled."""
    refusals: list[Refused] = []
    for index, media in enumerate(offered.media):
        agreed = _agreed(offered, media, spoken(media), local, codecs, prefer=prefer)
        if not isinstance(agreed, Refused):
            return index, agreed
        refusals.append(agreed)
    if not offered.media or any(media.port for media in offered.media):
        return _weightiest(refusals)
    return None


def accept(ours: SessionDescription, answered: SessionDescription) -> MediaSession | Refused:
    """Take the peer's answer to our offer ``ours``."""
    if len(answered.media) < len(ours.media):
        return Refused(f"the answer has {len(answered.media)} media lines, the offer has {len(ours.media)}")
    for mine, theirs in zip(ours.media, answered.media, strict=False):
        if not mine.port:
            continue
        if not theirs.port:
            return Refused("the peer declined the audio stream", warning=_MEDIA_TYPE)
        said = spoken(mine)
        # An answer may leave out the rtpmap of a number that the offer explained.
        heard = spoken(theirs, mine.encodings)
        meant = _meant(said, heard)
        agreed = _agreed(answered, theirs, heard, _local(ours, mine), said.codecs, meant=meant)
        if isinstance(agreed, Refused):
            return agreed
        if not said.digits:
            agreed = agreed._replace(digits=None)  # he answers with what was not offered
        direction = ours.direction_of(mine).limited_to(_offered_direction(answered, theirs).mirrored)
        receives = None if agreed.digits is None else said.digits.get(agreed.digits[0])
        session = _session(answered, theirs, agreed, direction, dtmf_receive=receives)
        # RFC 3264 section 6.1: he sends by the numbers of our offer, we by those of his answer.
        return replace(session, payload_receive=_our_number(said, agreed), noise=session.noise and said.noise)
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
    media = _plain(description)
    return () if media is None else tuple(codec for codec in spoken(media).codecs if codec in codecs)


def foreign(description: SessionDescription) -> tuple[tuple[Format, int], ...]:
    """Return the writer's codecs that could only be passed through, with his payload types, in his order."""
    media = _plain(description)
    if media is None:
        return ()
    found = [(form, number) for form, number in spoken(media).formats.items() if form.codec is Codec.PASSTHROUGH]
    return tuple(found[:FOREIGN])


def passing(form: Format) -> MediaSession:
    """Return a session in which that foreign format is agreed upon, to prefer it in an answer."""
    return MediaSession(
        remote=None, codec=Codec.PASSTHROUGH, payload_type=0, format=form.identity, parameters=form.parameters
    )


def _plain(description: SessionDescription) -> Media | None:
    """Return the line of plain RTP audio, if there is one."""
    for media in description.media:
        if media.kind == "audio" and media.port and media.protocol.upper() in PROTOCOLS:
            return media
    return None


def remote_host(description: SessionDescription) -> str | None:
    """Return the numeric address where the writer wants its audio, to choose our own address for the port.

    None where it names no such address: no audio line, hold by 0.0.0.0, a host name.
    """
    for media in description.media:
        if media.kind == "audio" and media.port:
            return _host(description.connection_of(media))
    return None


# Reading ------------------------------------------------------------------------------------------------------------


def _same(form: Format, used: Spoken) -> Format | None:
    """Find what meant the same as ``form`` in our last description."""
    if form.codec is not Codec.PASSTHROUGH:
        return used.of_codec(form.codec)
    return form if form in used.formats else None


def _meant(said: Spoken, heard: Spoken) -> dict[Format, Format]:
    """For each foreign format of an answer, the one of our offer that it answers: by payload type, else by encoding.

    The two may have parameters of their own: each side's fmtp says what it can take.
    """
    by_number = {number: form for form, number in said.formats.items() if form.codec is Codec.PASSTHROUGH}
    meant = {}
    for form in heard.foreign:
        offered = by_number.get(heard.formats[form])
        if offered is None or offered.encoding.name.lower() != form.encoding.name.lower():
            offered = said.of_identity(form.identity)
        if offered is not None:
            meant[form] = offered
    return meant


def _our_number(said: Spoken, agreed: _Agreed) -> int | None:
    form = said.of_codec(agreed.format.codec)
    if agreed.format.codec is Codec.PASSTHROUGH:
        form = said.of_identity(agreed.identity)
    number = None if form is None else said.formats[form]
    return None if number == agreed.payload_type else number


def _answered(form: Format, prefer: MediaSession | None) -> Format:
    """Return the codec as our answer writes it: ours with our parameters, a foreign one with the other peer's."""
    if form.codec is not Codec.PASSTHROUGH:
        return formats.ours([form.codec])[0]
    return form if prefer is None else form._replace(parameters=prefer.parameters)


def _agreed(
    description: SessionDescription,
    media: Media,
    heard: Spoken,
    local: Address,
    codecs: Sequence[Codec],
    *,
    prefer: MediaSession | None = None,
    meant: Mapping[Format, Format] | None = None,
) -> _Agreed | Refused:
    """Choose the codec for a line of the peer's, or say why the line cannot be the audio stream.

    ``meant`` are the foreign formats that an answer takes up, as we offered them.
    """
    if media.kind != "audio":
        return Refused(f"no {media.kind[:20]} here, audio only", warning=_MEDIA_TYPE)
    if not media.port:
        return Refused("the audio stream is disabled", warning=_MEDIA_TYPE)
    if media.protocol.upper() not in PROTOCOLS:
        return Refused(f"transport {media.protocol[:30]} is not RTP/AVP", warning=_TRANSPORT)
    chosen = _chosen(heard, codecs, prefer, meant or {})
    if chosen is None:
        known = f", {' '.join(codecs)} is known here" if codecs else ""
        return Refused(f"no common codec{known}", warning=_MEDIA_FORMAT)
    unreachable = _unreachable(description.connection_of(media), local)
    if unreachable is not None:
        return Refused(unreachable, warning=_NETWORK_ADDRESS)
    number = heard.formats[chosen]
    identity = (meant or {}).get(chosen, chosen)
    agreed = identity if identity is chosen else identity._replace(parameters=chosen.parameters)
    noise = heard.noise and _quiet([(agreed, number)])
    return _Agreed(agreed, number, heard.digits_for(agreed.encoding.clock), identity.identity, noise)


def _chosen(
    heard: Spoken, codecs: Sequence[Codec], prefer: MediaSession | None, meant: Mapping[Format, Format]
) -> Format | None:
    """The other leg's codec if the peer speaks it; else the first shared one; else one that he answered us with."""
    if prefer is not None and prefer.codec is Codec.PASSTHROUGH:
        same = heard.of_identity(prefer.format)
        if same is not None:
            return same
    shared = [codec for codec in heard.codecs if codec in codecs]
    if shared:
        return heard.of_codec(prefer.codec if prefer is not None and prefer.codec in shared else shared[0])
    return next(iter(meant), None)


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
    return _read_address(connection.address)


@lru_cache(maxsize=4096)
def _read_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
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
        codec=agreed.format.codec,
        payload_type=agreed.payload_type,
        dtmf_send=None if agreed.digits is None else agreed.digits[1],
        dtmf_receive=dtmf_receive,
        dtmf_clock=8000 if agreed.digits is None else agreed.digits[0],
        # Packets of a foreign codec pass as they are, whatever lasts how long.
        ptime=PTIME if agreed.format.codec is Codec.PASSTHROUGH else _ptime(media),
        format=agreed.identity,
        parameters=agreed.format.parameters,
        clock=agreed.format.encoding.clock,
        sends=ours.sends,
        receives=ours.receives,
        noise=agreed.noise,
        rtcp_remote=_rtcp(media, remote),
    )


def _ptime(media: Media) -> int:
    asked, longest = media.ptime, media.maxptime
    wanted = PTIME if asked is None or asked not in PTIMES else asked
    return wanted if longest is None or wanted <= longest else max(PTIMES[0], min(PTIME, longest // 10 * 10))


def _rtcp(media: Media, remote: Address | None) -> Address | None:
    """Where the peer wants RTCP: ``a=rtcp`` (RFC 3605), else the next port (RFC 3550 section 11)."""
    if remote is None:
        return None
    said = media.rtcp
    port = said[0] if said is not None else remote[1] + 1
    host = _host(said[1]) if said is not None else None
    return (host or remote[0], port) if 0 < port <= 65_535 else None


def _numbered(wanted: Sequence[Format], numbers: Mapping[Format, int], taken: set[int]) -> list[tuple[Format, int]]:
    """Give every format the payload type that it has already, or else its usual one if that is still free."""
    taken = {*taken, *numbers.values()}
    numbered = []
    for form in wanted:
        number = numbers[form] if form in numbers else _unused(NUMBERS.get(form.codec, DYNAMIC[0]), taken)
        taken.add(number)
        numbered.append((form, number))
    return numbered


def _digits(codecs: Sequence[Codec], used: Mapping[int, int], taken: Container[int]) -> dict[int, int]:
    """Number telephone-event at 8000 Hz, and at the clock of Opus where Opus is offered (RFC 4733 section 2.1)."""
    digits: dict[int, int] = {}
    for clock in (8000, 48_000) if Codec.OPUS in codecs else (8000,):
        others = {*used.values(), *digits.values()}
        free = [number for number in (TELEPHONE_EVENT[clock], *DYNAMIC) if number not in others and number not in taken]
        digits[clock] = used[clock] if clock in used else free[0]
    return digits


def _quiet(numbered: Sequence[tuple[Format, int]]) -> bool:
    """Whether comfort noise goes with these: with 8 kHz codecs of ours, others have means of their own."""
    return all(number != COMFORT_NOISE for _, number in numbered) and any(
        form.codec is not Codec.PASSTHROUGH and form.encoding.clock == 8000 for form, _ in numbered
    )


def _unused(wanted: int, taken: Container[int]) -> int:
    """Return the wanted payload type, or the first free dynamic one (RFC 3551 section 6: 96 to 127)."""
    free: Iterator[int] = (number for number in (wanted, *DYNAMIC) if number not in taken)
    return next(free)


# Writing ------------------------------------------------------------------------------------------------------------


def _description(local: Address, session_id: int, version: int, media: Iterable[Media]) -> SessionDescription:
    connection = Connection.to(local[0])
    origin = Origin(session_id=str(session_id), version=str(version), connection=connection)
    return SessionDescription(origin=origin, connection=connection, media=tuple(media))


def _audio(
    port: int,
    protocol: str,
    numbered: Sequence[tuple[Format, int]],
    digits: Mapping[int, int],
    direction: Direction,
    *,
    noise: bool,
) -> Media:
    numbers, attributes = _lines(tuple(numbered), tuple(digits.items()), direction, noise)
    return Media(kind="audio", port=port, protocol=protocol, formats=numbers, attributes=attributes)


@lru_cache(128)
def _lines(
    numbered: tuple[tuple[Format, int], ...], digits: tuple[tuple[int, int], ...], direction: Direction, noise: bool
) -> tuple[tuple[str, ...], tuple[Attribute, ...]]:
    """Return the payload types of a media line, and what is written below it."""
    attributes, numbers = [], []
    for form, number in numbered:
        numbers.append(str(number))
        attributes.append(_rtpmap(number, form.encoding))
        if form.parameters:
            attributes.append(Attribute("fmtp", f"{number} {form.parameters}"))
    if noise:
        numbers.append(str(COMFORT_NOISE))
        attributes.append(_rtpmap(COMFORT_NOISE, Encoding("CN", 8000)))
    for clock, number in digits:
        numbers.append(str(number))
        attributes.append(_rtpmap(number, Encoding("telephone-event", clock)))
        attributes.append(Attribute("fmtp", f"{number} {DIGITS}"))
    if any(form.codec is not Codec.PASSTHROUGH for form, _ in numbered):
        attributes.append(Attribute("ptime", str(PTIME)))
    attributes.append(Attribute(direction))
    return tuple(numbers), tuple(attributes)


def _rtpmap(number: int, encoding: Encoding) -> Attribute:
    channels = f"/{encoding.channels}" if encoding.channels > 1 else ""
    return Attribute("rtpmap", f"{number} {encoding.name}/{encoding.clock}{channels}")


def _declined(media: Media) -> Media:
    """RFC 3264 section 6: port zero, and at least one format, which means nothing."""
    return Media(kind=media.kind, port=0, protocol=media.protocol, formats=media.formats[:1] or ("0",))


def _local(description: SessionDescription, media: Media) -> Address:
    connection = description.connection_of(media)
    assert connection is not None, "our own description names no address"
    return connection.address, media.port
