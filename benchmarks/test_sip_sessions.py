"""What one two-leg call costs a B2BUA in signalling: bytes in, bytes out, no sockets and no media."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

from softswitch.ids import Ids
from softswitch.sip.auth import DigestClient
from softswitch.sip.events import Accept, Answered, Ended, Flow, Hangup, Incoming, Output, Progress, PutOnWire, Ring
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import parse
from tests.sip.network import OFFER, REALM, Address, Network, Rights, Script, Switch, answering

CALLER: Address = ("192.0.2.1", 5060)
MIDDLE: Address = ("192.0.2.9", 5060)
CALLEE: Address = ("192.0.2.2", 5060)


class Relay(Switch):
    """The least B2BUA: every event of one leg is a command for the other. It writes down all that it was sent."""

    def __init__(self, network: Network, callee: Switch) -> None:
        super().__init__(network, MIDDLE, Rights(trunks={CALLER[0]: "in", CALLEE[0]: "out"}), seed=3)
        self.callee = callee
        self.other: dict[str, str] = {}
        self.react = self._react
        self.ended = 0

    def _react(self, event: Output) -> None:
        match event:
            case Incoming():
                out = self.call(self.callee, OFFER)
                self.other[event.session], self.other[out] = out, event.session
            case Progress():
                self.command(self.other[event.session], Ring(status=event.status))  # type: ignore[arg-type]
            case Answered():
                self.command(self.other[event.session], Accept(description=OFFER))  # type: ignore[arg-type]
            case Ended():
                self.ended += 1
                other = self.other.pop(event.session, None)
                if other is not None:
                    self.command(other, Hangup())  # type: ignore[arg-type]


class Stopwatch:
    """Runs calls through the relay, and only the relay's part of them under the benchmark."""

    def __init__(self) -> None:
        self.net = Network(delay=0.001)
        self.callee = Switch(self.net, CALLEE, Rights(trunks={MIDDLE[0]: "m"}), seed=2)
        self.caller = Switch(self.net, CALLER, Rights(trunks={MIDDLE[0]: "m"}), seed=1)
        self.relay = Relay(self.net, self.callee)
        self.seconds = 0.0
        self.callee.react = self._ring_and_answer
        self.caller.react = lambda event: Hangup() if isinstance(event, Answered) else None

    def _ring_and_answer(self, event: Output) -> Any:
        if isinstance(event, Incoming):
            self.callee.command(event.session, Ring())
        return answering(event)

    def watch(self, clock: Callable[[], float]) -> None:
        for name in ("arrived", "wake"):
            self._time(name, clock)

    def _time(self, name: str, clock: Callable[[], float]) -> None:
        inner = getattr(self.relay, name)

        def timed(*args: Any) -> None:
            start = clock()
            inner(*args)
            self.seconds += clock() - start

        setattr(self.relay, name, timed)

    def calls(self, count: int) -> None:
        for _ in range(count):
            self.caller.call(self.relay, OFFER)
            self.net.run(0.02)


def test_two_leg_calls(benchmark: Any) -> None:
    """The whole round: two endpoints as phones and the relay between them."""
    run = Stopwatch()

    def batch() -> None:
        run.calls(20)

    benchmark.extra_info["calls"] = 20
    benchmark.pedantic(batch, rounds=15, warmup_rounds=3)
    run.net.run(200)
    assert run.relay.ended == 2 * len(run.caller.calls)
    assert len(run.relay.endpoint) == 0


def test_registrations(benchmark: Any) -> None:
    """Digest registrations of 1,000 people, two requests and two answers each: ``extra_info`` is by CPU time."""
    people = [str(number) for number in range(1000)]
    net = Network()
    switch = Switch(net, MIDDLE, Rights(passwords=dict.fromkeys(people, "secret")), seed=1)
    rounds = iter(range(100))

    def prepare() -> tuple[tuple[list[tuple[bytes, Flow]]], dict[str, Any]]:
        """Make the phones' side ahead: the answers to challenges are their work, not the switch's."""
        turn = next(rounds)
        asked = []
        for number, person in enumerate(people):
            phone = Script(net, ("198.51.100.1", 1024 + number))
            flow = Flow("udp", MIDDLE, phone.address)
            request = phone.request(
                "REGISTER",
                switch,
                2 * turn + 1,
                call_id=f"{person}",
                branch=f"{turn}a",
                uri=f"sip:{REALM}",
                From=f"<sip:{person}@{REALM}>;tag=r",
                To=f"<sip:{person}@{REALM}>",
                Contact=f"<sip:{person}@198.51.100.1:{1024 + number}>",
            )
            first = switch.endpoint.receive(request.encode(), flow, net.now)[0]
            assert isinstance(first, PutOnWire)
            challenge = parse(first.data)
            assert isinstance(challenge, Response)
            headers = request.headers.copy()
            answer = DigestClient(person, password="secret").answer(challenge, request, Ids(number))
            assert isinstance(answer, tuple)
            headers.set(*answer)
            headers.set("CSeq", f"{2 * turn + 2} REGISTER")
            headers.set("Via", str(headers.get("Via")).replace(f"{turn}a", f"{turn}b"))
            asked.append((request.encode(), flow))
            asked.append((Request("REGISTER", request.uri, headers).encode(), flow))
        return (asked,), {}

    spent: list[float] = []

    def register(asked: list[tuple[bytes, Flow]]) -> None:
        start = process_time()
        for data, flow in asked:
            switch.endpoint.receive(data, flow, net.now)
        net.now += 40
        switch.endpoint.tick(net.now)
        spent.append(process_time() - start)

    benchmark.pedantic(register, setup=prepare, rounds=5)
    assert len(switch.endpoint.all_bindings()) == 1000
    benchmark.extra_info["registrations_per_second"] = round(1000 / median(spent))


def test_the_relay_alone(benchmark: Any) -> None:
    """Signalling of the relay in calls per second and core: read ``extra_info``."""
    run = Stopwatch()
    run.watch(process_time)
    run.calls(50)
    run.seconds = 0.0
    benchmark.pedantic(lambda: run.calls(400), rounds=1)
    benchmark.extra_info["calls_per_second"] = round(400 / run.seconds)
