"""Characters, tokens, lists and names of SIP (RFC 3261 section 25.1), and the value that says what was wrong.

Every pattern here is possessive where it repeats: a match never goes back, so
the time is linear in the text whatever a peer sends. Texts are unfolded: white
space is SP and HTAB only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from softswitch.sip.message import Response

__all__ = [
    "HOST",
    "MAX_PARAMS",
    "MAX_VALUES",
    "QUOTED",
    "SPELLINGS",
    "TOKEN",
    "UINT32",
    "Params",
    "ParseError",
    "format_params",
    "ip_literal",
    "is_token",
    "parse_host",
    "parse_number",
    "parse_params",
    "quote",
    "split_list",
    "unquote",
]

TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]++"
QUOTED: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# A host name may have an underscore: Windows and Docker names do, and no other reading is possible.
HOST: Final = r"(?:[A-Za-z0-9._\-]++|\[[0-9A-Fa-f:.]++\])"
UINT32: Final = 2**32 - 1
# Nobody needs more, and each costs a receiver time: a datagram holds 20,000 of them.
MAX_PARAMS: Final = 64
MAX_VALUES: Final = 128

Params: TypeAlias = tuple[tuple[str, str | None], ...]

_TOKEN = re.compile(TOKEN)
_TO_ESCAPE = re.compile(r'(["\\])')
_LIST_ITEM = re.compile(rf'(?:[^,"<]++|{QUOTED}|<[^>]*+>)*+', re.DOTALL)
# RFC 3261 allows token, host or quoted string as a value. Phones also send "^", "=" and bare IPv6
# addresses (RFC 5118 section 4.5): whatever cannot be mistaken for a separator is taken.
_VALUE = r'[^\x00-\x20\x7f",;<>\\]'
_PARAM = re.compile(rf"[ \t]*+;[ \t]*+({TOKEN})(?:[ \t]*+=[ \t]*+({QUOTED}|{_VALUE}*+))?+", re.DOTALL)
# Without quotes and white space a split is quicker than walking.
_PLAIN_PARAMS = re.compile(rf"(?:;{TOKEN}(?:={_VALUE}*+)?+)++")
_PLAIN_VALUE = re.compile(rf"{_VALUE}++")
# RFC 3840 section 9: feature tags have their value in quotation marks always.
_QUOTED_PARAMS = frozenset({"methods", "schemes", "events", "language", "class", "duplex", "description", "type"})

# RFC 3261 section 7.3.3 and the registry of compact forms (RFC 3515, 3841, 3892, 4028, 6665, 8224).
_COMPACT: Final = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
# Names whose right spelling is not "Each-Word-Capital", and the frequent ones so that they are found at once.
# fmt: off
_LONG: Final = (
    "Accept", "Alert-Info", "Allow", "Authorization", "CSeq", "Call-ID", "Call-Info", "Contact",
    "Content-Disposition", "Content-Encoding", "Content-ID", "Content-Length", "Content-Type", "Date", "Event",
    "Expires", "From", "Geolocation", "Identity", "MIME-Version", "Max-Forwards", "Min-Expires", "Min-SE",
    "P-Asserted-Identity", "P-Preferred-Identity", "Path", "Privacy", "Proxy-Authenticate", "Proxy-Authorization",
    "Proxy-Require", "RAck", "RSeq", "Reason", "Record-Route", "Refer-To", "Referred-By", "Remote-Party-ID",
    "Replaces", "Require", "Retry-After", "Route", "SIP-ETag", "SIP-If-Match", "Server", "Service-Route",
    "Session-Expires", "Session-ID", "Subject", "Subscription-State", "Supported", "Timestamp", "To", "Unsupported",
    "User-Agent", "Via", "WWW-Authenticate", "Warning",
)
# fmt: on
SPELLINGS: Final = (
    {name: name for name in _LONG}
    | {name.lower(): name for name in _LONG}
    | {name.upper(): name for name in _LONG}
    | {name.title(): name for name in _LONG}
    | _COMPACT
    | {short.upper(): name for short, name in _COMPACT.items()}
)


@dataclass(frozen=True, slots=True)
class ParseError:
    """What is wrong with the input: a value, never raised.

    ``status`` is what a request with this fault deserves, ``offset`` counts from
    the start of the text given to the parser (bytes for a message, characters for
    a field), ``reason`` holds none of the peer's text. ``reply`` is the finished
    answer to a faulty request, to be sent to where the request came from; None
    means: drop it silently.
    """

    status: int
    offset: int
    reason: str
    reply: Response | None = None


def canonical_name(name: str) -> str:
    """Return the one spelling under which a header field is kept: long, and as the RFC that defines it writes it."""
    return SPELLINGS.get(name) or SPELLINGS.get(name.lower()) or name.title()


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def parse_number(text: str, maximum: int = UINT32) -> int | None:
    """Return the decimal number, or None when it is not all digits or is over ``maximum`` (at most 2**32 - 1)."""
    if not (text.isascii() and text.isdigit()):
        return None
    # int() of a long text is quadratic, and refused by Python over 4,300 digits.
    if len(text) > 10:
        text = text.lstrip("0") or "0"
        if len(text) > 10:
            return None
    number = int(text)
    return number if number <= maximum else None


def quote(text: str) -> str:
    """Return the text as a quoted string, without its NULs: legal as quoted pairs, survived by few receivers."""
    return '"' + _TO_ESCAPE.sub(r"\\\1", text.replace("\0", "")) + '"'


def unquote(text: str) -> str:
    """Return what a quoted string says; any other text is returned as it is."""
    if len(text) < 2 or text[0] != '"':
        return text
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    # A backslash that is meant stands twice, and a run of them is read from its left: so does split.
    return "\\".join([part.replace("\\", "") for part in inner.split("\\\\")])


def split_list(text: str, most: int = MAX_VALUES) -> list[str] | None:
    """Split at the commas outside quotes and angle brackets; items are stripped.

    None when an item is empty or a quote or bracket is left open. It ends after
    ``most`` + 1 items, which tells the caller that there are too many.
    """
    if "," not in text:
        return [text]
    items = []
    at = 0
    while True:
        match = _LIST_ITEM.match(text, at)
        assert match is not None, "the pattern matches the empty text"
        item = match[0].strip(" \t")
        at = match.end()
        if not item or (at < len(text) and text[at] != ","):
            return None
        items.append(item)
        if at == len(text) or len(items) > most:
            return items
        at += 1


def parse_params(text: str, at: int = 0) -> Params | None:
    """Parse ``;name=value;flag...`` from ``at`` to the end; names become lower case, quoted values plain.

    None when malformed, when there are over ``MAX_PARAMS``, or when a name comes
    twice (RFC 3261 section 7.3.1), lest two readers of one message choose
    different tags.
    """
    end = len(text)
    if at == end:
        return ()
    params: list[tuple[str, str | None]] = []
    if _PLAIN_PARAMS.fullmatch(text, at):
        for part in text[at + 1 :].split(";", MAX_PARAMS):
            name, equals, value = part.partition("=")
            params.append((name.lower(), value if equals else None))
        at = end
    while at < end and len(params) <= MAX_PARAMS:
        match = _PARAM.match(text, at)
        if match is None:
            if text[at:].strip(" \t"):
                return None
            break
        name, content = match.groups()
        params.append((name.lower(), unquote(content) if content is not None and content[:1] == '"' else content))
        at = match.end()
    if len(params) > 1 and (len(params) > MAX_PARAMS or len(dict(params)) < len(params)):
        return None
    return tuple(params)


def format_params(params: Params) -> str:
    """Write parameters, quoting those values that need it."""
    if not params:
        return ""
    parts = []
    for name, value in params:
        if value is None:
            parts.append(f";{name}")
        elif value and name[0] != "+" and name not in _QUOTED_PARAMS and _PLAIN_VALUE.fullmatch(value):
            parts.append(f";{name}={value}")
        else:
            parts.append(f";{name}={quote(value)}")
    return "".join(parts)


def parse_host(text: str) -> str | None:
    """Return a host matched by ``HOST`` in lower case, without brackets, or None when it is no IPv6 address.

    RFC 5118 section 4.10: the grammar of RFC 3261 let ``:::`` stand before an
    embedded IPv4 address; it is read as ``::`` and never written.
    """
    if text[0] != "[":
        return text.lower()
    address = text[1:-1].lower()
    if ":::" in address:
        address = address.replace(":::", "::", 1)
    return address if _is_ipv6(address) else None


def ip_literal(host: str) -> str:
    """Return the host as it stands in a URI or Via: an IPv6 address gets its brackets."""
    return f"[{host}]" if ":" in host else host


def _is_ipv6(text: str) -> bool:
    groups = text.split(":")
    if len(groups) > 9 or text.count("::") > 1 or ":::" in text:
        return False
    if "." in groups[-1]:
        octets = groups.pop().split(".")
        if len(octets) != 4 or not all(part.isdigit() and len(part) <= 3 and int(part) <= 255 for part in octets):
            return False
        groups += ["0", "0"]
    if (text[0] == ":" and text[:2] != "::") or (text[-1] == ":" and text[-2:] != "::"):
        return False
    if any(len(group) > 4 or "." in group for group in groups):
        return False
    filled = sum(1 for group in groups if group)
    return filled <= 7 if "::" in text else filled == 8 and len(groups) == 8
