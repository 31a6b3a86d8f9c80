"""Things that happen at the same time, in every order: each pair of instants around the crossing is tried."""

from __future__ import annotations

import itertools

import pytest

from softswitch.events import ConversationEnded, LegAnswered
from tests.sim.network import Link
from tests.sim.office import VirtualOffice

# With 10 ms per hop a message from phone to phone takes 20 ms; steps of 5 ms reach every interleaving.
INSTANTS = [n * 0.005 for n in range(12)]


@pytest.mark.parametrize("offset", INSTANTS)
def test_cancel_crosses_the_answer(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=1.0)
    anna.call("102")
    office.run(1.0 + offset)
    anna.hang_up()
    office.run(50)
    assert anna.idle
    assert boris.idle
    assert len(office.told(ConversationEnded)) == 1
    assert office.settled()


@pytest.mark.parametrize("offset", INSTANTS)
def test_both_hang_up_at_once(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    anna.hang_up()
    office.run(offset)
    boris.hang_up()
    office.run(50)
    assert anna.idle
    assert boris.idle
    assert office.results == ["answered"]
    assert office.settled()


@pytest.mark.parametrize(("first", "second"), list(itertools.product([1.0, 1.005, 1.01, 1.02, 1.03], repeat=2)))
def test_two_devices_answer_at_once(first: float, second: float):
    office = VirtualOffice()
    anna = office.phone("101")
    desk, mobile = office.phone("102", answer=first), office.phone("102", answer=second)
    anna.call("102")
    office.run(40)
    assert anna.talking
    assert [desk.talking, mobile.talking].count(True) == 1
    assert len(office.told(LegAnswered)) == 2
    anna.hang_up()
    office.run(40)
    assert desk.idle
    assert mobile.idle
    assert office.results == ["answered"]
    assert office.settled()


@pytest.mark.parametrize("offset", INSTANTS)
def test_both_hold_at_once(offset: float):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    anna.hold()
    office.run(offset)
    boris.hold()
    office.run(10)
    assert anna.talking
    assert boris.talking
    assert list(office.engine.rows.values()) == [{}, {}]


@pytest.mark.parametrize("seed", range(20))
def test_everything_ends_exactly_once_whatever_the_network_does(seed: int):
    office = VirtualOffice(seed=seed)
    anna, _ = office.phone("101"), office.phone("102", answer=1.0)
    office.network.link = Link(loss=0.3, delay=0.01, jitter=0.4, duplicate=0.3)
    anna.call("102")
    office.run(seed * 0.15)
    anna.hang_up()
    office.run(200)
    assert office.settled()
    assert len(office.told(ConversationEnded)) <= 1
