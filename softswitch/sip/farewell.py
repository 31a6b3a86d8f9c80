"""The end of a dialog whose process is gone: one BYE, and its leftovers (``Endpoint.release``)."""

from __future__ import annotations

from softswitch.sip.dialog import Dialog
from softswitch.sip.events import DialogState, Flow, Reason, SessionCommand
from softswitch.sip.message import Request
from softswitch.sip.offers import OfferAnswer
from softswitch.sip.session import Action, Peer, Session, Stack
from softswitch.sip.transactions import TransactionKey
from softswitch.sip.uri import Uri
from softswitch.sip.usage import Usage

__all__ = ["Farewell"]

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
