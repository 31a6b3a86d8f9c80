"""The session descriptions that we write: one audio line, its payload types, what stands below it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from softswitch.media.engine import Address, Codec
from softswitch.media.formats import COMFORT_NOISE, DYNAMIC, NUMBERS, Format
from softswitch.media.peer import PTIME
from softswitch.sip.sdp import Attribute, Connection, Direction, Encoding, Media, Origin, SessionDescription

__all__ = ["audio_line", "declined", "description", "digit_types", "payload_types", "quiet"]

TELEPHONE_EVENT = {8000: 101, 48_000: 110}
"""Our dynamic payload types for RFC 4733, by clock; the numbers most phones use too."""

DIGITS = "0-15"
"""The events 0-9, *, #, A-D (RFC 4733 section 3.2)."""


def description(local: Address, session_id: int, version: int, media: Iterable[Media]) -> SessionDescription:
    """Return a description whose audio is at ``local``."""
    connection = Connection.to(local[0])
    origin = Origin(session_id=str(session_id), version=str(version), connection=connection)
    return SessionDescription(origin=origin, connection=connection, media=tuple(media))


def audio_line(
    port: int,
    protocol: str,
    numbered: Sequence[tuple[Format, int]],
    digits: Mapping[int, int],
    direction: Direction,
    *,
    noise: bool,
) -> Media:
    """Return our line: ``numbered`` formats, telephone-event as ``digits`` by clock, comfort noise or not."""
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


def declined(media: Media) -> Media:
    """RFC 3264 section 6: port zero, and at least one format, which means nothing."""
    return Media(kind=media.kind, port=0, protocol=media.protocol, formats=media.formats[:1] or ("0",))


def payload_types(wanted: Sequence[Format], numbers: Mapping[Format, int], taken: set[int]) -> list[tuple[Format, int]]:
    """Give every format the payload type that it has already, or else its usual one if that is still free."""
    taken = {*taken, *numbers.values()}
    given = []
    for form in wanted:
        number = numbers[form] if form in numbers else _unused(NUMBERS.get(form.codec, DYNAMIC[0]), taken)
        taken.add(number)
        given.append((form, number))
    return given


def digit_types(codecs: Sequence[Codec], used: Mapping[int, int], taken: Container[int]) -> dict[int, int]:
    """Number telephone-event at 8000 Hz, and at the clock of Opus where Opus is offered (RFC 4733 section 2.1)."""
    types: dict[int, int] = {}
    for clock in (8000, 48_000) if Codec.OPUS in codecs else (8000,):
        others = {*used.values(), *types.values()}
        free = [number for number in (TELEPHONE_EVENT[clock], *DYNAMIC) if number not in others and number not in taken]
        types[clock] = used[clock] if clock in used else free[0]
    return types


def quiet(numbered: Sequence[tuple[Format, int]]) -> bool:
    """Whether comfort noise goes with these: with 8 kHz codecs of ours, others have means of their own."""
    return all(number != COMFORT_NOISE for _, number in numbered) and any(
        form.codec is not Codec.PASSTHROUGH and form.encoding.clock == 8000 for form, _ in numbered
    )


def _unused(wanted: int, taken: Container[int]) -> int:
    """Return the wanted payload type, or the first free dynamic one (RFC 3551 section 6: 96 to 127)."""
    free: Iterator[int] = (number for number in (wanted, *DYNAMIC) if number not in taken)
    return next(free)
