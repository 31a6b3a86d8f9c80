"""The user agent client inside a dialog (RFC 3261 section 12.2.1): our re-INVITE, UPDATE, PRACK, BYE and their fate.

Offers wait here for their turn and are tried again after glare; the session is
refreshed from here (RFC 4028). ``usage`` adds what the peer asks of us.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from softswitch.sip.dialog import Dialog
from softswitch.sip.events import Cause, Destination, Flow, KeysRefused, OfferFailed, Reason, RemoteAnswer
from softswitch.sip.info import PLAIN, RELAY, body_of, takes_keys
from softswitch.sip.message import Request, Response
from softswitch.sip.offers import OfferAnswer
from softswitch.sip.sdp import SessionDescription
from softswitch.sip.session import Action, Session, description_of, format_reason, put_body, resubmission
from softswitch.sip.timers4028 import SessionTimer
from softswitch.sip.transactions import TransactionKey

__all__ = ["DialogClient"]

_ATTEMPTS = 4
"""How often one request of ours is tried: challenge, session interval, glare, overlap."""

_REFRESH_AGAIN = 10.0
"""Seconds until a refresh that met another exchange, or was refused, is tried again."""


@dataclass(slots=True)
class _Ours:
    """A re-INVITE or UPDATE of ours under way. ``asked``: ``calls`` wants to hear the answer."""

    request: Request
    offer: SessionDescription | None
    asked: bool
    attempt: int = 1


@dataclass(slots=True)
class _Told:
    """The INFO under way, which names one key."""

    transaction: TransactionKey
    request: Request
    digit: str
    attempt: int = 1


class DialogClient:
    """Our half of what goes on in a dialog. ``confirmed`` from the first 2xx on; ``over`` once a BYE was sent or came.

    ``ack`` is that of the first 2xx, kept to be sent again; [] before it was sent.
    """

    def __init__(self, session: Session, dialog: Dialog, offers: OfferAnswer) -> None:
        settings = session.stack.settings
        self.session, self.stack = session, session.stack
        self.dialog, self.offers = dialog, offers
        self.timer = SessionTimer(settings.session_expires, settings.min_se)
        self.ack: list[Action] = []
        self.confirmed = self.over = False
        self._update = False
        self._ours: dict[TransactionKey, _Ours] = {}
        self._acks: dict[TransactionKey, list[Action]] = {}
        self._wanted: SessionDescription | None = None
        self._wanted_attempt = 1
        self._retry_at: float | None = None
        self._bye: Request | None = None
        self._bye_tries = 0
        self._keys: deque[str] = deque()
        self._told: _Told | None = None
        self._form = RELAY

    @property
    def engaged(self) -> bool:
        """Whether something of the peer stands against an offer of ours."""
        raise NotImplementedError

    @property
    def way(self) -> Flow | Destination:
        return self.session.peer.way(self.dialog.next_hop)

    def _contact(self) -> str:
        return self.stack.contact(self.way, self.session.contact_user)

    def peer_allows(self, message: Request | Response) -> None:
        """Note what the peer can do; without Allow it can do what RFC 3261 knows."""
        if "Allow" in message.headers:
            self._update = "UPDATE" in message.allow
        self._form = takes_keys(message) or self._form

    # The first 2xx --------------------------------------------------------------------------------------------------

    def accepted(self, response: Response, now: float) -> None:
        """Caller: the first 2xx made this dialog the session's."""
        self.confirmed = True
        self.peer_allows(response)
        self.timer.agreed(response, now)

    def acknowledge(self, cseq: int, description: SessionDescription | None) -> list[Action]:
        """Caller: send the ACK of the first 2xx, kept for its retransmissions."""
        request = self.dialog.request("ACK", cseq)
        if description is not None:
            request = put_body(request, description)
        self.ack = [*self.stack.layer.send_stateless(request, self.way)]
        return self.ack

    # Offers and refreshes -------------------------------------------------------------------------------------------

    def make_offer(self, description: SessionDescription, now: float) -> list[Action]:
        """Send an offer as soon as the dialog allows; a later one takes the place of one that still waits."""
        if self.over:
            return []
        self._wanted, self._wanted_attempt = description, 1
        return self.advance(now)

    def advance(self, now: float) -> list[Action]:
        """Send what waits for the end of another exchange."""
        if self._wanted is None or self._retry_at is not None or not self._free:
            return []
        description, self._wanted = self._wanted, None
        return self._offer(description, now, asked=True, attempt=self._wanted_attempt)

    @property
    def _free(self) -> bool:
        """Whether an offer of ours may be sent now (RFC 6337 section 5.3)."""
        if self.over or self.engaged or self._ours or not self.offers.stable:
            return False
        return self.confirmed or (self._update and self.offers.established and self.session.may_update)

    def _offer(self, description: SessionDescription, now: float, *, asked: bool, attempt: int = 1) -> list[Action]:
        request = self.dialog.request("INVITE" if self.confirmed else "UPDATE")
        self.stack.describe_us(request.headers, self._contact())
        if self.confirmed:
            # Reliable provisional responses to a re-INVITE would serve nobody: it is answered at once.
            request.headers.set("Supported", "timer")
            for name, value in self.timer.request_headers():
                request.headers.add(name, value)
        return self._send(put_body(request, self.offers.offer(description)), description, asked, attempt, now)

    def _send(
        self, request: Request, offer: SessionDescription | None, asked: bool, attempt: int, now: float
    ) -> list[Action]:
        request.headers.set("User-Agent", self.stack.settings.server)
        key, out = self.stack.send(self, self.session, request, self.way, now)
        self._ours[key] = _Ours(request, offer, asked, attempt)
        return out

    def prack(self, response: Response, description: SessionDescription | None, now: float) -> list[Action]:
        """Acknowledge a reliable provisional response (RFC 3262 section 4)."""
        request = self.dialog.request("PRACK")
        request.headers.add("RAck", f"{response.rseq} {response.cseq}")
        if description is not None:
            request = put_body(request, description)
        return self.stack.send(self, self.session, request, self.way, now)[1]

    def _refresh(self, now: float) -> list[Action]:
        """Send UPDATE without an offer where the peer knows it (RFC 4028 section 7.4), else a re-INVITE."""
        self.timer.postpone(now + _REFRESH_AGAIN)
        if self._update and not self._ours:
            request = self.dialog.request("UPDATE")
            self.stack.describe_us(request.headers, self._contact())
            for name, value in self.timer.request_headers():
                request.headers.add(name, value)
            return self._send(request, None, False, 1, now)
        if self._free and self.offers.local is not None:
            return self._offer(self.offers.local, now, asked=False)
        return []

    # Responses of the peer ------------------------------------------------------------------------------------------

    def on_response(self, key: TransactionKey, response: Response, flow: Flow, now: float) -> list[Action]:
        status, method = response.status, response.cseq.method
        if status < 200:
            return []
        self.session.peer.answered_from(flow)
        if method == "BYE":
            return self._bye_answered(response, now)
        if method == "INFO":
            return self._key_answered(key, response, now)
        if method == "INVITE" and status < 300 and key in self._acks:
            return self._acks[key]
        ours = self._ours.pop(key, None)
        if ours is None:
            return []
        if status < 300:
            return self._succeeded(key, ours, response, now)
        if ours.offer is not None:
            self.offers.refused()
        if self.over:
            return []
        return self._failed(ours, response, now)

    def on_failed(self, key: TransactionKey, why: Literal["timeout", "transport"], now: float) -> list[Action]:
        if self._told is not None and self._told.transaction == key:
            # Who leaves an INFO unanswered may talk all the same.
            return self._keys_refused(self._told, 408)
        ours = self._ours.pop(key, None)
        if ours is None or self.over:
            return []
        if ours.offer is not None:
            self.offers.refused()
        return self._gone(ours, 408 if why == "timeout" else 503, now)

    def _succeeded(self, key: TransactionKey, ours: _Ours, response: Response, now: float) -> list[Action]:
        out: list[Action] = []
        self.dialog.refresh_target(response)
        if ours.request.method == "INVITE":
            ack = self.dialog.request("ACK", ours.request.cseq.number)
            # A 2xx is sent again for 64*T1 at most, as long as its transaction is there (RFC 6026 section 7.2).
            self._acks = {one: sent for one, sent in self._acks.items() if one in self.session.open_requests}
            self._acks[key] = [*self.stack.layer.send_stateless(ack, self.way)]
            out += self._acks[key]
        if self.over:
            return out
        self.peer_allows(response)
        if self.confirmed:
            self.timer.agreed(response, now)
        if ours.offer is None:
            return out + self.advance(now)
        before = self.offers.remote
        found = description_of(response)
        if isinstance(found, SessionDescription):
            self.offers.answered(found)
            if ours.asked or found != before:
                out.append(RemoteAnswer(session=self.session.id, description=found))
        else:
            self.offers.refused()
            if ours.asked:
                out.append(OfferFailed(session=self.session.id, status=488))
        return out + self.advance(now)

    def _failed(self, ours: _Ours, response: Response, now: float) -> list[Action]:
        status, again = response.status, ours.attempt < _ATTEMPTS
        match status:
            case 401 | 407 if again and (answer := self.session.authorization(ours.request, response)):
                return self._resend(ours, now, answer)
            case 422 if again and self.timer.raise_to(response):
                return self._resend(ours, now, *self.timer.request_headers())
            case 408 | 481:
                return self._gone(ours, status, now)
            case 491 if again:
                return self._later(ours, now + self._glare_pause(), now)
            case 500 | 503 if again and response.retry_after is not None and response.retry_after <= 10:
                return self._later(ours, now + response.retry_after, now)
            case 405 | 501 if ours.request.method == "UPDATE" and ours.offer is None:
                # It does not know UPDATE after all: a re-INVITE does the same.
                self._update = False
                self.timer.postpone(now)
                return []
        if ours.offer is None or not ours.asked:
            self._refresh_declined(now)
            return self.advance(now)
        return [OfferFailed(session=self.session.id, status=status), *self.advance(now)]

    def _resend(self, ours: _Ours, now: float, *extra: tuple[str, str]) -> list[Action]:
        self.dialog.local_cseq += 1
        request = resubmission(ours.request, self.dialog.local_cseq, *extra)
        if ours.offer is not None:
            self.offers.offer(ours.offer)
        return self._send(request, ours.offer, ours.asked, ours.attempt + 1, now)

    def _later(self, ours: _Ours, at: float, now: float) -> list[Action]:
        if ours.offer is None or not ours.asked:
            self.timer.postpone(at)
            return self.advance(now)
        if self._wanted is None:
            self._wanted, self._wanted_attempt = ours.offer, ours.attempt + 1
        self._retry_at = at
        return []

    def _gone(self, ours: _Ours, status: int, now: float) -> list[Action]:
        """RFC 3261 section 12.2.1.2: a 408 or 481 inside the dialog ends it."""
        cause = Cause.NO_RESPONSE if ours.asked else Cause.SESSION_EXPIRED
        return self.session.give_up(now) + self.session.end(cause, status=status)

    def _refresh_declined(self, now: float) -> None:
        if self.timer.supported:
            self.timer.postpone(now + _REFRESH_AGAIN)
        else:
            self.timer.answered(now)

    def _glare_pause(self) -> float:
        """RFC 3261 section 14.1: 2.1 to 4 s for the owner of the Call-ID, 0 to 2 s for the other, in steps of 10 ms."""
        below = self.stack.ids.below
        return 2.1 + below(191) / 100 if self.session.owns_call_id else below(201) / 100

    # Keys -------------------------------------------------------------------------------------------------------------

    def press_keys(self, digits: str, now: float) -> list[Action]:
        """Tell keys by INFO. One waits for the answer to the one before: over UDP two at once may change places."""
        self._keys.extend(digits)
        return self._next_key(now)

    def _next_key(self, now: float) -> list[Action]:
        if self.over or not self.confirmed or self._told is not None or not self._keys:
            return []
        return self._tell(self._keys.popleft(), 1, now)

    def _tell(self, digit: str, attempt: int, now: float, *extra: tuple[str, str]) -> list[Action]:
        request = self.dialog.request("INFO")
        request.headers.set("User-Agent", self.stack.settings.server)
        request.headers.set("Content-Type", self._form)
        for name, value in extra:
            request.headers.set(name, value)
        request = Request(request.method, request.uri, request.headers, body_of(digit, self._form))
        key, out = self.stack.send(self, self.session, request, self.way, now)
        self._told = _Told(key, request, digit, attempt)
        return out

    def _key_answered(self, key: TransactionKey, response: Response, now: float) -> list[Action]:
        told, status = self._told, response.status
        if told is None or told.transaction != key:
            return []
        self._told = None
        if status < 300 or self.over:
            return self._next_key(now)
        if status in (401, 407) and told.attempt < _ATTEMPTS:
            answer = self.session.authorization(told.request, response)
            if answer is not None:
                return self._tell(told.digit, told.attempt + 1, now, answer)
        if status == 415 and told.attempt == 1:
            self._form = PLAIN if self._form == RELAY else RELAY
            return self._tell(told.digit, 2, now)
        if status == 481:
            return self.session.give_up(now) + self.session.end(Cause.NO_RESPONSE, status=status)
        return self._keys_refused(told, status)

    def _keys_refused(self, told: _Told, status: int) -> list[Action]:
        digits = told.digit + "".join(self._keys)
        self._told = None
        self._keys.clear()
        return [] if self.over else [KeysRefused(session=self.session.id, digits=digits, status=status)]

    # BYE --------------------------------------------------------------------------------------------------------------

    def _send_bye(self, reason: Reason | None, now: float) -> list[Action]:
        request = self.dialog.request("BYE")
        request.headers.add("User-Agent", self.stack.settings.server)
        if reason is not None:
            request.headers.add(*format_reason(reason))
        return self._try_bye(request, now)

    def _try_bye(self, request: Request, now: float) -> list[Action]:
        self._bye = request
        self._bye_tries += 1
        return self.stack.send(self, self.session, request, self.way, now)[1]

    def _bye_answered(self, response: Response, now: float) -> list[Action]:
        if response.status in (401, 407) and self._bye is not None and self._bye_tries == 1:
            answer = self.session.authorization(self._bye, response)
            if answer is not None:
                self.dialog.local_cseq += 1
                return self._try_bye(resubmission(self._bye, self.dialog.local_cseq, answer), now)
        return []
