"""The two tracks of a recording belong together to 20 ms, whatever the network did to the packets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from softswitch.ids import Ids
from softswitch.media import kernels
from softswitch.media.engine import Codec, MediaSession, Track
from softswitch.media.virtual_engine import VirtualEngine
from softswitch.rtp.packet import Packet
from tests.media.impairment import Impairment, Network

RATE, FRAME = 8000, 160
SECONDS = 6.0
WINDOW = RATE // 10
NEAR = RATE * 3 // 10
"""How far from where it belongs something is looked for."""


def rumble(seed: int) -> NDArray[np.int16]:
    """Noise below 400 Hz: there is one place only where it fits, and a sample that slips does not hide it."""
    white = np.fft.rfft(np.random.default_rng(seed).normal(size=int(SECONDS) * RATE))
    white[int(400 * SECONDS) :] = 0
    sound = np.fft.irfft(white)
    return np.clip(sound / sound.std() * 5000, -20_000, 20_000).astype(np.int16)


SAID = (rumble(1), rumble(2))


def recorded(
    legs: tuple[Impairment, Impairment], *, held_up: tuple[float, float] = (0.0, 0.0), rate: int = RATE, seed: int = 1
) -> tuple[list[NDArray[np.int16]], list[float]]:
    """Record two who speak noise, at 8 kHz; and where, in samples, the first of each belongs.

    Who is ``held_up`` has his first packet so many seconds later than the network would bring it.
    """
    engine = VirtualEngine(ids=Ids(seed), ports=4)
    room = engine.open_room()
    ports = [engine.open_port(room, "10.99.0.1").id for _ in legs]
    for i, port in enumerate(ports):
        session = MediaSession(remote=(f"192.0.2.{i}", 4000), codec=Codec.PCMU, payload_type=0)
        engine.set_session(port, session)
    start = 1000.0
    engine.step(start)
    recording = engine.record(
        room, {Track.LEFT: [ports[0]], Track.RIGHT: [ports[1]]}, Path("/nowhere/at/all.wav"), rate=rate
    )
    networks = [Network(how, seed + i) for i, how in enumerate(legs)]
    periods, sent = [network.period(0.02) for network in networks], [0, 0]
    began = [start + 0.2137, start + 0.2411]
    first: list[list[tuple[float, bytes]]] = [[], []]
    for step in range(round(SECONDS * 1000) + 500):
        now = round(start + step / 1000, 6)
        for i, network in enumerate(networks):
            while sent[i] < SECONDS * 50 and began[i] + sent[i] * periods[i] <= now:
                n, said = sent[i], began[i] + sent[i] * periods[i]
                pcm = SAID[i][n * FRAME : (n + 1) * FRAME]
                packet = bytes(Packet(0, n, n * FRAME, 7, kernels.encode(0, pcm.tobytes())))
                if n == 0:
                    first[i].append((said + held_up[i], packet))
                else:
                    network.send(packet, said)
                sent[i] += 1
            due = [packet for at, packet in first[i] if at <= now]
            first[i] = [(at, packet) for at, packet in first[i] if at > now]
            for packet in due + network.due(now):
                engine.receive(ports[i], packet, (f"192.0.2.{i}", 4000), now)
        engine.step(now)
        engine.events()
    engine.stop_recording(recording)
    engine.step(now + 0.03)
    tracks = engine.recorded(recording)
    return [tracks[side][:: rate // RATE] for side in (Track.LEFT, Track.RIGHT)], [(b - start) * RATE for b in began]


def errors(track: NDArray[np.int16], said: NDArray[np.int16], begins: float, ppm: float = 0.0) -> list[float]:
    """How many milliseconds later than said something stands in the track, every quarter of a second.

    NaN where too little of it came.
    """
    found = []
    for at in range(0, len(said) - WINDOW, RATE // 4):
        belongs = round(begins + at / (1 + ppm / 1e6))
        first = max(0, belongs - NEAR)
        near, piece = track[first : belongs + WINDOW + NEAR].astype(float), said[at : at + WINDOW].astype(float)
        likeness = np.correlate(near, piece)
        best = int(np.argmax(likeness))
        found.append((first + best - belongs) / 8 if likeness[best] > 0.7 * float(piece @ piece) else np.nan)
    # What play-out makes up for lost noise is not like it.
    assert np.mean(np.isnan(found)) < 0.8, "too little of what was said is there"
    return found


networks = st.builds(
    Impairment,
    loss=st.sampled_from([0.0, 0.03]),
    jitter=st.sampled_from([0.0, 0.015, 0.06]),
    queue=st.booleans(),
    reordered=st.sampled_from([0.0, 0.05]),
    doubled=st.sampled_from([0.0, 0.05]),
    ppm=st.sampled_from([-200.0, 0.0, 200.0]),
)


@pytest.mark.parametrize("rate", [8000, 16_000], ids=["packets", "frames"])
@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    legs=st.tuples(networks, networks),
    held_up=st.tuples(st.floats(0, 0.15), st.floats(0, 0.15)),
    seed=st.integers(1, 1000),
)
def test_both_tracks_stand_where_they_were_said_whatever_the_network_did(
    legs: tuple[Impairment, Impairment], held_up: tuple[float, float], seed: int, rate: int
) -> None:
    tracks, begins = recorded(legs, held_up=held_up, rate=rate, seed=seed)
    off = [
        np.array(errors(track, said, at, how.ppm))
        for track, said, at, how in zip(tracks, SAID, begins, legs, strict=True)
    ]
    # Where every packet of the first third of a second was slow, nobody could know; from one second on all do.
    known = 0 if all(how.jitter < 0.02 for how in legs) else 4
    assert np.nanmax(np.abs(off[0] - off[1])[known:]) < 20


def test_a_first_packet_that_is_late_is_put_where_it_belongs() -> None:
    tracks, begins = recorded((Impairment(), Impairment()), held_up=(0.13, 0.0))
    assert [max(map(abs, errors(*leg))) < 1 for leg in zip(tracks, SAID, begins, strict=True)] == [True, True]
    # All of the late one, sample by sample, from its first packet on.
    left, at = tracks[0].astype(int), int(np.flatnonzero(tracks[0])[0])
    heard = np.frombuffer(kernels.decode(0, kernels.encode(0, SAID[0].tobytes())), "<i2")
    first = int(np.flatnonzero(heard)[0])
    assert np.array_equal(left[at : at + 5 * RATE], heard[first : first + 5 * RATE])


def test_a_path_that_becomes_shorter_is_followed_without_tearing_words_apart() -> None:
    engine = VirtualEngine(ids=Ids(1), ports=4)
    room = engine.open_room()
    port = engine.open_port(room, "10.99.0.1").id
    engine.set_session(port, MediaSession(remote=("192.0.2.1", 4000), codec=Codec.PCMU, payload_type=0))
    engine.step(1000.0)
    recording = engine.record(room, {Track.LEFT: [port], Track.RIGHT: []}, Path("/nowhere/at/all.wav"))
    loud = kernels.encode(0, np.full(FRAME, 1000, np.int16).tobytes())
    for at, n in sorted((round(1000.01 + 0.02 * n + (0.06 if n < 200 else 0.0), 6), n) for n in range(400)):
        engine.step(at)
        engine.receive(port, bytes(Packet(0, n, n * FRAME, 7, loud)), ("192.0.2.1", 4000), at)
    engine.step(at + 0.1)
    engine.stop_recording(recording)
    engine.step(at + 0.2)
    left = engine.recorded(recording)[Track.LEFT].astype(int)
    spoken = np.flatnonzero(left)
    # While packets overtake each other the line slips for a few: a hole of 4 ms.
    assert np.count_nonzero(left[spoken[0] : spoken[-1] + 1] < 900) <= 4 * 8
    assert left.max() < 1100 + 900  # at most a sample here and there on top of another
    assert np.count_nonzero(left > 1100) <= 1 + 3 * FRAME  # the three packets that came before the others
    # 60 ms shorter than what was said, and it ends where it ended.
    assert spoken[-1] + 1 == pytest.approx((400 * 0.02 + 0.01) * RATE, abs=0.004 * RATE)
