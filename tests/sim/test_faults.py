"""What goes wrong on networks and desks: each ends cleanly, with the right word in the timeline."""

from __future__ import annotations

from softswitch.events import LegEnded, MediaLost, MediaRegained, OneWayAudio
from softswitch.media.engine import PortId
from tests.sim.office import VirtualOffice


def test_a_lost_ack_ends_the_call_after_64_t1():
    # RFC 3261 section 13.3.1.4: the 200 is repeated for 64*T1 = 32 s, then the session is ended with BYE.
    office = VirtualOffice()
    anna, boris = office.phone("101", acks=False), office.phone("102")
    anna.call("102")
    office.run(31)
    assert boris.talking
    office.run(10)
    assert boris.idle
    assert any(m.request == "BYE" for m in anna.inbox)
    assert "no ack" in [cause for cause, _ in office.causes]
    assert office.settled()


def test_offers_that_nobody_acknowledges_give_their_ports_back():
    # 64*T1 = 32 s, and five seconds to clean up.
    office = VirtualOffice()
    callers = [office.phone(name, acks=False) for name in ("101", "102")]
    for caller, called in zip(callers, ("103", "104"), strict=True):
        office.phone(called)
        caller.call(called)
    office.run(3)
    assert len(office.engine.open_ports) == 4
    office.run(34)
    assert not office.engine.open_ports
    assert office.settled()


def test_a_lost_bye_is_repeated_until_it_arrives():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    boris.deaf = True
    anna.hang_up()
    office.run(5)
    assert boris.talking
    boris.deaf = False
    office.run(10)
    assert boris.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_a_bye_that_is_never_answered_ends_the_conversation_all_the_same():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", byes=False)
    anna.call("102")
    office.run(3)
    anna.hang_up()
    office.run(60)
    assert boris.talking  # it never noticed
    assert office.results == ["answered"]
    assert office.settled()


def test_a_telephone_that_vanishes_is_found_out_by_its_silence():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    boris.vanish()
    second = list(office.engine.open_ports)[1]
    office.engine.lose(second)
    office.run(60)
    assert anna.idle
    assert len(office.told(MediaLost)) == 1
    assert "media lost" in [cause for cause, _ in office.causes]
    assert office.results == ["answered"]
    assert office.settled()


def measured(office: VirtualOffice, port: PortId, seconds: int, *, received: int = 0) -> None:
    """Let the core tell for so many seconds that it sends to a port and how much came back in all."""
    for _ in range(seconds):
        office.engine.measure(port, received=received)
        office.run(1)


def test_who_is_sent_to_and_never_heard_is_told_after_five_seconds_and_the_call_goes_on():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    second = list(office.engine.open_ports)[1]
    measured(office, second, 4)
    assert office.told(OneWayAudio) == []
    measured(office, second, 10)
    (told,) = office.told(OneWayAudio)
    assert (told.silent, told.sent_to, told.why) == (5.0, f"{boris.rtp[0]}:{boris.rtp[1]}", "")
    assert anna.talking
    measured(office, second, 3, received=20)
    assert len(office.told(MediaRegained)) == 1
    measured(office, second, 20, received=20)
    assert len(office.told(OneWayAudio)) == 1


def test_an_inner_address_told_from_outside_is_called_by_its_name():
    office = VirtualOffice()
    boris = office.phone("102", host="198.51.100.7")
    boris.rtp = ("192.168.1.5", 4000)
    anna = office.phone("101")
    anna.call("102")
    office.run(3)
    measured(office, list(office.engine.open_ports)[1], 6)
    assert [(told.sent_to, told.why) for told in office.told(OneWayAudio)] == [("192.168.1.5:4000", "nat")]


def test_who_is_on_hold_or_was_heard_before_is_not_told_of_as_one_way():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    first, second = office.engine.open_ports
    anna.hold("sendonly")
    office.run(1)
    measured(office, first, 10)
    measured(office, second, 10, received=7)
    measured(office, second, 10, received=7)
    assert office.told(OneWayAudio) == []
    assert boris.talking


def test_silence_of_a_side_on_hold_is_no_fault():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    anna.hold("inactive")
    office.run(1)
    first = next(iter(office.engine.open_ports))
    office.engine.lose(first)
    office.run(5)
    assert anna.talking
    assert boris.talking


def test_a_telephone_that_vanishes_without_media_is_found_out_by_the_session_timer():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    boris.vanish()
    office.run(2000)
    assert anna.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_a_dead_telephone_is_unreachable_within_thirty_seconds():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    boris.vanish()
    office.run(30)
    anna.call("102")
    office.run(1)
    assert anna.status == 480
    assert office.results == [] or office.results == ["unreachable"]


def test_a_callee_that_answers_after_the_cancel_is_released():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=None, stubborn=True)
    anna.call("102")
    office.run(3)
    anna.hang_up()
    office.run(40)
    assert boris.idle
    assert office.results == ["abandoned"]
    assert office.settled()


def test_a_stopping_switch_releases_everybody():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    office._put(office.control.drain(office.now, end_calls=True))
    office.run(6)
    assert anna.idle
    assert boris.idle
    assert [type(e) for e in office.told(LegEnded)] == [LegEnded, LegEnded]
    assert office.settled()
