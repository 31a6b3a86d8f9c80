"""Reliable provisional responses by themselves (RFC 3262)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.headers import CSeq
from softswitch.sip.message import Response
from softswitch.sip.prack import ReliableReceiver, ReliableSender
from softswitch.sip.transaction import Timers
from tests.sip.network import BOB, Network, Script

INVITE = CSeq(1, "INVITE")


def progress() -> Response:
    script = Script(Network(), BOB)
    return script.request("INVITE", script).reply(183, to_tag="x")


def test_a_response_is_resent_at_doubling_intervals_for_64_t1() -> None:
    # RFC 3262 section 3: T1, 2*T1, 4*T1 ... not bounded by T2; given up 64*T1 = 32 s after the first.
    sender = ReliableSender(1, Timers())
    assert len(sender.send(progress(), 0.0)) == 1
    at = []
    while (deadline := sender.deadline) is not None:
        at.append(deadline)
        if sender.tick(deadline) is None:
            break
    assert at == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32.0]
    assert sender.idle


def test_an_early_tick_is_harmless() -> None:
    sender = ReliableSender(1, Timers())
    sender.send(progress(), 0.0)
    assert sender.tick(0.4) == []


def test_a_prack_lets_the_next_one_go() -> None:
    sender = ReliableSender(9, Timers())
    sender.send(progress(), 0.0)
    assert sender.send(progress(), 0.1) == []
    following = sender.acknowledge((9, INVITE), 0.2)
    assert following is not None
    assert [response.rseq for response in following] == [10]
    assert sender.acknowledge((9, INVITE), 0.3) is None
    assert sender.acknowledge((10, INVITE), 0.3) == []
    assert sender.deadline is None


def test_a_prack_for_something_else_is_none_of_ours() -> None:
    sender = ReliableSender(9, Timers())
    sender.send(progress(), 0.0)
    for which in (None, (8, INVITE), (9, CSeq(2, "INVITE")), (9, CSeq(1, "UPDATE"))):
        assert sender.acknowledge(which, 0.1) is None


@given(numbers=st.lists(st.integers(1, 6), max_size=30))
def test_the_receiver_takes_each_number_once_and_in_order(numbers: list[int]) -> None:
    receiver = ReliableReceiver()
    taken = [number for number in numbers if receiver.receive(number) is ReliableReceiver.Verdict.NEW]
    assert taken == list(range(taken[0], taken[0] + len(taken))) if taken else not numbers
