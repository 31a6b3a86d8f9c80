"""What a listener of the mixer hears when the network is bad. The network is seeded: every run is the same."""

from __future__ import annotations

import heapq
import random

import numpy as np
import pytest

from softswitch.media import kernels
from softswitch.media.engine import Codec
from softswitch.rtp.packet import Packet
from tests.media.virtual_room import Phone, Room, gaps, sine

SECONDS = 20


class BadNetwork:
    """Delays, loses, reorders and doubles the packets of one speaker."""

    def __init__(self, seed: int, *, jitter: float = 0.0, loss: float = 0.0, double: float = 0.0) -> None:
        self._random = random.Random(seed)
        self._jitter, self._loss, self._double = jitter, loss, double
        self._flying: list[tuple[float, int, bytes]] = []
        self._count = 0

    def send(self, data: bytes, now: float) -> None:
        if self._random.random() < self._loss:
            return
        for _ in range(2 if self._random.random() < self._double else 1):
            self._count += 1
            heapq.heappush(self._flying, (now + self._random.uniform(0, self._jitter), self._count, data))

    def due(self, now: float) -> list[bytes]:
        found = []
        while self._flying and self._flying[0][0] <= now:
            found.append(heapq.heappop(self._flying)[2])
        return found


def listen(network: BadNetwork, *, ppm: float = 0.0) -> tuple[Room, Phone, Phone]:
    """Twenty seconds of 440 Hz through the network and the mixer; ``ppm`` is how much the speaker's clock is fast."""
    room = Room()
    speaker, listener = room.phone(440.0), room.phone(880.0, Codec.PCMA)
    room.call(speaker, listener)
    speaker.silent = True
    sent, period = 0, 0.02 / (1 + ppm / 1e6)
    began = room.now
    while room.now < began + SECONDS:
        while began + sent * period <= room.now:
            payload = kernels.encode(0, sine(440.0, 160, sent * 160).tobytes())
            network.send(bytes(Packet(0, sent % 65_536, sent * 160, 7, payload)), room.now)
            sent += 1
        for data in network.due(room.now):
            room.engine.receive(speaker.port, data, speaker.address, room.now)
        room.run(0.001)
    room.run(1.1)
    return room, speaker, listener


def quiet_share(phone: Phone) -> float:
    """How much of what was heard is silence, the first half second aside."""
    heard = phone.heard(SECONDS - 0.5)[: (SECONDS - 2) * 8000].astype(float)
    frames = np.sqrt(np.mean(heard.reshape(-1, 160) ** 2, axis=1))
    return float(np.mean(frames < 500))


def test_a_good_network_costs_nothing() -> None:
    room, speaker, listener = listen(BadNetwork(1))
    stats = room.stats[speaker.port]
    assert (stats.late, stats.lost) == (0, 0)
    assert abs(listener.level(440.0, 10.0) - 20 * np.log10(9 / 10)) < 1.2
    assert quiet_share(listener) == 0


@pytest.mark.parametrize("jitter", [0.010, 0.030, 0.060, 0.100])
def test_jitter_makes_the_buffer_longer_and_hardly_anything_late(jitter: float) -> None:
    room, speaker, listener = listen(BadNetwork(2, jitter=jitter))
    stats = room.stats[speaker.port]
    assert stats.late < 0.02 * stats.received
    assert stats.lost <= 5  # those that still fly at the end
    assert quiet_share(listener) < 0.005


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.10])
def test_single_losses_are_concealed(loss: float) -> None:
    room, speaker, listener = listen(BadNetwork(3, loss=loss))
    stats = room.stats[speaker.port]
    assert stats.concealed >= stats.lost > 0
    assert quiet_share(listener) < 0.005


def test_doubled_packets_are_heard_once() -> None:
    room, speaker, listener = listen(BadNetwork(4, double=0.3))
    stats = room.stats[speaker.port]
    assert stats.duplicate > 200
    assert abs(listener.level(440.0, 10.0)) < 0.5


@pytest.mark.parametrize("ppm", [200.0, -200.0])
def test_a_clock_that_is_off_does_not_pile_up_delay_or_silence(ppm: float) -> None:
    room, speaker, listener = listen(BadNetwork(5, jitter=0.002), ppm=ppm)
    assert quiet_share(listener) < 0.005
    assert room.stats[speaker.port].concealed <= 10  # nine of them when the speaker stops


def test_what_is_sent_is_steady_whatever_comes() -> None:
    _, _, listener = listen(BadNetwork(6, jitter=0.080, loss=0.1, double=0.1))
    assert gaps(listener.packets) == []
    assert max(np.diff(listener.times)) < 0.021


@pytest.mark.parametrize("phase", range(0, 20, 3))
def test_the_mixer_delays_a_steady_stream_by_10_to_30_ms(phase: int) -> None:
    room = Room()
    speaker, listener = room.phone(), room.phone(codec=Codec.PCMA)
    room.call(speaker, listener)
    speaker.phase = phase / 1000
    room.run(1.0)
    loud = kernels.encode(0, np.full(160, 20_000, "<i2").tobytes())
    while round((room.now - speaker.phase) * 1000) % 20 != 19:
        room.run(0.001)
    room.now = round(room.now + 0.001, 6)
    speaker.send(loud, 0, room.now)
    speaker.timestamp = (speaker.timestamp + 160) % (1 << 32)
    said = room.now
    listener.forget()
    room.step()
    room.run(0.1)
    heard = next(at for p, at in zip(listener.packets, listener.times, strict=True) if p.payload[80] != 0xD5)
    assert 0.010 <= round(heard - said, 6) <= 0.030
