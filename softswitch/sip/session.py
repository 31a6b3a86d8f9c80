"""What both halves of a session share: the peer, the stack below, the one end.

A session is one INVITE usage (RFC 3261 section 13). ``uac.Caller`` and
``uas.Callee`` drive the first INVITE; ``usage.Usage`` is one dialog and does
everything inside it. All three speak to the transaction layer through ``Stack``.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol

from softswitch.ids import Ids
from softswitch.sip.events import (
    Cause,
    Destination,
    DialogState,
    Ended,
    Flow,
    Output,
    Reason,
    SessionCommand,
    SessionId,
)
from softswitch.sip.grammar import ip_literal, parse_number
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from softswitch.sip.policy import ALLOW, BODY, SUPPORTED
from softswitch.sip.sdp import SdpError, SessionDescription
from softswitch.sip.sdp import parse as parse_description
from softswitch.sip.settings import Authority, SipSettings
from softswitch.sip.transactions import LayerOutput, TransactionKey, TransactionLayer
from softswitch.sip.uri import Uri

if TYPE_CHECKING:
    from softswitch.sip.usage import Usage

__all__ = [
    "Action",
    "Owner",
    "Peer",
    "Session",
    "Stack",
    "description_of",
    "format_reason",
    "is_private",
    "plain_address",
    "put_body",
    "reason_of",
    "resubmission",
    "with_body",
]

Action = Output | LayerOutput
"""What a session returns; the endpoint carries on with the layer's part of it."""


# RFC 1918, RFC 6598 and RFC 4193: addresses that mean something only on the other side of a NAT.
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


class Owner(Protocol):
    """Who is told what becomes of a request of ours."""

    def on_response(self, key: TransactionKey, response: Response, flow: Flow, now: float) -> list[Action]: ...

    def on_failed(self, key: TransactionKey, why: Literal["timeout", "transport"], now: float) -> list[Action]: ...


