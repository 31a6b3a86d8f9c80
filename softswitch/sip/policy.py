"""What every request must pass before anybody looks at its meaning (RFC 3261 section 8.2).

The checks cost nothing but the reading of headers, allocate nothing, and are
the same for people known and unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from softswitch.sip.info import BODIES
from softswitch.sip.message import Request
from softswitch.sip.parser import METHODS

__all__ = ["ALLOW", "BODY", "SUPPORTED", "Refusal", "refusal"]

ALLOWED: Final = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "UPDATE", "PRACK", "INFO")
EXTENSIONS: Final = ("100rel", "timer", "path")
BODY: Final = "application/sdp"

ALLOW: Final = ", ".join(ALLOWED)
SUPPORTED: Final = ", ".join(EXTENSIONS)

_SCHEMES: Final = frozenset({"sip", "sips", "tel"})
_ALLOWED: Final = frozenset(ALLOWED)
_EXTENSIONS: Final = frozenset(EXTENSIONS)
# What a body may be, by method. The bodies of BYE, OPTIONS and REGISTER say nothing to us and are let pass:
# a BYE refused for its body would leave a call standing.
_BODIES: Final = {
    "INVITE": frozenset({BODY}),
    "UPDATE": frozenset({BODY}),
    "PRACK": frozenset({BODY}),
    "INFO": BODIES,
    "MESSAGE": frozenset({"text/plain"}),
}
_RANGES: Final = frozenset({BODY, "application/*", "*/*"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status and extra headers of an answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


_NOT_IMPLEMENTED = Refusal(501, (("Allow", ALLOW),))
_NOT_ALLOWED = Refusal(405, (("Allow", ALLOW),))
_BAD_SCHEME = Refusal(416)
_TOO_MANY_HOPS = Refusal(483)
_BAD_BODY = Refusal(415, (("Accept", BODY),))
_BAD_INFO = Refusal(415, (("Accept", ", ".join(sorted(BODIES))),))
_BAD_ENCODING = Refusal(415, (("Accept-Encoding", "identity"),))
_NOT_ACCEPTABLE = Refusal(406)


def refusal(request: Request, *, for_us: bool) -> Refusal | None:
    """Return why a request is refused whoever sent it, None when it may go on.

    ``for_us``: it asks nothing of anybody behind us, so it may be its last hop.
    """
    method = request.method
    if method not in METHODS:
        return _NOT_IMPLEMENTED
    bad_body = _bad_body(request) if request.body else None
    if method not in _ALLOWED:
        return bad_body or _NOT_ALLOWED
    if request.uri.scheme not in _SCHEMES:
        return _BAD_SCHEME
    if request.max_forwards == 0 and not for_us:
        return _TOO_MANY_HOPS
    if "Require" in request.headers:
        unknown = [option for option in request.require if option not in _EXTENSIONS]
        if unknown:
            return Refusal(420, (("Unsupported", ", ".join(unknown)),))
    if bad_body is not None:
        return bad_body
    if method == "INVITE" and "Accept" in request.headers:
        ranges = request.accept
        if ranges and _RANGES.isdisjoint(ranges):
            return _NOT_ACCEPTABLE
    return None


def _bad_body(request: Request) -> Refusal | None:
    allowed = _BODIES.get(request.method)
    if allowed is None:
        return None
    encoding = request.headers.get("Content-Encoding")
    if encoding is not None and encoding.lower() != "identity":
        return _BAD_ENCODING
    name = request.content_type or ""
    if name in allowed or (name.startswith("multipart/") and any(map(request.find_body, allowed - {"text/plain"}))):
        return None
    disposition = (request.headers.get("Content-Disposition") or "").lower()
    if "handling=optional" in disposition.replace(" ", ""):
        return None
    return _BAD_INFO if request.method == "INFO" else _BAD_BODY
