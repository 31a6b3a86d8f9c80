"""The SIP side of the load generator: thousands of telephones on two UDP sockets, in one thread.

The callers' socket places calls and registers, the callees' socket rings and
answers at once. It is a measuring instrument and no SIP stack: it understands
what a correct server sends, repeats what is not answered (RFC 3261 timers A, E
and G), and counts everything that is not as it should be.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from benchmarks import loadgen_messages as messages
from benchmarks.loadgen_calls import GIVE_UP, T1, T2, Address, Answer, Call, Caller, Registering, Tally
from benchmarks.loadgen_media import Media

BATCH = 64
"""Datagrams taken from a socket before timers are looked at again."""


class Telephones:
    """``host`` is where callers live: the trunk's address, or that of the office's own telephones."""

    def __init__(
        self,
        server: Address,
        *,
        caller_host: str = "127.0.0.1",
        callee_host: str = "127.0.0.1",
        domain: str = "127.0.0.1",
        media: Media | None = None,
        caller_codec: str = "PCMU",
        callee_codec: str = "PCMU",
    ) -> None:
        self._server = server
        self._domain = f"{domain}:{server[1]}"
        self._media = media
        self._codecs = caller_codec, callee_codec
        self._out, self._in = _socket(caller_host), _socket(callee_host)
        self.caller: Address = self._out.getsockname()
        self.callee: Address = self._in.getsockname()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ, self._caller_receives)
        self._selector.register(self._in, selectors.EVENT_READ, self._callee_receives)
        self._calls: dict[bytes, Call] = {}
        self._refused: dict[bytes, bytes] = {}
        self._answers: dict[bytes, Answer] = {}
        self._registering: dict[bytes, Registering] = {}
        self._done_registering: Callable[[], None] | None = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._secrets: dict[str, str] = {}
        self._unique = 0
        self._run = f"{time.time_ns():x}"
        self.tally = Tally()

    def close(self) -> None:
        self._selector.close()
        self._out.close()
        self._in.close()

    # What one can do with them ----------------------------------------------------------------------------------------

    def register(
        self, users: Iterable[tuple[str, str]], *, window: int, seconds: float = 1e9, callees: bool = False
    ) -> Tally:
        """Register (user, password) pairs, ``window`` at a time, until they or the seconds are over."""
        self.tally = tally = Tally()
        waiting: Iterator[tuple[str, str]] = iter(users)
        end = time.monotonic() + seconds
        registrar = self._in if callees else self._out

        def next_one() -> None:
            person = next(waiting, None) if time.monotonic() < end else None
            if person is not None:
                self._start_registering(*person, registrar)

        self._done_registering = next_one
        for _ in range(window):
            next_one()
        self._loop(lambda: not self._registering, 1e9)
        self._done_registering = None
        return tally

    def place(
        self, callers: Iterable[tuple[Caller, str]], *, rate: float, seconds: float | None = None, hold: float | None
    ) -> Tally:
        """Place calls at an even rate and wait for all answers; ``hold`` None leaves them up until ``hang_up``."""
        self.tally = tally = Tally()
        pairs = iter(callers)
        begin = time.monotonic()
        open_ended = True

        def start(index: int) -> None:
            nonlocal open_ended
            pair = next(pairs, None)
            at = begin + (index + 1) / rate
            if pair is None:
                open_ended = False
                return
            self._start_call(*pair, hold)
            if seconds is not None and at > begin + seconds:
                open_ended = False
                return
            self._at(at, lambda: start(index + 1))

        start(0)
        settled = self._all_over if hold is not None else self._all_answered
        self._loop(lambda: not open_ended and settled(), 1e9)
        return tally

    def idle(self, seconds: float) -> None:
        """Stay reachable for a while: keep-alives and session refreshes are answered."""
        self._loop(lambda: False, seconds)

    def hang_up(self) -> None:
        """Hang up every call, 500 a second, and wait until all are over."""
        for index, call in enumerate([call for call in self._calls.values() if call.state == "talking"]):
            self._at(time.monotonic() + index / 500, partial(self._bye, call))
        self._loop(lambda: not self._calls, GIVE_UP + 5)

    @property
    def running(self) -> int:
        return len(self._calls)

    # The loop ---------------------------------------------------------------------------------------------------------

    def _at(self, when: float, what: Callable[[], None]) -> None:
        self._unique += 1
        heapq.heappush(self._timers, (when, self._unique, what))

    def _loop(self, done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        next_sweep = 0.0
        while not done():
            now = time.monotonic()
            if now >= end:
                return
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()
            if now >= next_sweep:
                self._repeat(now)
                next_sweep = now + 0.1
            until = min(end, next_sweep, self._timers[0][0] if self._timers else end)
            for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
                key.data()

    def _repeat(self, now: float) -> None:
        """Send again what was not answered, and give up what never will be."""
        for call in [call for call in self._calls.values() if call.next_repeat and now >= call.next_repeat]:
            if now >= call.give_up:
                self.tally.timeouts += 1
                self._forget(call, failed=True)
                continue
            self._out.sendto(call.request, self._server)
            self.tally.repeats += 1
            call.interval = call.interval * 2 if call.state == "calling" else min(T2, call.interval * 2)
            call.next_repeat = now + call.interval
        for call_id, answer in [(key, one) for key, one in self._answers.items() if not one.acked]:
            if now >= answer.give_up:
                del self._answers[call_id]
            elif now >= answer.next_repeat:
                self._in.sendto(answer.answer, answer.where)
                self.tally.repeats += 1
                answer.interval = min(T2, answer.interval * 2)
                answer.next_repeat = now + answer.interval
        for one in [one for one in self._registering.values() if now >= one.next_repeat]:
            if now >= one.give_up:
                self.tally.timeouts += 1
                self._registered(one, failed=True)
                continue
            self._out.sendto(one.request, self._server)
            self.tally.repeats += 1
            one.interval = min(T2, one.interval * 2)
            one.next_repeat = now + one.interval

    # Callers ----------------------------------------------------------------------------------------------------------

    def _start_call(self, caller: Caller, called: str, hold: float | None) -> None:
        number = self.tally.attempted
        self.tally.attempted += 1
        self._unique += 1
        call = Call(number, caller.number, called, f"{self._run}-{self._unique}".encode(), hold)
        if caller.secret:
            self._secrets[caller.number] = caller.secret
        self._calls[call.call_id] = call
        self.tally.peak = max(self.tally.peak, len(self._calls))
        call.started = time.monotonic()
        self._invite(call, b"")

    def _invite(self, call: Call, authorization: bytes) -> None:
        host, port = self.caller
        port_number = self._media.ports[2 * call.number] if self._media else 30000 + call.number % 5000 * 2
        body = messages.sdp(host if self._media is None else self._media.host, port_number, self._codecs[0])
        call.request = (
            f"INVITE sip:{call.called}@{self._domain} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{call.call_id.decode()}-{call.cseq};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{call.caller}@{self._domain}>;tag={call.number}\r\n"
            f"To: <sip:{call.called}@{self._domain}>\r\nCall-ID: {call.call_id.decode()}\r\n"
            f"CSeq: {call.cseq} INVITE\r\nContact: <sip:{call.caller}@{host}:{port}>\r\n"
        ).encode()
        call.request += authorization + b"Content-Type: application/sdp\r\n"
        call.request += f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        self._send(call)

    def _send(self, call: Call) -> None:
        now = time.monotonic()
        call.interval, call.next_repeat, call.give_up = T1, now + T1, now + GIVE_UP
        self._out.sendto(call.request, self._server)

    def _in_dialog(self, call: Call, method: str, cseq: int) -> bytes:
        host, port = self.caller
        return (
            b"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s-%s;rport\r\nMax-Forwards: 70\r\n"
            b"From: <sip:%s@%s>;tag=%d\r\nTo: <sip:%s@%s>;tag=%s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n"
            b"Content-Length: 0\r\n\r\n"
        ) % (
            method.encode(),
            call.target or b"sip:%s@%s" % (call.called.encode(), self._domain.encode()),
            host.encode(),
            port,
            call.call_id,
            b"%d" % cseq if method == "ACK" and not call.target else method.encode(),
            call.caller.encode(),
            self._domain.encode(),
            call.number,
            call.called.encode(),
            self._domain.encode(),
            call.to_tag,
            call.call_id,
            cseq,
            method.encode(),
        )

    def _caller_receives(self) -> None:
        for _ in range(BATCH):
            try:
                data = self._out.recv(65535)
            except (BlockingIOError, ConnectionError):
                return
            if not data.startswith(b"SIP/2.0 "):
                self._caller_is_asked(data)
                continue
            found, cseq = messages.CALL_ID.search(data), messages.CSEQ.search(data)
            if found is None or cseq is None:
                continue
            if cseq[2] == b"REGISTER":
                self._register_answered(found[1], int(cseq[1]), data)
            elif (call := self._calls.get(found[1])) is not None:
                self._call_answered(call, cseq[2], int(cseq[1]), data)
            elif cseq[2] == b"INVITE" and (ack := self._refused.get(found[1])) is not None:
                self.tally.server_repeats += 1
                self._out.sendto(ack, self._server)

    def _call_answered(self, call: Call, method: bytes, cseq: int, data: bytes) -> None:
        status = int(data[8:11])
        if method == b"BYE":
            if status >= 200 and call.state == "leaving":
                self.tally.completed += status == 200
                self._forget(call, failed=status != 200)
            return
        if method != b"INVITE" or cseq != call.cseq:
            return
        if status < 200:
            call.next_repeat = 0.0
            return
        tag = messages.TO_TAG.search(data)
        call.to_tag = tag[1] if tag else b""
        if status >= 300:
            self._out.sendto(self._in_dialog(call, "ACK", cseq), self._server)
            secret = self._secrets.get(call.caller)
            if status == 401 and cseq == 1 and secret:
                call.cseq = 2
                uri = f"sip:{call.called}@{self._domain}"
                self._invite(call, messages.authorization(data, call.caller, secret, "INVITE", uri))
            else:
                self.tally.codes[status] += 1
                self._refused[call.call_id] = self._in_dialog(call, "ACK", cseq)
                self._forget(call, failed=True)
            return
        contact = messages.CONTACT.search(data)
        first = call.state == "calling"
        if first:
            call.target = contact[1] if contact else b""
            self.tally.answered += 1
            self.tally.setup.append(time.monotonic() - call.started)
            call.state, call.next_repeat = "talking", 0.0
        else:
            self.tally.server_repeats += 1
        self._out.sendto(self._in_dialog(call, "ACK", cseq), self._server)
        if first and self._media is not None:
            self._speak(2 * call.number, data, 0, 2 * call.number + 1)
        if first and call.hold is not None:
            self._at(time.monotonic() + call.hold, lambda: self._bye(call))

    def _caller_is_asked(self, data: bytes) -> None:
        found = messages.CALL_ID.search(data)
        self._out.sendto(messages.response(data, b"200 OK", b"", b""), self._server)
        call = self._calls.get(found[1]) if found else None
        if call is not None and data.startswith(b"BYE "):
            self.tally.early_ends += 1
            self._forget(call, failed=True)

    def _bye(self, call: Call) -> None:
        if call.state != "talking" or call.call_id not in self._calls:
            return
        call.state = "leaving"
        call.request = self._in_dialog(call, "BYE", call.cseq + 1)
        self._send(call)

    def _forget(self, call: Call, failed: bool) -> None:
        self._calls.pop(call.call_id, None)
        self.tally.failed += failed
        if self._media is not None:
            self._media.hush(2 * call.number)

    def _all_over(self) -> bool:
        return not self._calls

    def _all_answered(self) -> bool:
        return self.tally.answered + self.tally.failed >= self.tally.attempted

    # Callees ----------------------------------------------------------------------------------------------------------

    def _callee_receives(self) -> None:
        for _ in range(BATCH):
            try:
                data, source = self._in.recvfrom(65535)
            except (BlockingIOError, ConnectionError):
                return
            if data.startswith(b"SIP/2.0 "):
                found, cseq = messages.CALL_ID.search(data), messages.CSEQ.search(data)
                if found and cseq and cseq[2] == b"REGISTER":
                    self._register_answered(found[1], int(cseq[1]), data)
            else:
                self._callee_is_asked(data, source)

    def _callee_is_asked(self, data: bytes, source: Address) -> None:
        found = messages.CALL_ID.search(data)
        call_id = found[1] if found else b""
        answer = self._answers.get(call_id)
        match data[: data.find(b" ")]:
            case b"INVITE" if answer is not None and messages.CSEQ.search(data)[1] == answer.cseq:  # type: ignore[index]
                self.tally.server_repeats += 1
                self._in.sendto(answer.answer, source)
            case b"INVITE":
                self._ring_and_answer(call_id, data, source)
            case b"ACK":
                if answer is not None:
                    answer.acked = True
            case b"BYE":
                self._answers.pop(call_id, None)
                self._in.sendto(messages.response(data, b"200 OK", b"", b""), source)
            case b"CANCEL":
                self._in.sendto(messages.response(data, b"200 OK", b"", b""), source)
            case _:
                self._in.sendto(messages.response(data, b"200 OK", b"", b""), source)

    def _ring_and_answer(self, call_id: bytes, data: bytes, source: Address) -> None:
        number = messages.FROM_NUMBER.search(data)
        index = int(number[1][-5:]) if number else 0
        leg = 2 * index + 1
        host, port = self.callee
        media_port = self._media.ports[leg] if self._media else 30000 + index % 5000 * 2
        contact = f"Contact: <sip:{host}:{port}>\r\n".encode()
        self._in.sendto(messages.response(data, b"180 Ringing", contact, b""), source)
        body = messages.sdp(host if self._media is None else self._media.host, media_port, self._codecs[1])
        response = messages.response(data, b"200 OK", contact, body)
        now = time.monotonic()
        cseq = messages.CSEQ.search(data)
        self._answers[call_id] = Answer(response, source, now + T1, now + GIVE_UP, cseq[1] if cseq else b"")
        self._in.sendto(response, source)
        if self._media is not None:
            self._speak(leg, data, 1, leg - 1)

    def _speak(self, leg: int, data: bytes, side: int, partner: int) -> None:
        host, port = messages.SDP_HOST.search(data), messages.SDP_PORT.search(data)
        if host and port and self._media is not None:
            self._media.peer(leg, host[1].decode(), int(port[1]), self._codecs[side], partner)

    # Registration -----------------------------------------------------------------------------------------------------

    def _start_registering(self, user: str, secret: str, through: socket.socket) -> None:
        self.tally.attempted += 1
        self._unique += 1
        one = Registering(user, f"{self._run}-r{self._unique}".encode(), started=time.monotonic())
        self._secrets[user] = secret
        self._registering[one.call_id] = one
        self._send_register(one, b"", through)

    def _send_register(self, one: Registering, authorization: bytes, through: socket.socket) -> None:
        host, port = through.getsockname()
        one.request = (
            f"REGISTER sip:{self._domain} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{one.call_id.decode()}-{one.cseq};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{one.user}@{self._domain}>;tag={one.cseq}\r\n"
            f"To: <sip:{one.user}@{self._domain}>\r\nCall-ID: {one.call_id.decode()}\r\nCSeq: {one.cseq} REGISTER\r\n"
            f"Contact: <sip:{one.user}@{host}:{port}>\r\nExpires: 3600\r\n"
        ).encode()
        one.request += authorization + b"Content-Length: 0\r\n\r\n"
        now = time.monotonic()
        one.interval, one.next_repeat, one.give_up = T1, now + T1, now + GIVE_UP
        through.sendto(one.request, self._server)

    def _register_answered(self, call_id: bytes, cseq: int, data: bytes) -> None:
        one = self._registering.get(call_id)
        status = int(data[8:11])
        if one is None or cseq != one.cseq or status < 200:
            return
        through = self._in if f":{self.callee[1]};".encode() in one.request[:300] else self._out
        if status == 401 and cseq == 1:
            one.cseq = 2
            uri = f"sip:{self._domain}"
            self._send_register(
                one, messages.authorization(data, one.user, self._secrets[one.user], "REGISTER", uri), through
            )
            return
        if status == 200:
            self.tally.answered += 1
            self.tally.completed += 1
            self.tally.setup.append(time.monotonic() - one.started)
        else:
            self.tally.codes[status] += 1
        self._registered(one, failed=status != 200)

    def _registered(self, one: Registering, failed: bool) -> None:
        self._registering.pop(one.call_id, None)
        self.tally.failed += failed
        if self._done_registering is not None:
            self._done_registering()


def _socket(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    made.bind((host, 0))
    made.setblocking(False)
    return made