class Stack:
    """The surroundings of every session: settings, ids, transactions, and who owns which request of ours."""

    __slots__ = ("authority", "counters", "ids", "layer", "owners", "settings")

    def __init__(self, settings: SipSettings, ids: Ids, layer: TransactionLayer, authority: Authority) -> None:
        self.settings, self.ids, self.layer, self.authority = settings, ids, layer, authority
        self.owners: dict[TransactionKey, tuple[Owner, Session | None]] = {}
        self.counters: Counter[str] = Counter()

    def send(
        self, owner: Owner, session: Session | None, request: Request, to: Flow | Destination, now: float
    ) -> tuple[TransactionKey, list[Action]]:
        """Send a request of ours; until it is finished ``owner`` hears of its fate and ``session`` lives."""
        key, outputs = self.layer.request(request, to, now)
        self.owners[key] = (owner, session)
        if session is not None:
            session.open_requests.add(key)
        return key, [*outputs]

    def resume(self, owner: Owner, session: Session, request: Request, to: Flow | Destination) -> TransactionKey:
        """Take up an INVITE of a process that is gone; ``owner`` hears of its fate."""
        key = self.layer.resume(request, to)
        self.owners[key] = (owner, session)
        session.open_requests.add(key)
        return key

    def open(
        self, request: Request, flow: Flow, now: float, to_tag: str | None = None
    ) -> tuple[TransactionKey, list[Action]]:
        """Open the server transaction of a request of the peer."""
        key, outputs = self.layer.accept(request, flow, now, to_tag)
        return key, [*outputs]

    def contact(self, to: Flow | Destination, user: str) -> str:
        """Return the Contact under which the peer at ``to`` reaches us."""
        host, port = self.settings.advertised(to)
        transport = ";transport=tcp" if to.transport == "tcp" else ""
        return f"<sip:{user}@{ip_literal(host)}:{port}{transport}>"

    def reply(
        self,
        key: TransactionKey,
        request: Request,
        status: int,
        now: float,
        *,
        to_tag: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> list[Action]:
        """Answer a request of the peer in its transaction."""
        return [*self.layer.respond(key, self.response(request, status, to_tag=to_tag, headers=headers), now)]

    def response(
        self, request: Request, status: int, *, to_tag: str | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> Response:
        response = request.reply(status, to_tag=to_tag)
        response.headers.add("Server", self.settings.server)
        for name, value in headers:
            response.headers.add(name, value)
        return response

    def describe_us(self, headers: Headers, contact: str) -> None:
        """Add what a target refresh and its 2xx say of us: Contact, Allow, Supported."""
        headers.add("Contact", contact)
        headers.add("Allow", ALLOW)
        headers.add("Supported", SUPPORTED)


class Peer:
    """Where the other party is, and which source addresses are believed to be it.

    A person is reached over the flow that it opened, whatever its Contact says:
    phones sit behind NATs. A trunk is reached as RFC 3261 section 12.2.1.1 says.
    """

    __slots__ = ("_hosts", "flow", "person", "to", "trunk")

    def __init__(self, to: Flow | Destination, *, person: str | None = None, trunk: str | None = None) -> None:
        self.to = to
        self.flow = to if isinstance(to, Flow) else None
        self.person, self.trunk = person, trunk
        self._hosts = {plain_address(to.remote[0] if isinstance(to, Flow) else to.host)}

    def moved(self, flow: Flow) -> None:
        """The peer proved to be at ``flow`` from now on."""
        self.flow = flow
        self._hosts.add(plain_address(flow.remote[0]))

    def answered_from(self, flow: Flow) -> None:
        """A response to our request came from there: the name that we called has this address."""
        self._hosts.add(plain_address(flow.remote[0]))
        if self.flow is None:
            self.flow = flow

    def lost(self, flow: Flow) -> None:
        """The connection is gone; until the peer shows up again it is sought at its Contact."""
        if self.flow == flow:
            self.flow = None

    def is_at(self, flow: Flow, trunk: str | None) -> bool:
        """Whether requests from ``flow``, an address of ``trunk``, are this peer's without a challenge."""
        if trunk is not None and trunk == self.trunk:
            return True
        return plain_address(flow.remote[0]) in self._hosts

    def way(self, next_hop: Uri) -> Flow | Destination:
        """Return where a request of a dialog goes."""
        flow, port = self.flow, next_hop.port or 5060
        if flow is not None:
            if self.person is not None:
                return flow
            host, source = plain_address(next_hop.host), plain_address(flow.remote[0])
            # Its own address over the connection or port that we know; or one that only its side of a NAT understands.
            if host == source and (flow.transport == "tcp" or port == flow.remote[1]):
                return flow
            if is_private(host) and not is_private(source):
                return flow
        return Destination("tcp" if next_hop.transport == "tcp" else "udp", next_hop.host, port)


class Session:
    """One INVITE usage as ``calls`` sees it. It ends exactly once; afterwards only its leftovers are settled."""

    def __init__(self, stack: Stack, session: SessionId, call_id: str, local_tag: str, peer: Peer) -> None:
        self.stack, self.id = stack, session
        self.call_id, self.local_tag, self.peer = call_id, local_tag, peer
        self.ended = False
        self.account: str | None = None
        self.contact_user = session
        self.open_requests: set[TransactionKey] = set()

    @property
    def deadline(self) -> float | None:
        raise NotImplementedError

    @property
    def done(self) -> bool:
        """Whether nothing is left to settle."""
        return self.ended and not self.open_requests and self.deadline is None

    @property
    def owns_call_id(self) -> bool:
        """Whether we made the Call-ID, which decides who waits longer after glare (RFC 3261 section 14.1)."""
        raise NotImplementedError

    def command(self, command: SessionCommand, now: float) -> list[Action]:
        """Carry out a command; one that comes too late for the state of the session is silently void."""
        raise NotImplementedError

    def tick(self, now: float) -> list[Action]:
        raise NotImplementedError

    def request_arrived(self, request: Request, flow: Flow, now: float) -> list[Action] | None:
        """Take a request that was found to be the peer's; None when its dialog is not one of this session."""
        raise NotImplementedError

    def ack_arrived(self, request: Request, now: float) -> list[Action]:
        raise NotImplementedError

    def cancelled(self, key: TransactionKey, request: Request, now: float) -> list[Action]:
        """Take a CANCEL of the INVITE or re-INVITE ``key``."""
        raise NotImplementedError

    def stray_accepted(self, response: Response, now: float) -> list[Action]:
        """Take a 2xx that outlived its transaction."""
        return []

    def dialog_state(self) -> DialogState | None:
        raise NotImplementedError

    def describe(self) -> str:
        raise NotImplementedError

    @property
    def may_update(self) -> bool:
        """Whether nothing of the first INVITE stands against an UPDATE before its answer."""
        return not self.ended

    def hung_up(self, usage: Usage, reason: Reason | None, now: float) -> list[Action]:
        """A BYE came in this dialog and was answered."""
        raise NotImplementedError

    def prack_arrived(self, usage: Usage, key: TransactionKey, request: Request, now: float) -> list[Action]:
        return self.stack.reply(key, request, 481, now)

    def give_up(self, now: float) -> list[Action]:
        """The peer no longer knows the dialog: end it as its phase demands, without telling ``calls``."""
        raise NotImplementedError

    def echo(self) -> tuple[TransactionKey, Owner] | None:
        """Once all but an accepted INVITE of ours is settled, return its key and who may own it in our place."""
        return None

    def dissolve(self) -> None:
        """Break the reference cycles of a session that is done, so that its memory is free at once."""
        raise NotImplementedError

    def offer_refused(self, usage: Usage, now: float) -> list[Action]:
        """``calls`` refused an offer that came in a response to our INVITE."""
        raise NotImplementedError

    @property
    def target(self) -> Uri | None:
        """The peer's Contact in the dialog, when there is one."""
        raise NotImplementedError

    def end(self, cause: Cause, *, status: int = 0, reason: Reason | None = None, remote: bool = True) -> list[Action]:
        """Tell the end, once."""
        if self.ended:
            return []
        self.ended = True
        return [Ended(session=self.id, cause=cause, status=status, reason=reason, remote=remote)]

    def authorization(self, request: Request, response: Response) -> tuple[str, str] | None:
        """Return the header that answers a challenge, None when this peer gets no credentials of ours."""
        if self.account is None:
            return None
        client = self.stack.authority.account(self.account)
        if client is None:
            return None
        answer = client.answer(response, request, self.stack.ids)
        if not isinstance(answer, tuple):
            self.stack.counters["challenge refused"] += 1
            return None
        return answer


def resubmission(request: Request, cseq: int, *extra: tuple[str, str]) -> Request:
    """Return the request for another attempt: a new CSeq, and ``extra`` headers in place of those of their names."""
    headers = request.headers.copy()
    headers.set("CSeq", f"{cseq} {request.method}")
    for name in ("Authorization", "Proxy-Authorization"):
        headers.remove(name)
    for name, value in extra:
        headers.set(name, value)
    return Request(request.method, request.uri, headers, request.body)


def description_of(message: Request | Response) -> SessionDescription | SdpError | None:
    """Return the session description that a message carries, None when it has none."""
    if not message.body:
        return None
    body = message.body if message.content_type == BODY else message.find_body(BODY)
    return None if body is None else parse_description(body)


def put_body(request: Request, description: SessionDescription) -> Request:
    request.headers.set("Content-Type", BODY)
    return Request(request.method, request.uri, request.headers, bytes(description))


def with_body(response: Response, description: SessionDescription) -> Response:
    response.headers.set("Content-Type", BODY)
    return Response(response.status, response.reason, response.headers, bytes(description))


def reason_of(message: Request | Response) -> Reason | None:
    """Return the first readable value of the Reason header (RFC 3326)."""
    for line in message.reasons:
        protocol, _, rest = line.partition(";")
        cause, text = None, ""
        for param in rest.split(";"):
            name, _, value = param.partition("=")
            match name.strip().lower():
                case "cause":
                    cause = parse_number(value.strip())
                case "text":
                    text = value.strip().strip('"')
        if cause is not None:
            return Reason(protocol=protocol.strip(), cause=cause, text=text)
    return None


def format_reason(reason: Reason) -> tuple[str, str]:
    text = reason.text.translate({ord(c): None for c in '"\\\r\n\0'})
    return "Reason", f"{reason.protocol};cause={reason.cause}" + (f';text="{text}"' if text else "")


@lru_cache(maxsize=4096)
def plain_address(host: str) -> str:
    """Return an address in its one spelling, IPv4-mapped as IPv4 (RFC 5118 section 4.9); a name as it is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


@lru_cache(maxsize=4096)
def is_private(host: str) -> bool:
    """Whether a host is a numeric address that has no meaning outside its own network; a name is not."""
    try:
        address = ipaddress.ip_address(plain_address(host))
    except ValueError:
        return False
    return any(address in network for network in _PRIVATE)
