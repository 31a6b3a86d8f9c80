"""Whom a port believes, and what hostile packets do: nothing."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.media.engine import Latched, MediaResumed, MediaTimeout, PortClosed, Track
from softswitch.rtp.packet import Packet
from softswitch.rtp.rtcp import Report
from tests.media.virtual_room import FRAME, Phone, Room, level, sine

NAT, THIEF = ("203.0.113.9", 61_000), ("198.51.100.66", 6666)


def pair() -> tuple[Room, Phone, Phone]:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0)
    room.call(a, b)
    return room, a, b


def stats(room: Room, phone: Phone) -> PortClosed:
    """Close the port to see its last counters."""
    room.engine.close_port(phone.port)
    room.phones.remove(phone)
    room.run(0.03)
    return next(e for e in room.events if isinstance(e, PortClosed) and e.port == phone.port)


def test_latching_is_told_once() -> None:
    room, a, b = pair()
    room.run(0.5)
    told = room.told(Latched)
    assert len(told) == 2
    assert set(told) == {Latched(a.port, a.address), Latched(b.port, b.address)}


def test_a_phone_behind_nat_is_heard_and_answered_after_four_packets() -> None:
    room, a, b = pair()
    room.renegotiate(a, signaller=NAT[0])
    signalled, a.address = a.address, NAT
    room.run(0.3)
    assert room.told(Latched)[-1] == Latched(a.port, NAT)
    room.run(0.3)
    destinations = set()
    b.send(bytes(160), 0, room.now)
    for _, _, remote, _ in room.engine.step(room.now):
        destinations.add(remote)
    assert destinations == {NAT} != {signalled}


def test_the_packets_of_a_proof_are_dropped_and_counted() -> None:
    room, a, b = pair()
    b.silent = True
    room.renegotiate(a, signaller=NAT[0])
    a.address = NAT
    room.run(0.5)
    assert len(b.packets) == a.spoken - 3
    assert stats(room, a).stats.bad_source == 3


def test_a_spoofed_stream_reaches_nobody_and_is_counted() -> None:
    room, a, b = pair()
    room.run(0.2)
    b.forget()
    a.silent = True
    for i in range(50):
        spoofed = Packet(0, (a.sequence + i) % 65_536, (a.timestamp + 160 * i) % (1 << 32), a.ssrc, b"\x80" * 160)
        room.engine.receive(a.port, bytes(spoofed), THIEF, room.now)
        room.run(0.02)
    assert b.packets == []
    assert stats(room, a).stats.bad_source == 50


def test_a_tone_injected_with_the_right_ssrc_and_numbers_is_neither_heard_nor_recorded() -> None:
    # Who sees the packets on their way knows SSRC, sequence and timestamp, but cannot send from the phone's address.
    room, a, b = pair()
    recording = room.engine.record(room.room, {Track.LEFT: [a.port], Track.RIGHT: [b.port]}, Path("/nonexistent/x.wav"))
    room.run(0.5)
    for _ in range(100):
        tone = kernels.encode(0, sine(1000.0, FRAME, 0, 30_000.0).tobytes())
        for ahead in range(3):
            spoofed = Packet(0, (a.sequence + ahead) % 65_536, (a.timestamp + 160 * ahead) % (1 << 32), a.ssrc, tone)
            room.engine.receive(a.port, bytes(spoofed), THIEF, room.now)
        room.run(0.02)
    room.engine.stop_recording(recording)
    room.run(0.1)
    assert b.level(1000.0, 1.5) < -60
    assert abs(b.level(440.0, 1.5)) < 1
    assert level(room.engine.recorded(recording)[Track.LEFT][5000:18_000], 1000.0) < -60
    assert stats(room, a).stats.bad_source == 300


def test_an_attacker_before_the_first_packet_is_sent_nothing_but_by_the_rule() -> None:
    # RTP bleed: spraying headers of changing sequence, SSRC or payload type earns not a single packet.
    room, a, b = pair()
    a.silent = True
    sent_to = set()
    for i in range(200):
        spray = Packet((0, 8, 18)[i % 3], i * 7 % 65_536, 0, i % 5, bytes(160))
        room.engine.receive(a.port, bytes(spray), THIEF, room.now)
        room.now = round(room.now + 0.001, 6)
        if i % 20 == 0:
            b.speak(room.now)
        sent_to |= {remote for port, _, remote, _ in room.engine.step(room.now) if port == a.port}
    assert sent_to == {a.address}


def test_the_wrong_payload_type_from_the_right_source_is_not_played() -> None:
    room, a, b = pair()
    b.silent = True
    room.run(0.1)
    b.forget()
    a.send(bytes(160), 18, room.now)
    room.step()
    assert b.packets == []
    assert stats(room, a).stats.bad_packet == 1


def test_a_silence_is_reported_once_and_its_end_too() -> None:
    room = Room()
    a = room.phone(440.0, timeout=2.0)
    room.run(1.0)
    a.silent = True
    room.run(5.0)
    (silence,) = room.told(MediaTimeout)
    assert isinstance(silence, MediaTimeout)
    assert silence.silent == pytest.approx(2.0, abs=0.03)
    assert room.told(MediaResumed) == []
    a.silent = False
    room.run(0.2)
    assert room.told(MediaResumed) == [MediaResumed(a.port)]


def test_after_a_silence_the_peer_may_come_from_another_address() -> None:
    room = Room()
    a = room.phone(440.0, timeout=2.0)
    room.run(0.5)
    a.silent = True
    room.run(2.5)
    room.renegotiate(a, signaller=NAT[0])
    a.silent, a.address = False, NAT
    room.run(0.2)
    assert room.told(Latched)[-1] == Latched(a.port, NAT)


def test_a_peer_that_must_not_send_is_not_missed() -> None:
    room = Room()
    a = room.phone(440.0, timeout=1.0, receives=False)
    a.silent = True
    room.run(3.0)
    assert room.told(MediaTimeout) == []
    room.renegotiate(a, receives=True)
    room.run(0.9)
    assert room.told(MediaTimeout) == []
    room.run(0.2)
    assert len(room.told(MediaTimeout)) == 1


def test_nothing_is_missed_when_no_timeout_is_agreed() -> None:
    room = Room()
    room.phone(timeout=0.0).silent = True
    room.run(2.0)
    assert room.told(MediaTimeout) == []


def test_reports_of_strangers_are_dropped() -> None:
    room, a, _ = pair()
    room.run(0.1)
    room.engine.receive(a.port, bytes(Report(9, bytes(16))), THIEF, room.now)
    assert stats(room, a).stats.bad_source == 1


HEAD = struct.pack("!BBHII", 0x80, 0, 1, 2, 3)
HOSTILE = {
    "empty": b"",
    "one byte": b"\x80",
    "fifteen sources": b"\x8f" + HEAD[1:] + bytes(20),
    "extension of 65535 words": b"\x90" + HEAD[1:] + b"\xbe\xde\xff\xff" + bytes(160),
    "padding of 255": b"\xa0" + HEAD[1:] + b"\xff" * 160,
    "64 kB": HEAD + bytes(65_535 - 12),
    "report of 31 blocks": b"\x9f\xc8\x00\x01" + bytes(4),
    "report of length 65535": b"\x80\xc8\xff\xff" + bytes(40),
    "report of one byte": b"\x80\xc8",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_packet_is_counted_and_the_call_goes_on(name: str) -> None:
    room, a, b = pair()
    recording = room.engine.record(room.room, {}, Path("/nowhere/x.wav"))
    room.run(0.1)
    room.engine.receive(a.port, HOSTILE[name], a.address, room.now)
    room.engine.stop_recording(recording)
    room.run(0.6)
    assert abs(b.level(440.0)) < 1
    assert stats(room, a).stats.bad_packet == 1


def test_a_flood_of_damaged_packets_does_not_break_the_core() -> None:
    rng = random.Random(4711)
    room = Room()
    a, b, c = room.phone(440.0), room.phone(880.0), room.phone(1217.0)
    room.connect((a, [b]), (b, [a, c]), (c, [a, b]))
    for _ in range(3000):
        phone = rng.choice((a, b, c))
        packet = bytearray(bytes(Packet(rng.choice((0, 0, 8, 13, 101)), phone.sequence, phone.timestamp, phone.ssrc,
                                        rng.randbytes(rng.choice((0, 1, 4, 160, 160, 240, 480, 1400))))))  # fmt: skip
        phone.sequence = (phone.sequence + rng.choice((0, 1, 1, 1, 5, 40_000))) % 65_536
        phone.timestamp = (phone.timestamp + rng.choice((0, 160, 160, 160, 1 << 31))) % (1 << 32)
        for _ in range(rng.choice((0, 0, 1, 3))):
            packet[rng.randrange(min(16, len(packet)))] = rng.randrange(256)
        room.engine.receive(phone.port, bytes(packet), phone.address, room.now)
        if rng.random() < 0.2:
            room.run(0.003)
    room.run(0.5)
    assert room.engine.counters()["out_full"] == 0


@given(st.lists(st.binary(max_size=80), max_size=30))
def test_any_datagrams_are_survived(datagrams: list[bytes]) -> None:
    room, a, _ = pair()
    for data in datagrams:
        room.engine.receive(a.port, data, a.address, room.now)
        room.engine.receive(a.port, b"\x80" + data, a.address, room.now)
    room.run(0.05)
