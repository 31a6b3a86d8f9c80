"""Whatever is commanded and whatever the network does: nothing raises, each session ends once, no timer is left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.events import (
    Accept,
    AnswerOffer,
    Ended,
    Hangup,
    Incoming,
    MakeOffer,
    RefuseOffer,
    Reject,
    RemoteOffer,
    Ring,
    SessionCommand,
    SessionId,
)
from softswitch.sip.message import Request, Response
from tests.sip.network import ALICE, BOB, Network, Rights, Script, Switch, sdp

PORTS = st.sampled_from([4000, 4002, 0])
DESCRIPTIONS = st.builds(
    lambda port, way: sdp("192.0.2.1", port, direction=way), PORTS, st.sampled_from(["sendrecv", "sendonly"])
)
COMMANDS = st.one_of(
    st.builds(Ring, status=st.sampled_from([180, 183]), description=st.none() | DESCRIPTIONS),
    st.builds(Accept, description=DESCRIPTIONS),
    st.builds(Reject, status=st.sampled_from([302, 404, 486, 603])),
    st.builds(Hangup),
    st.builds(MakeOffer, description=DESCRIPTIONS),
    st.builds(AnswerOffer, description=DESCRIPTIONS),
    st.builds(RefuseOffer),
)
STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 3), COMMANDS, st.sampled_from([0.0, 0.005, 0.05, 0.6, 3.0])), max_size=25
)


def end_all(net: Network, *switches: Switch) -> None:
    """Hang everything up, let everything run out, and count the ends."""
    for _ in range(2):  # an INVITE may arrive after the first round
        net.run(40)
        for switch in switches:
            for session in started(switch):
                switch.command(session, Hangup())
    net.run(200)
    for switch in switches:
        ended = [event.session for event in switch.told(Ended)]
        assert sorted(ended) == sorted(set(ended))
        assert set(ended) == set(started(switch))
        assert (len(switch.endpoint), switch.deadline) == (0, None), switch.endpoint.describe()


def started(switch: Switch) -> list[SessionId]:
    return [*switch.calls, *(event.session for event in switch.told(Incoming))]


def nothing_after_the_end(switch: Switch) -> None:
    over: set[str] = set()
    for event in switch.events:
        session = getattr(event, "session", "")
        assert session not in over, event
        if isinstance(event, Ended):
            over.add(session)


@given(
    seed=st.integers(0, 1000),
    loss=st.sampled_from([0.0, 0.1, 0.5]),
    late=st.booleans(),
    require=st.sampled_from([(), (("Require", "100rel"),)]),
    steps=STEPS,
)
def test_random_commands_over_a_random_network(
    seed: int,
    loss: float,
    late: bool,
    require: tuple[tuple[str, str], ...],
    steps: list[tuple[bool, int, SessionCommand, float]],
) -> None:
    net = Network(seed=seed, loss=loss, double=0.2, jitter=0.1)
    alice = Switch(net, ALICE, Rights(trunks={BOB[0]: "bob"}), seed=1)
    bob = Switch(net, BOB, Rights(trunks={ALICE[0]: "alice"}), seed=2)
    for _ in range(2):
        alice.call(bob, None if late else sdp("192.0.2.1", 4000), headers=require)
    net.run(0.3)
    for by_alice, which, command, pause in steps:
        switch = alice if by_alice else bob
        sessions = started(switch)
        if sessions:
            switch.command(sessions[which % len(sessions)], command)
        net.run(pause)
    end_all(net, alice, bob)
    nothing_after_the_end(alice)
    nothing_after_the_end(bob)


METHODS = st.sampled_from(["INVITE", "UPDATE", "BYE", "PRACK", "OPTIONS", "ACK", "CANCEL", "INFO"])
BODIES = st.sampled_from(["", str(sdp("192.0.2.2", 5000)), str(sdp("192.0.2.2", 5002)), "v=0\r\nnonsense"])
EXTRAS = st.dictionaries(
    st.sampled_from(
        ["Require", "Supported", "Session_Expires", "Min_SE", "RSeq", "RAck", "Retry_After", "Allow", "Reason"]
    ),
    st.sampled_from(
        ["100rel", "timer", "1", "2 1 INVITE", "90;refresher=uas", "600", "UPDATE", "SIP;cause=200", "\x7f;;=,"]
    ),
    max_size=3,
)
STATUSES = st.sampled_from([100, 180, 183, 199, 200, 202, 302, 401, 407, 408, 422, 481, 487, 491, 500, 503, 603])


@given(
    late=st.booleans(),
    talk=st.lists(
        st.one_of(
            st.tuples(st.just("reply"), STATUSES, st.sampled_from(["bob", "rob", ""]), BODIES, EXTRAS),
            st.tuples(st.just("ask"), METHODS, st.integers(0, 6), BODIES, EXTRAS),
            st.tuples(st.just("do"), COMMANDS, st.none(), st.none(), st.none()),
        ),
        max_size=20,
    ),
)
def test_a_caller_stands_whatever_the_peer_says(late: bool, talk: list[tuple]) -> None:
    net = Network()
    alice = Switch(net, ALICE, Rights(trunks={BOB[0]: "bob"}), seed=1)
    bob = Script(net, BOB)
    session = alice.call(bob, None if late else sdp("192.0.2.1", 4000))
    net.run(0.05)
    invite = bob.requests("INVITE")[0]
    for number, (kind, what, detail, body, extras) in enumerate(talk):
        if kind == "do":
            alice.command(session, what)
        elif kind == "ask":
            bob.say(bob.back(invite, what, detail, "bob", branch=f"b{number}", body=body, **extras), alice)
        else:
            asked = [m for m in bob.heard if isinstance(m, Request) and m.method != "ACK"][-1]
            bob.say(bob.reply(asked, what, tag=detail, body=body, **extras), alice)
        net.run(0.03)
    end_all(net, alice)
    nothing_after_the_end(alice)


@given(
    late=st.booleans(),
    first=EXTRAS,
    talk=st.lists(
        st.one_of(
            st.tuples(st.just("ask"), METHODS, st.integers(0, 6), BODIES, EXTRAS),
            st.tuples(st.just("reply"), STATUSES, st.just("x"), BODIES, EXTRAS),
            st.tuples(st.just("do"), COMMANDS, st.none(), st.none(), st.none()),
        ),
        max_size=20,
    ),
)
def test_a_callee_stands_whatever_the_peer_says(late: bool, first: dict[str, str], talk: list[tuple]) -> None:
    net = Network()
    alice = Switch(net, ALICE, Rights(trunks={BOB[0]: "bob"}), seed=1)
    bob = Script(net, BOB)
    bob.say(bob.request("INVITE", alice, body="" if late else str(sdp("192.0.2.2", 5000)), **first), alice)
    net.run(0.05)
    if not alice.told(Incoming):
        return
    session = alice.session
    alice.command(session, Ring())
    net.run(0.05)
    opened = next((m for m in bob.heard if isinstance(m, Response) and m.to.tag), None)
    for number, (kind, what, detail, body, extras) in enumerate(talk):
        asked = [m for m in bob.heard if isinstance(m, Request) and m.method != "ACK"]
        if kind == "do":
            alice.command(session, what)
        elif kind == "ask" and opened is not None:
            bob.say(bob.inside(opened, what, detail, branch=f"b{number}", body=body, **extras), alice)
        elif kind == "reply" and asked:
            bob.say(bob.reply(asked[-1], what, tag=detail, body=body, **extras), alice)
        net.run(0.03)
    end_all(net, alice)
    nothing_after_the_end(alice)


@given(data=st.binary(max_size=400), flip=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4))
def test_an_endpoint_stands_whatever_bytes_arrive(data: bytes, flip: list[tuple[int, int]]) -> None:
    net = Network()
    alice = Switch(net, ALICE, Rights(trunks={BOB[0]: "bob"}, passwords={"101": "secret"}), seed=1)
    bob = Script(net, BOB)
    bob.lenient = True  # an answer to garbage echoes garbage
    whole = bytearray(bob.request("INVITE", alice, body=str(sdp("192.0.2.2", 5000))).encode())
    for at, value in flip:
        whole[at % len(whole)] = value
    net.send(BOB, ALICE, data)
    net.send(BOB, ALICE, bytes(whole))
    net.run(0.1)
    for event in alice.told(RemoteOffer):
        alice.command(event.session, RefuseOffer())
    end_all(net, alice)
