"""What the topmost Via decides: which transaction a request belongs to, and where its responses go.

RFC 3261 sections 17.2.3 and 18.2, RFC 3581.
"""

from __future__ import annotations

import re
from typing import NewType

from softswitch.frozen import dataclass
from softswitch.sip.events import Destination, Flow
from softswitch.sip.grammar import ip_literal, split_list
from softswitch.sip.headers import Via
from softswitch.sip.message import Request

__all__ = [
    "COOKIE",
    "Hop",
    "TransactionKey",
    "address_of",
    "awaits_response",
    "client_key",
    "describe_way",
    "hop_of",
    "merge_key",
    "note_source",
    "own_via",
    "quoted_key",
]

# Printable, and unique among all transactions of one layer.
TransactionKey = NewType("TransactionKey", str)

COOKIE = "z9hG4bK"
_OWN_REQUEST = re.compile(rb"([A-Z]+) [^\r\n]*\r\nVia: SIP/2\.0/UDP [^\r\n;]+;branch=(z9hG4bK[0-9a-z]+);")


def own_via(to: Flow | Destination, sent_by: tuple[str, int], branch: str) -> str:
    """Return the Via value of a request of ours; it always asks for ``rport``."""
    host, port = sent_by
    return f"SIP/2.0/{to.transport.upper()} {ip_literal(host)}:{port};branch={branch};rport"


def client_key(branch: str | None, method: str) -> TransactionKey:
    """Return the key of the client transaction that a response belongs to (RFC 3261 section 17.1.3)."""
    return TransactionKey(f"c {branch} {method}")


def awaits_response(key: str) -> bool:
    """Whether the bytes of this key are a request that a lost connection may leave unanswered for ever."""
    return key.startswith("c ")


def quoted_key(quote: bytes) -> TransactionKey | None:
    """Return the key of a request of ours from the beginning of its bytes, as an ICMP error quotes it.

    The branch in it is the proof that the error came from the path of the request.
    """
    found = _OWN_REQUEST.match(quote)
    return client_key(found[2].decode(), found[1].decode()) if found else None


@dataclass(frozen=True, slots=True)
class Hop:
    """What the topmost Via of a received request says: ``stem``, its part of the key, and where responses go."""

    stem: str
    way_back: Flow

    def key(self, method: str) -> TransactionKey:
        """Return the key of the server transaction of ``method``; an ACK belongs to that of its INVITE."""
        return TransactionKey(f"s {self.stem} {method}")


def hop_of(request: Request, flow: Flow) -> Hop:
    """Read the topmost Via, before or after ``note_source`` wrote into it."""
    via = request.via
    branch = via.branch
    if branch is not None and branch.startswith(COOKIE):
        return Hop(f"{branch} {via.host}:{via.port or ''}", _way_back(via, flow))
    # RFC 3261 section 17.2.3, an RFC 2543 peer: the request is told by what it is. The To tag is left out, since
    # that of an ACK is the response's; Call-ID, From tag and CSeq number are the same for INVITE, ACK and CANCEL.
    same = f"{request.call_id} {request.from_.tag} {request.cseq.number} {request.uri}"
    return Hop(f"2543 {same} {branch} {via.host}:{via.port or ''}", _way_back(via, flow))


def _way_back(via: Via, flow: Flow) -> Flow:
    """Return where responses go (RFC 3261 section 18.2.2, RFC 3581 section 4): always to the address that asked.

    ``maddr`` is not honoured: it would let anybody send our responses to third parties.
    """
    if flow.transport == "tcp" or via.rport is not None:
        return flow
    port = via.port or 5060
    return flow if port == flow.remote[1] else Flow("udp", flow.local, (flow.remote[0], port))


def merge_key(request: Request) -> tuple[str, str, str] | None:
    """Return what copies of one out-of-dialog request have in common (RFC 3261 section 8.2.2.2); None in a dialog."""
    if request.to.tag is not None:
        return None
    headers = request.headers
    return (request.call_id, headers.get("From") or "", headers.get("CSeq") or "")


def note_source(request: Request, flow: Flow) -> None:
    """Write where a request came from into its topmost Via, in the place of whatever the sender claimed."""
    via = request.via
    host, port = flow.remote
    claims = tuple(param for param in via.params if param[0] not in ("received", "rport"))
    if via.rport is not None:
        noted = (*claims, ("received", host), ("rport", str(port)))
    elif via.host != host:
        noted = (*claims, ("received", host))
    else:
        noted = claims
    if noted == via.params:
        return
    lines = request.headers.all("Via")
    below = (split_list(lines[0]) or [])[1:]
    request.headers.set("Via", Via(via.transport, via.host, via.port, noted))
    for line in (*below, *lines[1:]):
        request.headers.add("Via", line)


def address_of(to: Flow | Destination) -> tuple[str, int]:
    """Return host and port of the far end."""
    return to.remote if isinstance(to, Flow) else (to.host, to.port)


def describe_way(to: Flow | Destination) -> str:
    """Return the way for people: ``udp 192.0.2.1:5060``."""
    host, port = address_of(to)
    return f"{to.transport} {ip_literal(host)}:{port}"
