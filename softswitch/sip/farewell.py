"""The end of what a process that is gone had begun (``Endpoint.release``): BYE, CANCEL or a final response."""

from __future__ import annotations

from typing import Literal

from softswitch.sip.dialog import Dialog
from softswitch.sip.events import Destination, DialogState, Flow, Reason, SessionCommand
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from softswitch.sip.offers import OfferAnswer
from softswitch.sip.session import Action, Peer, Session, Stack, format_reason
from softswitch.sip.transactions import TransactionKey
from softswitch.sip.uri import Uri
from softswitch.sip.usage import Usage

__all__ = ["Farewell", "Withdrawal", "refuse_invite"]

RESTARTED = Reason(protocol="SIP", cause=500, text="Switch restarted")


class Farewell(Session):
    """A session that has ended before it begins: it says BYE and tells nobody."""

    owns_call_id = False

    def __init__(self, stack: Stack, state: DialogState, dialog: Dialog) -> None:
        flow = Flow(state.transport, state.local, state.remote)
        super().__init__(stack, state.session, state.call_id, state.local_tag, Peer(flow))
        # A stream died with its process: its peer is sought at its Contact.
        if state.transport == "tcp":
            self.peer.lost(flow)
        self.ended = True
        self._usage = Usage(self, dialog, OfferAnswer())

    def start(self, now: float) -> list[Action]:
        return self._usage.hang_up(RESTARTED, now)

    def command(self, command: SessionCommand, now: float) -> list[Action]:
        return []

    def request_arrived(self, request: Request, flow: Flow, now: float) -> list[Action] | None:
        return self._usage.receive(request, flow, now)

    def ack_arrived(self, request: Request, now: float) -> list[Action]:
        return []

    def cancelled(self, key: TransactionKey, request: Request, now: float) -> list[Action]:
        return []

    def hung_up(self, usage: Usage, reason: Reason | None, now: float) -> list[Action]:
        return []

    def give_up(self, now: float) -> list[Action]:
        return []

    def dissolve(self) -> None:
        del self._usage

    def offer_refused(self, usage: Usage, now: float) -> list[Action]:
        return []

    @property
    def deadline(self) -> float | None:
        return None

    def tick(self, now: float) -> list[Action]:
        return []

    @property
    def target(self) -> Uri | None:
        return self._usage.dialog.remote_target

    def dialog_state(self) -> DialogState | None:
        return None

    def describe(self) -> str:
        return f"{self.id} farewell {self.call_id}"


class Withdrawal(Farewell):
    """An INVITE of ours whose process died before the answer: it is cancelled (RFC 3261 section 9.1).

    Its transaction is taken up where it was, so that the 487 is acknowledged, and
    a 2xx that crossed the death or the CANCEL is acknowledged and hung up.
    """

    def __init__(self, stack: Stack, state: DialogState, dialog: Dialog) -> None:
        super().__init__(stack, state, dialog)
        self._request = _invite(dialog, f"{state.local_cseq} INVITE", state.local_uri, state.remote_uri, state.vias)
        for route in state.routes:
            self._request.headers.add("Route", route)
        self._accepted: dict[str, Usage] = {}
        # A stream died with its process: another is opened to the same place.
        known = state.transport == "udp" and state.local != ("", 0)
        self._way = self.peer.to if known else Destination(state.transport, *state.remote)

    def start(self, now: float) -> list[Action]:
        key = self.stack.resume(self, self, self._request, self._way)
        return [*self.stack.layer.cancel(key, now, (format_reason(RESTARTED),))]

    def on_response(self, key: TransactionKey, response: Response, flow: Flow, now: float) -> list[Action]:
        if not 200 <= response.status < 300:
            return []
        tag = response.to.tag or ""
        if tag in self._accepted:
            return self._accepted[tag].ack
        usage = self._accepted[tag] = Usage(self, Dialog.of_uac(self._request, response), OfferAnswer())
        return usage.acknowledge(response.cseq.number, None) + usage.hang_up(RESTARTED, now)

    def on_failed(self, key: TransactionKey, why: Literal["timeout", "transport"], now: float) -> list[Action]:
        return []

    def request_arrived(self, request: Request, flow: Flow, now: float) -> list[Action] | None:
        usage = self._accepted.get(request.from_.tag or "")
        return None if usage is None else usage.receive(request, flow, now)

    def dissolve(self) -> None:
        super().dissolve()
        self._accepted.clear()


def refuse_invite(stack: Stack, state: DialogState, dialog: Dialog, now: float) -> list[Action]:
    """Answer the INVITE of a peer that still waits: a callee may not end an early dialog by BYE (RFC 3261 section 15).

    The server transaction is opened anew, so that the answer is sent until it is acknowledged.
    """
    request = _invite(dialog, f"{state.remote_cseq} INVITE", state.remote_uri, state.local_uri, state.vias)
    flow = Flow(state.transport, state.local, state.remote)
    key, out = stack.open(request, flow, now, state.local_tag)
    reason = Reason(protocol="SIP", cause=500, text=RESTARTED.text)
    return out + stack.reply(key, request, 500, now, to_tag=state.local_tag, headers=(format_reason(reason),))


def _invite(dialog: Dialog, cseq: str, from_: str, to: str, vias: tuple[str, ...]) -> Request:
    """Return as much of an INVITE as its transaction needs."""
    headers = Headers()
    for via in vias:
        headers.add("Via", via)
    for name, value in (("From", from_), ("To", to), ("Call-ID", dialog.call_id), ("CSeq", cseq)):
        headers.add(name, value)
    return Request("INVITE", dialog.remote_target, headers)
