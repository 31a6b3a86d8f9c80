"""Hold and resume, in every way that telephones do it."""

from __future__ import annotations

import pytest

from softswitch.events import LegHeld, LegResumed
from tests.sim.office import VirtualOffice


def talk(**options: object) -> tuple[VirtualOffice, object, object]:
    office = VirtualOffice(**options)  # type: ignore[arg-type]
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    return office, anna, boris


@pytest.mark.parametrize("how", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(("direction", "zero"), [("sendonly", False), ("inactive", False), ("sendrecv", True)])
def test_the_held_side_hears_music_until_the_call_is_resumed(how: str, direction: str, zero: bool):
    office, anna, boris = talk()
    invites = sum(1 for m in boris.inbox if m.request == "INVITE")
    anna.hold(direction, how=how, zero=zero)
    office.run(1)
    first, second = office.engine.rows
    music = next(iter(office.engine.players))
    assert office.engine.rows == {first: {}, second: {music: 1.0}}
    assert len(office.told(LegHeld)) == 1
    anna.resume(how=how)
    office.run(1)
    assert office.engine.rows == {first: {second: 1.0}, second: {first: 1.0}}
    assert office.engine.players == {}
    assert len(office.told(LegResumed)) == 1
    # The held side's telephone is not bothered: a hold is a row of the matrix.
    assert sum(1 for m in boris.inbox if m.request == "INVITE") == invites


def test_both_sides_may_hold_at_once():
    office, anna, boris = talk()
    anna.hold()
    office.run(1)
    boris.hold()
    office.run(1)
    assert list(office.engine.rows.values()) == [{}, {}]
    anna.resume()
    office.run(1)
    first, second = office.engine.rows
    music = next(iter(office.engine.players))
    assert office.engine.rows == {first: {music: 1.0}, second: {}}


def test_a_held_call_can_be_hung_up():
    office, anna, boris = talk()
    anna.hold()
    office.run(1)
    boris.hang_up()
    office.run(6)
    assert anna.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_a_call_that_both_hold_can_be_hung_up():
    office, anna, boris = talk()
    anna.hold()
    boris.hold()
    office.run(1)
    anna.hang_up()
    office.run(6)
    assert boris.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_an_offer_without_a_common_codec_leaves_the_call_as_it_was():
    office, anna, _ = talk()
    before = list(office.engine.open_ports.values())
    anna._in_dialog(  # a re-INVITE that offers G.729 alone
        "INVITE",
        body="\r\n".join(
            ("v=0", "o=- 7 9 IN IP4 10.0.2.1", "s=-", "c=IN IP4 10.0.2.1", "t=0 0", "m=audio 4000 RTP/AVP 18", "")
        ),
    )
    office.run(2)
    assert anna.status == 488
    assert list(office.engine.open_ports.values()) == before
    assert anna.talking
