"""Header fields: the multimap, and the field values that a call needs (RFC 3261 sections 7.3 and 20).

``Headers`` owns both the text of a field and what it was parsed to; changing the
text forgets the parsed value, so the two never differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Final, TypeAlias, TypeVar, cast

from softswitch.frozen import dataclass
from softswitch.sip.grammar import (
    HOST,
    MAX_VALUES,
    QUOTED,
    SPELLINGS,
    TOKEN,
    Params,
    ParseError,
    canonical_name,
    format_params,
    ip_literal,
    is_token,
    parse_host,
    parse_number,
    parse_params,
    quote,
    split_list,
    unquote,
)
from softswitch.sip.uri import Uri, parse_uri

__all__ = [
    "PLAIN_NAME_ADDR",
    "CSeq",
    "Challenge",
    "Credentials",
    "Headers",
    "MediaType",
    "NameAddr",
    "Value",
    "Via",
    "format_challenge",
    "format_credentials",
    "parse_challenge",
    "parse_credentials",
    "parse_cseq",
    "parse_media_type",
    "parse_name_addr",
    "parse_name_addrs",
    "parse_tokens",
    "parse_via",
    "parse_vias",
]

T = TypeVar("T")

_FORBIDDEN = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class NameAddr:
    """The value of From, To, Contact, Route and the like: a name, a URI and the field's own parameters."""

    display: str | None
    uri: Uri
    params: Params = ()

    @property
    def tag(self) -> str | None:
        return _param(self.params, "tag") or None

    def param(self, name: str) -> str | None:
        """Return the value of a field parameter, "" when it has none, None when it is absent."""
        return _param(self.params, name)

    def with_param(self, name: str, value: str | None = None) -> NameAddr:
        return NameAddr(self.display, self.uri, _with_param(self.params, name, value))

    def __str__(self) -> str:
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{format_params(self.params)}"


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of the way back (RFC 3261 section 20.42); ``transport`` is in upper case."""

    transport: str
    host: str
    port: int | None = None
    params: Params = ()

    @property
    def branch(self) -> str | None:
        """The branch, or None when there is none: an RFC 2543 peer."""
        return _param(self.params, "branch") or None

    @property
    def received(self) -> str | None:
        """The address, without the brackets that some put round IPv6 (RFC 5118 section 4.5)."""
        value = _param(self.params, "received")
        return value.strip("[]").lower() if value else None

    @property
    def rport(self) -> int | None:
        """The port; 0 when ``rport`` has no value, which asks for one (RFC 3581); None when it is absent."""
        value = _param(self.params, "rport")
        return None if value is None else parse_number(value, 65535) or 0

    def param(self, name: str) -> str | None:
        """Return the value of a parameter, "" when it has none, None when it is absent."""
        return _param(self.params, name)

    def with_param(self, name: str, value: str | None = None) -> Via:
        return Via(self.transport, self.host, self.port, _with_param(self.params, name, value))

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {ip_literal(self.host)}{port}{format_params(self.params)}"


@dataclass(frozen=True, slots=True)
class CSeq:
    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type: ``name`` is "type/subtype" in lower case."""

    name: str
    params: Params = ()

    def param(self, name: str) -> str | None:
        return _param(self.params, name)

    def __str__(self) -> str:
        return self.name + format_params(self.params)


@dataclass(frozen=True, slots=True)
class Credentials:
    """An Authorization value, or the challenge of a WWW-Authenticate value.

    ``scheme`` is as written; parameter names are in lower case and values plain.
    ``token`` is what a scheme like Bearer has instead of parameters.
    """

    scheme: str
    params: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


Challenge: TypeAlias = Credentials
Value: TypeAlias = str | int | NameAddr | Via | CSeq | MediaType | Uri


