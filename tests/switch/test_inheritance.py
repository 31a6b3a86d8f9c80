"""What a process that died left behind."""

from __future__ import annotations

from datetime import timedelta

from softswitch.clock import VirtualClock
from softswitch.events import AccountBanned, DeviceBound, DeviceReachability
from softswitch.records.recovery import Recovered
from softswitch.sip.bans import Ban, Bans
from softswitch.switch.inheritance import bans_of, bindings_of, disconnected


def bound(contact: str, transport: str) -> DeviceBound:
    now = VirtualClock().utc()
    return DeviceBound(
        person="101",
        contact=contact,
        transport=transport,
        remote_host="192.0.2.7",
        remote_port=40001,
        local_host="192.0.2.1",
        local_port=5060,
        call_id="reg",
        cseq=7,
        registered_at=now - timedelta(seconds=600),
        expires_at=now + timedelta(seconds=3000),
    )


def test_a_registration_over_a_stream_waits_for_its_phone_and_one_over_udp_does_not():
    clock = VirtualClock()
    recovered = Recovered(bindings=(bound("sip:101@a", "udp"), bound("sip:101@b;transport=tcp", "tcp")))
    by_udp, by_tcp = bindings_of(recovered, clock)
    assert (by_udp.reachable, by_udp.waiting) == (True, False)
    assert (by_tcp.reachable, by_tcp.waiting) == (False, True)
    assert by_tcp.expires_at == clock.now() + 3000
    assert disconnected(recovered, clock.utc()) == [
        DeviceReachability(
            at=clock.utc(), person="101", contact="sip:101@b;transport=tcp", reachable=False, why="disconnected"
        )
    ]


def test_a_ban_lasts_as_long_as_it_would_have_without_the_restart():
    clock = VirtualClock()
    ban = AccountBanned(at=clock.utc() - timedelta(seconds=200), source="10.0.0.1", account="101", seconds=600.0)
    kept = bans_of(Recovered(bans=(ban,)), clock)
    assert kept == [Ban("10.0.0.1", "101", clock.now() + 400)]
    bans = Bans()
    bans.restore(kept)
    assert bans.holds("10.0.0.1", "101", clock.now() + 399)
    assert not bans.holds("10.0.0.1", "101", clock.now() + 400)
