"""Races of sessions, every interleaving of them: which command comes when, and which datagram overtakes which."""

from __future__ import annotations

from collections.abc import Callable

from softswitch.sip.events import (
    Accept,
    Answered,
    AnswerOffer,
    Ended,
    Hangup,
    Incoming,
    MakeOffer,
    OfferFailed,
    Output,
    Reject,
    RemoteAnswer,
    RemoteOffer,
    Ring,
    SessionCommand,
)
from softswitch.sip.message import Request
from tests.sip.network import ANSWER, OFFER, Address, Network, Switch, answering, call_up, pair, scripted, sdp


class Choices:
    """The decisions of one run: those given, then always the first option."""

    def __init__(self, given: list[int]) -> None:
        self.taken: list[int] = []
        self.options: list[int] = []
        self._given = given

    def pick(self, options: int) -> int:
        at = len(self.taken)
        choice = self._given[at] if at < len(self._given) else 0
        self.taken.append(choice)
        self.options.append(options)
        return choice


def every_run(run: Callable[[Choices], None], least: int) -> None:
    """Call ``run`` once for each sequence of decisions; ``least`` guards against a race that is none."""
    waiting: list[list[int]] = [[]]
    count = 0
    while waiting:
        given = waiting.pop()
        choices = Choices(given)
        run(choices)
        count += 1
        for at in range(len(given), len(choices.taken)):
            waiting += [[*choices.taken[:at], other] for other in range(1, choices.options[at])]
    assert count >= least, f"only {count} interleavings"


def race(net: Network, choices: Choices, steps: list[Callable[[], None]], depth: int) -> None:
    """Interleave the steps with the datagrams under way, in any order; then do what is left."""
    held: list[tuple[Address, Address, bytes]] = []
    carry = net.send
    net.send = lambda source, target, data: held.append((source, target, data))
    steps = list(steps)
    for _ in range(depth):
        options = len(steps) + len(held)
        if not options:
            break
        choice = choices.pick(options)
        if choice < len(steps):
            steps.pop(choice)()
        else:
            source, target, data = held.pop(choice - len(steps))
            net.hosts[target].arrived(data, source)
    net.send = carry
    for step in steps:
        step()
    for source, target, data in held:
        net.send(source, target, data)


def settled(net: Network, *switches: Switch) -> None:
    """Each session has ended exactly once and no timer is left."""
    net.run(120)
    for switch in switches:
        sessions = [event.session for event in switch.told(Ended)]
        assert len(sessions) == len(set(sessions))
        assert (len(switch.endpoint), switch.deadline) == (0, None), switch.endpoint.describe()


def test_cancel_against_answer() -> None:
    def run(choices: Choices) -> None:
        net, alice, bob = pair()
        caller = alice.call(bob, OFFER)
        net.run(0.1)
        bob.command(bob.session, Ring())
        net.run(0.1)
        race(
            net,
            choices,
            [
                lambda: alice.command(caller, Hangup()),
                lambda: bob.command(bob.session, Accept(description=ANSWER)),
            ],
            depth=7,
        )
        settled(net, alice, bob)
        assert (len(alice.told(Ended)), len(bob.told(Ended))) == (1, 1)

    every_run(run, least=40)


def test_cancel_against_rejection() -> None:
    def run(choices: Choices) -> None:
        net, alice, bob = pair()
        caller = alice.call(bob, OFFER)
        net.run(0.1)
        bob.command(bob.session, Ring())
        net.run(0.1)
        steps: list[Callable[[], None]] = [
            lambda: alice.command(caller, Hangup()),
            lambda: bob.command(bob.session, Reject(status=486)),
        ]
        race(net, choices, steps, depth=8)
        settled(net, alice, bob)
        assert (len(alice.told(Ended)), len(bob.told(Ended))) == (1, 1)

    every_run(run, least=5)


def test_bye_against_bye() -> None:
    def run(choices: Choices) -> None:
        net, alice, bob, caller, callee = call_up()
        steps: list[Callable[[], None]] = [
            lambda: alice.command(caller, Hangup()),
            lambda: bob.command(callee, Hangup()),
        ]
        race(net, choices, steps, depth=8)
        settled(net, alice, bob)
        assert (len(alice.told(Ended)), len(bob.told(Ended))) == (1, 1)

    every_run(run, least=16)


