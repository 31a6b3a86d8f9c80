"""What a listener of the mixer hears when the network is bad. The network is seeded: every run is the same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from softswitch.media import kernels
from softswitch.media.engine import Codec
from softswitch.rtp.packet import Packet
from tests.media.impairment import Impairment, Network
from tests.media.virtual_room import Phone, Room, gaps, sine
from tests.rtp.voices import voice

SECONDS = 20


def listen(**impairment: float) -> tuple[Room, Phone, Phone]:
    """Twenty seconds of 440 Hz through a bad network and the mixer."""
    network = Network(Impairment(**impairment), seed=3)  # type: ignore[arg-type]
    room = Room()
    speaker, listener = room.phone(440.0), room.phone(880.0, Codec.PCMA)
    room.call(speaker, listener)
    speaker.silent = True
    sent, period = 0, network.period(0.02)
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
    room, speaker, listener = listen()
    stats = room.stats[speaker.port]
    assert (stats.late, stats.lost) == (0, 0)
    assert abs(listener.level(440.0, 10.0) - 20 * np.log10(9 / 10)) < 1.2
    assert quiet_share(listener) == 0


@pytest.mark.parametrize("jitter", [0.010, 0.030, 0.060, 0.100])
def test_jitter_makes_the_buffer_longer_and_hardly_anything_late(jitter: float) -> None:
    room, speaker, listener = listen(jitter=jitter)
    stats = room.stats[speaker.port]
    assert stats.late < 0.02 * stats.received
    assert stats.lost <= 5  # those that still fly at the end
    assert quiet_share(listener) < 0.005


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.10])
def test_single_losses_are_concealed(loss: float) -> None:
    room, speaker, listener = listen(loss=loss)
    stats = room.stats[speaker.port]
    assert stats.concealed >= stats.lost > 0
    assert quiet_share(listener) < 0.005


def test_doubled_packets_are_heard_once() -> None:
    room, speaker, listener = listen(doubled=0.3)
    stats = room.stats[speaker.port]
    assert stats.duplicate > 200
    assert abs(listener.level(440.0, 10.0)) < 0.5


@pytest.mark.parametrize("ppm", [200.0, -200.0])
def test_a_clock_that_is_off_does_not_pile_up_delay_or_silence(ppm: float) -> None:
    room, speaker, listener = listen(jitter=0.002, ppm=ppm)
    assert quiet_share(listener) < 0.005
    assert room.stats[speaker.port].concealed <= 10  # nine of them when the speaker stops


def test_what_is_sent_is_steady_whatever_comes() -> None:
    _, _, listener = listen(jitter=0.080, loss=0.1, doubled=0.1)
    assert gaps(listener.packets) == []
    assert max(np.diff(listener.times)) < 0.021


@pytest.mark.parametrize("phase", range(20))
def test_the_mixer_delays_a_steady_stream_by_5_to_25_ms(phase: int) -> None:
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
    assert 0.005 <= round(heard - said, 6) < 0.025


def through(pcm: NDArray[np.int16], impairment: Impairment, phase: float = 0.0) -> tuple[NDArray[np.int16], list[int]]:
    """Speech from PCMU to PCMA through a network and the mixer: what is heard, and which packets were lost."""
    network = Network(impairment, seed=5)
    room = Room()
    speaker, listener = room.phone(), room.phone(codec=Codec.PCMA)
    room.call(speaker, listener)
    speaker.silent = listener.silent = True
    room.run(0.1)  # the row has faded in
    codes = kernels.encode(0, pcm.tobytes())
    began = round(room.now + phase, 6)
    for n in range(len(codes) // 160 + 10):
        packet = Packet(0, n, 160 * n, 7, codes[160 * n : 160 * (n + 1)])
        if packet.payload:
            network.send(bytes(packet), began + 0.02 * n)
        for _ in range(20):
            for data in network.due(room.now):
                room.engine.receive(speaker.port, data, speaker.address, room.now)
            room.run(0.001)
    return listener.heard(len(listener.audio) / 50), network.lost


def coded(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """What both laws leave of speech."""
    mu = kernels.decode(0, kernels.encode(0, pcm.tobytes()))
    return np.frombuffer(kernels.decode(1, kernels.encode(1, mu)), "<i2")


def placed(heard: NDArray[np.int16], said: NDArray[np.int16]) -> NDArray[np.int16]:
    """The part of what is heard in which ``said`` is, found by the first frame."""
    for at in range(0, len(heard) - len(said), 160):
        if np.array_equal(heard[at : at + 160], said[:160]):
            return heard[at : at + len(said)]
    raise AssertionError("the first frame is not heard")


SPOKEN = voice(8000, 4.0).astype("<i2")


@pytest.mark.parametrize(
    "impairment",
    [
        Impairment(),
        Impairment(jitter=0.004),
        Impairment(doubled=0.3),
        Impairment(jitter=0.004, doubled=0.2, queue=True),
    ],
    ids=["clean", "little jitter", "doubled", "queue"],
)
def test_what_comes_in_time_is_heard_sample_for_sample(impairment: Impairment) -> None:
    heard, _ = through(SPOKEN, impairment, phase=0.003)
    said = coded(SPOKEN)
    assert np.array_equal(placed(heard, said), said)


@pytest.mark.parametrize("burst", [1.0, 3.0])
def test_beside_a_loss_and_ten_milliseconds_after_it_every_sample_is_exact(burst: float) -> None:
    heard, lost = through(SPOKEN, Impairment(loss=0.08, burst=burst), phase=0.003)
    said = coded(SPOKEN)
    touched = np.zeros(len(said), bool)
    for n in lost:
        touched[160 * n : 160 * (n + 1) + 80] = True
    found = placed(heard, said)
    assert 10 <= len(lost) <= 30
    assert np.array_equal(found[~touched], said[~touched])
    assert not np.array_equal(found[touched], said[touched])
    # Nothing is simply left out: what stands in for a single loss is about as loud as what it replaces.
    if burst == 1.0:
        frames = [np.abs(found[160 * n : 160 * (n + 1)].astype(int)).mean() for n in lost]
        assert min(frames) > 0.4 * np.abs(said.astype(int)).mean()
