"""What a transaction costs: `pytest benchmarks/test_sip_transactions.py --benchmark-only`.

Messages are parsed before the clock starts; writing them is counted.
"""

from __future__ import annotations

import itertools
from typing import Any

from softswitch.ids import Ids
from softswitch.sip.auth import Allowed, DigestClient, DigestServer, ha1
from softswitch.sip.events import Flow, PutOnWire
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import parse
from softswitch.sip.trace import Trace
from softswitch.sip.transaction import Timers
from softswitch.sip.transactions import RequestArrived, ResponseArrived, TransactionLayer

PHONE = Flow("udp", ("192.0.2.10", 5060), ("192.0.2.1", 5060))
ROUNDS, WARMUP = 3000, 200


def layer() -> TransactionLayer:
    return TransactionLayer(Ids(), Timers(), lambda to: ("192.0.2.10", 5060), "softswitch", secret=b"s")


def incoming(method: str, number: int, branch: str = "") -> Any:
    return parse(
        f"{method} sip:102@office.example SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}{number};rport\r\nMax-Forwards: 70\r\n"
        f'From: "Alice" <sip:101@office.example>;tag=a{number}\r\nTo: <sip:102@office.example>\r\n'
        f"Call-ID: call-{number}\r\nCSeq: 1 {method}\r\nContact: <sip:101@192.0.2.1:5060>\r\n"
        "User-Agent: bench\r\nContent-Length: 0\r\n\r\n".encode()
    )


def outgoing(method: str) -> Request:
    return Request(
        method,
        incoming("OPTIONS", 0).uri,
        Headers(
            [
                ("Max-Forwards", "70"),
                ("From", "<sip:101@office.example>;tag=a"),
                ("To", "<sip:102@office.example>"),
                ("Call-ID", "call"),
                ("CSeq", f"1 {method}"),
                ("Contact", "<sip:192.0.2.10:5060>"),
                ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE"),
                ("Supported", "100rel, timer, replaces"),
                ("User-Agent", "softswitch"),
            ]
        ),
    )


def reply_of(put: Any, status: int) -> Response:
    request = parse(put.data)
    assert isinstance(request, Request)
    reply = parse(request.reply(status, to_tag="b").encode())
    assert isinstance(reply, Response)
    return reply


def test_server_non_invite(benchmark: Any) -> None:
    """A request comes, is accepted and answered; its end is swept up by the timer."""
    stack, numbers = layer(), itertools.count()

    def prepare() -> tuple[tuple[Any], dict[str, Any]]:
        return (incoming("OPTIONS", next(numbers)),), {}

    def run(request: Request) -> None:
        now = next(numbers) * 0.01
        (arrived,) = stack.receive(request, PHONE, now)
        assert isinstance(arrived, RequestArrived)
        key, _ = stack.accept(arrived.request, PHONE, now)
        stack.respond(key, request.reply(200, to_tag="b"), now)
        stack.tick(now)

    benchmark.pedantic(run, setup=prepare, rounds=ROUNDS, warmup_rounds=WARMUP)


def test_server_invite(benchmark: Any) -> None:
    """100, 180 and 200 to an INVITE."""
    stack, numbers = layer(), itertools.count()

    def prepare() -> tuple[tuple[Any], dict[str, Any]]:
        return (incoming("INVITE", next(numbers)),), {}

    def run(request: Request) -> None:
        now = next(numbers) * 0.01
        stack.receive(request, PHONE, now)
        key, _ = stack.accept(request, PHONE, now)
        for status in (100, 180, 200):
            stack.respond(key, request.reply(status, to_tag="b"), now)
        stack.tick(now)

    benchmark.pedantic(run, setup=prepare, rounds=ROUNDS, warmup_rounds=WARMUP)


def test_client_invite(benchmark: Any) -> None:
    """An INVITE goes out; 100, 180 and 200 come. The responses are made and parsed outside of the measure."""
    stack, numbers = layer(), itertools.count()
    request = outgoing("INVITE")

    class Peer:
        """Knows the branch before the request is sent, since both draw from equal seeds."""

        def __init__(self) -> None:
            self.ids = Ids(1)
            self.shadow = TransactionLayer(Ids(1), Timers(), lambda to: ("192.0.2.10", 5060), secret=b"s")

        def responses(self) -> list[Response]:
            _, (put,) = self.shadow.request(request, PHONE, 0.0)
            assert isinstance(put, PutOnWire)
            return [reply_of(put, status) for status in (100, 180, 200)]

    peer = Peer()
    stack = TransactionLayer(Ids(1), Timers(), lambda to: ("192.0.2.10", 5060), secret=b"s")

    def prepare() -> tuple[tuple[Any], dict[str, Any]]:
        return (peer.responses(),), {}

    def run(responses: list[Response]) -> None:
        now = next(numbers) * 0.01
        stack.request(request, PHONE, now)
        for response in responses:
            (arrived,) = stack.receive(response, PHONE, now)
            assert isinstance(arrived, ResponseArrived)
        stack.tick(now)

    benchmark.pedantic(run, setup=prepare, rounds=ROUNDS, warmup_rounds=WARMUP)


def test_absorbing_a_retransmission(benchmark: Any) -> None:
    stack = layer()
    request = incoming("INVITE", 1)
    stack.receive(request, PHONE, 0.0)
    key, _ = stack.accept(request, PHONE, 0.0)
    stack.respond(key, request.reply(180, to_tag="b"), 0.0)
    benchmark(lambda: stack.receive(request, PHONE, 0.1))


def test_stateless_challenge(benchmark: Any) -> None:
    """A request of an unknown sender is answered 401 and forgotten: what a storm costs, parsing apart."""
    stack, guard, numbers = layer(), DigestServer(b"key", Ids(), "office.example"), itertools.count()

    def prepare() -> tuple[tuple[Any], dict[str, Any]]:
        return (incoming("REGISTER", next(numbers)),), {}

    def run(request: Request) -> None:
        stack.receive(request, PHONE, 0.0)
        reply = request.reply(401, to_tag=stack.stateless_tag(request))
        for value in guard.challenge(0.0, "192.0.2.1"):
            reply.headers.add("WWW-Authenticate", value)
        stack.reply_stateless(request, reply, PHONE)

    benchmark.pedantic(run, setup=prepare, rounds=ROUNDS, warmup_rounds=WARMUP)


def test_digest_check(benchmark: Any) -> None:
    guard = DigestServer(b"key", Ids(), "office.example")
    client = DigestClient("101", password="pw")
    known = {"101": {"SHA-256": ha1("SHA-256", "101", "office.example", "pw")}}

    def prepare() -> tuple[tuple[Any], dict[str, Any]]:
        challenge = Response(401, None, Headers([("WWW-Authenticate", guard.challenge(1.0, "192.0.2.1")[0])]))
        request = outgoing("REGISTER")
        answer = client.answer(challenge, request, Ids())
        assert isinstance(answer, tuple)
        request.headers.add(*answer)
        return (request,), {}

    def run(request: Request) -> None:
        assert isinstance(guard.check(request, known.get, "192.0.2.1", 1.0), Allowed)

    benchmark.pedantic(run, setup=prepare, rounds=ROUNDS, warmup_rounds=WARMUP)


def test_trace_record(benchmark: Any) -> None:
    trace, numbers = Trace(), itertools.count()
    messages = [incoming("INVITE", number).encode() for number in range(3000)]
    benchmark(lambda: trace.record(0.0, PHONE, messages[next(numbers) % 3000], True))
