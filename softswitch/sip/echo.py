"""What is left of a session of ours that has ended while its INVITE may still be answered (RFC 3261 section 13.2.2.4).

For 32 s after a 2xx the same one may come again, because our ACK got lost, and
another fork of the INVITE may accept it too. That takes a few strings; the whole
session would be kept for it by hundreds, were it not let go at its end.
"""

from __future__ import annotations

from typing import Literal

from softswitch.sip.dialog import Dialog
from softswitch.sip.events import Flow
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import parse
from softswitch.sip.session import Action, Peer, Stack
from softswitch.sip.transactions import TransactionKey

__all__ = ["Echo"]


class Echo:
    """Owner of an accepted INVITE: ``tag`` is the To tag of its dialog, ``ack`` what acknowledges a 2xx in that."""

    __slots__ = ("_acks", "_peer", "_stack")

    def __init__(self, stack: Stack, peer: Peer, tag: str, ack: list[Action]) -> None:
        self._stack, self._peer = stack, peer
        self._acks = {tag: ack}

    def on_response(self, key: TransactionKey, response: Response, flow: Flow, now: float) -> list[Action]:
        if response.cseq.method != "INVITE" or not 200 <= response.status < 300:
            return []
        tag = response.to.tag or ""
        if tag in self._acks:
            return self._acks[tag]
        return self._take_and_hang_up(key, response, tag, now)

    def on_failed(self, key: TransactionKey, why: Literal["timeout", "transport"], now: float) -> list[Action]:
        return []

    def _take_and_hang_up(self, key: TransactionKey, response: Response, tag: str, now: float) -> list[Action]:
        invite = parse(self._stack.layer.sent_bytes(key))
        if not isinstance(invite, Request):
            return []
        self._stack.counters["2xx of another fork"] += 1
        dialog = Dialog.of_uac(invite, response)
        way = self._peer.way(dialog.next_hop)
        ack = self._acks[tag] = [*self._stack.layer.send_stateless(dialog.request("ACK", invite.cseq.number), way)]
        bye = dialog.request("BYE")
        bye.headers.add("User-Agent", self._stack.settings.server)
        return ack + self._stack.send(self, None, bye, way, now)[1]
