"""From bytes to messages: one call for a datagram, two steps for a stream (``framing``).

Header lines are indexed in one pass. Then the fields that routing, dialogs and
framing rest on are parsed, and their values kept with the message; all others
are parsed when somebody asks. Nothing raises: a faulty message becomes a
``ParseError`` whose ``reply`` is the answer that it deserves.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from softswitch.sip.grammar import SPELLINGS, TOKEN, ParseError, canonical_name, is_token, parse_number, split_list
from softswitch.sip.headers import (
    PLAIN_NAME_ADDR,
    CSeq,
    Headers,
    NameAddr,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_name_addrs,
    parse_via,
    parse_vias,
)
from softswitch.sip.message import Request, Response, parse_delta, parse_max_forwards
from softswitch.sip.uri import parse_uri

__all__ = ["DEFAULT_LIMITS", "METHODS", "Head", "Limits", "ParseError", "build", "parse", "read_head"]

T = TypeVar("T")

# The registry of SIP methods: RFC 3261, 3262, 3311, 3428, 3515, 3903, 6086, 6665.
# fmt: off
METHODS: Final = frozenset({
    "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER",
    "REGISTER", "SUBSCRIBE", "UPDATE",
})
# Fields that say one thing. Two of them are a smuggling attempt or a broken sender: RFC 4475 section 3.3.8.
_SINGLE: Final = frozenset({
    "CSeq", "Call-ID", "Content-Disposition", "Content-Length", "Content-Type", "Date", "Event", "Expires", "From",
    "Identity", "MIME-Version", "Max-Forwards", "Min-Expires", "Min-SE", "RAck", "RSeq", "Refer-To", "Referred-By",
    "Replaces", "Retry-After", "SIP-ETag", "SIP-If-Match", "Session-Expires", "Session-ID", "Subscription-State",
    "Timestamp", "To", "User-Agent",
})
# fmt: on
_REQUIRED: Final = ("Via", "From", "To", "Call-ID", "CSeq")
_REQUIRED_SET: Final = frozenset(_REQUIRED)

_REQUEST_LINE = re.compile(rf"({TOKEN}) ([^ ]++) [Ss][Ii][Pp]/2\.0")
_STATUS_LINE = re.compile(r"[Ss][Ii][Pp]/2\.0 ([1-6][0-9][0-9])(?: (.*))?", re.DOTALL)
_METHOD = re.compile(rf"({TOKEN})[ \t]")
_VERSION = re.compile(r"SIP/([0-9]++\.[0-9]++)[ \t]*+$", re.IGNORECASE)
_FOLD = re.compile(r"\r\n[ \t]++")
_LINE_BREAK = re.compile(rb"\r\n(?![ \t])")
# A NUL may stand in a quoted string behind a backslash (RFC 4475 section 3.1.1.2), nowhere else.
_LOOSE_NUL = re.compile(r"(?<!\\)\x00")
_CALL_ID = re.compile(r"[!-~]++")
_MAGIC_COOKIE: Final = "z9hG4bK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a message is looked at: bytes, counts, and seconds on a stream."""

    headers: int = 64 * 1024
    body: int = 256 * 1024
    lines: int = 1024
    lines_of_one_kind: int = 128
    vias: int = 70
    routes: int = 20
    contacts: int = 10
    header_timeout: float = 10.0
    body_timeout: float = 10.0


DEFAULT_LIMITS: Final = Limits()


