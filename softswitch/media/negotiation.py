"""Offer and answer (RFC 3264): from two session descriptions to the ``MediaSession`` of one port.

Pure functions: descriptions in, descriptions and sessions out. This switch
speaks one audio stream per leg over RTP/AVP (or AVPF, answered as offered) and
answers with exactly one codec, so that the peer cannot change it mid-call
without asking. Everything else in an offer is declined line by line. What a
peer says is read in ``peer`` and ``formats``, what we say is written in
``lines``. Codecs that the core does not know are agreed upon only to be passed
from one leg to another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from softswitch.media import formats, lines, peer
from softswitch.media.engine import Address, Codec, MediaSession
from softswitch.media.formats import COMFORT_NOISE, NUMBERS, Format, Spoken, spoken
from softswitch.sip.sdp import Direction, Media, SessionDescription, following

__all__ = [
    "Refused",
    "accept",
    "answer",
    "offer",
    "passing",
    "refusal",
    "reoffer",
]

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
    numbered = lines.payload_types([*formats.ours(codecs), *(form for form, _ in foreign)], dict(foreign), set())
    digits = lines.digit_types(codecs, {}, {number for _, number in numbered}) if events else {}
    noise = lines.quiet(numbered)
    return lines.description(
        local, session_id, version, [lines.audio_line(local[1], "RTP/AVP", numbered, digits, direction, noise=noise)]
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
    numbered = lines.payload_types(wanted, numbers, {*used.digits.values(), *used.formats.values()})
    taken = {*used.formats.values(), *(number for _, number in numbered)}
    digits = lines.digit_types(codecs, used.digits, taken) if events else {}
    noise = lines.quiet(numbered) and COMFORT_NOISE not in used.formats.values()
    again = lines.audio_line(local[1], before.protocol, numbered, digits, direction, noise=noise)
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
    answered = list(map(lines.declined, offered.media))
    if found is None:
        codec = codecs[0] if codecs else Codec.PCMU
        session = MediaSession(remote=None, codec=codec, payload_type=NUMBERS[codec], sends=False, receives=False)
        return lines.description(local, session_id, version, answered), session
    index, agreed = found
    media = offered.media[index]
    if not events:
        agreed = agreed._replace(digits=None)
    ours = peer.direction_on(offered, media).mirrored.limited_to(direction)
    digits = {} if agreed.digits is None else dict([agreed.digits])
    written = [(_answered(agreed.format, prefer), agreed.payload_type)]
    answered[index] = lines.audio_line(local[1], media.protocol, written, digits, ours, noise=agreed.noise)
    session = _session(offered, media, agreed, ours, dtmf_receive=None if agreed.digits is None else agreed.digits[1])
    return lines.description(local, session_id, version, answered), session


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
        direction = ours.direction_of(mine).limited_to(peer.direction_on(answered, theirs).mirrored)
        receives = None if agreed.digits is None else said.digits.get(agreed.digits[0])
        session = _session(answered, theirs, agreed, direction, dtmf_receive=receives)
        # RFC 3264 section 6.1: he sends by the numbers of our offer, we by those of his answer.
        return replace(session, payload_receive=_our_number(said, agreed), noise=session.noise and said.noise)
    return Refused("the offer had no audio stream", warning=_MEDIA_TYPE)


def passing(form: Format) -> MediaSession:
    """Return a session in which that foreign format is agreed upon, to prefer it in an answer."""
    return MediaSession(
        remote=None, codec=Codec.PASSTHROUGH, payload_type=0, format=form.identity, parameters=form.parameters
    )


# What both mean -----------------------------------------------------------------------------------------------------


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
    if media.protocol.upper() not in peer.PROTOCOLS:
        return Refused(f"transport {media.protocol[:30]} is not RTP/AVP", warning=_TRANSPORT)
    chosen = _chosen(heard, codecs, prefer, meant or {})
    if chosen is None:
        known = f", {' '.join(codecs)} is known here" if codecs else ""
        return Refused(f"no common codec{known}", warning=_MEDIA_FORMAT)
    unreachable = peer.unreachable(description.connection_of(media), local)
    if unreachable is not None:
        return Refused(unreachable, warning=_NETWORK_ADDRESS)
    number = heard.formats[chosen]
    identity = (meant or {}).get(chosen, chosen)
    agreed = identity if identity is chosen else identity._replace(parameters=chosen.parameters)
    noise = heard.noise and lines.quiet([(agreed, number)])
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


def _weightiest(refusals: list[Refused]) -> Refused:
    """Of all lines' refusals, the one nearest to success: wrong address, then codec, then transport."""
    order = (_NETWORK_ADDRESS, _MEDIA_FORMAT, _TRANSPORT, _MEDIA_TYPE)
    nearest = sorted(refusals, key=lambda refusal: order.index(refusal.warning))
    return nearest[0] if nearest else Refused("no audio stream is offered", warning=_MEDIA_TYPE)


def _session(
    description: SessionDescription, media: Media, agreed: _Agreed, ours: Direction, *, dtmf_receive: int | None
) -> MediaSession:
    host = peer.host_of(description.connection_of(media))
    remote = (host, media.port) if host is not None else None
    return MediaSession(
        remote=remote,
        codec=agreed.format.codec,
        payload_type=agreed.payload_type,
        dtmf_send=None if agreed.digits is None else agreed.digits[1],
        dtmf_receive=dtmf_receive,
        dtmf_clock=8000 if agreed.digits is None else agreed.digits[0],
        # Packets of a foreign codec pass as they are, whatever lasts how long.
        ptime=peer.PTIME if agreed.format.codec is Codec.PASSTHROUGH else peer.ptime_of(media),
        format=agreed.identity,
        parameters=agreed.format.parameters,
        clock=agreed.format.encoding.clock,
        sends=ours.sends,
        receives=ours.receives,
        noise=agreed.noise,
        rtcp_remote=peer.rtcp_of(media, remote),
    )


def _local(description: SessionDescription, media: Media) -> Address:
    connection = description.connection_of(media)
    assert connection is not None, "our own description names no address"
    return connection.address, media.port
