"""What a dead process left open is known after the restart, and is closed once, at the time it really ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from softswitch.events import (
    AccountBanned,
    BanLifted,
    ConversationEnded,
    DeviceBound,
    DeviceReachability,
    DeviceUnbound,
    LegEnded,
    SwitchStarted,
    SwitchStopped,
    WaitingDialog,
)
from softswitch.ids import ConversationId, LegId
from softswitch.records.query import Records
from softswitch.records.recovery import Recovered, closing_events
from softswitch.records.state import recovered_from_spool
from tests.records.office import NODE, Office, until
from tests.records.story import at, call


async def test_a_call_cut_off_while_talking_was_answered_and_ended_when_the_switch_was_last_alive(
    tmp_path: Path,
) -> None:
    office = await Office(tmp_path / "a").start()
    office.publish(*call()[:9])  # talking since the fifth second
    office.clock.advance_to(office.clock.now() + 47.0)
    alive = tmp_path / "a" / "journal" / "alive"
    await until(lambda: b"09:00:47" in alive.read_bytes())
    office = await office.killed()
    office.clock.advance_to(office.clock.now() + 600.0)  # the machine comes back ten minutes later
    await office.start()
    recovered = office.recovered
    assert (recovered.alive_at, recovered.orderly, recovered.last_seq) == (at(47), False, 9)
    events = closing_events(recovered, office.clock.utc())
    assert [(type(event).__name__, event.at) for event in events] == [
        ("LegEnded", at(47)),
        ("LegEnded", at(47)),
        ("ConversationEnded", at(47)),
    ]
    office.publish(*events)
    await office.stop()
    records = Records.open(office.folder)
    cdr = await records.cdr("c1")
    assert (cdr.result, cdr.cause, cdr.ended_at, cdr.talk) == ("answered", "switch died", at(47), 42.0)
    assert {leg.cause for leg in cdr.legs} == {"switch died"}
    await records.close()


async def test_a_call_cut_off_while_ringing_ended_because_the_switch_died(tmp_path: Path) -> None:
    office = await Office(tmp_path / "a").start()
    office.publish(*call()[:4])
    office = await (await office.killed()).start()
    (end,) = [event for event in closing_events(office.recovered, at(60)) if isinstance(event, ConversationEnded)]
    assert (end.conversation, end.result, end.cause) == ("c1", "switch died", "switch died")
    await office.stop()


async def test_dying_again_while_closing_closes_nothing_twice(tmp_path: Path) -> None:
    office = await Office(tmp_path / "a").start()
    office.publish(*call()[:9])
    office = await (await office.killed()).start()
    first, *_ = closing_events(office.recovered, at(60))
    office.publish(first)
    office = await (await office.killed()).start()
    second, end = closing_events(office.recovered, at(60))
    assert isinstance(first, LegEnded)
    assert isinstance(second, LegEnded)
    assert isinstance(end, ConversationEnded)
    assert {first.leg, second.leg} == {"a", "b"}
    office.publish(second, end)
    office = await (await office.killed()).start()
    assert closing_events(office.recovered, at(60)) == []
    await office.stop()


async def test_the_time_of_a_recordings_last_block_is_better_evidence(tmp_path: Path) -> None:
    office = await Office(tmp_path / "a").start()
    office.publish(*call()[:9])
    office = await (await office.killed()).start()
    evidence = {ConversationId("c1"): at(33)}
    assert {event.at for event in closing_events(office.recovered, at(600), evidence)} == {at(33)}
    assert {event.at for event in closing_events(office.recovered, at(20), evidence)} == {at(20)}  # never in the future
    await office.stop()


async def test_the_dialogs_and_recordings_of_a_dead_process_are_known(tmp_path: Path) -> None:
    office = await Office(tmp_path / "a").start()
    office.publish(*call("c1"), *call("c2")[:9])
    office = await (await office.killed()).start()
    (conversation,) = office.recovered.conversations
    assert (conversation.conversation, dict(conversation.dialogs)) == ("c2", {"b": "{}"})
    assert office.recovered.recordings == (("c2", "c2.wav"),)
    await office.stop()


def bound(contact: str, expires: float) -> DeviceBound:
    return DeviceBound(
        person="102",
        contact=contact,
        transport="udp",
        remote_host="192.168.1.20",
        remote_port=5060,
        local_host="192.168.1.1",
        local_port=5060,
        call_id="r",
        cseq=3,
        at=at(0),
        registered_at=at(0),
        expires_at=at(expires),
        user_agent="Phone/1",
        path=("<sip:p;lr>",),
    )


async def test_registrations_that_are_still_valid_survive(tmp_path: Path) -> None:
    office = await Office(tmp_path / "a").start()
    office.publish(
        bound("sip:102@a", 3600),
        bound("sip:102@b", 3600),
        bound("sip:102@c", 30),
        DeviceUnbound(person="102", contact="sip:102@b", why="removed"),
        DeviceReachability(person="102", contact="sip:102@a", reachable=False),
    )
    office = await office.killed()
    office.clock.advance_to(office.clock.now() + 60)
    await office.start()
    assert office.recovered.bindings == (replace(bound("sip:102@a", 3600), seq=1, node=NODE),)
    assert [event.contact for event in office.recovered.expired] == ["sip:102@c"]
    (gone,) = closing_events(office.recovered, office.clock.utc())
    assert (type(gone).__name__, gone.at) == ("DeviceUnbound", at(30))
    await office.stop()


async def test_bans_survive_until_they_end_or_are_lifted(tmp_path: Path) -> None:
    office = await Office(tmp_path / "a").start()
    first, second = (AccountBanned(at=at(0), source=one, account="101", seconds=600.0) for one in ("s1", "s2"))
    third = AccountBanned(at=at(300), source="s3", account="102", seconds=600.0)
    office.publish(first, second, third)
    office.publish(BanLifted(at=at(310), source="s1", account="101"), BanLifted(at=at(310), source="s3", account="102"))
    office.publish(replace(third, at=at(320)))
    office = await office.killed()
    spooled = list(office.spool.read(0, office.spool.last + 1))
    office.clock.advance_to(office.clock.now() + 500)
    await office.start()
    kept = [("s2", at(0)), ("s3", at(320))]
    assert [(ban.source, ban.at) for ban in office.recovered.bans] == kept
    assert [(ban.source, ban.at) for ban in recovered_from_spool(spooled, at(500)).bans] == kept
    assert [(ban.source, ban.at) for ban in recovered_from_spool(spooled, at(600)).bans] == kept[1:]
    await office.stop()


async def test_a_process_that_has_not_begun_to_beat_leaves_the_last_sign_of_life_alone(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call()[:9])
    await office.stop()
    office = Office(tmp_path)
    office.clock.advance_to(office.clock.now() + 600.0)
    assert (await office.journal.recover(beat=False)).alive_at == at(5)  # the fifth second, the last event's
    await office.stop()
    office = Office(tmp_path, clock=office.clock)
    assert (await office.journal.recover()).alive_at == at(5)
    await office.stop()
    assert b"09:10:00" in (tmp_path / "journal" / "alive").read_bytes()


async def test_an_orderly_stop_is_known_as_one(tmp_path: Path) -> None:
    office = await Office(tmp_path / "a").start()
    office.publish(SwitchStarted(version="1"), SwitchStopped())
    office = await (await office.killed()).start()
    assert office.recovered.orderly
    assert closing_events(office.recovered, at(60)) == []
    await office.stop()


async def test_a_new_office_has_nothing_to_recover(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    assert office.recovered == Recovered()
    await office.stop()


async def test_a_supervisors_telephone_that_waits_for_the_next_conversation_is_known_too(tmp_path: Path) -> None:
    office = await Office(tmp_path / "a").start()
    over, waits = LegId("l1"), LegId("l2")
    office.publish(
        WaitingDialog(at=at(0), leg=LegId("l0"), state='{"of": "an earlier process"}'),
        SwitchStarted(at=at(1), version="1"),
        WaitingDialog(at=at(2), leg=over, state='{"session": "s1"}'),
        WaitingDialog(at=at(3), leg=waits, state='{"session": "s2"}'),
        WaitingDialog(at=at(4), leg=over, state=""),
    )
    office = await (await office.killed()).start()
    assert office.recovered.waiting == ('{"session": "s2"}',)
    await office.stop()
