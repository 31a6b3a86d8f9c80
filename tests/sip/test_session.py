"""Sessions between two endpoints: the ordinary life of a call and its ordinary ends."""

from __future__ import annotations

import pytest

from softswitch.sip.events import (
    Accept,
    Answered,
    AnswerOffer,
    Cause,
    Confirmed,
    Ended,
    Hangup,
    Incoming,
    MakeOffer,
    OfferFailed,
    Progress,
    Reason,
    RefuseOffer,
    Reject,
    RemoteAnswer,
    RemoteOffer,
    Ring,
)
from tests.sip.network import ANSWER, OFFER, Network, Switch, answering, call_up, pair, port_of, sdp


def nothing_left(net: Network, *switches: Switch) -> None:
    """Every timer of a finished call has run out 64*T1 = 32 s after its last message, and some for retransmissions."""
    net.run(32 + 32 + 5)
    for switch in switches:
        assert (len(switch.endpoint), switch.deadline) == (0, None), switch.endpoint.describe()


def test_a_call_rings_is_answered_and_hung_up() -> None:
    net, alice, bob = pair()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    incoming = bob.last(Incoming)
    assert (incoming.identity.kind, incoming.identity.name) == ("trunk", "alice")
    assert port_of(incoming.offer) == 4000

    bob.command(bob.session, Ring())
    net.run(0.1)
    assert [event.status for event in alice.told(Progress)] == [180]

    bob.command(bob.session, Accept(description=ANSWER))
    net.run(0.1)
    assert port_of(alice.last(Answered).description) == 5000
    assert bob.told(Confirmed) == [Confirmed(session=bob.session)]

    alice.command(caller, Hangup())
    net.run(0.1)
    assert (alice.causes, bob.causes) == (["local"], ["hung up"])
    nothing_left(net, alice, bob)


def test_the_messages_of_a_call_are_those_of_rfc_3665() -> None:
    net, alice, bob = pair()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    bob.command(bob.session, Ring())
    bob.command(bob.session, Accept(description=ANSWER))
    net.run(0.1)
    alice.command(caller, Hangup())
    net.run(0.1)
    assert [line.replace(" SIP/2.0", "").replace("SIP/2.0 ", "").split(" sip:")[0] for line in net.lines()] == [
        "INVITE", "100 Trying", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK",
    ]  # fmt: skip


def test_the_callee_hangs_up_and_its_reason_arrives() -> None:
    net, alice, bob, _, callee = call_up()
    bob.command(callee, Hangup(reason=Reason(protocol="Q.850", cause=16, text="Normal call clearing")))
    net.run(0.1)
    assert alice.last(Ended).cause is Cause.HUNG_UP
    assert alice.last(Ended).reason == Reason(protocol="Q.850", cause=16, text="Normal call clearing")
    nothing_left(net, alice, bob)


@pytest.mark.parametrize("status", [404, 480, 486, 488, 503, 603])
def test_a_rejection_ends_both_sides_with_its_status(status: int) -> None:
    net, alice, bob = pair()
    alice.call(bob, OFFER)
    net.run(0.1)
    bob.command(bob.session, Reject(status=status))
    net.run(0.1)
    assert (alice.last(Ended).cause, alice.last(Ended).status) == (Cause.REJECTED, status)
    assert (bob.last(Ended).cause, bob.last(Ended).status) == (Cause.LOCAL, status)
    nothing_left(net, alice, bob)


def test_a_redirection_is_a_rejection_and_nobody_else_is_called() -> None:
    net, alice, bob = pair()
    alice.call(bob, OFFER)
    net.run(0.1)
    bob.command(bob.session, Reject(status=302, headers=(("Contact", "<sip:evil@203.0.113.9>"),)))
    net.run(40)
    assert alice.last(Ended).status == 302
    assert sum(line.startswith("INVITE") for line in net.lines()) == 1


def test_a_caller_gives_up_with_a_reason() -> None:
    net, alice, bob = pair()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    bob.command(bob.session, Ring())
    net.run(0.1)
    alice.command(caller, Hangup(reason=Reason(protocol="SIP", cause=200, text="Call completed elsewhere")))
    net.run(0.1)
    assert alice.causes == ["local"]
    ended = bob.last(Ended)
    assert (ended.cause, ended.status) == (Cause.CANCELLED, 487)
    assert ended.reason == Reason(protocol="SIP", cause=200, text="Call completed elsewhere")
    nothing_left(net, alice, bob)


def test_a_hangup_of_the_callee_before_the_answer_is_480() -> None:
    net, alice, bob = pair()
    alice.call(bob, OFFER)
    net.run(0.1)
    bob.command(bob.session, Hangup())
    net.run(0.1)
    assert (alice.last(Ended).cause, alice.last(Ended).status) == (Cause.REJECTED, 480)