class Headers:
    """An ordered, case-insensitive multimap of header fields under their long names.

    Fields of one name keep their order; fields of different names are grouped by
    first appearance, which RFC 3261 section 7.3.1 declares to mean nothing. A
    value set here may not hold CR, LF or NUL: that raises ValueError, since it is
    our own mistake or an attempt to smuggle a header through an interface.
    """

    __slots__ = ("_fields", "_parsed")

    def __init__(self, items: Iterable[tuple[str, Value]] = ()) -> None:
        self._fields: dict[str, list[str]] = {}
        self._parsed: dict[str, tuple[object, object]] = {}
        for name, value in items:
            self.add(name, value)

    @classmethod
    def of_peer(cls, fields: dict[str, list[str]], parsed: dict[str, tuple[object, object]]) -> Headers:
        """Take over what the parser made: canonical names, and what their values were parsed to by which function."""
        headers = cls.__new__(cls)
        headers._fields, headers._parsed = fields, parsed
        return headers

    def get(self, name: str) -> str | None:
        """Return the first field value of that name as text."""
        values = self._fields.get(name) or self._fields.get(canonical_name(name))
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Return all field values of that name, one per header line, not split at commas."""
        return list(self._fields.get(name) or self._fields.get(canonical_name(name)) or ())

    def set(self, name: str, value: Value) -> None:
        """Put this one value in the place of all of that name."""
        name, text = _checked(name, value)
        self._fields[name] = [text]
        self._parsed.pop(name, None)

    def add(self, name: str, value: Value) -> None:
        """Append a line of that name."""
        name, text = _checked(name, value)
        self._fields.setdefault(name, []).append(text)
        self._parsed.pop(name, None)

    def prepend(self, name: str, value: Value) -> None:
        """Put a line above those of that name, as a Via or Route is."""
        name, text = _checked(name, value)
        self._fields.setdefault(name, []).insert(0, text)
        self._parsed.pop(name, None)

    def remove(self, name: str) -> None:
        """Remove all lines of that name, if there are any."""
        name = canonical_name(name)
        self._fields.pop(name, None)
        self._parsed.pop(name, None)

    def only(self, *names: str) -> Headers:
        """Return a copy with only these fields, untouched, as an answer echoes them, in the order of the names."""
        ours, parsed = self._fields, self._parsed
        fields: dict[str, list[str]] = {}
        known: dict[str, tuple[object, object]] = {}
        for name in names:
            lines = ours.get(name)
            if lines is None:
                name = canonical_name(name)  # noqa: PLW2901
                lines = ours.get(name)
                if lines is None:
                    continue
            fields[name] = lines[:]
            if name in parsed:
                known[name] = parsed[name]
        return Headers.of_peer(fields, known)

    def under(self, via: str) -> Headers:
        """Return a copy with this Via on top, as its only one, for a request of ours."""
        fields = {"Via": [via]}
        parsed = self._parsed.copy()
        for name, lines in self._fields.items():
            if name != "Via":
                fields[name] = lines[:]
        parsed.pop("Via", None)
        return Headers.of_peer(fields, parsed)

    def tag_to(self, tag: str) -> None:
        """Give the To its tag, unless it has one or cannot be read; the peer's own text stays as it was."""
        if not is_token(tag):
            raise ValueError(f"tag {tag!r} is not a token")
        to = self.value("To", parse_name_addr)
        if to is not None and to.tag is None:
            text = self._fields["To"][0] if to.param("tag") is None else str(NameAddr(to.display, to.uri))
            self._fields["To"] = [f"{text};tag={tag}"]
            del self._parsed["To"]

    def value(self, name: str, parse: Callable[[str], T | ParseError]) -> T | None:
        """Return the first value of that name as ``parse`` understands it, or None when it is absent or malformed.

        The result is kept until the field changes.
        """
        known = self._parsed.get(name)
        if known is not None and known[0] is parse:
            return cast(T, known[1])
        lines = self._fields.get(name)
        if lines is None:
            name = canonical_name(name)
            lines = self._fields.get(name)
        parsed = parse(lines[0]) if lines else None
        value = None if isinstance(parsed, ParseError) else parsed
        self._parsed[name] = (parse, value)
        return value

    def values(self, name: str, parse: Callable[[str], tuple[T, ...] | ParseError]) -> tuple[T, ...]:
        """Return all values of that name, over all its lines, or () when one is malformed or there are far too many."""
        known = self._parsed.get(name)
        if known is not None and known[0] is parse:
            return cast(tuple[T, ...], known[1])
        name = canonical_name(name)
        values: tuple[T, ...] = ()
        for line in self._fields.get(name, ()):
            parsed = parse(line)
            if isinstance(parsed, ParseError) or len(values) > MAX_VALUES:
                values = ()
                break
            values += parsed
        self._parsed[name] = (parse, values)
        return values

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield name and value of every line."""
        for name, values in self._fields.items():
            for value in values:
                yield name, value

    def copy(self) -> Headers:
        return Headers.of_peer({name: list(values) for name, values in self._fields.items()}, dict(self._parsed))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._fields or canonical_name(name) in self._fields)

    def __len__(self) -> int:
        return sum(map(len, self._fields.values()))

    def __eq__(self, other: object) -> bool:
        return self._fields == other._fields if isinstance(other, Headers) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({list(self.items())!r})"


def _checked(name: str, value: Value) -> tuple[str, str]:
    known = SPELLINGS.get(name)
    if known is None:
        if not is_token(name):
            raise ValueError(f"header name {name!r} is not a token")
        known = canonical_name(name)
    text = value if isinstance(value, str) else str(value)
    if text.isascii() and text.isprintable():
        return known, text.strip(" ")
    if _FORBIDDEN.search(text):
        raise ValueError(f"{known}: a value may not hold CR, LF or NUL: {text!r}")
    if not text.isascii():
        text.encode()  # a lone surrogate would otherwise be found only when the message is sent
    return known, text.strip(" \t")


def _param(params: Params, name: str) -> str | None:
    for key, value in params:
        if key == name:
            return value or ""
    return None


def _with_param(params: Params, name: str, value: str | None) -> Params:
    """Replace the parameter in its place, or append it."""
    if any(key == name for key, _ in params):
        return tuple((key, value if key == name else old) for key, old in params)
    return (*params, (name, value))


# Any text is taken as an unquoted name but separators: phones send dots, brackets and UTF-8 there.
_NAME_ADDR = re.compile(rf'(?:({QUOTED})[ \t]*+|([^\x00-\x08\x0a-\x1f\x7f"<>,;\\]*+))<([^<>" \t]++)>[ \t]*+', re.DOTALL)
_VIA = re.compile(
    rf"[Ss][Ii][Pp][ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+({TOKEN})[ \t]++"
    rf"({HOST})[ \t]*+(?::[ \t]*+([0-9]{{1,5}}+))?+[ \t]*+"
)
# The usual address of a phone, trunk or proxy. What this matches is well formed and within all limits, so that the
# message parser may leave the building of the value to whoever asks for it.
PLAIN_NAME_ADDR: Final = re.compile(
    r"""(?:"([^"\\]*+)"[ ]?|([A-Za-z0-9.+_\- ]*+))<(sips?:(?:[A-Za-z0-9.+_\-*#=;~!/?&]{1,64}+@)?+"""
    r"""[A-Za-z0-9.\-]{1,64}+(?::[1-5]?[0-9]{1,4})?(?:;[A-Za-z0-9.\-_]{1,32}+(?:=[A-Za-z0-9.\-_~+/:]{0,64}+)?+){0,16}+)>"""
    rf"""(?:;tag=({TOKEN}))?+"""
)
_CSEQ = re.compile(rf"([0-9]++)[ \t]++({TOKEN})")
_TOKENS = re.compile(rf"{TOKEN}(?:[ \t]*+,[ \t]*+{TOKEN})*+")
_MEDIA_TYPE = re.compile(rf"({TOKEN})[ \t]*+/[ \t]*+({TOKEN})[ \t]*+")
_AUTH_SCHEME = re.compile(rf"({TOKEN})(?:[ \t]++(.*))?+", re.DOTALL)
_AUTH_PARAM = re.compile(rf'({TOKEN})[ \t]*+=[ \t]*+({QUOTED}|[^\x00-\x20\x7f",]++)[ \t]*+', re.DOTALL)
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]++=*+")


