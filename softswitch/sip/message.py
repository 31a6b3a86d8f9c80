"""SIP requests and responses (RFC 3261 section 7): start line, header fields, body, and their typed reading.

A message from ``parser.parse`` has a readable Via, From, To, Call-ID and CSeq,
and none of its properties raises. A message that we build ourselves must be given
them; asking for one that is missing is our mistake and raises ValueError.
"""

from __future__ import annotations

import re
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from softswitch.frozen import dataclass
from softswitch.sip.grammar import ParseError, is_token, parse_number, split_list
from softswitch.sip.headers import (
    CSeq,
    Headers,
    MediaType,
    NameAddr,
    Via,
    parse_cseq,
    parse_media_type,
    parse_name_addr,
    parse_name_addrs,
    parse_tokens,
    parse_vias,
)
from softswitch.sip.uri import Uri

__all__ = ["REASONS", "Part", "Request", "Response", "parse_delta", "parse_max_forwards", "parse_seconds"]

T = TypeVar("T")

REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    204: "No Notification",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    417: "Unknown Resource-Priority",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    424: "Bad Location Information",
    428: "Use Identity Header",
    429: "Provide Referrer Identity",
    430: "Flow Failed",
    433: "Anonymity Disallowed",
    436: "Bad Identity Info",
    437: "Unsupported Credential",
    438: "Invalid Identity Header",
    439: "First Hop Lacks Outbound Support",
    440: "Max-Breadth Exceeded",
    469: "Bad Info Package",
    470: "Consent Needed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    494: "Security Agreement Required",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    555: "Push Notification Service Not Supported",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",
    608: "Rejected",
}
_CLASSES: Final = ("", "Progress", "Success", "Redirection", "Request Failure", "Server Failure", "Global Failure")

# RFC 3261 section 12.1, RFC 6665, RFC 3515: a 1xx or 2xx to these makes a dialog and carries the route set.
_DIALOG_MAKERS: Final = frozenset({"INVITE", "SUBSCRIBE", "REFER"})
_BREAKS = re.compile(r"[\r\n\0]")
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MULTIPART_DEPTH: Final = 4
_MULTIPART_PARTS: Final = 64


def parse_delta(text: str) -> int | ParseError:
    """Parse delta-seconds, or any other field that is one number up to 2**32 - 1."""
    number = parse_number(text)
    return ParseError(400, 0, "not a number up to 2**32-1") if number is None else number


def parse_seconds(text: str) -> int | ParseError:
    """Parse the seconds at the start of Retry-After or Session-Expires; comments and parameters follow."""
    return parse_delta(re.split(r"[;( \t]", text, maxsplit=1)[0])


def parse_max_forwards(text: str) -> int | ParseError:
    number = parse_number(text, 255)
    return ParseError(400, 0, "Max-Forwards is not a number up to 255") if number is None else number