def test_both_hang_up_at_once() -> None:
    net, alice, bob, caller, callee = call_up()
    alice.command(caller, Hangup())
    bob.command(callee, Hangup())
    net.run(1)
    assert (alice.causes, bob.causes) == (["local"], ["local"])
    assert net.lines()[-2:] == ["SIP/2.0 200 OK", "SIP/2.0 200 OK"]
    nothing_left(net, alice, bob)


def test_a_dead_peer_is_no_response_after_64_t1() -> None:
    net, alice, bob = pair(loss=1.0)
    start = net.now
    alice.call(bob, OFFER)
    net.run(31.9)
    assert not alice.told(Ended)
    net.run(0.2)
    assert (alice.last(Ended).cause, alice.last(Ended).status) == (Cause.NO_RESPONSE, 408)
    assert net.now - start == pytest.approx(32.1)
    nothing_left(net, alice)


def test_a_lost_ack_is_made_good_by_the_retransmitted_200() -> None:
    net, alice, bob = pair()
    acks = iter([True, True])
    net.dropped = lambda data: data.startswith(b"ACK") and next(acks, False)
    bob.react = answering
    alice.call(bob, OFFER)
    net.run(5)
    # 200 at once, after T1 and after 3*T1; the third ACK arrives.
    assert [line for line in net.lines(bob) if "200" in line] == ["SIP/2.0 200 OK"] * 3
    assert len(bob.told(Confirmed)) == len(alice.told(Answered)) == 1


def test_an_answer_that_is_never_acknowledged_is_hung_up_after_64_t1() -> None:
    net, alice, bob = pair()
    net.dropped = lambda data: data.startswith(b"ACK")
    bob.react = answering
    alice.call(bob, OFFER)
    net.run(31.9)
    assert not bob.told(Ended)
    net.run(0.3)
    assert bob.last(Ended).cause is Cause.NO_ACK
    # RFC 3261 13.3.1.4: 0, 0.5, 1.5, 3.5, 7.5, then every T2 = 4 s up to 31.5.
    assert sum("200" in line for line in net.lines(bob)) == 11
    assert alice.last(Ended).cause is Cause.HUNG_UP
    nothing_left(net, alice, bob)


def test_a_hangup_before_the_ack_waits_for_it() -> None:
    net, alice, bob = pair()
    bob.react = answering
    alice.call(bob, OFFER)
    net.run(0.015)
    bob.command(bob.session, Hangup())
    assert bob.causes == ["local"]
    assert not any(line.startswith("BYE") for line in net.lines())
    net.run(1)
    assert net.lines()[-3:-1] == [line for line in net.lines() if line.startswith(("ACK", "BYE"))]
    assert alice.causes == ["hung up"]
    assert not bob.told(Confirmed)
    nothing_left(net, alice, bob)


def test_hold_and_resume_by_new_offers() -> None:
    net, alice, bob, caller, callee = call_up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4000, direction="sendonly")))
    net.run(0.1)
    held = bob.last(RemoteOffer).description
    assert held is not None
    assert (held.direction_of(held.media[0]), held.origin.version) == ("sendonly", "2")
    bob.command(callee, AnswerOffer(description=sdp("192.0.2.2", 5000, direction="recvonly")))
    net.run(0.1)
    answer = alice.last(RemoteAnswer).description
    assert (answer.direction_of(answer.media[0]), answer.origin.version) == ("recvonly", "2")

    alice.command(caller, MakeOffer(description=OFFER))
    net.run(0.1)
    assert bob.last(RemoteOffer).description.origin.version == "3"


def test_a_refused_offer_leaves_the_call_as_it_was() -> None:
    net, alice, bob, caller, callee = call_up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    bob.command(callee, RefuseOffer(status=488))
    net.run(0.1)
    assert alice.last(OfferFailed).status == 488
    bob.command(callee, MakeOffer(description=sdp("192.0.2.2", 5002)))
    net.run(0.1)
    assert port_of(alice.last(RemoteOffer).description) == 5002
    assert alice.causes == bob.causes == []


def test_a_second_offer_waits_for_the_first() -> None:
    net, alice, bob, caller, callee = call_up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4004)))
    net.run(0.1)
    bob.command(callee, AnswerOffer(description=ANSWER))
    net.run(0.1)
    assert [port_of(event.description) for event in bob.told(RemoteOffer)] == [4002, 4004]


def test_glare_is_settled_by_the_back_off_of_section_14_1() -> None:
    net, alice, bob, caller, callee = call_up()
    alice.react = bob.react = answering
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    bob.command(callee, MakeOffer(description=sdp("192.0.2.2", 5002)))
    start = net.now
    net.run(6)
    assert sum("491" in line for line in net.lines()) == 2
    assert len(alice.told(RemoteAnswer)) == len(bob.told(RemoteAnswer)) == 1
    assert not alice.told(OfferFailed)
    assert not bob.told(OfferFailed)
    again = [at - start for at, source, _, line in net.log if line.startswith("INVITE") and at > start]
    # The callee does not own the Call-ID: 0 to 2 s; the caller waits 2.1 to 4 s.
    assert 0 <= again[0] <= 2.1
    assert 2.1 <= again[1] <= 4.1


