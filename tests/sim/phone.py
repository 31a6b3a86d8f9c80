"""A telephone for stories: a small SIP user agent written apart from the stack under test.

It speaks by string formatting and reads by splitting, keeps one call at a time,
retransmits as RFC 3261 asks over UDP, and can be told to misbehave.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tests.sim import audio
from tests.sim.network import Address

if TYPE_CHECKING:
    from tests.sim.office import VirtualOffice

T1 = 0.5
PT = {"PCMU": 0, "PCMA": 8}


class Message:
    """One SIP message as lists of lines; header names are lower-case."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.start, *lines = head.decode().split("\r\n")
        self.headers = [(n.strip().lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines)]
        words = self.start.split(" ", 2)
        self.is_response = words[0] == "SIP/2.0"
        self.status = int(words[1]) if self.is_response else 0
        self.cseq = int(self["cseq"].split()[0])
        self.method = self["cseq"].split()[1]
        self.request = "" if self.is_response else words[0]
        self.target = "" if self.is_response else words[1]

    def __getitem__(self, name: str) -> str:
        return next((v for n, v in self.headers if n == name), "")

    def all(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n == name]

    def uri(self, name: str) -> str:
        found = re.search(r"<([^>]*)>", self[name])
        return found.group(1) if found else self[name].split(";")[0]

    def tag(self, name: str) -> str:
        found = re.search(r";tag=([^;>\s]+)", self[name])
        return found.group(1) if found else ""

    @property
    def branch(self) -> str:
        found = re.search(r"branch=([^;,\s]+)", self["via"])
        return found.group(1) if found else ""

    def __repr__(self) -> str:
        return f"<{self.start} | {self['cseq']}>"


@dataclass
class Dialog:
    call_id: str
    local: str
    remote: str
    target: str
    routes: list[str]
    cseq: int = 1
    remote_cseq: int = 0
    invite: Message | None = None
    invite_cseq: int = 0
    invite_branch: str = ""
    outgoing: bool = True
    state: str = "inviting"


