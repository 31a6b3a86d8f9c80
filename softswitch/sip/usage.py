"""One dialog of a session: the user agent server inside it (RFC 3261 section 12.2.2), its time and its end.

re-INVITE and UPDATE of the peer with their offers (RFC 3261 section 14, RFC 3311,
RFC 6337), the 2xx that waits for its ACK (section 13.3.1.4), and BYE (section 15).
The first INVITE belongs to ``uac`` and ``uas``, which share this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from softswitch.clock import earliest
from softswitch.sip.dialog import Dialog
from softswitch.sip.dialog_client import DialogClient
from softswitch.sip.events import Cause, Confirmed, Flow, KeyPressed, OfferFailed, Reason, RemoteAnswer, RemoteOffer
from softswitch.sip.info import key_in
from softswitch.sip.message import Request, Response
from softswitch.sip.offers import OfferAnswer
from softswitch.sip.policy import ALLOW, BODY
from softswitch.sip.prack import ReliableReceiver
from softswitch.sip.sdp import SdpError, SessionDescription
from softswitch.sip.session import Action, Session, description_of, reason_of, with_body
from softswitch.sip.transactions import TransactionKey

__all__ = ["Usage"]


@dataclass(slots=True)
class _Theirs:
    """An offer of the peer (or its request for one) that waits for ``calls``; ``key`` None: it came in a response."""

    kind: Literal["INVITE", "UPDATE", "PRACK", "1xx", "2xx"]
    key: TransactionKey | None
    message: Request | Response
    wants_offer: bool = False


@dataclass(slots=True)
class _Unacknowledged:
    """A 2xx of ours that is resent until its ACK comes (RFC 3261 section 13.3.1.4)."""

    key: TransactionKey
    response: Response
    cseq: int
    initial: bool
    carries_offer: bool
    interval: float
    resend_at: float
    give_up_at: float


class Usage(DialogClient):
    """The whole of what goes on in one dialog.

    ``preview`` is what an unreliable provisional response said of the answer.
    """

    def __init__(self, session: Session, dialog: Dialog, offers: OfferAnswer) -> None:
        super().__init__(session, dialog, offers)
        self.reliable = ReliableReceiver()
        self.preview: SessionDescription | None = None
        self._theirs: _Theirs | None = None
        self._unacknowledged: _Unacknowledged | None = None
        self._bye_after_ack: tuple[Reason | None] | None = None

    # State ----------------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        waiting = self._unacknowledged
        if waiting is None:
            return earliest(self._retry_at, self.timer.deadline)
        return earliest(self._retry_at, self.timer.deadline, waiting.resend_at, waiting.give_up_at)

    @property
    def awaits_answer(self) -> bool:
        """Whether ``calls`` owes the peer an answer (or an offer)."""
        return self._theirs is not None

    @property
    def engaged(self) -> bool:
        return self._theirs is not None or self._unacknowledged is not None

    def describe(self) -> str:
        state = "over" if self.over else "confirmed" if self.confirmed else "early"
        waits = [f"{o.request.method} sent" for o in self._ours.values()]
        if self._theirs is not None:
            waits.append(f"{self._theirs.kind} to be answered")
        if self._unacknowledged is not None:
            waits.append("waits for ACK")
        return f"{self.dialog.remote_tag} {state} {self.offers.state.name.lower()}" + "".join(f", {w}" for w in waits)

    # The first 2xx --------------------------------------------------------------------------------------------------

    def accept(
        self, key: TransactionKey, request: Request, response: Response, now: float, *, carries_offer: bool
    ) -> list[Action]:
        """Callee: send the 2xx of the first INVITE."""
        self.confirmed = True
        return self._send_2xx(key, request, response, now, initial=True, carries_offer=carries_offer)

    # Requests of the peer -------------------------------------------------------------------------------------------

    def receive(self, request: Request, flow: Flow, now: float) -> list[Action]:
        """Answer a request in this dialog; retransmissions never get here."""
        key, out = self.stack.open(request, flow, now)
        if self.over or (self.session.ended and request.method != "BYE"):
            # Both hung up at once: our BYE ended the dialog, theirs is still answered well.
            return out + self._reply(key, request, 200 if request.method == "BYE" else 481, now)
        if not self.dialog.in_order(request):
            return out + self._reply(key, request, 500, now)
        match request.method:
            case "BYE":
                out += self._reply(key, request, 200, now)
                out += self._leave(now)
                return out + self.session.hung_up(self, reason_of(request), now)
            case "INVITE":
                return out + self._receive_invite(key, request, now)
            case "UPDATE":
                return out + self._receive_update(key, request, now)
            case "PRACK":
                return out + self.session.prack_arrived(self, key, request, now)
            case "INFO":
                return out + self._receive_info(key, request, now)
            case "OPTIONS":
                return out + self._reply(key, request, 200, now, ("Allow", ALLOW), ("Accept", BODY))
        return out + self._reply(key, request, 405, now, ("Allow", ALLOW))

    def _receive_info(self, key: TransactionKey, request: Request, now: float) -> list[Action]:
        """Take a digit. Who sends INFO without a body asks whether the dialog is there (RFC 6086 section 8.1)."""
        pressed = key_in(request.content_type or "", request.body) if request.body else None
        if pressed is None:
            return self._reply(key, request, 200 if not request.body else 400, now)
        self._form = request.content_type or self._form
        told = KeyPressed(session=self.session.id, digit=pressed.digit, duration=pressed.duration)
        return [*self._reply(key, request, 200, now), told]

    def receive_ack(self, request: Request, now: float) -> list[Action]:
        waiting = self._unacknowledged
        if waiting is None or request.cseq.number != waiting.cseq:
            return []
        return self._acknowledged(waiting, description_of(request), now)

    def _acknowledged(
        self, waiting: _Unacknowledged, answer: SessionDescription | SdpError | None, now: float
    ) -> list[Action]:
        self._unacknowledged = None
        out: list[Action] = []
        description = answer if isinstance(answer, SessionDescription) and self.offers.local_offer else None
        if description is not None:
            self.offers.answered(description)
        elif waiting.carries_offer:
            self.offers.refused()
            if waiting.initial:
                return self._part(None, now) + self.session.end(Cause.PROTOCOL)
            out.append(OfferFailed(session=self.session.id, status=488))
        if self._bye_after_ack is not None:
            return self._part(self._bye_after_ack[0], now)
        if waiting.initial:
            out.append(Confirmed(session=self.session.id, description=description))
        elif description is not None:
            out.append(RemoteAnswer(session=self.session.id, description=description))
        return out + self.advance(now)

    def cancelled(self, key: TransactionKey, now: float) -> list[Action]:
        """The peer took its re-INVITE back."""
        theirs = self._theirs
        if theirs is None or theirs.key != key or not isinstance(theirs.message, Request):
            return []
        self._theirs = None
        self.offers.refused()
        return self._reply(key, theirs.message, 487, now) + self.advance(now)

    def _receive_invite(self, key: TransactionKey, request: Request, now: float) -> list[Action]:
        if not self.confirmed:
            # Caller: our own INVITE is open (491). Callee: theirs is (500), RFC 3261 section 14.2.
            return self._glare(key, request, now) if self.session.owns_call_id else self._overlap(key, request, now)
        out: list[Action] = []
        waiting = self._unacknowledged
        if waiting is not None and not waiting.carries_offer:
            # The ACK got lost or was overtaken: nobody goes on without having sent it (RFC 5407 section 3.1.4).
            out = self._acknowledged(waiting, None, now)
        if any(ours.request.method == "INVITE" for ours in self._ours.values()) or self.offers.local_offer:
            return out + self._glare(key, request, now)
        if self._theirs is not None or not self.offers.stable:
            return out + self._overlap(key, request, now)
        return out + self._receive_offer("INVITE", key, request, now)

    def _receive_update(self, key: TransactionKey, request: Request, now: float) -> list[Action]:
        if request.body:
            # RFC 3311 section 5.2.
            if self.offers.local_offer:
                return self._glare(key, request, now)
            if self._theirs is not None or not self.offers.stable or not self.offers.established:
                return self._overlap(key, request, now)
        return self._receive_offer("UPDATE", key, request, now)

    def _receive_offer(
        self, kind: Literal["INVITE", "UPDATE"], key: TransactionKey, request: Request, now: float
    ) -> list[Action]:
        least = self.timer.too_brief(request)
        if least is not None:
            return self._reply(key, request, 422, now, ("Min-SE", str(least)))
        found = description_of(request)
        if isinstance(found, SdpError):
            return self._reply(key, request, found.status, now)
        if kind == "UPDATE" and found is None:
            return self._agree(key, request, None, now)
        if found is not None and found == self.offers.remote and self.offers.local is not None:
            # The same description again refreshes the session and changes nothing (RFC 4028 section 7.4).
            self.offers.offered(found)
            return self._agree(key, request, self.offers.answer(self.offers.local), now)
        if found is not None:
            self.offers.offered(found)
        self._theirs = _Theirs(kind, key, request, wants_offer=found is None)
        return [RemoteOffer(session=self.session.id, description=found)]

    def offered_reliably(
        self, kind: Literal["PRACK", "1xx", "2xx"], key: TransactionKey | None, message: Request | Response
    ) -> None:
        """Note an offer that came in a PRACK, or in a response to our INVITE without one."""
        self._theirs = _Theirs(kind, key, message)

    def _agree(
        self, key: TransactionKey, request: Request, description: SessionDescription | None, now: float
    ) -> list[Action]:
        """Send the 2xx of a re-INVITE or UPDATE, with our answer or offer."""
        response = self.stack.response(request, 200)
        self.stack.describe_us(response.headers, self._contact())
        # An UPDATE before the answer cannot start the session timer (RFC 4028 section 9).
        if self.confirmed:
            for name, value in self.timer.answer(request, now):
                response.headers.add(name, value)
        self.peer_allows(request)
        self.dialog.refresh_target(request)
        if description is not None:
            response = with_body(response, description)
        if request.method == "INVITE":
            return self._send_2xx(key, request, response, now, initial=False, carries_offer=self.offers.local_offer)
        return [*self.stack.layer.respond(key, response, now)]

    def _send_2xx(
        self,
        key: TransactionKey,
        request: Request,
        response: Response,
        now: float,
        *,
        initial: bool,
        carries_offer: bool,
    ) -> list[Action]:
        timers = self.stack.settings.timers
        self._unacknowledged = _Unacknowledged(
            key=key,
            response=response,
            cseq=request.cseq.number,
            initial=initial,
            carries_offer=carries_offer,
            interval=timers.t1,
            resend_at=now + timers.t1,
            give_up_at=now + timers.patience,
        )
        return [*self.stack.layer.respond(key, response, now)]

    # What calls decide ----------------------------------------------------------------------------------------------

    def answer_offer(self, description: SessionDescription, now: float) -> list[Action]:
        """Answer the pending offer of the peer; where it asked for one, ``description`` is our offer."""
        theirs = self._theirs
        if theirs is None or self.over:
            return []
        self._theirs = None
        described = self.offers.offer(description) if theirs.wants_offer else self.offers.answer(description)
        message = theirs.message
        match theirs.kind:
            case "1xx":
                assert isinstance(message, Response)
                return self.prack(message, described, now)
            case "2xx":
                return self.acknowledge(message.cseq.number, described) + self.advance(now)
            case "PRACK":
                assert isinstance(message, Request)
                assert theirs.key is not None
                response = with_body(self.stack.response(message, 200), described)
                return [*self.stack.layer.respond(theirs.key, response, now)]
            case "INVITE" | "UPDATE":
                assert isinstance(message, Request)
                assert theirs.key is not None
                return self._agree(theirs.key, message, described, now) + self.advance(now)

    def refuse_offer(self, status: int, now: float) -> list[Action]:
        """Refuse it; one that came in a response to our INVITE cannot be refused without ending the session."""
        theirs = self._theirs
        if theirs is None or self.over:
            return []
        self._theirs = None
        if not theirs.wants_offer:
            self.offers.refused()
        if theirs.key is None:
            return self.session.offer_refused(self, now)
        assert isinstance(theirs.message, Request)
        return self._reply(theirs.key, theirs.message, status, now) + self.advance(now)

    # Time -----------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Action]:
        out: list[Action] = []
        waiting = self._unacknowledged
        if waiting is not None and now >= waiting.give_up_at:
            self._unacknowledged = None
            self.offers.refused()
            out += self._part(self._bye_after_ack[0] if self._bye_after_ack else None, now)
            out += self.session.end(Cause.NO_ACK)
        elif waiting is not None and now >= waiting.resend_at:
            waiting.interval = min(2 * waiting.interval, self.stack.settings.timers.t2)
            waiting.resend_at = now + waiting.interval
            out += self.stack.layer.respond(waiting.key, waiting.response, now)
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            out += self.advance(now)
        timer = self.timer
        if timer.expires_at is not None and now >= timer.expires_at:
            out += self.hang_up(Reason(protocol="SIP", cause=408, text="Session expired"), now)
            out += self.session.end(Cause.SESSION_EXPIRED)
        elif timer.refresh_at is not None and now >= timer.refresh_at:
            out += self._refresh(now)
        return out

    # The end --------------------------------------------------------------------------------------------------------

    def hang_up(self, reason: Reason | None, now: float) -> list[Action]:
        """Send BYE; while our 2xx waits for its ACK, right after that (RFC 3261 section 15)."""
        if self.over:
            return []
        if self._unacknowledged is not None:
            self._bye_after_ack = (reason,)
            self.timer.stop()
            return self._answer_open(now)
        return self._part(reason, now)

    def abandon(self, now: float) -> list[Action]:
        """Forget an early dialog that the INVITE's final response ended."""
        return self._leave(now)

    def _part(self, reason: Reason | None, now: float) -> list[Action]:
        return self._leave(now) + self._send_bye(reason, now)

    def _leave(self, now: float) -> list[Action]:
        """Stop all that goes on; a request of the peer that waits is answered 487 (RFC 3261 section 15.1.2)."""
        self.over = True
        self.timer.stop()
        self._unacknowledged = None
        self._retry_at = self._wanted = None
        return self._answer_open(now)

    def _answer_open(self, now: float) -> list[Action]:
        theirs, self._theirs = self._theirs, None
        if theirs is None or theirs.key is None or not isinstance(theirs.message, Request):
            return []
        return self._reply(theirs.key, theirs.message, 487, now)

    # Words ----------------------------------------------------------------------------------------------------------

    def _reply(
        self, key: TransactionKey, request: Request, status: int, now: float, *headers: tuple[str, str]
    ) -> list[Action]:
        return self.stack.reply(key, request, status, now, headers=headers)

    def _glare(self, key: TransactionKey, request: Request, now: float) -> list[Action]:
        return self._reply(key, request, 491, now)

    def _overlap(self, key: TransactionKey, request: Request, now: float) -> list[Action]:
        return self._reply(key, request, 500, now, ("Retry-After", str(self.stack.ids.below(11))))
