"""The calling half of a session: our INVITE, its forks, and its cancellation (RFC 3261 sections 9.1 and 13.2)."""

from __future__ import annotations

from typing import Literal

from softswitch.clock import earliest
from softswitch.sip.dialog import Dialog, request_uri
from softswitch.sip.echo import Echo
from softswitch.sip.events import (
    Answered,
    AnswerOffer,
    Cause,
    DialogState,
    Flow,
    Hangup,
    Invite,
    MakeOffer,
    PressKeys,
    Progress,
    Reason,
    RefuseOffer,
    RemoteOffer,
    SessionCommand,
    SessionId,
)
from softswitch.sip.headers import Headers, NameAddr
from softswitch.sip.identity import caller_headers
from softswitch.sip.info import takes_keys
from softswitch.sip.message import Request, Response
from softswitch.sip.offers import OfferAnswer
from softswitch.sip.prack import ReliableReceiver, rseq
from softswitch.sip.sdp import SessionDescription
from softswitch.sip.session import (
    Action,
    Owner,
    Peer,
    Session,
    Stack,
    description_of,
    format_reason,
    put_body,
    reason_of,
    resubmission,
)
from softswitch.sip.timers4028 import SessionTimer
from softswitch.sip.transactions import TransactionKey
from softswitch.sip.uri import Uri
from softswitch.sip.usage import Usage
from softswitch.sip.via import address_of

__all__ = ["Caller"]

_MAX_EARLY = 32
"""Early dialogs that one INVITE may open; a proxy that forks wider is attacking us."""

_ATTEMPTS = 3
"""The first INVITE, one answer to a challenge, one longer session interval."""