def test_a_late_offer_is_answered_in_the_ack() -> None:
    net, alice, bob = pair()
    bob.react = answering
    caller = alice.call(bob, None)
    net.run(0.1)
    assert bob.last(Incoming).offer is None
    answered = alice.last(Answered)
    assert (port_of(answered.description), answered.offered) == (5000, True)
    assert not any(line.startswith("ACK") for line in net.lines())
    alice.command(caller, AnswerOffer(description=OFFER))
    net.run(1)
    assert port_of(bob.last(Confirmed).description) == 4000
    assert sum("ACK" in line for line in net.lines()) == 1


def test_a_late_offer_that_is_hung_up_on_is_acknowledged_first() -> None:
    net, alice, bob = pair()
    bob.react = answering
    caller = alice.call(bob, None)
    net.run(0.1)
    alice.command(caller, Hangup())
    net.run(1)
    assert [line.split()[0] for line in net.lines(alice)][:3] == ["INVITE", "ACK", "BYE"]
    assert (alice.causes, bob.causes) == (["local"], ["protocol error"])
    nothing_left(net, alice, bob)


def test_a_dialog_is_released_after_a_crash() -> None:
    net, alice, bob, _, callee = call_up()
    state = bob.endpoint.dialog_state(callee)
    assert state is not None
    reborn = Switch(net, bob.address, bob.rights, seed=99)
    reborn.carry(reborn.endpoint.release(state, net.now))
    net.run(1)
    assert alice.last(Ended).cause is Cause.HUNG_UP
    assert alice.last(Ended).reason == Reason(protocol="SIP", cause=500, text="Switch restarted")
    nothing_left(net, alice, reborn)


def test_a_ringing_callee_is_cancelled_after_a_crash() -> None:
    net, alice, bob = pair()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    state = alice.endpoint.dialog_state(caller)
    assert state is not None
    reborn = Switch(net, alice.address, alice.rights, seed=99)
    reborn.carry(reborn.endpoint.release(state, net.now))
    net.run(1)
    assert [line.split()[0] for line in net.lines(reborn)] == ["INVITE", "CANCEL", "ACK"]
    assert bob.last(Ended).cause is Cause.CANCELLED
    nothing_left(net, bob, reborn)


def test_a_callee_that_answered_the_dead_is_acknowledged_and_hung_up() -> None:
    net, alice, bob = pair()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    state = alice.endpoint.dialog_state(caller)
    assert state is not None
    reborn = Switch(net, alice.address, alice.rights, seed=99)
    bob.command(bob.session, Accept(description=ANSWER))
    reborn.carry(reborn.endpoint.release(state, net.now))
    net.run(1)
    assert [line.split()[0] for line in net.lines(reborn)] == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert bob.last(Ended).cause is Cause.HUNG_UP
    nothing_left(net, bob, reborn)


def test_a_caller_who_waits_is_told_500_after_a_crash() -> None:
    net, alice, bob = pair()
    alice.call(bob, OFFER)
    net.run(0.1)
    state = bob.endpoint.dialog_state(bob.session)
    assert state is not None
    reborn = Switch(net, bob.address, bob.rights, seed=99)
    reborn.carry(reborn.endpoint.release(state, net.now))
    net.run(1)
    assert (alice.last(Ended).cause, alice.last(Ended).status) == (Cause.REJECTED, 500)
    nothing_left(net, alice, reborn)


def test_there_is_no_state_to_release_after_the_end() -> None:
    net, alice, bob = pair()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    bob.command(bob.session, Accept(description=ANSWER))
    net.run(0.1)
    assert alice.endpoint.dialog_state(caller) is not None
    alice.command(caller, Hangup())
    assert alice.endpoint.dialog_state(caller) is None


@pytest.mark.parametrize("loss", [0.2, 0.4])
def test_calls_survive_a_bad_network(loss: float) -> None:
    net, alice, bob = pair(loss=loss, double=0.1, jitter=0.3, seed=5)
    bob.react = answering
    alice.react = lambda event: Hangup() if isinstance(event, Answered) else None
    for _ in range(20):
        alice.call(bob, OFFER)
        net.run(10)
    net.run(70)
    # RFC 3261's seven INVITEs over 32 s: at 40 % loss 0.4**7 = 0.2 % of the requests die.
    assert len(alice.told(Answered)) == 20
    assert len(alice.told(Ended)) == len(bob.told(Ended)) == 20
    nothing_left(net, alice, bob)


def test_ringing_is_repeated_each_minute() -> None:
    net, alice, bob = pair()
    alice.call(bob, OFFER)
    net.run(0.1)
    bob.command(bob.session, Ring())
    net.run(121)
    assert [event.status for event in alice.told(Progress)] == [180, 180, 180]


def test_a_session_can_be_printed() -> None:
    _, alice, _, caller, _ = call_up()
    line = next(line for line in alice.endpoint.describe() if line.startswith(caller))
    assert "caller answered" in line
    assert "confirmed stable" in line
