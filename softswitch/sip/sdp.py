"""Session descriptions (RFC 8866): read leniently, written strictly.

``parse`` takes what phones really send: LF instead of CRLF, blank lines, stray
spaces, missing ``s=`` and ``t=``, session lines out of order. What it keeps is
what offer and answer need (RFC 3264): origin, name, connection addresses, media
lines and every attribute in order. ``i= u= e= p= b= t= r= z= k=`` and unknown
letters are dropped, because a description never crosses this switch: each leg
gets one of our own. Time and memory are linear in the body, which is bounded.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from typing import Literal, NamedTuple

from softswitch.frozen import dataclass

__all__ = [
    "Attribute",
    "Connection",
    "Direction",
    "Encoding",
    "Media",
    "Origin",
    "SdpError",
    "SessionDescription",
    "following",
    "parse",
]

MAX_BODY = 65_535
"""Bytes; the largest UDP datagram cannot carry more."""

MAX_LINES = 2_000
MAX_LINE = 4_096
MAX_MEDIA = 64


class Direction(StrEnum):
    """Who sends, seen from the writer of the description (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> Direction:
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def mirrored(self) -> Direction:
        """The same flow seen from the other side."""
        return Direction.of(sends=self.receives, receives=self.sends)

    def limited_to(self, other: Direction) -> Direction:
        """Only what both directions allow."""
        return Direction.of(sends=self.sends and other.sends, receives=self.receives and other.receives)


_DIRECTIONS = {direction.value: direction for direction in Direction}


@dataclass(frozen=True, slots=True)
class SdpError:
    """Why a body is not a session description: what was found in which line (from 1); ``status`` answers it."""

    reason: str
    line: int
    status: int = 400

    def __str__(self) -> str:
        return f"session description line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Connection:
    """A ``c=`` line. ``address`` is the peer's text: numeric, a name, or multicast with its ``/ttl``."""

    family: Literal["IP4", "IP6"]
    address: str

    @classmethod
    def to(cls, host: str) -> Connection:
        """Return the connection to a numeric address."""
        return cls("IP6" if ":" in host else "IP4", host)

    @property
    def on_hold(self) -> bool:
        """The unspecified address: send nothing (RFC 3264 section 8.4, the hold of RFC 2543)."""
        return self.address in ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """An ``o=`` line. The numbers stay text: peers send signed and oversized ones, and nothing depends on them."""

    username: str = "-"
    session_id: str
    version: str
    connection: Connection


class Attribute(NamedTuple):
    """An ``a=`` line; ``value`` is None for a property attribute such as ``sendonly``."""

    name: str
    value: str | None = None


class Encoding(NamedTuple):
    """What an ``a=rtpmap`` says of a format; ``clock`` in Hz."""

    name: str
    clock: int
    channels: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An ``m=`` line with the lines below it; ``port`` 0 means declined or disabled."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()

    def attribute(self, name: str) -> str | None:
        """Return the value of the first attribute of that name, "" for a property, None if absent."""
        return _first(self.attributes, name)

    @property
    def direction(self) -> Direction | None:
        """The direction written below this line, None if the session's applies."""
        return _direction(self.attributes)

    @property
    def encodings(self) -> dict[str, Encoding]:
        """The readable ``rtpmap`` of each format; the first of two wins."""
        found: dict[str, Encoding] = {}
        for attribute in self.attributes:
            if attribute.name == "rtpmap" and attribute.value:
                form, _, text = attribute.value.partition(" ")
                encoding = _encoding(text)
                if encoding is not None:
                    found.setdefault(form, encoding)
        return found

    def parameters(self, form: str) -> str | None:
        """Return the ``fmtp`` text of a format."""
        for attribute in self.attributes:
            if attribute.name == "fmtp" and attribute.value:
                found, _, text = attribute.value.partition(" ")
                if found == form:
                    return text.strip()
        return None

    @property
    def ptime(self) -> int | None:
        """Milliseconds per packet that the writer would like to receive."""
        return _number(self.attribute("ptime"))

    @property
    def maxptime(self) -> int | None:
        return _number(self.attribute("maxptime"))

    @property
    def rtcp(self) -> tuple[int, Connection | None] | None:
        """The port and address of ``a=rtcp`` (RFC 3605); None where absent or unreadable."""
        tokens = (self.attribute("rtcp") or "").split()
        port = _number(tokens[0]) if tokens else None
        if port is None or port > 65_535:
            return None
        return port, _connection(tokens[1:]) if len(tokens) == 4 else None

    @property
    def rtcp_mux(self) -> bool:
        return self.attribute("rtcp-mux") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """A whole description; ``bytes()`` writes it with CRLF line ends."""

    origin: Origin
    name: str = "-"
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()
    media: tuple[Media, ...] = ()

    def connection_of(self, media: Media) -> Connection | None:
        """Return the connection that holds for a media line (RFC 8866 section 5.7)."""
        return media.connection or self.connection

    def direction_of(self, media: Media) -> Direction:
        """Return the direction that holds for a media line; sendrecv where nothing is written."""
        return media.direction or _direction(self.attributes) or Direction.SENDRECV

    def __str__(self) -> str:
        origin = self.origin
        lines = ["v=0"]
        lines.append(f"o={origin.username} {origin.session_id} {origin.version} {_address(origin.connection)}")
        lines.append(f"s={self.name}")
        if self.connection is not None:
            lines.append(f"c={_address(self.connection)}")
        # RFC 3264 section 5: the session is bounded by SIP, so its time is always "0 0".
        lines.append("t=0 0")
        lines += map(_attribute_line, self.attributes)
        for media in self.media:
            ports = str(media.port) if media.port_count == 1 else f"{media.port}/{media.port_count}"
            lines.append(" ".join((f"m={media.kind}", ports, media.protocol, *media.formats)))
            if media.connection is not None:
                lines.append(f"c={_address(media.connection)}")
            lines += map(_attribute_line, media.attributes)
        lines.append("")
        text = "\r\n".join(lines)
        assert text.count("\n") == text.count("\r") == len(lines) - 1, "a line end inside a session description's value"
        return text

    def __bytes__(self) -> bytes:
        # What was not UTF-8 when read is written back as the same bytes.
        return str(self).encode("utf-8", "surrogateescape")


def following(previous: SessionDescription, description: SessionDescription) -> SessionDescription:
    """Return our ``description`` numbered as the successor of ``previous`` in one dialog.

    RFC 3264 section 8: the same session id, and a version that is one more if
    and only if anything else changed.
    """
    kept = replace(description, origin=previous.origin)
    if kept == previous:
        return kept
    origin = replace(previous.origin, version=str(int(previous.origin.version) + 1))
    return replace(description, origin=replace(origin, connection=description.origin.connection))


def parse(body: bytes) -> SessionDescription | SdpError:
    """Read a session description; whatever the bytes are, nothing is raised."""
    if len(body) > MAX_BODY:
        return SdpError(f"{len(body)} bytes, expected at most {MAX_BODY}", 1)
    lines = body.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > MAX_LINES:
        return SdpError(f"{len(lines)} lines, expected at most {MAX_LINES}", MAX_LINES + 1)
    draft = _Draft()
    for number, line in enumerate(lines, 1):
        fault = draft.take(line.removesuffix("\r"))
        if fault is not None:
            return SdpError(fault, number)
    return draft.finished() or SdpError("no o= line", len(lines))


@lru_cache(512)  # the same lines come with every call, but for a few
def _attribute(line: str) -> Attribute:
    name, colon, text = line.partition(":")
    return Attribute(name.rstrip(), text.lstrip() if colon else None)


class _Lines:
    """What stands below one ``m=`` line, or above the first."""

    __slots__ = ("attributes", "connection", "head")

    def __init__(self, head: tuple[str, int, int, str, tuple[str, ...]] | None) -> None:
        self.head = head
        self.connection: Connection | None = None
        self.attributes: list[Attribute] = []


class _Draft:
    """A description while it is read, line by line; ``take`` returns what is wrong with the line."""

    def __init__(self) -> None:
        self._versioned = False
        self._origin: Origin | None = None
        self._name = "-"
        self._session = self._current = _Lines(None)
        self._media: list[_Lines] = []

    def take(self, line: str) -> str | None:
        letter, value = line[:2], line[2:].strip()
        if len(line) > MAX_LINE:
            return f"{len(line)} characters, expected at most {MAX_LINE}"
        # RFC 8866 section 9: byte-string excludes NUL, CR and LF.
        if "\0" in line or "\r" in line:
            return "a NUL or a bare CR"
        if letter == "a=" and self._versioned:
            self._current.attributes.append(_attribute(value))
            return None
        if not line or line.isspace():
            return None
        if letter[1:] != "=":
            return f"{line[:20]!r} is not a letter with ="
        if not self._versioned:
            self._versioned = letter == "v=" and value == "0"
            return None if self._versioned else f"{line[:20]!r}, expected v=0"
        match letter:
            case "m=":
                return self._take_media(value)
            case "c=":
                return self._take_connection(value)
            case "o=" if self._origin is None:
                return self._take_origin(value)
            case "s=" if not self._media:
                self._name = value or "-"
            case "v=":
                return "a second v= line"
        return None

    def _take_media(self, value: str) -> str | None:
        if len(self._media) == MAX_MEDIA:
            return f"more than {MAX_MEDIA} m= lines"
        tokens = value.split()
        if len(tokens) < 3:
            return f"m={value[:20]}: expected kind, port, protocol and formats"
        kind, ports, protocol, *formats = tokens
        first, slash, count = ports.partition("/")
        port, port_count = _number(first), _number(count) if slash else 1
        if port is None or port > 65_535 or not port_count:
            return f"m={value[:20]}: {ports[:12]!r} is not a port"
        self._current = _Lines((kind, port, port_count, protocol, tuple(formats)))
        self._media.append(self._current)
        return None

    def _take_connection(self, value: str) -> str | None:
        connection = _connection(value.split())
        if connection is None:
            return f"c={value[:30]}: expected IN, IP4 or IP6, and an address"
        # A second c= below one m= is a further multicast group (RFC 8866 section 5.7).
        self._current.connection = self._current.connection or connection
        return None

    def _take_origin(self, value: str) -> str | None:
        tokens = value.split()
        connection = _connection(tokens[3:])
        if len(tokens) != 6 or connection is None:
            return f"o={value[:40]}: expected user, session, version, IN, IP4 or IP6, and an address"
        self._origin = Origin(username=tokens[0], session_id=tokens[1], version=tokens[2], connection=connection)
        return None

    def finished(self) -> SessionDescription | None:
        if self._origin is None:
            return None
        return SessionDescription(
            origin=self._origin,
            name=self._name,
            connection=self._session.connection,
            attributes=tuple(self._session.attributes),
            media=tuple(map(_media, self._media)),
        )


def _media(lines: _Lines) -> Media:
    assert lines.head is not None, "a media section begins with its m= line"
    kind, port, port_count, protocol, formats = lines.head
    return Media(
        kind=kind,
        port=port,
        protocol=protocol,
        formats=formats,
        port_count=port_count,
        connection=lines.connection,
        attributes=tuple(lines.attributes),
    )


def _connection(tokens: list[str]) -> Connection | None:
    if len(tokens) < 3 or tokens[0].upper() != "IN":
        return None
    match tokens[1].upper():
        case "IP4":
            return Connection("IP4", tokens[2])
        case "IP6":
            return Connection("IP6", tokens[2])
    return None


@lru_cache(maxsize=1024)
def _encoding(text: str) -> Encoding | None:
    name, *rest = text.strip().split("/")
    clock = _number(rest[0]) if rest else None
    channels = _number(rest[1]) if len(rest) > 1 else 1
    if not name or clock is None or channels is None:
        return None
    return Encoding(name, clock, channels)


def _number(text: str | None) -> int | None:
    return int(text) if text and len(text) <= 9 and text.isascii() and text.isdigit() else None


def _first(attributes: tuple[Attribute, ...], name: str) -> str | None:
    for attribute in attributes:
        if attribute.name == name:
            return attribute.value or ""
    return None


def _direction(attributes: tuple[Attribute, ...]) -> Direction | None:
    for attribute in attributes:
        if attribute.value is None and attribute.name in _DIRECTIONS:
            return _DIRECTIONS[attribute.name]
    return None


def _address(connection: Connection) -> str:
    return f"IN {connection.family} {connection.address}"


def _attribute_line(attribute: Attribute) -> str:
    return f"a={attribute.name}" if attribute.value is None else f"a={attribute.name}:{attribute.value}"
