"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966); other schemes are kept as they are.

A ``Uri`` holds what is meant: escapes are undone, case-insensitive parts are in
lower case. ``str()`` escapes again what must be, so ``parse_uri(str(uri)) == uri``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from softswitch.frozen import dataclass
from softswitch.sip.grammar import HOST, MAX_PARAMS, Params, ParseError, ip_literal, parse_host

__all__ = ["Uri", "equivalent", "parse_uri"]

# "#" and other marks that RFC 3261 wants escaped come bare from phones ("sip:*21#@...") and cannot be
# mistaken for a separator. "@" and ":" can, and are refused.
_USER = r'[^\x00-\x20\x7f"<>@:\\]'
_REST = r'[^\x00-\x20\x7f"<>@\\;?]'
_SIP = re.compile(
    rf"(?:({_USER}++)(?::({_USER}*+))?+@)?({HOST})(?::([0-9]{{1,5}}+))?+((?:;{_REST}++)*+)(?:\?((?:{_REST}|[;?])*+))?+"
)
_TEL = re.compile(rf"([0-9A-Fa-f*#().\-+]++)((?:;{_REST}++)*+)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+")
_OPAQUE = re.compile(r'[^\x00-\x20\x7f"<>\\]++')
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_UNRESERVED = r"A-Za-z0-9\-_.!~*'()"
_NOT_IN_USER = re.compile(rf"[^{_UNRESERVED}&=+$,;?/]")
_NOT_IN_PASSWORD = re.compile(rf"[^{_UNRESERVED}&=+$,]")
_NOT_IN_PARAM = re.compile(rf"[^{_UNRESERVED}\[\]/:&+$]")
_NOT_IN_HEADER = re.compile(rf"[^{_UNRESERVED}\[\]/?:+$]")

_MAX_PORT: Final = 65535
_MAX_LENGTH: Final = 8192
_USUAL_LENGTH: Final = 128
# RFC 3261 section 19.1.4: these do not match when only one URI has them; transport by its examples.
_SIGNIFICANT: Final = frozenset({"user", "ttl", "method", "maddr", "transport"})


