"""The engine on real sockets, over loopback. Nothing here sleeps: everything polls with a deadline."""

from __future__ import annotations

import itertools
import select
import socket
import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from softswitch.errors import NotPossible
from softswitch.ids import Ids
from softswitch.media.engine import (
    Codec,
    Digit,
    Latched,
    MediaEvent,
    MediaResumed,
    MediaSession,
    MediaTimeout,
    OpenPort,
    PortClosed,
    PortStats,
    RecordingEnded,
    SourceId,
    Tone,
    Track,
)
from softswitch.media.ports import PortPool
from softswitch.media.socket_engine import SocketEngine
from softswitch.media.writer import Writer
from softswitch.rtp.packet import Packet, parse

HOST = "127.0.0.1"
PATIENCE = 5.0


class Peer:
    """A UDP socket that speaks RTP."""

    def __init__(self, host: str = HOST) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.sequence = 0
        self.ssrc = self.socket.getsockname()[1]

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()[:2]
        return host, port

    def session(self, codec: Codec = Codec.PCMU) -> MediaSession:
        payload_type = 0 if codec is Codec.PCMU else 8
        return MediaSession(
            remote=self.address, codec=codec, payload_type=payload_type, dtmf_send=101, dtmf_receive=101
        )

    def send(self, port: OpenPort, payload: bytes = bytes(160), payload_type: int = 0) -> None:
        packet = Packet(payload_type, self.sequence % 65_536, self.sequence * 160, self.ssrc, payload)
        self.sequence += 1
        self.socket.sendto(bytes(packet), port.local)

    def receive(self, patience: float = PATIENCE) -> Packet | None:
        ready, _, _ = select.select([self.socket], [], [], patience)
        if not ready:
            return None
        with suppress(ConnectionRefusedError):
            found = parse(self.socket.recv(2000))
            return found if isinstance(found, Packet) else None
        return None

    def close(self) -> None:
        self.socket.close()


class World:
    def __init__(self, threads: int = 1, realtime: bool = True, pool: PortPool | None = None) -> None:
        self.pool = PortPool(18_000, 18_999, Ids()) if pool is None else pool
        self.writer = Writer()
        self.engine = SocketEngine(threads=threads, pool=self.pool, writer=self.writer, ids=Ids(), realtime=realtime)
        self.peers: list[Peer] = []
        self.room = self.engine.open_room()
        self.seen: list[MediaEvent] = []

    def peer(self, host: str = HOST) -> Peer:
        self.peers.append(Peer(host))
        return self.peers[-1]

    def wait(self, found: Callable[[MediaEvent], bool]) -> MediaEvent:
        """The first event of that kind; events come by the descriptor alone."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for i, event in enumerate(self.seen):
                if found(event):
                    del self.seen[: i + 1]
                    return event
            select.select([self.engine.fileno()], [], [], 0.5)
            self.seen += self.engine.events()
        raise AssertionError(f"nothing like that came; there were {self.seen}")

    def bridge(self, a: Peer, b: Peer, b_codec: Codec = Codec.PCMU) -> tuple[OpenPort, OpenPort]:
        room = self.room = self.engine.open_room()
        left, right = self.engine.open_port(room, HOST), self.engine.open_port(room, HOST)
        self.engine.set_session(left.id, a.session())
        self.engine.set_session(right.id, b.session(b_codec))
        self.engine.hear(left.id, {right.id: 1.0})
        self.engine.hear(right.id, {left.id: 1.0})
        self.latch(a, left)
        self.latch(b, right, 0 if b_codec is Codec.PCMU else 8)
        return left, right

    def latch(self, peer: Peer, port: OpenPort, payload_type: int = 0) -> None:
        """Send until the port believes the peer, as a phone does: a command takes a tick to reach the media thread."""
        for _ in range(100):
            peer.send(port, payload_type=payload_type)
            select.select([self.engine.fileno()], [], [], 0.05)
            self.seen += self.engine.events()
            if any(isinstance(event, Latched) and event.port == port.id for event in self.seen):
                self.seen.clear()
                return
        raise AssertionError("the port did not latch")

    def close(self) -> None:
        self.engine.close()
        self.writer.stop()
        for peer in self.peers:
            peer.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def received(peer: Peer, payload: bytes) -> Packet:
    """Wait for a packet with that payload."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        packet = peer.receive()
        if packet and packet.payload == payload:
            return packet
    raise AssertionError("the packet did not come")


def test_packets_pass_between_two_sockets(world: World) -> None:
    a, b = world.peer(), world.peer()
    left, right = world.bridge(a, b)
    for n in range(20):
        a.send(left, bytes([n]) * 160)
        b.send(right, bytes([100 + n]) * 160)
        assert received(b, bytes([n]) * 160).ssrc != a.ssrc
        received(a, bytes([100 + n]) * 160)


