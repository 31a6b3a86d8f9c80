"""The life of rooms and ports in the core."""

from __future__ import annotations

from pathlib import Path

import pytest

from softswitch.errors import NoSuch, NotPossible
from softswitch.ids import Ids
from softswitch.media.engine import Codec, Digit, MediaSession, PortClosed, RoomId
from softswitch.media.virtual_engine import VirtualEngine
from softswitch.rtp.packet import Packet
from tests.media.virtual_room import Room


def test_closing_a_room_closes_its_ports() -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0)
    room.call(a, b)
    room.run(0.3)
    room.engine.close_room(room.room)
    room.phones.clear()
    room.run(0.03)
    closed = [event for event in room.told(PortClosed) if isinstance(event, PortClosed)]
    assert {event.port for event in closed} == {a.port, b.port}
    assert all(event.stats.received >= 14 for event in closed)


def test_a_closed_port_is_silent_and_ignores_everything() -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0)
    room.call(a, b)
    room.run(0.1)
    room.engine.close_port(a.port)
    b.forget()
    room.run(0.1)
    assert b.packets == []
    room.engine.set_session(a.port, a.session)
    room.engine.hear(a.port, {b.port: 1.0})
    room.engine.send_digits(a.port, "1")
    room.engine.close_port(a.port)
    room.run(0.1)
    assert len(room.told(PortClosed)) == 1


def test_an_old_handle_never_reaches_the_next_port_in_its_place() -> None:
    engine = VirtualEngine(ids=Ids(1), ports=2)
    room = engine.open_room()
    old = engine.open_port(room, "10.99.0.1")
    engine.step(1.0)
    engine.close_port(old.id)
    engine.step(1.1)
    assert any(isinstance(event, PortClosed) for event in engine.events())
    others = [engine.open_port(room, "10.99.0.1") for _ in range(2)]
    assert old.id not in {port.id for port in others}
    engine.set_session(old.id, MediaSession(remote=("192.0.2.1", 4000), codec=Codec.PCMU, payload_type=0))
    engine.send_digits(old.id, "1")
    engine.receive(old.id, b"\x80" + bytes(171), ("192.0.2.1", 4000), 1.2)
    assert engine.step(2.0) == []


def test_places_are_used_again_and_again() -> None:
    engine = VirtualEngine(ids=Ids(1), ports=8)
    now = 1.0
    for _ in range(50):
        room = engine.open_room()
        for _ in range(8):
            engine.open_port(room, "10.99.0.1")
        with pytest.raises(NotPossible):
            engine.open_port(room, "10.99.0.1")
        engine.step(now)
        engine.close_room(room)
        now += 0.05
        engine.step(now)
        assert len([e for e in engine.events() if isinstance(e, PortClosed)]) == 8
    assert engine.counters()["refused"] == 0


def test_every_port_has_its_own_address() -> None:
    engine = VirtualEngine(ids=Ids(1))
    room = engine.open_room()
    locals_ = [engine.open_port(room, "10.99.0.1").local for _ in range(3)]
    assert locals_ == [("10.99.0.1", 20_000), ("10.99.0.1", 20_002), ("10.99.0.1", 20_004)]


def test_a_room_that_is_not_there_opens_no_port() -> None:
    engine = VirtualEngine(ids=Ids(1))
    with pytest.raises(NoSuch):
        engine.open_port(RoomId(7), "10.99.0.1")
    engine.close_room(RoomId(7))


def test_a_remote_that_is_no_address_is_refused() -> None:
    room = Room()
    a = room.phone()
    with pytest.raises(NotPossible):
        room.renegotiate(a, remote=("phone.example", 4000))


def test_a_row_of_256_is_heard_and_one_more_port_is_refused() -> None:
    engine = VirtualEngine(ids=Ids(1), ports=300)
    room = engine.open_room()
    ports = [engine.open_port(room, "10.99.0.1") for _ in range(256)]
    with pytest.raises(NotPossible):
        engine.open_port(room, "10.99.0.1")
    engine.hear(ports[0].id, {port.id: 1.0 for port in ports[1:]})
    engine.step(1.0)
    assert engine.counters()["refused"] == 0


def test_a_flood_of_commands_waits_its_turn_and_none_is_lost() -> None:
    engine = VirtualEngine(ids=Ids(1), ports=4096)
    rooms = [engine.open_room() for _ in range(128)]
    ports = [engine.open_port(room, "10.99.0.1") for room in rooms for _ in range(32)]
    session = MediaSession(remote=("192.0.2.1", 4000), codec=Codec.PCMU, payload_type=0, dtmf_send=101)
    for port in ports:
        engine.set_session(port.id, session)
    for port in ports:
        engine.send_digits(port.id, "1")
    now = 1.0
    talking = set()
    for _ in range(200):
        now += 0.02
        talking |= {port for port, *_ in engine.step(now)}
    assert len(talking) == 4096


def test_the_same_seed_gives_the_same_packets() -> None:
    def story(seed: int) -> list[bytes]:
        room = Room(seed)
        a, b = room.phone(440.0), room.phone(880.0, Codec.PCMA)
        room.call(a, b)
        room.run(6.0)
        return [bytes(p) for p in a.packets + b.packets] + a.reports + b.reports

    assert story(3) == story(3) != story(4)


def test_a_day_of_silence_passes_in_no_time() -> None:
    engine = VirtualEngine(ids=Ids(1))
    engine.step(0.0)
    assert engine.step(86_400.0) == []


def test_when_nobody_reads_statistics_give_way_and_a_digit_is_still_told() -> None:
    engine = VirtualEngine(ids=Ids(1), ports=4096)
    session = MediaSession(remote=("192.0.2.1", 4000), codec=Codec.PCMU, payload_type=0, dtmf_receive=101, timeout=0.0)
    ports = []
    for _ in range(64):
        room = engine.open_room()
        ports += [engine.open_port(room, "10.99.0.1") for _ in range(64)]
    for port in ports:
        engine.set_session(port.id, session)
    engine.step(1.0)
    engine.step(16.0)  # 15 times 4,096 are more than three quarters of the 65,536 places
    digit = Packet(101, 1, 160, 7, b"\x05\x8a\x03\x20")
    engine.receive(ports[0].id, bytes(digit), ("192.0.2.1", 4000), 16.0)
    assert engine.counters()["ring_full"] > 0
    told = engine.events()
    assert Digit(ports[0].id, "5", pytest.approx(0.1)) in told  # type: ignore[arg-type]
    assert len(told) > 40_000


def test_a_quiet_leg_needs_less_than_32_kilobytes() -> None:
    def resident() -> int:
        fields = Path("/proc/self/statm").read_text().split()
        return int(fields[1]) * 4096

    engine = VirtualEngine(ids=Ids(1), ports=4096)
    engine.step(1.0)
    before = resident()
    for _ in range(64):
        room = engine.open_room()
        for _ in range(64):
            engine.open_port(room, "10.99.0.1")
        engine.step(1.0)
    engine.step(2.0)
    # Python's books of a port are in it too: handles, addresses, sets.
    assert (resident() - before) / 4096 < 32_000
