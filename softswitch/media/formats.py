"""What the payload types of a session description stand for, and the names and numbers that we write ourselves.

A codec of the core is known by its encoding name and clock; its parameters only
shape what we send. Every other audio codec is ``Codec.PASSTHROUGH``: to send
it from one peer to another the two must mean exactly the same by it, so its
whole rtpmap and fmtp are its ``identity``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from softswitch.frozen import dataclass
from softswitch.media.engine import Codec
from softswitch.sip.sdp import Attribute, Encoding, Media

__all__ = ["COMFORT_NOISE", "DYNAMIC", "ENCODINGS", "NUMBERS", "Format", "OpusSettings", "Spoken", "ours", "spoken"]

ENCODINGS = {
    Codec.PCMU: Encoding("PCMU", 8000),
    Codec.PCMA: Encoding("PCMA", 8000),
    Codec.G722: Encoding("G722", 8000),  # RFC 3551 section 4.5.2: its samples come at 16 kHz, its clock never did
    Codec.L16_8: Encoding("L16", 8000),
    Codec.L16_16: Encoding("L16", 16_000),
    Codec.L16_48: Encoding("L16", 48_000),
    Codec.OPUS: Encoding("opus", 48_000, 2),  # RFC 7587 section 7: always two channels, whatever is sent
}
"""The codecs that the core can hear, as rtpmap names them."""

NUMBERS = {
    Codec.PCMU: 0,
    Codec.PCMA: 8,
    Codec.G722: 9,
    Codec.L16_8: 112,
    Codec.L16_16: 113,
    Codec.L16_48: 114,
    Codec.OPUS: 111,
}
"""The payload types under which we offer them: static ones of RFC 3551, else those that most peers use."""

COMFORT_NOISE = 13
"""Of RFC 3389 beside codecs of an 8 kHz clock, whose number is static; no peer is known to use others."""

DYNAMIC = range(96, 128)
"""RFC 3551 section 6."""

OUR_PARAMETERS = {Codec.OPUS: "maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;useinbandfec=1"}
"""What we tell a peer who sends to us (RFC 7587 section 6.1)."""

BITRATE = 28_000
"""Of the Opus that we send, bit/s: speech of 7 kHz, and room for what may be lost (see ``ext/opus.h``)."""

_STATIC = {
    **{number: encoding for codec, encoding in ENCODINGS.items() if (number := NUMBERS[codec]) not in DYNAMIC},
    3: Encoding("GSM", 8000),
    4: Encoding("G723", 8000),
    5: Encoding("DVI4", 8000),
    6: Encoding("DVI4", 16_000),
    7: Encoding("LPC", 8000),
    12: Encoding("QCELP", 8000),
    COMFORT_NOISE: Encoding("CN", 8000),
    15: Encoding("G728", 8000),
    18: Encoding("G729", 8000),
}
"""Mono formats of one audio stream that need no rtpmap (RFC 3551 table 4)."""

_BY_ENCODING = {(encoding.name.lower(), encoding.clock): codec for codec, encoding in ENCODINGS.items()}

_NO_CODECS = frozenset({"red", "rtx", "telephone-event", "tone", "ulpfec", "parityfec", "flexfec"})
"""Encodings that mean nothing without a codec beside them."""

_PAYLOAD_TYPES = {str(number): number for number in range(128)}
"""By their text; "08" is none, it would not come back as it was offered."""


class Format(NamedTuple):
    """One codec of one media line. ``parameters`` is its fmtp as it was written, "" if it has none."""

    codec: Codec
    encoding: Encoding
    parameters: str = ""

    @property
    def identity(self) -> str:
        """What two peers must have in common for their packets to be passed on: "" where the codec says it all."""
        if self.codec is not Codec.PASSTHROUGH:
            return ""
        encoding = self.encoding
        parameters = ";".join(sorted(part.strip().lower() for part in self.parameters.split(";") if part.strip()))
        return f"{encoding.name.lower()}/{encoding.clock}/{encoding.channels};{parameters}"


_EXPLAINING = frozenset({"rtpmap", "fmtp"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a media line can speak: payload types of codecs in the line's order, of telephone-event by its clock.

    ``noise``: and comfort noise beside codecs of 8 kHz.
    """

    formats: Mapping[Format, int]
    digits: Mapping[int, int]
    noise: bool = False

    @property
    def codecs(self) -> list[Codec]:
        """Codecs of the core, in the line's order."""
        return list(dict.fromkeys(f.codec for f in self.formats if f.codec is not Codec.PASSTHROUGH))

    @property
    def foreign(self) -> list[Format]:
        return [f for f in self.formats if f.codec is Codec.PASSTHROUGH]

    def of_codec(self, codec: Codec) -> Format | None:
        return next((f for f in self.formats if f.codec is codec), None)

    def of_identity(self, identity: str) -> Format | None:
        """Find a foreign format by what it means, or else the only one with its encoding."""
        exact = next((f for f in self.foreign if f.identity == identity), None)
        if exact is not None:
            return exact
        encoding = identity.partition(";")[0]
        alike = [f for f in self.foreign if f.identity.partition(";")[0] == encoding]
        return alike[0] if len(alike) == 1 else None

    def digits_for(self, clock: int) -> tuple[int, int] | None:
        """Clock and payload type of telephone-event beside a codec of that clock (RFC 4733 section 2.1).

        Peers that leave the one of the codec's clock out mean another one by it.
        """
        for wanted in (clock, 8000, *self.digits):
            if wanted in self.digits:
                return wanted, self.digits[wanted]
        return None