class Head:
    """An indexed header section.

    ``fields`` has every readable line under its canonical name, ``repeated`` the
    names that came more than once, ``nameless`` the number of the first line that
    is not a field, or 0. ``fault`` is set when the lines themselves are broken:
    then nobody can say where the message ends.
    """

    __slots__ = ("at", "fault", "fields", "lines", "nameless", "raw", "repeated")

    def __init__(self, raw: bytes, at: int, lines: list[str]) -> None:
        self.raw, self.at, self.lines = raw, at, lines
        self.fields: dict[str, list[str]] = {}
        self.repeated: list[str] = []
        self.nameless = 0
        self.fault: ParseError | None = None

    def index(self, limits: Limits) -> bool:
        """Sort the lines by name; false when one continues the line before and all must be unfolded first."""
        fields, spelling = self.fields, SPELLINGS.get
        for line in self.lines[1 : limits.lines]:
            name, colon, value = line.partition(":")
            key = spelling(name)
            if key is None or not colon:
                if line.startswith((" ", "\t")):
                    return False
                name = name.rstrip(" \t")
                if not colon or not is_token(name):
                    self.nameless = self.nameless or self.lines.index(line, 1)
                    continue
                key = canonical_name(name)
            if key in fields:
                fields[key].append(value.strip(" \t"))
                self.repeated.append(key)
            else:
                fields[key] = [value.strip(" \t")]
        return True

    @property
    def start_line(self) -> str:
        return self.lines[0]

    def body_length(self, limits: Limits) -> int | ParseError | None:
        """Return what Content-Length says, None when it is absent, an error when it cannot frame the body."""
        values = self.fields.get("Content-Length")
        if values is None:
            return None
        length = parse_number(values[0]) if len(values) == 1 else None
        if length is None:
            return self.refuse(400, "Content-Length is not one number", "Content-Length")
        if length > limits.body:
            return self.refuse(413, "body too large", "Content-Length")
        return length

    def refuse(self, status: int, reason: str, name: str | None = None, nth: int = 0) -> ParseError:
        """Return the error, with the answer if this is a request that can be answered.

        ``name`` and ``nth`` tell which line is at fault; without a name it is the start line.
        """
        return ParseError(status, self._offset(self._number(name, nth)), reason, self._reply(status, reason))

    def refuse_lines(self, reason: str) -> None:
        """Note that the lines cannot be told apart."""
        self.fault = ParseError(400, self._offset(self.nameless), reason, self._reply(400, reason))

    def _number(self, name: str | None, nth: int) -> int:
        """Return which line that is; 0 is the start line."""
        if name is not None:
            for number, line in enumerate(self.lines[1:], 1):
                if canonical_name(line.partition(":")[0].rstrip(" \t")) == name:
                    if nth == 0:
                        return number
                    nth -= 1
        return 0

    def _offset(self, number: int) -> int:
        if number == 0:
            return self.at
        found = next(itertools.islice(_LINE_BREAK.finditer(self.raw), number - 1, None), None)
        return self.at if found is None else self.at + found.end()

    def _reply(self, status: int, reason: str) -> Response | None:
        """Build the answer of what there is (RFC 3261 section 8.2.6), and invent nothing (RFC 4475 section 3.3.1)."""
        method = _METHOD.match(self.start_line)
        if method is None or method[1] == "ACK" or "SIP/" not in self.start_line.upper():
            return None
        echoed: dict[str, list[str]] = {}
        for name in _REQUIRED:
            values = [value for value in self.fields.get(name, ()) if "\r" not in value and "\n" not in value]
            if values:
                echoed[name] = values if name == "Via" else values[:1]
        if "Via" not in echoed:
            return None
        headers = Headers.of_peer(echoed, {})
        # RFC 3261 section 8.2.7: a stateless answer has the same tag when the request comes again.
        mark = "\n".join(echoed["Via"][:1] + echoed.get("Call-ID", []) + echoed.get("CSeq", []))
        headers.tag_to(hashlib.blake2b(mark.encode(), digest_size=8).hexdigest())
        return Response(status, reason[0].upper() + reason[1:] if status == 400 else None, headers)


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | Response | ParseError:
    """Parse one datagram or WebSocket message, the whole of it.

    Bytes after the body that Content-Length counts are ignored (RFC 3261 section
    18.3); without Content-Length the body runs to the end. The message has no
    Content-Length field: its body's length is the truth, and ``encode`` writes it.
    """
    start = 0
    while data.startswith(b"\r\n", start):
        start += 2
    end = data.find(b"\r\n\r\n", start)
    complete = end >= 0
    if not complete:
        end = len(data)
    head = read_head(data[start : min(end, start + limits.headers)], start, limits)
    if end - start > limits.headers:
        return head.refuse(400, "header section too long")
    if not complete:
        return head.refuse(400, "header section without an empty line at its end")
    length = head.body_length(limits)
    if isinstance(length, ParseError):
        return length
    body_at = end + 4
    available = len(data) - body_at
    if length is None:
        if available > limits.body:
            return head.refuse(413, "body too large")
        length = available
    elif length > available:
        return head.refuse(400, "Content-Length is larger than the datagram", "Content-Length")
    return build(head, data[body_at : body_at + length], limits)


