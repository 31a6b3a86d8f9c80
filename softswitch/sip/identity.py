"""Who is calling: what may be believed of a caller, and what is told of ours (RFC 3323, RFC 3325)."""

from __future__ import annotations

from typing import Final

from softswitch.sip.dialog import request_uri
from softswitch.sip.events import Identity, Invite
from softswitch.sip.headers import NameAddr
from softswitch.sip.message import Request
from softswitch.sip.uri import Uri

__all__ = ["ANONYMOUS", "caller_headers", "caller_of", "is_withheld"]

ANONYMOUS: Final = ("Anonymous", Uri("sip", "anonymous", host="anonymous.invalid"))
"""RFC 3323 section 4.1.1.3."""

# RFC 3323 section 4.2 and RFC 3325 section 9.3: these ask that the identity be hidden.
_HIDING: Final = frozenset({"id", "user", "header"})


def caller_of(request: Request, identity: Identity, display: str, domain: str) -> tuple[str, Uri]:
    """Return name and URI that may be believed.

    A person is who it authenticated as, whatever its From says. A trunk is
    trusted to assert (RFC 3325), else its From is all that is known.
    """
    if identity.kind == "person":
        return display, Uri("sip", identity.name, host=domain)
    asserted = request.asserted_identities
    known = next((name for name in asserted if name.uri.scheme in ("sip", "sips")), None)
    known = known or (asserted[0] if asserted else request.from_)
    return known.display or "", request_uri(known.uri)


def is_withheld(request: Request) -> bool:
    """Whether the caller asked not to be shown: by Privacy, or by an anonymous From."""
    for line in request.headers.all("Privacy"):
        if not _HIDING.isdisjoint(value.strip().lower() for value in line.replace(",", ";").split(";")):
            return True
    uri = request.from_.uri
    return uri.host == "anonymous.invalid" or (uri.user or "").lower() == "anonymous"


def caller_headers(invite: Invite, domain: str) -> tuple[tuple[str, Uri], list[tuple[str, str]]]:
    """Return name and URI for the From of our INVITE, and the headers that speak of the caller's identity.

    The identity proper goes only to peers that ``calls`` trusts with it: those it gave ``asserted`` for.
    """
    headers: list[tuple[str, str]] = []
    if invite.asserted is not None:
        display, uri = invite.asserted
        headers.append(("P-Asserted-Identity", str(NameAddr(display or None, request_uri(uri)))))
    if not invite.privacy:
        return (invite.caller[0], request_uri(invite.caller[1])), headers
    headers.append(("Privacy", "id"))
    return ANONYMOUS, headers