def parse_name_addr(text: str) -> NameAddr | ParseError:
    """Parse one ``"name" <uri>;params`` or ``uri;params``."""
    match = PLAIN_NAME_ADDR.fullmatch(text)
    if match is not None:
        quoted, bare, uri_text, tag = match.groups()
        uri = parse_uri(uri_text)
        if not isinstance(uri, ParseError):
            return NameAddr(quoted or (bare and bare.strip(" ")) or None, uri, (("tag", tag),) if tag else ())
    match = _NAME_ADDR.match(text)
    if match is None:
        return _parse_addr_spec(text)
    quoted, bare, uri_text = match.groups()
    uri = parse_uri(uri_text)
    if isinstance(uri, ParseError):
        return ParseError(400, match.start(3) + uri.offset, uri.reason)
    end = match.end()
    params = parse_params(text, end)
    if params is None:
        return ParseError(400, end, "malformed parameters after an address")
    if quoted is not None:
        return NameAddr(unquote(quoted) or None, uri, params)
    return NameAddr(bare.strip(" \t") or None, uri, params)


def _parse_addr_spec(text: str) -> NameAddr | ParseError:
    """Parse a URI without brackets: then what follows ";" belongs to the field (RFC 3261 section 20.10)."""
    at = text.find(";")
    uri_text = (text if at < 0 else text[:at]).strip(" \t")
    if "<" in uri_text or '"' in uri_text:
        return ParseError(400, 0, "malformed address")
    if "?" in uri_text or "," in uri_text:
        return ParseError(400, 0, "URI with a comma or question mark outside angle brackets")
    uri = parse_uri(uri_text)
    if isinstance(uri, ParseError):
        return uri
    params = () if at < 0 else parse_params(text, at)
    if params is None:
        return ParseError(400, at, "malformed parameters after an address")
    return NameAddr(None, uri, params)


