"""What is going on now."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from softswitch.events import CallArrived, ConversationEnded, DeviceReachability, DeviceUnbound, Event
from softswitch.records.live import Live
from tests.records.story import at, call
from tests.records.strategies import event_sequences
from tests.records.test_recovery import bound


def live(events: list[Event]) -> Live:
    present = Live()
    for event in events:
        present.apply(event)
    return present


def test_a_conversation_runs_from_its_arrival_to_its_end() -> None:
    present = live([*call("c1")[:6], *call("c2")])
    assert list(present.conversations) == ["c1"]
    assert [fold.state for fold in present.conversations.values()] == ["talking"]


def test_a_recording_finished_after_the_end_revives_nothing() -> None:
    assert live(call()).conversations == {}


def test_a_registered_device_is_there_until_it_expires_or_leaves() -> None:
    present = live([bound("sip:102@a", 60), bound("sip:102@b", 3600), bound("sip:102@c", 3600)])
    present.apply(DeviceUnbound(person="102", contact="sip:102@c", why="removed"))
    assert [device.bound.contact for device in present.of_person("102", at(30))] == ["sip:102@a", "sip:102@b"]
    assert [device.bound.contact for device in present.of_person("102", at(60))] == ["sip:102@b"]
    assert present.of_person("101", at(30)) == []


def test_a_device_that_registers_again_is_reachable_again() -> None:
    lost = DeviceReachability(person="102", contact="sip:102@a", reachable=False)
    present = live([bound("sip:102@a", 60), lost])
    assert [device.reachable for device in present.devices.values()] == [False]
    present.apply(replace(bound("sip:102@a", 90), refreshed=True))
    assert [device.reachable for device in present.devices.values()] == [True]


@given(event_sequences)
def test_no_order_of_events_raises_and_a_conversation_runs_if_it_arrived_after_its_last_end(
    events: list[Event],
) -> None:
    last = {each.conversation: each for each in events if isinstance(each, CallArrived | ConversationEnded)}
    running = {name for name, event in last.items() if name is not None and isinstance(event, CallArrived)}
    assert live(events).conversations.keys() == running
