"""The pass-through fast path, and that nobody notices when it is left and entered again."""

from __future__ import annotations

import numpy as np
import pytest

from softswitch.media.engine import Codec, PortStats
from softswitch.rtp.packet import Packet
from tests.media.virtual_room import Phone, Room, gaps


def pair(codec: Codec = Codec.PCMU) -> tuple[Room, Phone, Phone]:
    room = Room()
    a, b = room.phone(440.0, codec), room.phone(880.0, codec)
    room.call(a, b)
    return room, a, b


def test_payloads_pass_untouched_in_the_millisecond_in_which_they_come() -> None:
    room, a, b = pair()
    a.send(bytes(range(160)), 0, room.now)
    room.step()
    assert [p.payload for p in b.packets] == [bytes(range(160))]


def test_the_stream_has_our_own_ssrc_sequence_and_timestamps() -> None:
    room, a, b = pair()
    room.run(0.5)
    assert len({p.ssrc for p in b.packets}) == 1
    assert b.packets[0].ssrc != a.ssrc
    assert gaps(b.packets) == []


def test_the_first_packet_alone_has_the_marker() -> None:
    room, _, b = pair()
    room.run(0.2)
    assert [p.marker for p in b.packets] == [True] + [False] * (len(b.packets) - 1)


def test_a_marker_of_the_peer_is_passed_on() -> None:
    room, a, b = pair()
    room.run(0.1)
    packet = Packet(0, a.sequence, a.timestamp, a.ssrc, bytes(160), marker=True)
    room.engine.receive(a.port, bytes(packet), a.address, room.now)
    room.step()
    assert b.packets[-1].marker


def test_a_loss_on_the_way_in_is_the_same_loss_on_the_way_out() -> None:
    room, a, b = pair()
    a.lost = {10}
    room.run(0.5)
    assert gaps(b.packets) == [(2, 320)]


def test_reordered_packets_stay_reordered_and_duplicates_are_dropped() -> None:
    room, a, b = pair()
    room.run(0.1)
    b.forget()
    packets = [Packet(0, (a.sequence + i) % 65_536, a.timestamp + 160 * i, a.ssrc, bytes([i]) * 160) for i in range(3)]
    for i in (0, 2, 1, 1, 2):
        room.engine.receive(a.port, bytes(packets[i]), a.address, room.now)
    room.step()
    assert [p.payload[0] for p in b.packets] == [0, 2, 1]
    first = b.packets[0].sequence
    assert [(p.sequence - first) % 65_536 for p in b.packets] == [0, 2, 1]


def test_another_ssrc_of_the_peer_goes_on_in_our_one_stream() -> None:
    room, a, b = pair()
    room.run(0.2)
    a.ssrc, a.sequence, a.timestamp = 77, 5, 123_456
    room.run(0.2)
    assert gaps(b.packets) == []
    assert len({p.ssrc for p in b.packets}) == 1
    assert sum(p.marker for p in b.packets) == 2


def test_a_restart_of_the_peers_numbers_goes_on_in_our_one_stream() -> None:
    room, a, b = pair()
    room.run(0.2)
    a.sequence, a.timestamp = (a.sequence + 20_000) % 65_536, 5
    room.run(0.2)
    # The first packet of the new numbers is not believed yet, so one frame is missing: its time is kept.
    assert gaps(b.packets) == [(1, 320)]


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA])
def test_into_the_mixer_and_back_is_seamless_on_the_wire(codec: Codec) -> None:
    room, a, b = pair(codec)
    room.run(0.5)
    for _ in range(10):
        room.engine.hear(b.port, {a.port: 0.9})
        room.run(0.213)
        room.engine.hear(b.port, {a.port: 1.0})
        room.run(0.171)
    assert len({p.ssrc for p in b.packets}) == 1
    assert {step for step, _ in gaps(b.packets)} <= {1}
    assert {advance for _, advance in gaps(b.packets)} <= {320}
    # Ten rounds of it have not let the timeline run ahead of the clock by more than a frame.
    first, last = b.packets[0], b.packets[-1]
    ran = ((last.timestamp - first.timestamp) % (1 << 32)) / 8000
    assert ran == pytest.approx(b.times[-1] - b.times[0], abs=0.031)