def test_hangup_against_an_answer_on_its_way() -> None:
    def run(choices: Choices) -> None:
        net, alice, bob = pair()
        alice.react = lambda event: Hangup() if isinstance(event, Answered) else None
        alice.call(bob, OFFER)
        net.run(0.1)
        steps: list[Callable[[], None]] = [
            lambda: bob.command(bob.session, Accept(description=ANSWER)),
            lambda: bob.command(bob.session, Hangup()),
        ]
        race(net, choices, steps, depth=7)
        settled(net, alice, bob)
        assert (len(alice.told(Ended)), len(bob.told(Ended))) == (1, 1)

    every_run(run, least=20)


def test_offer_against_offer() -> None:
    def run(choices: Choices) -> None:
        net, alice, bob, caller, callee = call_up()
        alice.react = bob.react = answering
        steps: list[Callable[[], None]] = [
            lambda: alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002))),
            lambda: bob.command(callee, MakeOffer(description=sdp("192.0.2.2", 5002))),
        ]
        race(net, choices, steps, depth=7)
        net.run(20)
        for side in (alice, bob):
            assert not side.told(Ended)
            assert (len(side.told(RemoteAnswer)), side.told(OfferFailed)) == (1, [])
        alice.command(caller, Hangup())
        settled(net, alice, bob)

    every_run(run, least=40)


def test_offer_against_bye() -> None:
    def run(choices: Choices) -> None:
        net, alice, bob, caller, callee = call_up()
        bob.react = lambda event: AnswerOffer(description=ANSWER) if isinstance(event, RemoteOffer) else None
        steps: list[Callable[[], None]] = [
            lambda: alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002))),
            lambda: bob.command(callee, Hangup()),
        ]
        race(net, choices, steps, depth=7)
        settled(net, alice, bob)
        assert (len(alice.told(Ended)), len(bob.told(Ended))) == (1, 1)

    every_run(run, least=40)


def test_two_forks_answer() -> None:
    body = str(sdp("192.0.2.2", 5000))

    def run(choices: Choices) -> None:
        net, alice, bob = scripted()
        caller = alice.call(bob, OFFER)
        net.run(0.1)
        invite = bob.requests("INVITE")[0]
        bob.answering = lambda m: (
            bob.reply(m, 200) if isinstance(m, Request) and m.method in ("BYE", "CANCEL") else None
        )
        steps: list[Callable[[], None]] = [
            lambda: bob.say(bob.reply(invite, 180, tag="desk"), alice),
            lambda: bob.say(bob.reply(invite, 200, tag="desk", body=body), alice),
            lambda: bob.say(bob.reply(invite, 200, tag="mobile", body=body), alice),
            lambda: alice.command(caller, Hangup()),
        ]
        race(net, choices, steps, depth=5)
        net.run(1)
        assert {ack.to.tag for ack in bob.requests("ACK")} == {"desk", "mobile"}
        assert {bye.to.tag for bye in bob.requests("BYE")} == {"desk", "mobile"}
        settled(net, alice)
        assert alice.causes == ["local"]

    every_run(run, least=100)


def test_the_other_devices_are_cancelled_while_they_answer() -> None:
    """Two devices of one person ring; whichever answers first has the call, exactly once."""

    def run(choices: Choices) -> None:
        net, alice, desk = pair()
        mobile = Switch(net, ("192.0.2.3", 5060), desk.rights, seed=33)
        calls = {alice.call(desk, OFFER): desk, alice.call(mobile, OFFER): mobile}
        net.run(0.1)

        def first_wins(event: Output) -> SessionCommand | None:
            if isinstance(event, Answered):
                winner = alice.told(Answered)[0].session
                if event.session != winner:
                    return Hangup()
                for session in calls:
                    if session != winner:
                        alice.command(session, Hangup())
            return None

        alice.react = first_wins
        steps: list[Callable[[], None]] = [
            lambda: desk.command(desk.session, Accept(description=ANSWER)),
            lambda: mobile.command(mobile.session, Accept(description=ANSWER)),
        ]
        race(net, choices, steps, depth=5)
        net.run(60)
        winner = alice.told(Answered)[0].session
        assert len(calls[winner].told(Incoming)) == 1
        assert [event.session for event in alice.told(Ended)] == [session for session in calls if session != winner]
        alice.command(winner, Hangup())
        settled(net, alice, desk, mobile)

    every_run(run, least=50)