def read_head(raw: bytes, at: int, limits: Limits) -> Head:
    """Index a header section without its empty line; ``at`` is where it starts in what the peer sent."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        # Lines beyond the limit are refused unread.
        text = "\r\n".join(map(_decode, raw.split(b"\r\n", limits.lines)))
    lines = text.split("\r\n")
    # For bytes, a line ends at CR, LF or both: as many lines either way means that none is alone, but at the end.
    if len(raw.splitlines()) != len(lines) or raw.endswith((b"\r", b"\n")):
        fault = "CR or LF alone in the header section"
    elif "\0" in text and (_LOOSE_NUL.search(text) or "\0" in lines[0]):
        fault = "NUL in the header section"
    else:
        fault = ""
    head = Head(raw, at, lines)
    if not head.index(limits):
        if lines[1].startswith((" ", "\t")):
            fault = fault or "folded start line"
        head = Head(raw, at, _FOLD.sub(" ", text).split("\r\n"))
        head.index(limits)
    if fault or head.nameless or len(head.lines) > limits.lines:
        head.refuse_lines(fault or ("header line without a name" if head.nameless else "too many header lines"))
    return head


def build(head: Head, body: bytes, limits: Limits) -> Request | Response | ParseError:
    """Make the message of an indexed header section and its whole body."""
    if head.fault is not None:
        return head.fault
    line = _REQUEST_LINE.fullmatch(head.start_line)
    if line is None:
        return _build_response(head, body, limits)
    method = line[1]
    uri = parse_uri(line[2])
    if isinstance(uri, ParseError):
        return head.refuse(uri.status, "Request-URI too long" if uri.status == 414 else "malformed Request-URI")
    if uri.headers:
        return head.refuse(400, "Request-URI with header fields")  # RFC 3261 section 19.1.1, table 1
    parsed = _read_fields(head, limits)
    if isinstance(parsed, ParseError):
        return parsed
    if parsed.cseq.method != method:
        # RFC 4475 section 3.1.2.18: to a method that nobody knows, 501 says more.
        if method not in METHODS:
            return head.refuse(501, "unknown method, and another one in CSeq", "CSeq")
        return head.refuse(400, "CSeq method differs from the request line", "CSeq")
    # RFC 4475 section 3.2.1: the bare cookie would match the transactions of everybody.
    if parsed.vias[0].branch == _MAGIC_COOKIE:
        return head.refuse(400, "Via branch is only the magic cookie", "Via")
    if method != "REGISTER" and head.fields.get("Contact") == ["*"]:
        return head.refuse(400, "Contact is * outside REGISTER", "Contact")
    return Request(method, uri, parsed.headers(head), body)


def _build_response(head: Head, body: bytes, limits: Limits) -> Response | ParseError:
    line = _STATUS_LINE.fullmatch(head.start_line)
    if line is None:
        version = _VERSION.search(head.start_line)
        if version is not None and version[1] != "2.0":
            return head.refuse(505, "SIP version is not 2.0")
        return head.refuse(400, "malformed start line")
    parsed = _read_fields(head, limits)
    if isinstance(parsed, ParseError):
        return parsed
    if head.fields.get("Contact") == ["*"]:
        return head.refuse(400, "Contact is * outside REGISTER", "Contact")
    return Response(int(line[1]), line[2] or "", parsed.headers(head), body)


class _Parsed:
    """The values that were parsed on the way, so that nobody parses them again."""

    __slots__ = ("cseq", "values", "vias")

    def __init__(self, cseq: CSeq, vias: tuple[Via, ...], values: dict[str, tuple[object, object]]) -> None:
        self.cseq, self.vias, self.values = cseq, vias, values
        values["CSeq"] = (parse_cseq, cseq)
        values["Via"] = (parse_vias, vias)

    def headers(self, head: Head) -> Headers:
        """Hand the fields over to the message."""
        head.fields.pop("Content-Length", None)
        return Headers.of_peer(head.fields, self.values)


def _read_fields(head: Head, limits: Limits) -> _Parsed | ParseError:
    """Parse what must be right, or answer with what is wrong first."""
    fields = head.fields
    if not fields.keys() >= _REQUIRED_SET:
        missing = next(name for name in _REQUIRED if name not in fields)
        return head.refuse(400, f"missing {missing} header field")
    for name in head.repeated:
        if name in _SINGLE:
            return head.refuse(400, f"more than one {name} header field", name, 1)
        if len(fields[name]) > limits.lines_of_one_kind:
            return head.refuse(400, "too many header fields of one name", name, limits.lines_of_one_kind)
    cseq = parse_cseq(fields["CSeq"][0])
    if isinstance(cseq, ParseError):
        return head.refuse(400, cseq.reason, "CSeq")
    if _CALL_ID.fullmatch(fields["Call-ID"][0]) is None:
        return head.refuse(400, "malformed Call-ID", "Call-ID")
    values: dict[str, tuple[object, object]] = {}
    for name in ("From", "To"):
        text = fields[name][0]
        if not _is_plain(text):
            address = parse_name_addr(text)
            if isinstance(address, ParseError):
                return head.refuse(400, f"{name}: {address.reason}", name)
            values[name] = (parse_name_addr, address)
    for name, parse_scalar in _SCALARS:
        if name in fields:
            number = parse_scalar(fields[name][0])
            if isinstance(number, ParseError):
                return head.refuse(400, f"{name}: {number.reason}", name)
            values[name] = (parse_scalar, number)
    if "Contact" in fields and fields["Contact"] != ["*"]:
        contacts = _read_list(head, "Contact", _parse_contact, limits.contacts)
        if isinstance(contacts, ParseError):
            return contacts
        if contacts:
            values["Contact"] = (parse_name_addrs, contacts)
    for name in ("Route", "Record-Route"):
        if name in fields:
            routes = _read_list(head, name, _parse_route, limits.routes)
            if isinstance(routes, ParseError):
                return routes
            if routes:
                values[name] = (parse_name_addrs, routes)
    vias = _read_list(head, "Via", parse_via, limits.vias)
    return vias if isinstance(vias, ParseError) else _Parsed(cseq, vias, values)


def _read_list(
    head: Head, name: str, parse_one: Callable[[str], T | ParseError], maximum: int
) -> tuple[T, ...] | ParseError:
    """Parse all values of all lines, counted before the first one is parsed; () when all are plain addresses."""
    texts = lines = head.fields[name]
    if len(lines) > maximum:
        return head.refuse(400, f"more than {maximum} values of {name}", name, maximum)
    if len(lines) > 1 or "," in lines[0]:
        texts = []
        for nth, line in enumerate(lines):
            items = split_list(line, maximum)
            if items is None:
                return head.refuse(400, f"{name}: empty value in a list, or an open quote or bracket", name, nth)
            texts += items
            if len(texts) > maximum:
                return head.refuse(400, f"more than {maximum} values of {name}", name, nth)
    if parse_one is not parse_via and all(map(_is_plain, texts)):
        return ()
    values = []
    for text in texts:
        value = parse_one(text)
        if isinstance(value, ParseError):
            nth = next(nth for nth, line in enumerate(lines) if text in (split_list(line, maximum) or ()))
            return head.refuse(400, f"{name}: {value.reason}", name, nth)
        values.append(value)
    return tuple(values)


def _parse_contact(text: str) -> NameAddr | ParseError:
    contact = parse_name_addr(text)
    if isinstance(contact, NameAddr) and contact.params:
        expires = contact.param("expires")
        if expires is not None and expires.isdigit() and parse_number(expires) is None:
            return ParseError(400, 0, "expires over 2**32-1")
    return contact


def _parse_route(text: str) -> NameAddr | ParseError:
    """Parse a hop, which must stand in angle brackets: else nobody can tell whose parameter ``;lr`` is."""
    if "<" not in text:
        return ParseError(400, 0, "URI outside angle brackets")
    return parse_name_addr(text)


def _decode(line: bytes) -> str:
    """Decode a line of a phone that knows nothing of UTF-8: its bytes become Latin-1, and none a separator."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


_SCALARS: Final = (("Max-Forwards", parse_max_forwards), ("Expires", parse_delta))
_is_plain: Final = PLAIN_NAME_ADDR.fullmatch
