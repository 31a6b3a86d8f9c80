"""A telephone for stories: a small SIP user agent written apart from the stack under test.

It speaks by string formatting and reads by splitting, keeps one call at a time,
retransmits as RFC 3261 asks over UDP, and can be told to misbehave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tests.sim import digest
from tests.sim.handset import Handset
from tests.sim.message import Dialog, Message
from tests.sim.network import Address

if TYPE_CHECKING:
    from tests.sim.office import VirtualOffice

T1 = 0.5


@dataclass
class Phone(Handset):
    """``answer`` seconds after ringing it picks up; None lets it ring. ``refuse`` answers with a status instead.

    ``tone`` in Hz is what it says while talking; what it hears collects in ``heard``.
    ``headers`` are sent with each INVITE; ``accepts_with`` and ``rings_with`` with its 200 and 180.
    ``contact`` is the host in its Contact, which behind a NAT is not where its packets come from.
    ``reliable`` supports 100rel, and as callee rings reliably; ``challenge`` is the status (401 or 407) with
    which a provider asks for digest; ``min_se`` the shortest session that it takes; ``forks``
    answers a second time, under another To tag.
    Misbehaviour: ``acks=False`` never acknowledges a 2xx, ``deaf`` drops all SIP that comes,
    ``silent_ring`` sends no 180, ``stubborn`` answers 200 although CANCEL came first,
    ``glares`` refuses so many re-INVITEs with 491. ``obeys`` sends nothing while the other side wants nothing.
    ``events=False`` knows no telephone-event; INFO is answered with ``info``, in none of ``info_forms`` with 415.
    """

    office: VirtualOffice
    name: str
    host: str
    answer: float | None = 0.5
    refuse: int | None = None
    tone: float | None = None
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    late_offer: bool = False
    acks: bool = True
    deaf: bool = False
    silent_ring: bool = False
    stubborn: bool = False
    byes: bool = True
    reliable: bool = False
    password: str | None = None
    early_media: bool = False
    user_agent: str = "Virtual/1"
    headers: tuple[str, ...] = ()
    accepts_with: tuple[str, ...] = ()
    rings_with: tuple[str, ...] = ()
    contact: str | None = None
    challenge: int | None = None
    forks: bool = False
    glares: int = 0
    min_se: int | None = None
    realm: str = "provider.example"
    from_display: str = ""
    obeys: bool = False
    event_clock: int = 8000
    events: bool = True
    info: int = 200
    info_forms: tuple[str, ...] = ("application/dtmf-relay", "application/dtmf")
    keys_told: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    inbox: list[Message] = field(default_factory=list)
    heard: list[np.ndarray] = field(default_factory=list)
    digits_heard: list[str] = field(default_factory=list)
    wire: list[tuple[int, int, int]] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sip: Address = (self.host, 5060)
        self.rtp: Address = (self.host, 4000)
        self.dialog: Dialog | None = None
        self.status: int | None = None
        self.reason = ""
        self.cancel_headers: tuple[str, ...] = ()
        self.source: Address = ("", 0)
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self._count = 0
        self._pending: dict[tuple[str, str], tuple[bytes, float, float]] = {}
        self._answered: dict[tuple[str, str], bytes] = {}
        self._waiting_ack: tuple[bytes, float, float, int] | None = None
        self._authorized: set[tuple[str, int]] = set()
        self._challenges: set[str] = set()
        self.set_up_sound()

    # Commands of the story -------------------------------------------------------------------------------------------

    @property
    def talking(self) -> bool:
        return self.dialog is not None and self.dialog.state == "talking"

    @property
    def ringing(self) -> bool:
        return self.dialog is not None and not self.dialog.outgoing and self.dialog.state == "ringing"

    @property
    def idle(self) -> bool:
        return self.dialog is None

    def register(self, expires: int = 3600) -> None:
        self._request(
            "REGISTER", f"sip:{self.office.domain}", extra=[f"Expires: {expires}"], call_id=f"reg-{self.name}"
        )

    def call(self, number: str) -> None:
        call_id = f"call-{self.name}-{self._next()}"
        me = f"{self.from_display}<sip:{self.name}@{self.office.domain}>;tag=f{self._next()}"
        to = f"<sip:{number}@{self.office.domain}>"
        target = f"sip:{number}@{self.office.domain}"
        self.dialog = Dialog(call_id, me, to, target, [])
        self.status = None
        self._send_invite(None if self.late_offer else self._sdp())

    def pick_up(self) -> None:
        if self.dialog and self.dialog.state == "ringing":
            self._accept()

    def hang_up(self) -> None:
        dialog = self.dialog
        if dialog is None:
            return
        if dialog.state == "talking":
            self._in_dialog("BYE")
            dialog.state = "leaving"
        elif dialog.outgoing:
            self._cancel()
        else:
            assert dialog.invite
            self._respond(dialog.invite, 603)
            self.dialog = None

    def refuse_now(self, status: int) -> None:
        """Refuse a call that rings already."""
        assert self.dialog
        assert self.dialog.invite
        self._respond(self.dialog.invite, status)
        self._over()

    def hold(self, direction: str = "sendonly", *, how: str = "INVITE", zero: bool = False) -> None:
        self.direction = direction
        self._in_dialog(how, body=self._sdp(zero=zero))

    def tell(self, digit: str, content_type: str = "application/dtmf-relay") -> None:
        """Press a key and send it by INFO."""
        body = f"Signal={digit}\r\nDuration=160\r\n" if content_type.endswith("relay") else digit
        self._in_dialog("INFO", body=body, extra=[f"Content-Type: {content_type}"])

    def resume(self, *, how: str = "INVITE") -> None:
        self.direction = "sendrecv"
        self._in_dialog(how, body=self._sdp())

    @property
    def contact_uri(self) -> str:
        return f"sip:{self.name}@{self.contact or self.host}:5060"

    def ask(self, method: str, *headers: str, target: str | None = None, body: str | None = None, to: str = "") -> None:
        """Send a request outside of any dialog, or with ``to`` into one that nobody knows."""
        uri = target or f"sip:{self.office.domain}"
        me = f"<sip:{self.name}@{self.office.domain}>;tag=q{self._next()}"
        call_id, branch = f"ask-{self.name}-{self._next()}", f"z9hG4bK{self.name}{self._next()}"
        data = self._format(method, uri, me, to or f"<{uri}>", call_id, self._next(), branch, list(headers), body)
        self._pending[(branch, method)] = (data, self.now + T1, 2 * T1)
        self._put(data)

    def last(self, method: str, request: bool = False) -> Message:
        """The last final response to a method of ours, or the last request of that method."""
        found = [m for m in self.inbox if (m.request == method if request else m.method == method and m.status >= 200)]
        assert found, f"no {method}: {self.log}"
        return found[-1]

    def count(self, method: str) -> int:
        """How many requests of a method came, retransmissions included."""
        return sum(1 for m in self.inbox if m.request == method)

    def come_back(self) -> None:
        self.office.network.dead.discard(self.host)

    def vanish(self) -> None:
        """The plug is pulled: nothing comes from here any more."""
        self.office.network.dead.add(self.host)

    # Network ---------------------------------------------------------------------------------------------------------

    @property
    def next(self) -> float | None:
        if not self.timers and not self._pending and not self._waiting_ack:
            return self._next_frame
        times = [at for at, _ in self.timers]
        times += [due for _, due, _ in self._pending.values()]
        if self._waiting_ack:
            times.append(self._waiting_ack[1])
        if self._next_frame is not None:
            times.append(self._next_frame)
        return min(times)

    def tick(self) -> None:
        due = [callback for at, callback in self.timers if at <= self.now]
        self.timers = [(at, callback) for at, callback in self.timers if at > self.now]
        for callback in due:
            callback()
        for key, (data, at, interval) in list(self._pending.items()):
            if at <= self.now and key in self._pending:
                if interval > 16.0:
                    del self._pending[key]
                    continue
                self._pending[key] = (data, self.now + interval, min(interval * 2, 32.0))
                self._put(data)
        if self._waiting_ack and self._waiting_ack[1] <= self.now:
            data, _, interval, left = self._waiting_ack
            self._put(data)
            self._waiting_ack = (data, self.now + min(interval * 2, 4.0), interval * 2, left - 1) if left else None
        if self._next_frame is not None and self._next_frame <= self.now:
            self._next_frame += 0.02
            self._send_frame()

    def receive(self, data: bytes, source: Address, port: int) -> None:
        if port != self.sip[1]:
            self._hear(data)
            return
        if self.deaf or not data.strip():
            return
        self.source = source
        message = Message(data)
        self.inbox.append(message)
        self.log.append(f"< {message.start}")
        if message.is_response:
            self._response(message)
        else:
            self._incoming(message)

    def _put(self, data: bytes) -> None:
        self.log.append("> " + data.split(b"\r\n", 1)[0].decode())
        self.office.network.send(self.sip, self.office.sip_address, data, self.now)

    # Requests --------------------------------------------------------------------------------------------------------

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _send_invite(self, body: str | None, extra: list[str] | None = None) -> None:
        dialog = self.dialog
        assert dialog
        self._invite_body = body
        dialog.invite_cseq = dialog.cseq
        dialog.invite_branch = f"z9hG4bK{self.name}{self._next()}"
        more = [*self.headers, *(extra or [])]
        if self.reliable:
            more.append("Supported: 100rel")
        self._transmit("INVITE", dialog.target, dialog, dialog.invite_branch, more, body)

    def _in_dialog(self, method: str, body: str | None = None, extra: list[str] | None = None) -> None:
        dialog = self.dialog
        assert dialog
        dialog.cseq += 1
        if method == "INVITE":
            dialog.invite_cseq = dialog.cseq
        branch = f"z9hG4bK{self.name}{self._next()}"
        self._transmit(method, dialog.target, dialog, branch, extra or [], body)

    def _transmit(
        self, method: str, target: str, dialog: Dialog, branch: str, extra: list[str], body: str | None
    ) -> None:
        data = self._format(
            method, target, dialog.local, dialog.remote, dialog.call_id, dialog.cseq, branch, extra, body
        )
        self._pending[(branch, method)] = (data, self.now + T1, 2 * T1)
        self._put(data)

    def _request(self, method: str, target: str, *, extra: list[str], call_id: str) -> None:
        branch = f"z9hG4bK{self.name}{self._next()}"
        me = f"<sip:{self.name}@{self.office.domain}>"
        self._reg = (method, target, extra, call_id)
        data = self._format(method, target, f"{me};tag=r{self.name}", me, call_id, self._next(), branch, extra, None)
        self._pending[(branch, method)] = (data, self.now + T1, 2 * T1)
        self._put(data)

    def _format(
        self,
        method: str,
        target: str,
        from_: str,
        to: str,
        call_id: str,
        cseq: int,
        branch: str,
        extra: list[str],
        body: str | None,
    ) -> bytes:
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:5060;rport;branch={branch}",
            *([] if any(e.startswith("Max-Forwards:") for e in extra) else ["Max-Forwards: 70"]),
            f"From: {from_}",
            f"To: {to}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            *([] if any(e.startswith("Contact:") for e in extra) else [f"Contact: <{self.contact_uri}>"]),
            f"User-Agent: {self.user_agent}",
            *([f"Route: {route}" for route in self.dialog.routes] if self.dialog and method != "REGISTER" else []),
            *extra,
        ]
        if body is not None and not any(e.startswith("Content-Type:") for e in extra):
            lines.append("Content-Type: application/sdp")
        payload = (body or "").encode()
        lines.append(f"Content-Length: {len(payload)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + payload

    def _cancel(self) -> None:
        dialog = self.dialog
        assert dialog
        dialog.state = "cancelling"
        data = self._format(
            "CANCEL", dialog.target, dialog.local, dialog.remote, dialog.call_id, dialog.invite_cseq,
            dialog.invite_branch, list(self.cancel_headers), None,
        )  # fmt: skip
        self._pending.pop((dialog.invite_branch, "INVITE"), None)
        self._pending[(dialog.invite_branch, "CANCEL")] = (data, self.now + T1, 2 * T1)
        self._put(data)

    # Responses to us -------------------------------------------------------------------------------------------------

    def _response(self, message: Message) -> None:
        if message.status >= 200 or message.method == "INVITE":
            self._pending.pop((message.branch, message.method), None)
        if message.status in (401, 407) and message.method in ("REGISTER", "INVITE"):
            self._challenged(message)
            return
        dialog = self.dialog
        if message.method == "REGISTER":
            self.status = message.status
        elif message.method == "INVITE" and dialog and message["call-id"] == dialog.call_id:
            self._invite_response(message, dialog)
        elif message.method in ("UPDATE",) and message.status == 200 and message.body:
            self._take_sdp(message.body)
        elif message.method == "BYE" and message.status >= 200:
            self._over()
        elif message.method not in ("CANCEL", "PRACK", "BYE") and message.status >= 200:
            self.status = message.status

    def _invite_response(self, message: Message, dialog: Dialog) -> None:
        if message.status > 100:
            self.status = message.status
            self.reason = message["reason"]
        if message.status == 100:
            return
        if message.status < 200:
            if "rseq" in dict(message.headers):
                self._prack(message)
            if message.body:
                self._take_sdp(message.body)
                self._start_media()
            return
        if message.status >= 300:
            ack = self._format(
                "ACK",
                dialog.target,
                dialog.local,
                message["to"],
                dialog.call_id,
                message.cseq,
                message.branch,
                [],
                None,
            )
            self._put(ack)
            if dialog.state != "talking":
                self._over()
            return
        if dialog.state == "talking" and message.cseq != dialog.invite_cseq:
            return
        fresh = dialog.state != "talking"
        dialog.remote = message["to"]
        dialog.target = message.uri("contact") or dialog.target
        dialog.routes = list(reversed(message.all("record-route")))
        body = None
        if message.body:
            self._take_sdp(message.body)
            if self.late_offer and fresh:
                body = self._sdp(codecs=(self.codec,))
        if self.acks:
            ack = self._format(
                "ACK", dialog.target, dialog.local, dialog.remote, dialog.call_id, message.cseq,
                f"z9hG4bK{self.name}{self._next()}", [], body,
            )  # fmt: skip
            self._put(ack)
        if dialog.state == "cancelling":
            dialog.state = "talking"
            self.hang_up()
            return
        dialog.state = "talking"
        self._start_media()

    def _prack(self, message: Message) -> None:
        dialog = self.dialog
        assert dialog
        remote, target = dialog.remote, dialog.target
        dialog.remote, dialog.target = message["to"], message.uri("contact") or target
        invite = dialog.invite_cseq
        self._in_dialog("PRACK", extra=[f"RAck: {message['rseq']} {message.cseq} INVITE"])
        dialog.remote, dialog.target, dialog.invite_cseq = remote, target, invite

    def _challenged(self, message: Message) -> None:
        repeated = message.branch in self._challenges
        self._challenges.add(message.branch)
        key = (message["call-id"], message.cseq)
        if message.method == "INVITE" and self.dialog:
            dialog = self.dialog
            self._put(
                self._format(
                    "ACK", dialog.target, dialog.local, message["to"], dialog.call_id, message.cseq, message.branch,
                    [], None,
                )
            )  # fmt: skip
        if repeated:
            return
        if key in self._authorized or len(self._authorized) > 50:
            self.status = message.status
            if message.method == "INVITE":
                self._over()
            return
        header, challenge = next((n, v) for n, v in message.headers if n.endswith("-authenticate") and "MD5" in v)
        name = "Proxy-Authorization" if header.startswith("proxy") else "Authorization"
        if message.method == "REGISTER":
            method, target, extra, call_id = self._reg
            fresh = [e for e in extra if not e.startswith("Authorization")]
            line = f"{name}: {self._credentials(challenge, method, target)}"
            self._authorized.add((call_id, self._count + 2))
            if sum(1 for c, _ in self._authorized if c == call_id) > 40:
                return
            self._request(method, target, extra=[*fresh, line], call_id=call_id)
            self._authorized.add((call_id, self._count))
        elif self.dialog is not None:  # else he hung up while the challenge was under way
            self.dialog.cseq += 1
            self._authorized.add((self.dialog.call_id, self.dialog.cseq))
            self._send_invite(
                self._invite_body, [f"{name}: {self._credentials(challenge, 'INVITE', self.dialog.target)}"]
            )

    def _credentials(self, challenge: str, method: str, uri: str) -> str:
        password = self.password if self.password is not None else f"secret-{self.name}"
        return digest.answer(challenge, self.name, password, method, uri, f"c{self._next()}")

    @staticmethod
    def _tag_of(name: str) -> str:
        return name.partition(";tag=")[2]

    # Requests to us --------------------------------------------------------------------------------------------------

    def _incoming(self, message: Message) -> None:
        if message.request == "ACK":
            self._waiting_ack = None
            if message.body:
                self._take_sdp(message.body)
            return
        key = (message.branch, message.request)
        if key in self._answered:
            self._put(self._answered[key])
            return
        match message.request:
            case "OPTIONS":
                self._respond(message, 200)
            case "INVITE":
                self._invited(message)
            case "CANCEL":
                self._respond(message, 200)
                self._cancelled(message)
            case "BYE":
                if self.dialog and message.tag("to") != self._tag_of(self.dialog.local):
                    self._respond(message, 200)  # of a fork that lost
                    return
                self.reason = message["reason"]
                if self.byes:
                    self._respond(message, 200 if self.dialog else 481)
                    self._over()
            case "UPDATE":
                self._respond(message, 200, self._answer_to(message) if message.body else None)
            case "PRACK":
                self._respond(message, 200)
                self.timers = [(at, callback) for at, callback in self.timers if callback != self._ring_again]
            case "INFO":
                self._told(message)
            case _:
                self._respond(message, 501)

    def _told(self, message: Message) -> None:
        status = self.info if message["content-type"] in self.info_forms else 415
        if status == 200:
            self.keys_told.append(message.body.decode().split()[0].removeprefix("Signal="))
        self._respond(message, status)

    def _invited(self, message: Message) -> None:
        dialog = self.dialog
        if dialog and message["call-id"] == dialog.call_id and self.glares:
            self.glares -= 1
            self._respond(message, 491)
            return
        if dialog and message["call-id"] == dialog.call_id:
            self._respond(message, 200, self._answer_to(message) if message.body else self._sdp())
            return
        if dialog:
            self._respond(message, 486)
            return
        if self.challenge is not None and not digest.proves(message, self.realm):
            kind = "WWW-Authenticate" if self.challenge == 401 else "Proxy-Authenticate"
            line = f'{kind}: Digest realm="{self.realm}", nonce="n{self._next()}", algorithm=MD5, qop="auth"'
            self._respond(message, self.challenge, extra=(line,))
            return
        if self.min_se is not None and int(message["session-expires"].split(";")[0]) < self.min_se:
            self._respond(message, 422, extra=(f"Min-SE: {self.min_se}",))
            return
        tag = f"t{self.name}{self._next()}"
        self.dialog = dialog = Dialog(
            message["call-id"], message["to"] + f";tag={tag}", message["from"], message.uri("contact"),
            message.all("record-route"), cseq=100, invite=message, outgoing=False, state="ringing",
        )  # fmt: skip
        refuse = self.refuse if self._speaks(message.body) else 488
        if refuse is not None:
            self._respond(message, refuse)
            self.dialog = None
            return
        rings_with = self.rings_with
        if self.reliable and "100rel" in message["supported"]:
            rings_with = (*rings_with, "Require: 100rel", "RSeq: 7")
        if self.early_media:
            self._ringing = self._respond(message, 183, self._answer_to(message), rings_with)
            self._start_media()
        elif not self.silent_ring:
            self._ringing = self._respond(message, 180, None, rings_with)
        if len(rings_with) > len(self.rings_with):
            self.timers.append((self.now + T1, self._ring_again))
        if self.answer is not None:
            self.timers.append((self.now + self.answer, lambda: self._accept_if(dialog)))

    def _ring_again(self) -> None:
        if self.ringing:
            self._put(self._ringing)
            self.timers.append((self.now + 2 * T1, self._ring_again))

    def _accept_if(self, dialog: Dialog) -> None:
        if self.dialog is dialog and dialog.state == "ringing":
            self._accept()

    def _accept(self) -> None:
        dialog = self.dialog
        assert dialog
        assert dialog.invite
        body = self._answer_to(dialog.invite) if dialog.invite.body else self._sdp()
        dialog.state = "talking"
        data = self._respond(dialog.invite, 200, body, self.accepts_with)
        if self.forks:
            other = dialog.local.replace(";tag=", ";tag=other")
            self._put(data.replace(f"To: {dialog.local}".encode(), f"To: {other}".encode()))
        self._waiting_ack = (data, self.now + T1, T1, 10)
        self._start_media()

    def _cancelled(self, message: Message) -> None:
        dialog = self.dialog
        if dialog and dialog.invite and dialog.state == "ringing" and dialog.call_id == message["call-id"]:
            self.reason = message["reason"]
            if self.stubborn:
                self._accept()
                return
            self._respond(dialog.invite, 487)
            self._over()

    def _respond(
        self, request: Message, status: int, body: str | None = None, extra: tuple[str, ...] = (), tag: str = ""
    ) -> bytes:
        to = request["to"] + tag
        if ";tag=" not in to and status > 100:
            to = self.dialog.local if self.dialog else f"{to};tag=x{self._next()}"
        lines = [f"SIP/2.0 {status} {'OK' if status == 200 else 'Whatever'}"]
        lines += [f"Via: {via}" for via in request.all("via")]
        lines += [f"Record-Route: {route}" for route in request.all("record-route")]
        lines += [f"From: {request['from']}", f"To: {to}", f"Call-ID: {request['call-id']}", f"CSeq: {request['cseq']}"]
        lines += [f"Contact: <{self.contact_uri}>", *extra]
        payload = (body or "").encode()
        if body is not None:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(payload)}")
        data = ("\r\n".join(lines) + "\r\n\r\n").encode() + payload
        if status >= 200 or request.request == "INVITE":
            self._answered[(request.branch, request.request)] = data
        self._put(data)
        return data

    def _over(self) -> None:
        self.dialog = None
        self._next_frame = None
        self._waiting_ack = None