def _parse_date(text: str) -> datetime | ParseError:
    match = _DATE.fullmatch(text)
    if match is not None:
        day, month, year, hour, minute, second = match.groups()
        try:
            return datetime(
                int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
            )
        except ValueError:
            pass
    return ParseError(400, 0, "not a date in GMT")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body (RFC 2046 section 5.1); ``content_type`` defaults to text/plain."""

    content_type: MediaType
    headers: Headers
    body: bytes


class _Message:
    """What requests and responses share: the typed reading of header fields."""

    __slots__ = ()
    headers: Headers
    body: bytes

    @property
    def vias(self) -> tuple[Via, ...]:
        """All hops, the topmost first."""
        return self.headers.values("Via", parse_vias)

    @property
    def via(self) -> Via:
        """The topmost Via: where an answer goes."""
        vias = self.headers.values("Via", parse_vias)
        if not vias:
            raise ValueError("message without a Via")
        return vias[0]

    @property
    def from_(self) -> NameAddr:
        return _required("From", self.headers.value("From", parse_name_addr))

    @property
    def to(self) -> NameAddr:
        return _required("To", self.headers.value("To", parse_name_addr))

    @property
    def call_id(self) -> str:
        return _required("Call-ID", self.headers.get("Call-ID"))

    @property
    def cseq(self) -> CSeq:
        return _required("CSeq", self.headers.value("CSeq", parse_cseq))

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        """All contacts; empty for ``Contact: *``."""
        return self.headers.values("Contact", parse_name_addrs)

    @property
    def contact_is_star(self) -> bool:
        """Whether this is ``Contact: *``, which removes all bindings (RFC 3261 section 10.2.2)."""
        return self.headers.get("Contact") == "*"

    @property
    def routes(self) -> tuple[NameAddr, ...]:
        return self.headers.values("Route", parse_name_addrs)

    @property
    def record_routes(self) -> tuple[NameAddr, ...]:
        return self.headers.values("Record-Route", parse_name_addrs)

    @property
    def path(self) -> tuple[NameAddr, ...]:
        """Path (RFC 3327), () when malformed."""
        return self.headers.values("Path", parse_name_addrs)

    @property
    def asserted_identities(self) -> tuple[NameAddr, ...]:
        """P-Asserted-Identity (RFC 3325), which only a trusted peer may send; () when malformed."""
        return self.headers.values("P-Asserted-Identity", parse_name_addrs)

    @property
    def max_forwards(self) -> int | None:
        return self.headers.value("Max-Forwards", parse_max_forwards)

    @property
    def expires(self) -> int | None:
        """Seconds."""
        return self.headers.value("Expires", parse_delta)

    @property
    def min_expires(self) -> int | None:
        """Seconds."""
        return self.headers.value("Min-Expires", parse_delta)

    @property
    def session_expires(self) -> int | None:
        """Seconds (RFC 4028); who refreshes is in ``session_refresher``."""
        return self.headers.value("Session-Expires", parse_seconds)

    @property
    def session_refresher(self) -> str | None:
        """The ``refresher`` of Session-Expires: "uac", "uas" or None (RFC 4028)."""
        text = (self.headers.get("Session-Expires") or "").lower()
        found = re.search(r";[ \t]*refresher[ \t]*=[ \t]*(uac|uas)(?![a-z])", text)
        return found[1] if found else None

    @property
    def min_se(self) -> int | None:
        """Seconds (RFC 4028)."""
        return self.headers.value("Min-SE", parse_seconds)

    @property
    def retry_after(self) -> int | None:
        """Seconds."""
        return self.headers.value("Retry-After", parse_seconds)

    @property
    def rseq(self) -> int | None:
        """The number of a reliable provisional response (RFC 3262)."""
        return self.headers.value("RSeq", parse_delta)

    @property
    def rack(self) -> tuple[int, CSeq] | None:
        """What a PRACK acknowledges: RSeq number and CSeq (RFC 3262 section 7.2)."""
        number, _, cseq_text = (self.headers.get("RAck") or "").partition(" ")
        rseq, cseq = parse_number(number), parse_cseq(cseq_text.strip(" \t"))
        return None if rseq is None or isinstance(cseq, ParseError) else (rseq, cseq)

    @property
    def date(self) -> datetime | None:
        return self.headers.value("Date", _parse_date)

    @property
    def media_type(self) -> MediaType | None:
        """Content-Type with its parameters."""
        return self.headers.value("Content-Type", parse_media_type)

    @property
    def content_type(self) -> str | None:
        """The "type/subtype" of the body in lower case, without parameters."""
        media_type = self.media_type
        return None if media_type is None else media_type.name

    @property
    def require(self) -> tuple[str, ...]:
        return self.headers.values("Require", parse_tokens)

    @property
    def proxy_require(self) -> tuple[str, ...]:
        return self.headers.values("Proxy-Require", parse_tokens)

    @property
    def supported(self) -> tuple[str, ...]:
        return self.headers.values("Supported", parse_tokens)

    @property
    def unsupported(self) -> tuple[str, ...]:
        return self.headers.values("Unsupported", parse_tokens)

    @property
    def allow(self) -> tuple[str, ...]:
        return self.headers.values("Allow", parse_tokens)

    @property
    def accept(self) -> tuple[str, ...]:
        """The media ranges of Accept without parameters, in lower case; () when absent."""
        return self.headers.values("Accept", _parse_media_ranges)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reason header lines as text (RFC 3326)."""
        return tuple(self.headers.all("Reason"))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of a multipart body, not looking into parts of parts; () when it is none or malformed."""
        media_type = self.media_type
        return () if media_type is None else _split_parts(media_type, self.body)

    def find_body(self, content_type: str) -> bytes | None:
        """Return the body, or the first part of a multipart body, of that type."""
        media_type = self.media_type
        if media_type is None or not self.body:
            return None
        level = [Part(media_type, self.headers, self.body)]
        for _ in range(_MULTIPART_DEPTH):
            for part in level:
                if part.content_type.name == content_type:
                    return part.body
            level = [inner for part in level for inner in _split_parts(part.content_type, part.body)][:_MULTIPART_PARTS]
        return None

    def _encode(self, start_line: str) -> bytes:
        lines = [start_line]
        for name, value in self.headers.items():
            if name != "Content-Length":
                lines.append(f"{name}: {value}")
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode() + self.body


@dataclass(frozen=True, slots=True)
class Request(_Message):
    """A request; ``headers`` may be changed, the rest may not.

    ``method`` is case-sensitive and a token, else ValueError: it is never a peer's,
    whose messages come from the parser.
    """

    method: str
    uri: Uri
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def encode(self) -> bytes:
        """Return the message as sent; Content-Length is always that of the body."""
        if not is_token(self.method):
            raise ValueError(f"method {self.method!r} is not a token")
        return self._encode(f"{self.method} {self.uri} SIP/2.0")

    def reply(self, status: int, reason: str | None = None, *, to_tag: str | None = None) -> Response:
        """Return the answer of RFC 3261 section 8.2.6; ``to_tag`` is added unless the To has a tag."""
        more: tuple[str, ...] = ()
        if status == 100:
            more = ("Timestamp",)
        elif status < 300 and self.method in _DIALOG_MAKERS:
            more = ("Record-Route",)
        headers = self.headers.only("Via", "From", "To", "Call-ID", "CSeq", *more)
        if to_tag is not None:
            headers.tag_to(to_tag)
        return Response(status, reason, headers)


@dataclass(frozen=True, slots=True, init=False)
class Response(_Message):
    """A response; ``reason`` None means the usual phrase of the status."""

    status: int
    reason: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def __init__(
        self, status: int, reason: str | None = None, headers: Headers | None = None, body: bytes = b""
    ) -> None:
        assert 100 <= status <= 699, status
        if reason is None:
            reason = REASONS.get(status) or _CLASSES[status // 100]
        fresh: Any = self
        fresh.status, fresh.reason, fresh.body = status, reason, body
        fresh.headers = Headers() if headers is None else headers

    def encode(self) -> bytes:
        """Return the message as sent; ValueError when the reason phrase would break the line."""
        if _BREAKS.search(self.reason):
            raise ValueError(f"reason phrase may not hold CR, LF or NUL: {self.reason!r}")
        return self._encode(f"SIP/2.0 {self.status} {self.reason}")


def _required(name: str, value: T | None) -> T:
    if value is None:
        raise ValueError(f"message without a readable {name}")
    return value


def _parse_media_ranges(text: str) -> tuple[str, ...] | ParseError:
    names = []
    for item in split_list(text) or ():
        parsed = parse_media_type(item)
        if isinstance(parsed, ParseError):
            return parsed
        names.append(parsed.name)
    return tuple(names)


def _split_parts(media_type: MediaType, body: bytes) -> tuple[Part, ...]:
    boundary = media_type.param("boundary")
    if not media_type.name.startswith("multipart/") or not boundary:
        return ()
    marker = b"\r\n--" + boundary.encode()
    # The first delimiter may stand at the very start; RFC 2046 counts its line break to the delimiter.
    chunks = (b"\r\n" + body).split(marker, _MULTIPART_PARTS + 1)[1:]
    parts: list[Part] = []
    for chunk in chunks:
        if chunk.startswith(b"--"):
            return tuple(parts)
        line, found, content = chunk.partition(b"\r\n")
        if not found or line.strip(b" \t"):
            return ()
        head, _, inner = (b"\r\n" + content).partition(b"\r\n\r\n")
        headers = _part_headers(head)
        if headers is None or len(parts) == _MULTIPART_PARTS:
            return ()
        declared = headers.value("Content-Type", parse_media_type)
        parts.append(Part(declared or MediaType("text/plain"), headers, inner))
    return ()


def _part_headers(head: bytes) -> Headers | None:
    headers = Headers()
    text = head.decode("utf-8", "replace").replace("\r\n ", " ").replace("\r\n\t", " ")
    for line in text.split("\r\n"):
        if not line:
            continue
        name, colon, value = line.partition(":")
        try:
            headers.add(name.rstrip(" \t"), value)
        except ValueError:
            return None
        if not colon:
            return None
    return headers