@dataclass(frozen=True, slots=True)
class OpusSettings:
    """What a peer's fmtp asks of the Opus that we send (RFC 7587 section 6.1), in bit/s and Hz."""

    bitrate: int = BITRATE
    playback_rate: int = 48_000
    fec: bool = False
    dtx: bool = False
    constant: bool = False

    @classmethod
    def asked(cls, parameters: str) -> OpusSettings:
        """Read an fmtp leniently: what cannot be read has its default."""
        found = {}
        for part in parameters.split(";"):
            name, _, value = part.partition("=")
            if (text := value.strip()).isascii() and text.isdecimal() and len(text) < 10:
                found[name.strip().lower()] = int(text)
        return cls(
            bitrate=max(6_000, min(BITRATE, found.get("maxaveragebitrate", BITRATE))),
            playback_rate=found.get("maxplaybackrate", 48_000),
            fec=found.get("useinbandfec") == 1,
            dtx=found.get("usedtx") == 1,
            constant=found.get("cbr") == 1,
        )


def ours(codecs: Iterable[Codec]) -> list[Format]:
    """Return our codecs as we write them."""
    return [Format(codec, ENCODINGS[codec], OUR_PARAMETERS.get(codec, "")) for codec in codecs]


def spoken(media: Media, known: Mapping[str, Encoding] | None = None) -> Spoken:
    """Read the formats of a line; ``known`` explains those that it does not explain itself."""
    explained = tuple([line for line in media.attributes if line.name in _EXPLAINING])
    return _spoken(media.formats, explained, tuple(known.items()) if known else ())


@lru_cache(128)  # an office has telephones of a few makes, and a call asks some ten times
def _spoken(
    written: tuple[str, ...], explained: tuple[Attribute, ...], known: tuple[tuple[str, Encoding], ...]
) -> Spoken:
    media = Media(kind="audio", port=0, protocol="", formats=written, attributes=explained)
    encodings = {**dict(known), **media.encodings}
    formats: dict[Format, int] = {}
    digits: dict[int, int] = {}
    noise = False
    for form in media.formats:
        number = _PAYLOAD_TYPES.get(form)
        if number is None:
            continue
        # Without an rtpmap only the static numbers mean something (RFC 3551 section 6).
        encoding = encodings.get(form) or _STATIC.get(number)
        if encoding is None:
            continue
        name = encoding.name.lower()  # encoding names are case-insensitive (RFC 4855 section 3)
        if name == "telephone-event":
            digits.setdefault(encoding.clock, number)
        elif name == "cn":
            noise |= number == COMFORT_NOISE and encoding.clock == 8000
        elif name not in _NO_CODECS:
            formats.setdefault(_format(encoding, media.parameters(form) or ""), number)
    return Spoken(formats, digits, noise)


def _format(encoding: Encoding, parameters: str) -> Format:
    codec = _BY_ENCODING.get((encoding.name.lower(), encoding.clock))
    # Stereo is Opus' own business; in any other codec we would hear both ears one after the other.
    if codec is not None and encoding.channels in (1, ENCODINGS[codec].channels):
        return Format(codec, ENCODINGS[codec], parameters)
    return Format(Codec.PASSTHROUGH, encoding, parameters)