def parse_name_addrs(text: str) -> tuple[NameAddr, ...] | ParseError:
    """Parse a list of addresses, as in Contact or P-Asserted-Identity."""
    return _parse_list(text, parse_name_addr)


def parse_via(text: str) -> Via | ParseError:
    match = _VIA.match(text)
    if match is None:
        return ParseError(400, 0, "malformed Via")
    transport, host_text, port_text = match.groups()
    host = parse_host(host_text) if host_text[0] == "[" else host_text.lower()
    port = None if port_text is None else int(port_text)
    if host is None or (port is not None and port > 65535):
        return ParseError(400, match.start(2), "malformed host or port in Via")
    params = parse_params(text, match.end())
    if params is None:
        return ParseError(400, match.end(), "malformed parameters in Via")
    return Via(transport.upper(), host, port, params)


def parse_vias(text: str) -> tuple[Via, ...] | ParseError:
    return _parse_list(text, parse_via)


def parse_cseq(text: str) -> CSeq | ParseError:
    match = _CSEQ.fullmatch(text)
    if match is None:
        return ParseError(400, 0, "malformed CSeq")
    number = parse_number(match[1])
    if number is None:
        return ParseError(400, 0, "CSeq number over 2**32-1")
    return CSeq(number, match[2])


def parse_tokens(text: str) -> tuple[str, ...] | ParseError:
    """Parse a list of tokens, as in Require or Allow; an empty field is an empty list."""
    if not text:
        return ()
    if _TOKENS.fullmatch(text) is None:
        return ParseError(400, 0, "malformed list of tokens")
    if " " in text or "\t" in text:
        return tuple([token.strip(" \t") for token in text.split(",")])
    return tuple(text.split(","))


def parse_media_type(text: str) -> MediaType | ParseError:
    match = _MEDIA_TYPE.match(text)
    params = None if match is None else parse_params(text, match.end())
    if match is None or params is None:
        return ParseError(400, 0, "malformed media type")
    return MediaType(f"{match[1]}/{match[2]}".lower(), params)


def parse_credentials(text: str) -> Credentials | ParseError:
    """Parse an Authorization or Proxy-Authorization value; a parameter given twice is a fault."""
    match = _AUTH_SCHEME.fullmatch(text)
    if match is None:
        return ParseError(400, 0, "malformed credentials")
    scheme, rest = match.groups()
    rest = (rest or "").strip(" \t")
    if not rest:
        return Credentials(scheme)
    params: dict[str, str] = {}
    at, end = 0, len(rest)
    while True:
        found = _AUTH_PARAM.match(rest, at)
        if found is None or (found.end() < end and rest[found.end()] != ","):
            if _TOKEN68.fullmatch(rest):
                return Credentials(scheme, token=rest)
            return ParseError(400, match.start(2) + at, "malformed parameter in credentials")
        name = found[1].lower()
        if name in params:
            return ParseError(400, match.start(2) + at, "parameter given twice in credentials")
        params[name] = unquote(found[2])
        at = found.end()
        if at == end:
            return Credentials(scheme, params)
        at += 1
        while at < end and rest[at] in " \t":
            at += 1


parse_challenge = parse_credentials

# RFC 7616 sections 3.3 and 3.4: which values stand in quotation marks, and which must not.
_BARE_IN_CHALLENGE: Final = frozenset({"stale", "algorithm", "userhash"})
_BARE_IN_CREDENTIALS: Final = frozenset({"algorithm", "qop", "nc", "userhash"})


def format_challenge(scheme: str, params: Mapping[str, str]) -> str:
    """Write a WWW-Authenticate or Proxy-Authenticate value."""
    return _format_auth(scheme, params, _BARE_IN_CHALLENGE)


def format_credentials(scheme: str, params: Mapping[str, str]) -> str:
    """Write an Authorization or Proxy-Authorization value."""
    return _format_auth(scheme, params, _BARE_IN_CREDENTIALS)


def _format_auth(scheme: str, params: Mapping[str, str], bare: frozenset[str]) -> str:
    texts = [f"{name}={value if name in bare else quote(value)}" for name, value in params.items()]
    return f"{scheme} {', '.join(texts)}" if texts else scheme


def _parse_list(text: str, parse: Callable[[str], T | ParseError]) -> tuple[T, ...] | ParseError:
    if "," not in text:
        one = parse(text)
        return one if isinstance(one, ParseError) else (one,)
    items = split_list(text)
    if items is None:
        return ParseError(400, 0, "empty value in a list, or an open quote or bracket")
    if len(items) > MAX_VALUES:
        return ParseError(400, 0, "too many values in a list")
    values = []
    for item in items:
        value = parse(item)
        if isinstance(value, ParseError):
            return value
        values.append(value)
    return tuple(values)