@dataclass
class Phone:
    """``answer`` seconds after ringing it picks up; None lets it ring. ``refuse`` answers with a status instead.

    ``tone`` in Hz is what it says while talking; what it hears collects in ``heard``.
    Misbehaviour: ``acks=False`` never acknowledges a 2xx, ``deaf`` drops all SIP that comes,
    ``silent_ring`` sends no 180, ``stubborn`` answers 200 although CANCEL came first.
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
    from_display: str = ""
    log: list[str] = field(default_factory=list)
    inbox: list[Message] = field(default_factory=list)
    heard: list[np.ndarray] = field(default_factory=list)
    digits_heard: list[str] = field(default_factory=list)
    wire: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sip: Address = (self.host, 5060)
        self.rtp: Address = (self.host, 4000)
        self.dialog: Dialog | None = None
        self.remote_rtp: Address | None = None
        self.codec = self.codecs[0]
        self.direction = "sendrecv"
        self.status: int | None = None
        self.reason = ""
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self._count = 0
        self._sdp_version = 0
        self._pending: dict[tuple[str, str], tuple[bytes, float, float]] = {}
        self._answered: dict[tuple[str, str], bytes] = {}
        self._waiting_ack: tuple[bytes, float, float, int] | None = None
        self._authorized: set[tuple[str, int]] = set()
        self._challenges: set[str] = set()
        self._rtp_seq = 100
        self._rtp_frames = 0
        self._digit: tuple[int, int, int] | None = None
        self._next_frame: float | None = None

    # Commands of the story -------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.office.now

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

    def hold(self, direction: str = "sendonly", *, how: str = "INVITE", zero: bool = False) -> None:
        self.direction = direction
        self._in_dialog(how, body=self._sdp(zero=zero))

    def resume(self, *, how: str = "INVITE") -> None:
        self.direction = "sendrecv"
        self._in_dialog(how, body=self._sdp())

    def press(self, digit: str) -> None:
        """Send one RFC 4733 event of 100 ms from now on."""
        self._digit = ("0123456789*#ABCD".index(digit), 0, self._rtp_frames * 160)

    def vanish(self) -> None:
        """The plug is pulled: nothing comes from here any more."""
        self.office.network.dead.add(self.host)

    def hears(self, frequency: float, last: float = 0.5) -> float:
        """Level in dBov of a frequency in the last seconds heard."""
        frames = self.heard[-round(last * 50) :]
        return audio.level_of(np.concatenate(frames), frequency) if frames else -120.0

    # Network ---------------------------------------------------------------------------------------------------------

    @property
    def next(self) -> float | None:
        times = [at for at, _ in self.timers]
        times += [due for _, due, _ in self._pending.values()]
        if self._waiting_ack:
            times.append(self._waiting_ack[1])
        if self._next_frame is not None:
            times.append(self._next_frame)
        return min(times, default=None)

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
        more = list(extra or [])
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
            "Max-Forwards: 70",
            f"From: {from_}",
            f"To: {to}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:{self.name}@{self.host}:5060>",
            f"User-Agent: {self.user_agent}",
            *([f"Route: {route}" for route in self.dialog.routes] if self.dialog and method != "REGISTER" else []),
            *extra,
        ]
        if body is not None:
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
            dialog.invite_branch, [], None,
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
                body = self._sdp()
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
            line = f"{name}: {self._digest(challenge, method, target)}"
            self._authorized.add((call_id, self._count + 2))
            if sum(1 for c, _ in self._authorized if c == call_id) > 40:
                return
            self._request(method, target, extra=[*fresh, line], call_id=call_id)
            self._authorized.add((call_id, self._count))
        else:
            assert self.dialog
            self.dialog.cseq += 1
            self._authorized.add((self.dialog.call_id, self.dialog.cseq))
            self._send_invite(self._invite_body, [f"{name}: {self._digest(challenge, 'INVITE', self.dialog.target)}"])

    def _digest(self, challenge: str, method: str, uri: str) -> str:
        params = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge.partition(" ")[2]))
        password = self.password if self.password is not None else f"secret-{self.name}"

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        ha1 = md5(f"{self.name}:{params['realm']}:{password}")
        cnonce = f"c{self._next()}"
        response = md5(f"{ha1}:{params['nonce']}:00000001:{cnonce}:auth:{md5(f'{method}:{uri}')}")
        return (
            f'Digest username="{self.name}", realm="{params["realm"]}", nonce="{params["nonce"]}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="{cnonce}"'
        )

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
                self.reason = message["reason"]
                if self.byes:
                    self._respond(message, 200 if self.dialog else 481)
                    self._over()
            case "UPDATE":
                self._respond(message, 200, self._answer_to(message) if message.body else None)
            case "PRACK":
                self._respond(message, 200)
            case _:
                self._respond(message, 501)

    def _invited(self, message: Message) -> None:
        dialog = self.dialog
        if dialog and message["call-id"] == dialog.call_id:
            self._respond(message, 200, self._answer_to(message) if message.body else self._sdp())
            return
        if dialog:
            self._respond(message, 486)
            return
        tag = f"t{self.name}{self._next()}"
        self.dialog = dialog = Dialog(
            message["call-id"], message["to"] + f";tag={tag}", message["from"], message.uri("contact"),
            message.all("record-route"), cseq=100, invite=message, outgoing=False, state="ringing",
        )  # fmt: skip
        if self.refuse is not None:
            self._respond(message, self.refuse)
            self.dialog = None
            return
        if self.early_media:
            self._respond(message, 183, self._answer_to(message))
            self._start_media()
        elif not self.silent_ring:
            self._respond(message, 180)
        if self.answer is not None:
            self.timers.append((self.now + self.answer, lambda: self._accept_if(dialog)))

    def _accept_if(self, dialog: Dialog) -> None:
        if self.dialog is dialog and dialog.state == "ringing":
            self._accept()

    def _accept(self) -> None:
        dialog = self.dialog
        assert dialog
        assert dialog.invite
        body = self._answer_to(dialog.invite) if dialog.invite.body else self._sdp()
        dialog.state = "talking"
        data = self._respond(dialog.invite, 200, body)
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

    def _respond(self, request: Message, status: int, body: str | None = None) -> bytes:
        to = request["to"]
        if ";tag=" not in to and status > 100:
            to = self.dialog.local if self.dialog else f"{to};tag=x{self._next()}"
        lines = [f"SIP/2.0 {status} {'OK' if status == 200 else 'Whatever'}"]
        lines += [f"Via: {via}" for via in request.all("via")]
        lines += [f"Record-Route: {route}" for route in request.all("record-route")]
        lines += [f"From: {request['from']}", f"To: {to}", f"Call-ID: {request['call-id']}", f"CSeq: {request['cseq']}"]
        lines.append(f"Contact: <sip:{self.name}@{self.host}:5060>")
        payload = (body or "").encode()
        if body is not None:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(payload)}")
        data = ("\r\n".join(lines) + "\r\n\r\n").encode() + payload
        if status >= 200 or request.request == "INVITE":
            self._answered[(request.branch, request.request)] = data
        self._put(data)
        return data

    # Media -----------------------------------------------------------------------------------------------------------

    def _sdp(self, *, zero: bool = False, codecs: tuple[str, ...] | None = None) -> str:
        self._sdp_version += 1
        names = codecs or self.codecs
        formats = " ".join(str(PT[c]) for c in names)
        lines = [
            "v=0", f"o=- 7 {self._sdp_version} IN IP4 {self.host}", "s=-",
            f"c=IN IP4 {'0.0.0.0' if zero else self.host}", "t=0 0",
            f"m=audio {self.rtp[1]} RTP/AVP {formats} 101",
            *(f"a=rtpmap:{PT[c]} {c}/8000" for c in names),
            "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", f"a={self.direction}",
        ]  # fmt: skip
        return "\r\n".join(lines) + "\r\n"

    def _answer_to(self, message: Message) -> str:
        self._take_sdp(message.body)
        mirror = {"sendonly": "recvonly", "recvonly": "sendonly"}
        before, self.direction = self.direction, mirror.get(self._remote_direction, self._remote_direction)
        body = self._sdp(codecs=(self.codec,))
        self.direction = before
        return body

    def _take_sdp(self, body: bytes) -> None:
        text = body.decode()
        host = re.search(r"^c=IN IP4 (\S+)", text, re.M)
        media = re.search(r"^m=audio (\d+) RTP/AVP (.*)$", text, re.M)
        direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", text, re.M)
        self._remote_direction = direction.group(1) if direction else "sendrecv"
        if host and media and int(media.group(1)):
            self.remote_rtp = (host.group(1), int(media.group(1)))
            offered = [int(f) for f in media.group(2).split()]
            self.codec = next(name for pt in offered for name, n in PT.items() if n == pt and name in self.codecs)

    def _start_media(self) -> None:
        if self.tone is not None and self._next_frame is None:
            self._next_frame = self.now

    def _send_frame(self) -> None:
        if self.remote_rtp is None or self.dialog is None:
            return
        payload_type, payload, timestamp, marker = PT[self.codec], b"", self._rtp_frames * 160, 0
        if self._digit is not None:
            code, count, start = self._digit
            count += 1
            end = 0x80 if count >= 5 else 0
            payload_type, timestamp, marker = 101, start, 0x80 if count == 1 else 0
            payload = struct.pack("!BBH", code, end | 10, count * 160)
            self._digit = None if count >= 7 else (code, count, start)
        elif self.tone is not None:
            payload = audio.encode(audio.tone(self.tone, 1, self._rtp_frames), self.codec)
        self._rtp_seq += 1
        header = struct.pack(
            "!BBHII",
            0x80,
            marker | payload_type,
            self._rtp_seq & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            zlib.crc32(self.name.encode()),
        )
        self._rtp_frames += 1
        if self.direction in ("sendrecv", "sendonly"):
            self.office.network.send(self.rtp, self.remote_rtp, header + payload, self.now)

    def _hear(self, data: bytes) -> None:
        if len(data) < 12:
            return
        _, second, seq, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
        payload_type = second & 0x7F
        if payload_type == 101:
            code, end, _ = struct.unpack("!BBH", data[12:16])
            key = (timestamp, ssrc)
            if end & 0x80 and key not in self._digit_keys:
                self._digit_keys.add(key)
                self.digits_heard.append("0123456789*#ABCD"[code])
            return
        law = {0: "PCMU", 8: "PCMA"}.get(payload_type)
        if law is not None:
            self.wire.append((ssrc, seq, timestamp))
            self.heard.append(audio.decode(data[12:], law))

    _digit_keys: set[tuple[int, int]] = field(default_factory=set)

    def _over(self) -> None:
        self.dialog = None
        self._next_frame = None
        self._waiting_ack = None