def test_a_supervisor_who_comes_and_goes_changes_nothing_on_the_wire() -> None:
    room, a, b = pair()
    room.run(0.5)
    c = room.phone(1217.0)
    for _ in range(5):
        room.connect((c, [a, b]), (b, [a, c]))
        room.run(0.3)
        room.connect((c, []), (b, [a]))
        room.run(0.3)
    assert gaps(a.packets) == []
    assert {step for step, _ in gaps(b.packets)} <= {1}
    assert max(np.diff(b.times)) < 0.041


def test_entering_the_mixer_leaves_no_hole_in_the_sound() -> None:
    room, a, b = pair()
    room.run(0.5)
    b.forget()
    room.run(0.1)
    room.engine.hear(b.port, {a.port: 0.99})
    room.run(0.3)
    heard = b.heard(0.39).astype(float)
    loudness = [np.sqrt(np.mean(heard[i : i + 160] ** 2)) for i in range(0, len(heard) - 160, 160)]
    # The frames until the jitter buffer is filled are concealed, fading by 0.7 at most twice.
    assert min(loudness) > 0.3 * max(loudness)


def test_a_peer_that_sends_no_packets_is_not_replaced_by_silence() -> None:
    room, a, b = pair()
    a.silent = True
    room.run(0.5)
    assert b.packets == []


def test_nothing_is_sent_to_a_peer_that_must_not_be_sent_to() -> None:
    room, _, b = pair()
    room.renegotiate(b, sends=False)
    room.run(0.3)
    assert b.packets == []


def test_what_a_peer_says_that_must_not_send_is_not_heard() -> None:
    room, a, b = pair()
    room.renegotiate(a, receives=False)
    room.run(0.3)
    assert b.packets == []


def test_a_change_of_codec_on_one_side_is_transcoded_from_the_next_packet() -> None:
    room, _, b = pair()
    room.run(0.3)
    room.renegotiate(b, codec=Codec.PCMA, payload_type=8)
    b.forget()
    room.run(0.6)
    assert abs(b.level(440.0)) < 3
    assert {step for step, _ in gaps(b.packets)} <= {1}


def test_packets_of_40_ms_are_made_when_agreed() -> None:
    room = Room()
    a, b = room.phone(440.0), room.phone(880.0, ptime=40)
    room.call(a, b)
    room.run(0.7)
    assert {len(p.payload) for p in b.audio} == {320}
    assert set(gaps(b.audio)) == {(1, 320)}
    assert abs(b.level(440.0)) < 3
    assert {len(p.payload) for p in a.audio} == {160}


def test_a_packet_that_is_too_large_to_forward_is_counted() -> None:
    room, a, b = pair()
    room.run(0.1)
    b.forget()
    a.send(bytes(1489), 0, room.now)
    room.step()
    assert b.packets == []
    room.run(1.1)
    stats = room.stats[a.port]
    assert isinstance(stats, PortStats)
    assert stats.bad_packet == 1


def test_thirty_milliseconds_packets_are_mixed_whole() -> None:
    room, a, b = pair()
    room.engine.hear(b.port, {a.port: 0.99})
    a.silent = True
    timestamp = 0
    for i in range(200):
        if i % 3 == 0:
            payload = bytes([0x80 if (timestamp // 240) % 2 else 0x00]) * 240
            a.send(payload, 0, room.now, timestamp=timestamp)
            timestamp += 240
        room.run(0.01)
    heard = b.heard(1.0)
    assert set(np.abs(heard)) == {int(np.abs(heard).max())}  # loud everywhere: nothing missing, nothing concealed
