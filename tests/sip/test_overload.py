"""Overload: new calls are refused while datagrams wait too long, and whoever is in a call notices nothing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.events import Accept, Ended, Incoming
from softswitch.sip.overload import Overload
from tests.sip.network import ALICE, ANSWER, BOB, OFFER, Network, Rights, Script, Switch


def office() -> tuple[Network, Switch, Script]:
    """A switch to which Bob is a trunk."""
    net = Network()
    return net, Switch(net, ALICE, Rights(trunks={BOB[0]: "provider"})), Script(net, BOB)


def invite(bob: Script, alice: Switch, call: str) -> None:
    bob.say(bob.request("INVITE", alice, call_id=call, body=str(OFFER)), alice)
    bob.network.run(0.05)


def crowd(alice: Switch) -> None:
    """Let 0.2 s pass in which every datagram is 0.3 s late."""
    for ago in (0.21, 0.1, 0.0):
        alice.endpoint.overload.note(0.3, alice.network.now - ago)


def judged(*notes: tuple[float, float]) -> list[bool]:
    """Return after each (time, wait) whether a call that comes then is refused."""
    overload = Overload()
    seen = []
    for now, waited in notes:
        overload.note(waited, now)
        seen.append(overload.refuses(now))
    assert overload.refused == sum(seen)
    return seen


def test_calls_are_refused_when_all_have_waited_more_than_250_ms_for_200_ms_until_one_waits_less_than_50() -> None:
    late = ((1.0, 0.26), (1.1, 0.3), (1.199, 0.3), (1.201, 0.26))
    assert judged(*late, (1.3, 0.1), (1.4, 0.05), (1.5, 0.049), (1.6, 0.1)) == [*[False] * 3, *[True] * 3, False, False]


def test_one_datagram_that_is_in_time_begins_the_judgement_anew() -> None:
    assert not any(judged((1.0, 0.3), (1.1, 0.25), (1.2, 0.3), (1.39, 0.3)))


def test_a_queue_that_becomes_shorter_is_left_to_itself_and_one_that_does_not_any_more_is_not() -> None:
    assert judged((1.0, 2.0), (1.25, 1.5), (1.5, 1.0), (1.75, 0.9), (2.0, 0.9)) == [*[False] * 4, True]


def test_late_datagrams_between_which_the_queue_was_empty_are_the_machine_and_no_crowd() -> None:
    # One a second, each 0.4 s late: the machine stops now and then.
    assert not any(judged(*((float(second), 0.4) for second in range(1, 20))))


def test_a_crowd_of_whom_nobody_is_left_is_forgotten() -> None:
    overload = Overload()
    for now in (1.0, 1.1, 1.25):
        overload.note(0.3, now)
    assert overload.sheds(2.249)
    assert not overload.sheds(2.25)


def test_who_comes_in_time_at_one_socket_does_not_hide_the_crowd_at_another() -> None:
    overload = Overload()
    for now in (1.0, 1.1, 1.25):
        overload.note(0.3, now, "crowded")
        overload.note(0.0, now, "quiet")
    assert overload.refuses(1.25)


def test_a_new_call_is_answered_503_with_a_time_to_come_again_and_nothing_is_kept() -> None:
    net, alice, bob = office()
    crowd(alice)
    invite(bob, alice, "one")
    assert bob.statuses("INVITE") == [503]
    assert 1 <= (bob.responses(503)[0].retry_after or 0) <= 5
    assert not alice.told(Incoming)
    assert (len(alice.endpoint), alice.endpoint.describe()) == (0, [])
    assert alice.endpoint.counters["calls refused in overload"] == 1
    alice.endpoint.overload.note(0.01, net.now)
    invite(bob, alice, "two")
    assert len(alice.told(Incoming)) == 1
    net.run(0.1)


def test_a_call_that_is_up_goes_on_and_ends_in_overload() -> None:
    _, alice, bob = office()
    invite(bob, alice, "one")
    crowd(alice)
    alice.command(alice.session, Accept(description=ANSWER))
    bob.network.run(0.05)
    accepted = bob.responses(200)[0]
    bob.say(bob.inside(accepted, "ACK", 1), alice)
    bob.say(bob.inside(accepted, "INVITE", 2, body=str(OFFER)), alice)
    bob.network.run(0.05)
    assert bob.statuses("INVITE")[-1] == 200
    bob.say(bob.inside(accepted, "ACK", 2), alice)
    bob.say(bob.inside(accepted, "BYE", 3), alice)
    bob.network.run(0.05)
    assert bob.statuses("BYE") == [200]
    assert len(alice.told(Ended)) == 1


def test_others_may_ask_and_register_in_overload() -> None:
    net, alice, bob = office()
    crowd(alice)
    bob.say(bob.request("REGISTER", alice, uri="sip:office.example", To="<sip:101@office.example>"), alice)
    bob.say(bob.request("OPTIONS", alice, uri="sip:office.example"), alice)
    net.run(0.05)
    assert (bob.statuses("REGISTER"), bob.statuses("OPTIONS")) == ([401], [200])


@dataclass(frozen=True)
class Served:
    longest: float
    taken: int
    refused: int


def serve(rate: float, seconds: float, *, stop: tuple[float, float] = (0.0, 0.0)) -> Served:
    """One server in virtual time: a call costs 4 ms in four messages, a refusal 0.2; ``stop`` is (when, how long)."""
    overload, queue, now, longest, taken = Overload(), deque[tuple[float, int]](), 1.0, 0.0, 0
    arrivals = deque(1.0 + number / rate for number in range(round(rate * seconds)))
    stops_at, stopped = 1.0 + stop[0], stop[1]
    while arrivals or queue:
        if not queue:
            now = max(now, arrivals[0])
        if stopped and now >= stops_at:
            now, stopped = now + stopped, 0.0
        while arrivals and arrivals[0] <= now:
            queue.append((arrivals.popleft(), 0))
        came, step = queue.popleft()
        overload.note(now - came, now)
        longest = max(longest, now - came)
        if step == 0 and overload.refuses(now):
            now += 0.0002
            continue
        now += 0.001
        if step < 3:
            queue.append((now, step + 1))
        else:
            taken += 1
    return Served(longest, taken, overload.refused)


@pytest.mark.parametrize("rate", [300.0, 375.0, 500.0, 750.0])
def test_a_flood_of_more_than_can_be_done_keeps_the_queue_below_timer_t1(rate: float) -> None:
    # 250 a second could be taken were the refusals free.
    served = serve(rate, 20)
    assert served.longest < 0.5
    assert served.taken >= 0.8 * 250 * 20


@given(rate=st.floats(1.0, 125.0), when=st.floats(0.0, 5.0), length=st.floats(0.0, 1.5))
def test_a_machine_that_stops_for_a_second_refuses_nobody_when_half_of_it_is_enough(
    rate: float, when: float, length: float
) -> None:
    assert serve(rate, 10, stop=(when, length)).refused == 0