def test_a_transcoded_call_reaches_the_other_side_at_the_pace_of_packets(world: World) -> None:
    a, b = world.peer(), world.peer()
    left, _right = world.bridge(a, b, Codec.PCMA)
    deadline = time.monotonic() + PATIENCE
    found: list[Packet] = []
    next_at = time.monotonic()
    while len(found) < 25 and time.monotonic() < deadline:
        if time.monotonic() >= next_at:
            a.send(left, b"\x80" * 160)
            next_at += 0.02
        packet = b.receive(0.005)
        if packet:
            found.append(packet)
    steps = {((y.sequence - x.sequence), (y.timestamp - x.timestamp)) for x, y in itertools.pairwise(found)}
    assert {s % 65_536 for s, _ in steps} == {1}
    assert any(p.payload == b"\xaa" * 160 for p in found)  # the loudest code of A-law
    assert {p.payload_type for p in found} == {8}


def test_a_stranger_is_not_relayed_and_is_sent_nothing(world: World) -> None:
    a, b, thief = world.peer(), world.peer(), world.peer()
    left, _ = world.bridge(a, b)
    for _ in range(50):
        thief.send(left, b"\x01" * 160)
    a.send(left, b"\x02" * 160)
    payloads = set()
    while b"\x02" * 160 not in payloads:
        packet = b.receive()
        assert packet
        payloads.add(packet.payload)
    assert b"\x01" * 160 not in payloads
    assert thief.receive(0.0) is None


def test_a_peer_behind_nat_is_learned_by_its_packets(world: World) -> None:
    a, b, real = world.peer(), world.peer(), world.peer()
    room = world.engine.open_room()
    left, right = world.engine.open_port(room, HOST), world.engine.open_port(room, HOST)
    world.engine.set_session(left.id, a.session())  # a's SDP is wrong: it sends from another socket
    world.engine.set_session(right.id, b.session())
    world.engine.hear(left.id, {right.id: 1.0})
    for _ in range(4):
        real.send(left)
    latched = world.wait(lambda event: isinstance(event, Latched))
    assert latched == Latched(left.id, real.address)
    world.latch(b, right)
    b.send(right, b"\x33" * 160)
    received(real, b"\x33" * 160)


def test_a_peer_whose_port_is_closed_does_not_disturb_the_call(world: World) -> None:
    # Each packet to it brings an ICMP error back to our connected socket.
    a, b = world.peer(), world.peer()
    left, right = world.bridge(a, b)
    address = b.address
    b.close()
    for _ in range(30):
        a.send(left)
    again = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    again.bind(address)
    b.socket = again
    world.peers.append(b)
    deadline = time.monotonic() + PATIENCE
    packet = None
    while packet is None and time.monotonic() < deadline:
        a.send(left, b"\x44" * 160)
        packet = b.receive(0.05)
    assert packet
    b.send(right, b"\x45" * 160)
    received(a, b"\x45" * 160)


def test_a_new_address_by_renegotiation_is_learned_at_once(world: World) -> None:
    a, b, moved = world.peer(), world.peer(), world.peer()
    left, right = world.bridge(a, b)
    world.engine.set_session(left.id, moved.session())
    world.latch(moved, left)
    b.send(right, b"\x55" * 160)
    received(moved, b"\x55" * 160)
    moved.send(left, b"\x56" * 160)
    received(b, b"\x56" * 160)


def test_digits_are_told_through_the_descriptor(world: World) -> None:
    a, b = world.peer(), world.peer()
    left, _ = world.bridge(a, b)
    a.send(left, b"\x05\x8a\x03\x20", payload_type=101)
    digit = world.wait(lambda event: isinstance(event, Digit))
    assert isinstance(digit, Digit)
    assert (digit.port, digit.digit) == (left.id, "5")


def test_statistics_come_by_themselves(world: World) -> None:
    a, b = world.peer(), world.peer()
    left, _ = world.bridge(a, b)
    stats = world.wait(lambda event: isinstance(event, PortStats) and event.port == left.id)
    assert isinstance(stats, PortStats)
    assert stats.received >= 1


def test_a_tone_is_sent_every_20_ms(world: World) -> None:
    a = world.peer()
    room = world.engine.open_room()
    port = world.engine.open_port(room, HOST)
    world.engine.set_session(port.id, a.session())
    tone = world.engine.play(room, Tone((425.0,)))
    world.engine.hear(port.id, {tone: 1.0})
    first = a.receive()
    began = time.monotonic()
    packets = [a.receive() for _ in range(50)]
    assert first
    assert all(packets)
    assert time.monotonic() - began == pytest.approx(1.0, abs=0.3)


