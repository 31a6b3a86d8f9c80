"""The called half of a session: the peer's INVITE until our final response (RFC 3261 section 13.3, RFC 3262)."""

from __future__ import annotations

from dataclasses import replace

from softswitch.clock import earliest
from softswitch.sip.dialog import Dialog
from softswitch.sip.events import (
    Accept,
    AnswerOffer,
    Cause,
    DialogState,
    Flow,
    Hangup,
    MakeOffer,
    PressKeys,
    Reason,
    RefuseOffer,
    Reject,
    RemoteAnswer,
    RemoteOffer,
    Ring,
    SessionCommand,
    SessionId,
)
from softswitch.sip.message import Request, Response
from softswitch.sip.offers import OfferAnswer
from softswitch.sip.prack import ReliableSender
from softswitch.sip.sdp import SessionDescription
from softswitch.sip.session import Action, Peer, Session, Stack, description_of, format_reason, reason_of, with_body
from softswitch.sip.transactions import TransactionKey
from softswitch.sip.uri import Uri
from softswitch.sip.usage import Usage

__all__ = ["Callee"]

REPEAT_RINGING = 60.0
"""Seconds after which a provisional response is sent again, lest proxies give up (RFC 3261 section 13.3.1.1)."""


class Callee(Session):
    """The peer's INVITE: provisional responses, reliable where it wants them, and the one final response."""

    owns_call_id = False

    def __init__(
        self,
        stack: Stack,
        session: SessionId,
        request: Request,
        local_tag: str,
        peer: Peer,
        dialog: Dialog,
        offer: SessionDescription | None,
    ) -> None:
        super().__init__(stack, session, request.call_id, local_tag, peer)
        self.request = request
        self.key: TransactionKey | None = None
        offers = OfferAnswer()
        if offer is not None:
            offers.offered(offer)
        self.usage = Usage(self, dialog, offers)
        self.usage.peer_allows(request)
        self._answered = False
        self._reliable = ReliableSender(1 + stack.ids.below(1000), stack.settings.timers)
        self._wants_reliable = "100rel" in request.require
        self._can_reliable = self._wants_reliable or "100rel" in request.supported
        self._ringing: int | None = None
        self._repeat_at: float | None = None
        self._expires_at: float | None = None
        self._accept: SessionDescription | None = None

    def start(self, flow: Flow, now: float) -> list[Action]:
        """Open the server transaction and send 100."""
        self.key, out = self.stack.open(self.request, flow, now, self.local_tag)
        # RFC 3261 section 13.3.1: an invitation may say how long it is good for.
        if self.request.expires:
            self._expires_at = now + self.request.expires
        return out + self._respond(self.request.reply(100), now)

    # Commands -------------------------------------------------------------------------------------------------------

    def command(self, command: SessionCommand, now: float) -> list[Action]:
        if self.ended:
            return []
        match command:
            case Ring(status=status, description=description) if not self._answered:
                return self._ring(status, description, now)
            case Accept(description=description) if not self._answered and self._accept is None:
                return self._answer(description, now)
            case Reject(status=status, reason=reason, headers=headers) if not self._answered:
                more = headers if reason is None else (*headers, format_reason(reason))
                return self._refuse(status, now, *more) + self.end(Cause.LOCAL, status=status, remote=False)
            case Hangup(reason=reason):
                return self._hang_up(reason, now)
            case MakeOffer(description=description):
                return self.usage.make_offer(description, now)
            case AnswerOffer(description=description):
                return self.usage.answer_offer(description, now) + self._answer_waiting(now)
            case RefuseOffer(status=status):
                return self.usage.refuse_offer(status, now) + self._answer_waiting(now)
            case PressKeys(digits=digits):
                return self.usage.press_keys(digits, now)
        return []

    def _ring(self, status: int, description: SessionDescription | None, now: float) -> list[Action]:
        offers = self.usage.offers
        response = self._response(status)
        if offers.established or offers.local_offer:
            description = None  # said already, and reliably
        elif not self._can_reliable and offers.stable:
            description = None  # our offer may not travel unreliably (RFC 3262 section 5)
        self._ringing = status
        self._repeat_at = now + REPEAT_RINGING
        reliable = self._can_reliable and (self._wants_reliable or description is not None)
        if not reliable:
            if description is not None:
                response = with_body(response, offers.preview(description))
            return self._respond(response, now)
        if offers.stable and not offers.established and description is None:
            # The first reliable response must carry the offer that the INVITE lacked (RFC 3262 section 5).
            return []
        response.headers.add("Require", "100rel")
        if description is not None:
            described = offers.answer(description) if offers.remote_offer else offers.offer(description)
            response = with_body(response, described)
        return self._respond_all(self._reliable.send(response, now), now)

    def _answer(self, description: SessionDescription, now: float) -> list[Action]:
        offers = self.usage.offers
        if not self._reliable.idle or self.usage.awaits_answer:
            # RFC 3262 section 3: a 2xx waits for the PRACK of a provisional response with a description.
            self._accept = description
            return []
        self._accept = None
        self._final()
        response = self._response(200)
        for name, value in self.usage.timer.answer(self.request, now):
            response.headers.add(name, value)
        carries_offer = False
        if offers.remote_offer:
            response = with_body(response, offers.answer(description))
        elif not offers.established:
            if offers.local_offer:
                offers.refused()  # its PRACK came without an answer
            response = with_body(response, offers.offer(description))
            carries_offer = True
        assert self.key is not None
        return self.usage.accept(self.key, self.request, response, now, carries_offer=carries_offer)

    def _answer_waiting(self, now: float) -> list[Action]:
        if self._accept is None or self.ended:
            return []
        description, self._accept = self._accept, None
        return self._answer(description, now)

    def _refuse(self, status: int, now: float, *headers: tuple[str, str]) -> list[Action]:
        """Send the final response of a call that will not be."""
        self._final()
        out = self.usage.abandon(now)
        assert self.key is not None
        return out + self.stack.reply(self.key, self.request, status, now, to_tag=self.local_tag, headers=headers)

    def _hang_up(self, reason: Reason | None, now: float) -> list[Action]:
        if self._answered:
            return self.usage.hang_up(reason, now) + self.end(Cause.LOCAL, remote=False)
        headers = () if reason is None else (format_reason(reason),)
        return self._refuse(480, now, *headers) + self.end(Cause.LOCAL, status=480, remote=False)

    # What the peer does ---------------------------------------------------------------------------------------------

    def request_arrived(self, request: Request, flow: Flow, now: float) -> list[Action] | None:
        if (request.from_.tag or "") != self.usage.dialog.remote_tag:
            return None
        return self.usage.receive(request, flow, now)

    def ack_arrived(self, request: Request, now: float) -> list[Action]:
        return self.usage.receive_ack(request, now)

    def cancelled(self, key: TransactionKey, request: Request, now: float) -> list[Action]:
        if key != self.key:
            return self.usage.cancelled(key, now)
        if self.ended or self._answered:
            return []
        return self._refuse(487, now) + self.end(Cause.CANCELLED, status=487, reason=reason_of(request))

    def hung_up(self, usage: Usage, reason: Reason | None, now: float) -> list[Action]:
        if self.ended:
            return []
        if self._answered:
            return self.end(Cause.HUNG_UP, reason=reason)
        # RFC 3261 section 15: a caller may end an early dialog with BYE instead of CANCEL.
        return self._refuse(487, now) + self.end(Cause.CANCELLED, status=487, reason=reason)

    def prack_arrived(self, usage: Usage, key: TransactionKey, request: Request, now: float) -> list[Action]:
        following = self._reliable.acknowledge(request.rack, now)
        if following is None:
            return self.stack.reply(key, request, 481, now)
        found = description_of(request)
        offers = usage.offers
        out: list[Action] = []
        if isinstance(found, SessionDescription) and offers.local_offer:
            offers.answered(found)
            out.append(RemoteAnswer(session=self.id, description=found))
        elif isinstance(found, SessionDescription) and offers.established and offers.stable and not self._answered:
            offers.offered(found)
            usage.offered_reliably("PRACK", key, request)
            return [*self._respond_all(following, now), RemoteOffer(session=self.id, description=found)]
        out += self.stack.reply(key, request, 200, now)
        out += self._respond_all(following, now)
        return out + self._answer_waiting(now) + usage.advance(now)

    def give_up(self, now: float) -> list[Action]:
        # A callee may not send BYE in an early dialog (RFC 3261 section 15).
        return self.usage.hang_up(None, now) if self._answered else self._refuse(480, now)

    def dissolve(self) -> None:
        del self.usage

    def offer_refused(self, usage: Usage, now: float) -> list[Action]:
        return []

    @property
    def may_update(self) -> bool:
        return not self.ended and self._reliable.idle and self._accept is None

    # Time -----------------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        return earliest(self.usage.deadline, self._reliable.deadline, self._repeat_at, self._expires_at)

    def tick(self, now: float) -> list[Action]:
        if self._answered or self.ended:
            return self.usage.tick(now)
        resent = self._reliable.tick(now)
        if resent is None:
            # RFC 3262 section 3: the PRACK never came.
            return self._refuse(504, now) + self.end(Cause.NO_RESPONSE, status=504)
        out = self._respond_all(resent, now)
        if self._expires_at is not None and now >= self._expires_at:
            return out + self._refuse(487, now) + self.end(Cause.CANCELLED, status=487)
        if self._repeat_at is not None and now >= self._repeat_at and self._ringing is not None:
            self._repeat_at = now + REPEAT_RINGING
            if self._reliable.idle:
                out += self._ring(self._ringing, None, now)
        return out + self.usage.tick(now)

    def dialog_state(self) -> DialogState | None:
        flow = self.peer.flow
        if self.ended or flow is None:
            return None
        state = self.usage.dialog.state(self.id, flow)
        if self._answered:
            return state
        vias = tuple(self.request.headers.all("Via"))
        return replace(state, phase="called", vias=vias, remote_cseq=self.request.cseq.number)

    @property
    def target(self) -> Uri | None:
        return self.usage.dialog.remote_target

    def describe(self) -> str:
        state = "ended" if self.ended else "answered" if self._answered else "ringing" if self._ringing else "offered"
        return f"{self.id} callee {state} {self.call_id} [{self.usage.describe()}]"

    # Words ----------------------------------------------------------------------------------------------------------

    def _final(self) -> None:
        self._answered = True
        self._repeat_at = self._expires_at = self._accept = None
        self._reliable.stop()

    def _response(self, status: int) -> Response:
        response = self.stack.response(self.request, status, to_tag=self.local_tag)
        self.stack.describe_us(response.headers, self.stack.contact(self.usage.way, self.contact_user))
        return response

    def _respond(self, response: Response, now: float) -> list[Action]:
        assert self.key is not None
        return [*self.stack.layer.respond(self.key, response, now)]

    def _respond_all(self, responses: list[Response], now: float) -> list[Action]:
        return [action for response in responses for action in self._respond(response, now)]