@dataclass(frozen=True, slots=True)
class Uri:
    """One URI. ``host`` is in lower case and an IPv6 address has no brackets.

    A tel URI has its number in ``user`` and an empty ``host``. A URI of any other
    scheme has only ``scheme`` and ``opaque``, the text after the colon. A
    parameter or header that stands twice is kept twice; the first one counts.
    """

    scheme: str = "sip"
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = ()
    headers: tuple[tuple[str, str], ...] = ()
    opaque: str | None = None

    def param(self, name: str) -> str | None:
        """Return the value of a parameter, "" when it has none, None when it is absent."""
        for key, value in self.params:
            if key == name:
                return value or ""
        return None

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case."""
        value = self.param("transport")
        return value.lower() if value else None

    @property
    def loose(self) -> bool:
        """Whether it has ``;lr``: a loose router (RFC 3261 section 16.12)."""
        return self.param("lr") is not None

    @property
    def routable(self) -> bool:
        """Whether a request can be sent to it: sip or sips, with a host."""
        return self.opaque is None and self.scheme != "tel"

    def __str__(self) -> str:
        if self.opaque is not None:
            return f"{self.scheme}:{self.opaque}"
        parts = [self.scheme, ":"]
        if self.scheme == "tel":
            parts.append(self.user or "")
        else:
            if self.user is not None:
                parts.append(_escape(self.user, _NOT_IN_USER))
                if self.password is not None:
                    parts += [":", _escape(self.password, _NOT_IN_PASSWORD)]
                parts.append("@")
            parts.append(ip_literal(self.host))
            if self.port is not None:
                parts.append(f":{self.port}")
        for name, value in self.params:
            parts += [";", _escape(name, _NOT_IN_PARAM)]
            if value is not None:
                parts += ["=", _escape(value, _NOT_IN_PARAM)]
        mark = "?"
        for name, content in self.headers:
            parts += [mark, _escape(name, _NOT_IN_HEADER), "=", _escape(content, _NOT_IN_HEADER)]
            mark = "&"
        return "".join(parts)


def parse_uri(text: str) -> Uri | ParseError:
    """Parse a URI that fills the whole text; white space anywhere is a fault."""
    if len(text) <= _USUAL_LENGTH:
        return _parse_known(text)
    if len(text) > _MAX_LENGTH:
        return ParseError(414, 0, "URI too long")
    return _parse(text)


def _parse(text: str) -> Uri | ParseError:
    scheme, colon, rest = text.partition(":")
    if scheme != "sip":
        if not colon or _SCHEME.fullmatch(scheme) is None:
            return ParseError(400, 0, "URI without a scheme")
        scheme = scheme.lower()
        if scheme == "tel":
            return _parse_tel(rest)
        if scheme not in ("sip", "sips"):
            if _OPAQUE.fullmatch(rest) is None:
                return ParseError(400, len(scheme) + 1, "malformed URI")
            return Uri(scheme, opaque=rest)
    match = _SIP.fullmatch(rest)
    if match is None:
        return ParseError(400, len(scheme) + 1, "malformed SIP URI")
    user, password, host_text, port_text, params_text, headers_text = match.groups()
    host = parse_host(host_text) if host_text[0] == "[" else host_text.lower()
    if host is None:
        return ParseError(400, len(scheme) + 1 + match.start(3), "malformed IPv6 address in URI")
    port = None
    if port_text is not None:
        port = int(port_text)
        if port > _MAX_PORT:
            return ParseError(400, len(scheme) + 1 + match.start(4), "port over 65535 in URI")
    if "%" not in rest and not params_text and headers_text is None:
        return Uri(scheme, user, password, host, port)
    try:
        return Uri(
            scheme,
            _unescape(user) if user and "%" in user else user,
            _unescape(password) if password and "%" in password else password,
            host,
            port,
            _params(params_text) if params_text else (),
            _headers(headers_text) if headers_text else (),
        )
    except ValueError:
        return ParseError(400, len(scheme) + 1, "malformed escape or parameter in URI, or too many")


# The messages of a call, and of the calls of an office, have the same few URIs. A URI is immutable and
# depends on its text alone, so that one may serve them all.
_parse_known = lru_cache(maxsize=2048)(_parse)


def equivalent(a: Uri, b: Uri) -> bool:
    """Compare by RFC 3261 section 19.1.4 (tel URIs by RFC 3966 section 4).

    One departure: an escaped reserved character equals the same one bare, since
    escapes are undone when a URI is read.
    """
    if a == b:
        return True
    if a.scheme != b.scheme or a.opaque is not None or b.opaque is not None:
        return False
    theirs, ours = _folded(a.params), _folded(b.params)
    if a.scheme == "tel":
        return _digits(a.user) == _digits(b.user) and theirs == ours
    if (a.user, a.password, a.host, a.port) != (b.user, b.password, b.host, b.port):
        return False
    for name in theirs.keys() | ours.keys():
        if name in theirs and name in ours:
            if theirs[name] != ours[name]:
                return False
        elif name in _SIGNIFICANT:
            return False
    return sorted((name.lower(), value) for name, value in a.headers) == sorted(
        (name.lower(), value) for name, value in b.headers
    )


def _parse_tel(rest: str) -> Uri | ParseError:
    match = _TEL.fullmatch(rest)
    if match is None:
        return ParseError(400, 4, "malformed tel URI")
    try:
        return Uri("tel", match[1], params=_params(match[2]) if match[2] else ())
    except ValueError:
        return ParseError(400, 4, "malformed escape or parameter in URI, or too many")


def _params(text: str) -> Params:
    params: list[tuple[str, str | None]] = []
    for part in text[1:].split(";", MAX_PARAMS):
        name, equals, value = part.partition("=")
        if not name:
            raise ValueError(part)
        if "%" in part:
            name, value = _unescape(name), _unescape(value)
        params.append((name.lower(), value if equals else None))
    if len(params) > MAX_PARAMS:
        raise ValueError(text)
    return tuple(params)


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    headers = []
    for part in text.split("&", MAX_PARAMS):
        name, _, value = part.partition("=")
        headers.append((_unescape(name), _unescape(value)))
    if len(headers) > MAX_PARAMS:
        raise ValueError(text)
    return tuple(headers)


def _unescape(text: str) -> str:
    """Undo escapes once; raises ValueError when one is malformed or they are not UTF-8."""
    if _NO_ESCAPE.search(text):
        raise ValueError(text)
    return unquote_to_bytes(text).decode()


def _escape(text: str, forbidden: re.Pattern[str]) -> str:
    return forbidden.sub(_escape_one, text)


def _escape_one(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def _folded(params: Params) -> dict[str, str]:
    return {name: (value or "").lower() for name, value in reversed(params)}


def _digits(number: str | None) -> str:
    """Drop the visual separators of RFC 3966 section 5.1.1."""
    return re.sub(r"[\-.()]", "", number or "").lower()