class Caller(Session):
    """Our INVITE and the dialogs that it opens, of which the first 2xx chooses one."""

    owns_call_id = True

    def __init__(self, stack: Stack, session: SessionId, invite: Invite, peer: Peer) -> None:
        super().__init__(stack, session, stack.ids.call_id(), stack.ids.tag(), peer)
        self.account = invite.account
        self.usage: Usage | None = None
        self.usages: dict[str, Usage] = {}
        self._latest: Usage | None = None
        self._offers = OfferAnswer()
        self._offer = None if invite.offer is None else self._offers.offer(invite.offer)
        self._timer = SessionTimer(stack.settings.session_expires, stack.settings.min_se)
        self._attempt = 1
        self._key: TransactionKey | None = None
        self._patience = invite.patience
        self._silent_until: float | None = None
        self._request = self._invite_request(invite)

    # The INVITE -----------------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Action]:
        return self._send(self._request, now)

    def _invite_request(self, invite: Invite) -> Request:
        settings = self.stack.settings
        caller, more = caller_headers(invite, settings.domain)
        headers = Headers()
        headers.add("Max-Forwards", str(invite.max_forwards))
        headers.add("From", NameAddr(caller[0] or None, caller[1], (("tag", self.local_tag),)))
        headers.add("To", NameAddr(invite.callee[0] or None, request_uri(invite.callee[1])))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{1 + self.stack.ids.below(1000)} INVITE")
        self.stack.describe_us(headers, self.stack.contact(self.peer.to, self.contact_user))
        for name, value in (*self._timer.request_headers(), ("User-Agent", settings.server), *more, *invite.headers):
            headers.add(name, value)
        request = Request("INVITE", request_uri(invite.target), headers)
        return request if self._offer is None else put_body(request, self._offer)

    def _send(self, request: Request, now: float) -> list[Action]:
        self._request = request
        self._silent_until = None if self._patience is None else now + self._patience
        self._key, out = self.stack.send(self, self, request, self.peer.to, now)
        return out

    # Responses ------------------------------------------------------------------------------------------------------

    def on_response(self, key: TransactionKey, response: Response, flow: Flow, now: float) -> list[Action]:
        if key != self._key:
            return []
        self._silent_until = None
        self.peer.answered_from(flow)
        if response.status < 200:
            return self._provisional(response, now)
        if response.status < 300:
            return self._accepted(response, now)
        return self._rejected(response, now)

    def on_failed(self, key: TransactionKey, why: Literal["timeout", "transport"], now: float) -> list[Action]:
        if key != self._key or self.usage is not None:
            return []
        self._silent_until = None
        return self._drop_early(now) + self.end(Cause.NO_RESPONSE, status=408 if why == "timeout" else 503)

    def _provisional(self, response: Response, now: float) -> list[Action]:
        if response.status == 100 or self.ended or self.usage is not None:
            return []
        found = description_of(response)
        description = found if isinstance(found, SessionDescription) else None
        usage = self._early(response)
        if usage is None:
            return [Progress(session=self.id, status=response.status, description=description)]
        self._latest = usage
        usage.peer_allows(response)
        number = rseq(response)
        if number is None:
            # Without 100rel the answer is only a preview of that in the 2xx (RFC 6337 section 3.1.1).
            usage.preview = description or usage.preview
            return [Progress(session=self.id, status=response.status, description=self._early_media(usage))]
        if usage.reliable.receive(number) is not ReliableReceiver.Verdict.NEW:
            return []
        if description is not None and not usage.offers.established:
            if usage.offers.stable:
                usage.offers.offered(description)
                usage.offered_reliably("1xx", None, response)
                return [
                    Progress(session=self.id, status=response.status),
                    RemoteOffer(session=self.id, description=description),
                ]
            if usage.offers.local_offer:
                usage.offers.answered(description)
        out = usage.prack(response, None, now)
        out.append(Progress(session=self.id, status=response.status, description=self._early_media(usage)))
        return out + usage.advance(now)

    def _early_media(self, usage: Usage) -> SessionDescription | None:
        return usage.offers.remote or (usage.preview if usage.offers.local_offer else None)

    def _early(self, response: Response) -> Usage | None:
        """Return the early dialog of a response; None when it makes none."""
        tag = response.to.tag
        if tag is None:
            return None
        usage = self.usages.get(tag)
        if usage is None and len(self.usages) < _MAX_EARLY:
            usage = self.usages[tag] = Usage(self, Dialog.of_uac(self._request, response), self._offers.fork())
        return usage

    def _accepted(self, response: Response, now: float) -> list[Action]:
        tag = response.to.tag or ""
        usage = self.usages.get(tag)
        if usage is not None and usage.confirmed:
            return usage.ack  # a retransmission: our ACK was lost; [] while calls owe the answer that goes into it
        if usage is not None and usage.over:
            return usage.ack or usage.acknowledge(response.cseq.number, None)  # its BYE overtook it
        if usage is None:
            usage = Usage(self, Dialog.of_uac(self._request, response), self._offers.fork())
            self.usages[tag] = usage
        else:
            # RFC 3261 section 13.2.2.4: the route set is computed again from the 2xx.
            early = usage.dialog
            usage.dialog = Dialog.of_uac(self._request, response)
            usage.dialog.local_cseq, usage.dialog.remote_cseq = early.local_cseq, early.remote_cseq
        usage.accepted(response, now)
        if self.usage is not None or self.ended:
            # A second fork, or an answer that crossed our CANCEL: taken and hung up at once.
            self.stack.counters["2xx of another fork" if self.usage is not None else "2xx after CANCEL"] += 1
            return usage.acknowledge(response.cseq.number, None) + usage.hang_up(None, now)
        self.usage = usage
        out = self._drop_early(now)
        found = description_of(response)
        description = found if isinstance(found, SessionDescription) else None
        offers, keys = usage.offers, takes_keys(response) is not None
        if offers.local_offer:
            # Some peers answer in an unreliable 18x and leave the 2xx empty.
            description = description or usage.preview
            if description is None:
                return out + self._unusable(usage, response, now)
            offers.answered(description)
        elif offers.established:
            description = offers.remote
        elif description is None:
            return out + self._unusable(usage, response, now)
        elif offers.stable:
            offers.offered(description)
            usage.offered_reliably("2xx", None, response)
            return [*out, Answered(session=self.id, description=description, offered=True, takes_keys=keys)]
        assert description is not None
        out += usage.acknowledge(response.cseq.number, None)
        out.append(Answered(session=self.id, description=description, takes_keys=keys))
        return out + usage.advance(now)

    def _unusable(self, usage: Usage, response: Response, now: float) -> list[Action]:
        """RFC 3261 section 13.2.2.4: an answer that cannot be used is acknowledged and hung up."""
        out = usage.acknowledge(response.cseq.number, None) + usage.hang_up(None, now)
        return out + self.end(Cause.PROTOCOL, status=response.status)

    def _rejected(self, response: Response, now: float) -> list[Action]:
        if self.ended or self.usage is not None:
            return self._drop_early(now)
        status = response.status
        if self._attempt < _ATTEMPTS and not self.ended:
            extra: list[tuple[str, str]] = []
            if status in (401, 407):
                answer = self.authorization(self._request, response)
                extra = [answer] if answer is not None else []
            elif status == 422 and self._timer.raise_to(response):
                extra = self._timer.request_headers()
            if extra:
                self._attempt += 1
                out = self._drop_early(now)
                self.usages.clear()
                return out + self._send(resubmission(self._request, self._request.cseq.number + 1, *extra), now)
        return self._drop_early(now) + self.end(Cause.REJECTED, status=status, reason=reason_of(response))

    def _drop_early(self, now: float) -> list[Action]:
        """Forget the early dialogs: those of forks that lost may still send a 2xx, which opens a new one."""
        out: list[Action] = []
        for tag, usage in list(self.usages.items()):
            if not usage.confirmed:
                out += usage.abandon(now)
                del self.usages[tag]
        return out

    # Requests of the peer -------------------------------------------------------------------------------------------

    def request_arrived(self, request: Request, flow: Flow, now: float) -> list[Action] | None:
        usage = self.usages.get(request.from_.tag or "")
        return None if usage is None else usage.receive(request, flow, now)

    def ack_arrived(self, request: Request, now: float) -> list[Action]:
        usage = self.usages.get(request.from_.tag or "")
        return [] if usage is None else usage.receive_ack(request, now)

    def cancelled(self, key: TransactionKey, request: Request, now: float) -> list[Action]:
        return [] if self.usage is None else self.usage.cancelled(key, now)

    def stray_accepted(self, response: Response, now: float) -> list[Action]:
        usage = self.usages.get(response.to.tag or "")
        return [] if usage is None or response.cseq != self._request.cseq else usage.ack

    def hung_up(self, usage: Usage, reason: Reason | None, now: float) -> list[Action]:
        if usage is self.usage:
            return self.end(Cause.HUNG_UP, reason=reason)
        if self.usage is not None or self.ended or any(not other.over for other in self.usages.values()):
            return []
        # A callee may not end an early dialog like this; one that does is gone, and its 200 may have been lost.
        return self._cancel(None, now) + self.end(Cause.HUNG_UP, reason=reason)

    # Commands -------------------------------------------------------------------------------------------------------

    def command(self, command: SessionCommand, now: float) -> list[Action]:
        if self.ended:
            return []
        usage = self.usage or self._latest
        match command:
            case Hangup(reason=reason):
                return self._hang_up(reason, now) + self.end(Cause.LOCAL, remote=False)
            case MakeOffer(description=description) if usage is not None:
                return usage.make_offer(description, now)
            case AnswerOffer(description=description):
                usage = self._owing()
                if usage is None:
                    return []
                return usage.answer_offer(description, now)
            case RefuseOffer(status=status):
                usage = self._owing()
                return [] if usage is None else usage.refuse_offer(status, now)
            case PressKeys(digits=digits):
                return [] if self.usage is None else self.usage.press_keys(digits, now)
        return []

    def give_up(self, now: float) -> list[Action]:
        return self._hang_up(None, now)

    def echo(self) -> tuple[TransactionKey, Owner] | None:
        usage, key = self.usage, self._key
        if not self.ended or usage is None or key is None or self.open_requests != {key} or len(self.usages) > 1:
            return None
        if not usage.over or self.deadline is not None or not self.stack.layer.is_accepted(key):
            return None
        return key, Echo(self.stack, self.peer, usage.dialog.remote_tag, usage.ack)

    def dissolve(self) -> None:
        self.usage = self._latest = None
        self.usages.clear()

    def offer_refused(self, usage: Usage, now: float) -> list[Action]:
        return self._hang_up(None, now) + self.end(Cause.LOCAL, status=488, remote=False)

    def _owing(self) -> Usage | None:
        return next((usage for usage in self.usages.values() if usage.awaits_answer), None)

    def _hang_up(self, reason: Reason | None, now: float) -> list[Action]:
        self._silent_until = None
        usage = self.usage
        if usage is None:
            return self._cancel(reason, now)
        out: list[Action] = []
        if not usage.ack:
            # The late offer was never answered: the ACK must go out all the same, and before the BYE.
            out = usage.acknowledge(self._request.cseq.number, None)
        return out + usage.hang_up(reason, now)

    def _cancel(self, reason: Reason | None, now: float) -> list[Action]:
        if self._key is None:
            return []
        headers = () if reason is None else (format_reason(reason),)
        return [*self.stack.layer.cancel(self._key, now, headers)]

    # Time -----------------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        if self._silent_until is not None:
            return self._silent_until  # without a response there is no dialog that could have a deadline
        if self.usage is not None and len(self.usages) == 1:
            return self.usage.deadline
        return earliest(*[usage.deadline for usage in self.usages.values()])

    def tick(self, now: float) -> list[Action]:
        out: list[Action] = []
        if self._silent_until is not None and now >= self._silent_until:
            # The INVITE may have arrived all the same: the CANCEL follows its first response, a BYE its 2xx.
            self._silent_until = None
            out = self._cancel(None, now) + self.end(Cause.NO_RESPONSE, status=408)
        for usage in list(self.usages.values()):
            out += usage.tick(now)
        return out

    def dialog_state(self) -> DialogState | None:
        usage = self.usage
        if self.ended:
            return None
        if usage is None:
            return self._calling_state()
        return None if self.peer.flow is None else usage.dialog.state(self.id, self.peer.flow)

    def _calling_state(self) -> DialogState | None:
        sent = None if self._key is None else self.stack.layer.sent(self._key)
        if sent is None:
            return None
        request, to = sent
        headers = request.headers
        return DialogState(
            session=self.id,
            call_id=self.call_id,
            local_uri=headers.get("From") or "",
            local_tag=self.local_tag,
            remote_uri=headers.get("To") or "",
            remote_tag="",
            remote_target=str(request.uri),
            local_cseq=request.cseq.number,
            routes=tuple(headers.all("Route")),
            transport=to.transport,
            remote=address_of(to),
            local=to.local if isinstance(to, Flow) else ("", 0),
            phase="calling",
            vias=(headers.get("Via") or "",),
        )

    @property
    def target(self) -> Uri | None:
        usage = self.usage or self._latest
        return None if usage is None else usage.dialog.remote_target

    def describe(self) -> str:
        state = "ended" if self.ended else "answered" if self.usage is not None else "calling"
        dialogs = "; ".join(usage.describe() for usage in self.usages.values())
        return f"{self.id} caller {state} {self.call_id} [{dialogs}]"
