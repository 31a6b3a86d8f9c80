"""Dialogs (RFC 3261 section 12): identification, route set, sequence numbers, remote target."""

from __future__ import annotations

from dataclasses import replace

from softswitch.sip.events import DialogState, Flow, SessionId
from softswitch.sip.grammar import ParseError
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from softswitch.sip.uri import Uri, parse_uri

__all__ = ["MAX_FORWARDS", "Dialog", "request_uri"]

MAX_FORWARDS = "70"

_CSEQ_LEAP = 1000
"""How far the CSeq of a resumed dialog leaps over requests that were sent after its state was written."""


def request_uri(target: Uri) -> Uri:
    """Return the URI as it may stand in a request line (RFC 3261 section 19.1.1: no headers, no method).

    A Contact such as ``sip:user@host?Route=...`` would let its owner write headers of our requests.
    """
    if not target.headers and target.param("method") is None:
        return target
    return replace(target, params=tuple(p for p in target.params if p[0] != "method"), headers=())


class Dialog:
    """One dialog, early or confirmed; it makes the requests sent in it and judges the order of those received.

    ``local`` and ``remote`` are whole From/To values with their tags, kept as
    they were first written. ``routes`` are Route values in sending order.
    """

    __slots__ = (
        "call_id",
        "local",
        "local_cseq",
        "local_tag",
        "next_hop",
        "remote",
        "remote_cseq",
        "remote_tag",
        "remote_target",
        "routes",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str,
        remote_target: Uri,
        routes: tuple[str, ...],
        local_cseq: int,
        remote_cseq: int | None,
    ) -> None:
        self.call_id = call_id
        self.local, self.local_tag = local, local_tag
        self.remote, self.remote_tag = remote, remote_tag
        self.remote_target = remote_target
        self.routes = routes
        self.local_cseq, self.remote_cseq = local_cseq, remote_cseq
        self.next_hop = self._next_hop()

    @classmethod
    def of_uas(cls, request: Request, local_tag: str, local_cseq: int) -> Dialog | None:
        """Open the dialog that our tagged response to an INVITE creates; None when the INVITE has no usable Contact."""
        target = _target(request)
        if target is None:
            return None
        headers = request.headers
        return cls(
            call_id=request.call_id,
            local=f"{headers.get('To')};tag={local_tag}",
            local_tag=local_tag,
            remote=headers.get("From") or "",
            remote_tag=request.from_.tag or "",
            remote_target=target,
            routes=tuple(map(str, request.record_routes)),
            local_cseq=local_cseq,
            remote_cseq=request.cseq.number,
        )

    @classmethod
    def of_uac(cls, request: Request, response: Response) -> Dialog:
        """Open the dialog that a tagged response to our INVITE creates.

        A response without Contact breaks section 12.1.1; the peer is then reached where the INVITE went.
        """
        headers = request.headers
        return cls(
            call_id=request.call_id,
            local=headers.get("From") or "",
            local_tag=request.from_.tag or "",
            remote=response.headers.get("To") or "",
            remote_tag=response.to.tag or "",
            remote_target=_target(response) or request.uri,
            routes=tuple(reversed([str(route) for route in response.record_routes])),
            local_cseq=request.cseq.number,
            remote_cseq=None,
        )

    @classmethod
    def of_state(cls, state: DialogState) -> Dialog | ParseError:
        """Resume a dialog of a process that is gone."""
        target = parse_uri(state.remote_target)
        if isinstance(target, ParseError):
            return target
        return cls(
            call_id=state.call_id,
            local=state.local_uri,
            local_tag=state.local_tag,
            remote=state.remote_uri,
            remote_tag=state.remote_tag,
            remote_target=target,
            routes=state.routes,
            local_cseq=state.local_cseq + _CSEQ_LEAP,
            remote_cseq=None,
        )

    def state(self, session: SessionId, flow: Flow) -> DialogState:
        """Return what ``of_state`` needs."""
        return DialogState(
            session=session,
            call_id=self.call_id,
            local_uri=self.local,
            local_tag=self.local_tag,
            remote_uri=self.remote,
            remote_tag=self.remote_tag,
            remote_target=str(self.remote_target),
            local_cseq=self.local_cseq,
            routes=self.routes,
            transport=flow.transport,
            remote=flow.remote,
            local=flow.local,
        )

    def request(self, method: str, cseq: int | None = None) -> Request:
        """Make a request in the dialog (section 12.2.1.1); an ACK is given the CSeq of its INVITE."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        headers = Headers()
        headers.add("Max-Forwards", MAX_FORWARDS)
        uri, routes = self.remote_target, self.routes
        if routes and (first := _route_uri(routes[0])) is not None and not first.loose:
            # A strict router: its URI goes into the request line and the target ends the route.
            uri, routes = request_uri(first), (*routes[1:], f"<{self.remote_target}>")
        for route in routes:
            headers.add("Route", route)
        headers.add("From", self.local)
        headers.add("To", self.remote)
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{cseq} {method}")
        return Request(method, uri, headers)

    def in_order(self, request: Request) -> bool:
        """Note the CSeq of a new request of the peer; False when it is not above the last one (500, section 12.2.2)."""
        number = request.cseq.number
        if self.remote_cseq is not None and number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def refresh_target(self, message: Request | Response) -> None:
        """Adopt the Contact of a target refresh (section 12.2.1.2 and 12.2.2)."""
        target = _target(message)
        if target is not None:
            self.remote_target = target
            self.next_hop = self._next_hop()

    def _next_hop(self) -> Uri:
        if self.routes:
            first = _route_uri(self.routes[0])
            if first is not None:
                return first
        return self.remote_target


def _target(message: Request | Response) -> Uri | None:
    contacts = message.contacts
    if not contacts:
        return None
    uri = contacts[0].uri
    return request_uri(uri) if uri.routable else None


def _route_uri(route: str) -> Uri | None:
    uri = parse_uri(route[route.find("<") + 1 : route.find(">")])
    return uri if isinstance(uri, Uri) and uri.routable else None