def test_a_recording_becomes_a_file(world: World, tmp_path: Path) -> None:
    a, b = world.peer(), world.peer()
    left, right = world.bridge(a, b)
    path = tmp_path / "call.wav"
    tracks: dict[Track, list[SourceId]] = {Track.LEFT: [left.id], Track.RIGHT: [right.id]}
    recording = world.engine.record(world.room, tracks, path)
    deadline = time.monotonic() + 0.3
    next_at = time.monotonic()
    while time.monotonic() < deadline:
        if time.monotonic() >= next_at:
            a.send(left, b"\x80" * 160)
            b.send(right, b"\x00" * 160)
            next_at += 0.02
        a.receive(0.002)
        b.receive(0.002)
    world.engine.stop_recording(recording)
    ended = world.wait(lambda event: isinstance(event, RecordingEnded))
    assert isinstance(ended, RecordingEnded)
    assert (ended.recording, ended.error) == (recording, None)
    with wave.open(str(ended.path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert len(samples) / 8000 == pytest.approx(ended.duration)
    assert samples[:, 0].max() == 32_124
    assert samples[:, 1].min() == -32_124


def test_a_closed_port_gives_its_number_back(world: World) -> None:
    a, b = world.peer(), world.peer()
    left, right = world.bridge(a, b)
    assert len(world.pool) == 2
    world.engine.close_port(left.id)
    world.engine.close_port(right.id)
    closed = {world.wait(lambda event: isinstance(event, PortClosed)).port for _ in range(2)}  # type: ignore[union-attr]
    assert closed == {left.id, right.id}
    assert len(world.pool) == 0


def test_ports_that_run_out_are_refused() -> None:
    # Below the range from which the system gives ports to other programs.
    world = World(pool=PortPool(19_000, 19_003, Ids()))
    room = world.engine.open_room()
    for _ in range(2):
        world.engine.open_port(room, HOST)
    with pytest.raises(NotPossible):
        world.engine.open_port(room, HOST)
    world.close()


def test_calls_are_shared_between_threads() -> None:
    world = World(threads=2, realtime=False)
    calls = [(world.peer(), world.peer()) for _ in range(4)]
    ports = [world.bridge(a, b) for a, b in calls]
    assert {port.id >> 48 for pair in ports for port in pair} == {0, 1}
    for (a, b), (left, _) in zip(calls, ports, strict=True):
        a.send(left, b"\x66" * 160)
        received(b, b"\x66" * 160)
    assert [found.priority for found in world.engine.describe()] == ["normal", "normal"]
    world.close()


def test_hostile_datagrams_do_no_harm(world: World) -> None:
    a, b = world.peer(), world.peer()
    left, _ = world.bridge(a, b)
    hostile = [b"", b"\x80", b"\x8f" + bytes(20), struct.pack("!BBHII", 0x90, 0, 1, 2, 3) + b"\xbe\xde\xff\xff",
               b"\xa0" + bytes(11) + b"\xff" * 20, bytes(60_000), b"\x9f\xc8\xff\xff"]  # fmt: skip
    for data in hostile:
        a.socket.sendto(data, left.local)
        a.socket.sendto(data, (HOST, left.local[1] + 1))
    a.send(left, b"\x77" * 160)
    received(b, b"\x77" * 160)


def test_ipv6_carries_media_too(world: World) -> None:
    try:
        a = world.peer("::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    b = world.peer()
    room = world.engine.open_room()
    left, right = world.engine.open_port(room, "::1"), world.engine.open_port(room, HOST)
    world.engine.set_session(left.id, a.session())
    world.engine.set_session(right.id, b.session())
    world.engine.hear(left.id, {right.id: 1.0})
    world.engine.hear(right.id, {left.id: 1.0})
    world.latch(a, left)
    world.latch(b, right)
    a.send(left, b"\x21" * 160)
    received(b, b"\x21" * 160)
    b.send(right, b"\x22" * 160)
    received(a, b"\x22" * 160)


def test_closing_ends_the_threads_and_finishes_recordings(tmp_path: Path) -> None:
    world = World()
    a, b = world.peer(), world.peer()
    left, right = world.bridge(a, b)
    tracks: dict[Track, list[SourceId]] = {Track.LEFT: [left.id], Track.RIGHT: [right.id]}
    world.engine.record(world.room, tracks, tmp_path / "call.wav")
    a.send(left, b"\x78" * 160)
    received(b, b"\x78" * 160)
    world.close()
    assert (tmp_path / "call.wav").exists()
    assert len(world.pool) == 0
    world.engine.close()


def test_after_a_media_timeout_the_connected_socket_learns_again(world: World) -> None:
    a, b, other = world.peer(), world.peer(), world.peer()
    left, right = world.bridge(a, b)
    world.engine.set_session(left.id, replace(a.session(), timeout=0.05))
    world.wait(lambda event: isinstance(event, MediaTimeout) and event.port == left.id)
    for _ in range(4):
        other.send(left)
    assert world.wait(lambda event: isinstance(event, Latched)) == Latched(left.id, other.address)
    world.wait(lambda event: isinstance(event, MediaResumed))
    b.send(right, b"\x29" * 160)
    received(other, b"\x29" * 160)


def test_an_engine_without_calls_sleeps(world: World) -> None:
    a, b = world.peer(), world.peer()
    left, right = world.bridge(a, b)
    world.engine.close_port(left.id)
    world.engine.close_port(right.id)
    for _ in range(2):
        world.wait(lambda event: isinstance(event, PortClosed))
    before = world.engine.counters()["ticks"]
    select.select([world.engine.fileno()], [], [], 0.3)
    assert world.engine.counters()["ticks"] - before < 30


def test_an_engine_with_a_silent_call_sleeps_for_several_ticks(world: World) -> None:
    a, b = world.peer(), world.peer()
    world.bridge(a, b)
    thread = next(thread for thread in threading.enumerate() if thread.name == "media-0")
    status = Path(f"/proc/self/task/{thread.native_id}/status")

    def sleeps() -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("voluntary"))

    before, ticks = sleeps(), world.engine.counters()["ticks"]
    select.select([], [], [], 0.3)
    slept, passed = sleeps() - before, world.engine.counters()["ticks"] - ticks
    assert slept < passed / 2, "every slot is served all the same, several at each awakening"


def test_a_recording_that_the_disk_refuses_ends_with_an_error_and_the_next_is_good(
    world: World, tmp_path: Path
) -> None:
    a, b = world.peer(), world.peer()
    world.bridge(a, b)
    refused = world.engine.record(world.room, {}, tmp_path / "no" / "such" / "directory" / "call.wav")
    ended = world.wait(lambda event: isinstance(event, RecordingEnded))
    assert isinstance(ended, RecordingEnded)
    assert ended.recording == refused
    assert ended.error
    second = world.engine.record(world.room, {}, tmp_path / "call.wav")
    world.engine.stop_recording(refused)
    world.engine.stop_recording(second)
    good = world.wait(lambda event: isinstance(event, RecordingEnded))
    assert isinstance(good, RecordingEnded)
    assert (good.recording, good.error) == (second, None)


def test_the_threads_tell_what_they_obtained_and_how_late_they_were(world: World) -> None:
    a, b = world.peer(), world.peer()
    world.bridge(a, b)
    (found,) = world.engine.describe()
    assert found.priority in {"SCHED_FIFO 20", "nice -11", "normal"}
    assert found.exact_timers
    deadline = time.monotonic() + PATIENCE
    while world.engine.counters()["ticks"] < 2 and time.monotonic() < deadline:
        pass
    ticks = world.engine.counters()["ticks"]
    lateness = world.engine.lateness()
    assert sum(count for _, count in lateness) >= ticks - 1 > 0
    assert lateness[10][0] == pytest.approx(0.001024)


def test_who_sprays_the_whole_range_of_ports_is_sent_nothing(world: World) -> None:
    # RTP bleed (rule M1): one header with counting numbers at every port, before the phones speak and in the midst.
    a, b, thief = world.peer(), world.peer(), Peer("127.0.0.66")
    world.peers.append(thief)
    room = world.engine.open_room()
    ports = [world.engine.open_port(room, HOST) for _ in range(2)]
    for port, peer in zip(ports, (a, b), strict=True):
        world.engine.set_session(port.id, replace(peer.session(), signaller=HOST))
    for port in ports:  # both are known: packets are passed through from the first one on
        world.engine.hear(port.id, {other.id: 1.0 for other in ports if other is not port})

    def spray(rounds: int) -> None:
        for _ in range(rounds):
            thief.sequence += 1
            packet = bytes(Packet(0, thief.sequence % 65_536, thief.sequence * 160, 66, b"\x10" * 160))
            for port in ports:
                for number in range(port.local[1] - 10, port.local[1] + 11):
                    thief.socket.sendto(packet, (HOST, number))

    spray(20)
    world.latch(a, ports[0])
    world.latch(b, ports[1])
    payload = bytes(range(160))
    for _ in range(10):
        spray(5)
        a.send(ports[0], payload)
        b.send(ports[1], payload)
    received(a, payload)
    received(b, payload)
    heard = set()
    while (packet := b.receive(0.05)) is not None:
        heard.add(packet.payload)
    assert b"\x10" * 160 not in heard
    assert thief.receive(0.05) is None
    world.engine.close_port(ports[0].id)
    closed = world.wait(lambda event: isinstance(event, PortClosed))
    assert isinstance(closed, PortClosed)
    assert closed.stats.bad_source > 0
