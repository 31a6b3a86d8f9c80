"""RTCP of the core: what it reports and what it learns."""

from __future__ import annotations

import struct

import pytest

from softswitch.media import kernels, libopus
from softswitch.media.engine import Codec, MediaTimeout
from softswitch.rtp.rtcp import Block, Received, Report, Sender, parse
from tests.media.virtual_room import Phone, Room


def pair() -> tuple[Room, Phone, Phone]:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0)
    room.call(a, b)
    return room, a, b


def report_to(phone: Phone) -> Received:
    """The newest report, as the phone reads it."""
    found = parse(phone.reports[-1], phone.ssrc)
    assert isinstance(found, Received)
    return found


def test_reports_come_every_five_seconds_or_so() -> None:
    room, a, _ = pair()
    room.run(60.0)
    assert 9 <= len(a.reports) <= 20  # 2.5 to 7.5 s apart


def test_reports_of_many_ports_are_spread() -> None:
    room = Room()
    phones = [room.phone(440.0) for _ in range(10)]
    first: dict[int, float] = {}
    while len(first) < 10:
        room.run(0.02)
        first |= {phone.ssrc: room.now for phone in phones if phone.reports and phone.ssrc not in first}
    assert max(first.values()) - min(first.values()) > 1.0


def test_a_report_tells_what_was_sent_and_what_was_lost() -> None:
    room, a, _b = pair()
    a.lost = {50, 51, 52, 53, 54}
    while len(a.reports) < 1:
        room.run(0.1)
    block = report_to(a).block
    assert block is not None
    assert block.lost == 5
    assert block.fraction_lost == 5 * 256 // a.spoken
    assert report_to(a).middle_ntp is not None
    _ntp, _timestamp, packets, octets = struct.unpack_from("!QIII", a.reports[-1], 8)
    assert octets == packets * 160


def test_the_sender_report_puts_the_timestamps_on_the_clock() -> None:
    room, a, _ = pair()
    while len(a.reports) < 2:
        room.run(0.02)
    seconds, timestamps = [], []
    for data in a.reports:
        ntp, timestamp = struct.unpack_from("!QI", data, 8)
        seconds.append(ntp / (1 << 32))
        timestamps.append(timestamp)
    ran = ((timestamps[1] - timestamps[0]) % (1 << 32)) / 8000
    assert ran == pytest.approx(seconds[1] - seconds[0], abs=0.005)


def test_who_does_not_send_reports_as_receiver() -> None:
    room = Room()
    a = room.phone(440.0)
    while not a.reports:
        room.run(0.1)
    assert report_to(a).middle_ntp is None
    assert report_to(a).block is not None


def test_their_report_gives_loss_and_round_trip() -> None:
    room, a, _ = pair()
    while not a.reports:
        room.run(0.02)
    ours = a.packets[0].ssrc
    middle = report_to(a).middle_ntp
    assert middle is not None
    room.run(0.25)
    # The phone held our report for 130 ms, so 120 ms (and up to a step of this test) were spent on the wire.
    block = Block(ours, 3, 7, 0, 0, middle, round(0.130 * 65_536))
    room.engine.receive(a.port, bytes(Report(a.ssrc, bytes(16), None, block)), (a.address[0], 4001), room.now)
    room.run(1.1)
    stats = room.stats[a.port]
    assert stats.remote_lost == 7
    assert stats.round_trip == pytest.approx(0.130, abs=0.0221)


def test_the_delay_since_their_report_is_told() -> None:
    room, a, _ = pair()
    room.run(0.1)
    sender = Sender(0x00001234_56780000, 0, 1, 160)
    room.engine.receive(a.port, bytes(Report(a.ssrc, bytes(16), sender)), (a.address[0], 4001), room.now)
    at = room.now
    while not a.reports:
        room.run(0.02)
    block = report_to(a).block
    assert block is not None
    assert block.last_report == 0x12345678
    assert block.delay / 65_536 == pytest.approx(room.now - at, abs=0.021)


def test_a_goodbye_ends_nothing() -> None:
    room, a, b = pair()
    room.run(0.2)
    goodbye = bytes(Report(a.ssrc, bytes(16))) + struct.pack("!BBHI", 0x81, 203, 1, a.ssrc)
    room.engine.receive(a.port, goodbye, (a.address[0], 4001), room.now)
    room.run(0.6)
    assert abs(b.level(440.0)) < 1
    assert room.told(MediaTimeout) == []


def test_statistics_come_once_a_second_with_jitter_and_loss() -> None:
    room, a, b = pair()
    a.lost = {10, 20}
    room.run(3.1)
    stats = room.stats[a.port]
    assert stats.received == pytest.approx(148, abs=52)
    assert (stats.lost, stats.duplicate, stats.late) == (2, 0, 0)
    assert stats.jitter < 0.002
    assert room.stats[b.port].sent > 90


def test_reports_go_to_the_agreed_address() -> None:
    room = Room()
    a = room.phone(440.0, rtcp_remote=("192.0.2.77", 9999))
    room.phones.clear()
    a.silent = True
    remotes = set()
    for i in range(900):
        room.now = round(room.now + 0.02, 6)
        if i % 2:
            a.silent = False
            a.speak(room.now)
        remotes |= {remote for _, local, remote, _ in room.engine.step(room.now) if local[1] % 2}
    assert remotes == {("192.0.2.77", 9999)}


def test_a_port_that_closes_says_goodbye() -> None:
    room, a, _ = pair()
    room.run(1.0)
    before = len(a.reports)
    room.engine.close_port(a.port)
    room.run(0.1)
    assert len(a.reports) == before + 1
    assert report_to(a).bye


def test_a_port_that_never_heard_or_sent_anything_leaves_without_a_word() -> None:
    room = Room()
    a = room.phone(None)
    a.silent = True
    room.run(0.2)
    room.engine.close_port(a.port)
    room.run(0.1)
    assert a.reports == []


def test_a_goodbye_from_whomever_ends_nothing() -> None:
    room, a, b = pair()
    room.run(1.0)
    for source in ((a.address[0], 4001), ("203.0.113.9", 5005)):
        room.engine.receive(a.port, bytes(Report(a.ssrc, bytes(16), bye=True)), source, room.now)
    b.forget()
    room.run(1.0)
    assert len(b.audio) >= 49
    assert room.stats[a.port].received >= 51
    assert not any(isinstance(event, MediaTimeout) for event in room.events)


def test_opus_carries_no_repair_for_who_reports_no_loss() -> None:
    library = libopus.find()
    if isinstance(library, libopus.Missing):
        pytest.skip(str(library))
    kernels.use_opus(library.addresses)
    room = Room()
    a, b = room.phone(440.0), room.phone()
    b.silent = True
    room.renegotiate(b, codec=Codec.OPUS, payload_type=111, parameters="useinbandfec=1")
    room.connect((b, [a]))
    room.run(1.0)
    ours, decoder = b.packets[0].ssrc, kernels.Codec(6)
    mended = [decoder.recover(packet.payload, 320) is not None for packet in b.packets]
    for _ in range(20):
        report = bytes(Report(b.ssrc, bytes(16), None, Block(ours, 0, 0, 0, 0, 0, 0)))
        room.engine.receive(b.port, report, (b.address[0], 4001), room.now)
    b.forget()
    room.run(1.0)
    later = [decoder.recover(packet.payload, 320) is not None for packet in b.packets]
    assert sum(mended) > 10
    assert sum(later) <= 1  # the packet that was begun before
