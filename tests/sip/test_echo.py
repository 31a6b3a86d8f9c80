"""What is left of a call that is over: its transactions absorb what comes late, and nothing else is kept."""

from __future__ import annotations

from softswitch.sip.events import Hangup
from softswitch.sip.message import Request, Response
from tests.sip.network import OFFER, Network, Script, Switch, scripted, sdp

ANSWER_TEXT = str(sdp("192.0.2.2", 5000))


def a_call_hung_up_by_us() -> tuple[Network, Switch, Script, Response]:
    """Bob has answered our INVITE with the response, and our BYE after it; six seconds have passed."""
    net, alice, bob = scripted()
    bob.answering = lambda m: bob.reply(m, 200) if isinstance(m, Request) and m.method == "BYE" else None
    session = alice.call(bob, OFFER)
    net.run(0.1)
    accepted = bob.reply(bob.requests("INVITE")[0], 200, tag="desk", body=ANSWER_TEXT)
    bob.say(accepted, alice)
    net.run(0.1)
    alice.command(session, Hangup())
    net.run(6)
    return net, alice, bob, accepted


def sent(bob: Script) -> list[tuple[str, str | None]]:
    return [(m.method, m.to.tag) for m in bob.heard if isinstance(m, Request)]


def test_a_session_is_let_go_as_soon_as_its_bye_is_settled() -> None:
    _, alice, _, _ = a_call_hung_up_by_us()
    assert len(alice.endpoint) == 0


def test_a_2xx_that_comes_again_is_acknowledged_after_the_session_is_gone() -> None:
    net, alice, bob, accepted = a_call_hung_up_by_us()
    bob.heard.clear()
    bob.say(accepted, alice)
    net.run(0.1)
    assert sent(bob) == [("ACK", "desk")]


def test_a_fork_that_accepts_after_the_session_is_gone_is_acknowledged_and_hung_up_once() -> None:
    net, alice, bob, _ = a_call_hung_up_by_us()
    late = bob.reply(bob.requests("INVITE")[0], 200, tag="mobile", body=ANSWER_TEXT)
    bob.heard.clear()
    bob.say(late, alice)
    net.run(0.1)
    bob.say(late, alice)
    net.run(0.1)
    assert sent(bob) == [("ACK", "mobile"), ("BYE", "mobile"), ("ACK", "mobile")]


def test_nothing_is_left_when_the_transactions_have_run_out() -> None:
    net, alice, _, _ = a_call_hung_up_by_us()
    net.run(40)
    assert alice.endpoint.describe() == []
    assert alice.endpoint.deadline is None
