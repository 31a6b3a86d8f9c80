"""What the kernels of the media core cost for one 20 ms frame, and the whole core for a second of a call.

``pytest benchmarks/test_media_kernels.py``: kernels are called from Python, whose
overhead (some 0.1 us a call) is in the figures; the codecs and the mix are
therefore measured on 50 frames at once. The calls run in virtual time: no
sockets, so this is the core's own part of what a call costs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from softswitch.ids import Ids
from softswitch.media import kernels, libopus, playout_kernels
from softswitch.media.engine import Codec, MediaSession, OpenPort
from softswitch.media.virtual_engine import VirtualEngine
from softswitch.mixer.resample import RATES, tail_of
from softswitch.rtp.packet import Packet

FRAMES = 50
PCM = np.random.default_rng(1).integers(-8000, 8000, 160 * FRAMES).astype("<i2").tobytes()
CODES = kernels.encode(0, PCM)
PACKET = bytes(Packet(0, 1, 160, 7, CODES[:160]))


@pytest.mark.parametrize("law", [0, 1], ids=["PCMU", "PCMA"])
def test_encode_fifty_frames(benchmark: BenchmarkFixture, law: int) -> None:
    assert len(benchmark(kernels.encode, law, PCM)) == 160 * FRAMES


@pytest.mark.parametrize("law", [0, 1], ids=["PCMU", "PCMA"])
def test_decode_fifty_frames(benchmark: BenchmarkFixture, law: int) -> None:
    assert len(benchmark(kernels.decode, law, CODES)) == 320 * FRAMES


CODECS = {"PCMU": 0, "PCMA": 1, "G722": 2, "L16/16000": 4, "opus": 6}
"""By their numbers in ``ext/codec.h``."""


def codec(name: str) -> kernels.Codec:
    opus = libopus.find()
    if isinstance(opus, libopus.Library):
        kernels.use_opus(opus.addresses)
    elif name == "opus":
        pytest.skip(opus.reason)
    return kernels.Codec(CODECS[name])


def speech(rate: int) -> bytes:
    """One 20 ms frame of a buzz with two formants."""
    at = np.arange(rate // 50) / rate
    sound = sum(np.sin(2 * np.pi * 125 * h * at) / (1 + abs(125 * h - 600) / 200) for h in range(1, 30))
    return (sound / np.abs(sound).max() * 8000).astype("<i2").tobytes()


@pytest.mark.parametrize("name", CODECS)
def test_encode_a_frame(benchmark: BenchmarkFixture, name: str) -> None:
    coder = codec(name)
    assert benchmark(coder.encode, speech(coder.rate))


@pytest.mark.parametrize("name", CODECS)
def test_decode_a_frame(benchmark: BenchmarkFixture, name: str) -> None:
    coder = codec(name)
    payload = coder.encode(speech(coder.rate))
    assert len(benchmark(coder.decode, payload)) == 2 * coder.frame


@pytest.mark.parametrize(("source", "target"), [(a, b) for a in RATES for b in RATES if a != b])
def test_resample_a_frame(benchmark: BenchmarkFixture, source: int, target: int) -> None:
    tail = bytes(2 * tail_of(source))
    assert len(benchmark(kernels.resample, source, target, tail, speech(source))) == target // 50 * 2


def test_comfort_noise_of_a_frame(benchmark: BenchmarkFixture) -> None:
    noise = kernels.ComfortNoise(1)
    noise.take(bytes([50, 90, 140, 120]))
    assert len(benchmark(noise.make, 160)) == 320


def test_mix_fifty_frames_of_two_sources(benchmark: BenchmarkFixture) -> None:
    row = [(PCM, 4096, 4096), (PCM, 2048, 2048)]
    assert len(benchmark(kernels.mix, row, 160 * FRAMES)) == 320 * FRAMES


def test_conceal_a_frame(benchmark: BenchmarkFixture) -> None:
    concealment = playout_kernels.Concealment(8000)

    def lose() -> bytes:
        concealment.begin(PCM)
        return concealment.conceal(160)

    assert len(benchmark(lose)) == 320


def test_parse_a_packet(benchmark: BenchmarkFixture) -> None:
    assert benchmark(kernels.parse, PACKET)


def test_a_second_through_play_out(benchmark: BenchmarkFixture) -> None:
    def second() -> int:
        playout, came = playout_kernels.Playout(0), 0
        for n in range(50):
            playout.put(1, 160 * n, n, CODES[:160], n * 20_000_000)
            came += len(playout.pop(n * 20_000_000 + 15_000_000)) == 320
        return came

    assert benchmark(second) == 50


def call_second(codec: Codec, gain: float, calls: int) -> Callable[[], int]:
    """One second of that many calls: 100 packets each in, and what comes out."""
    engine = VirtualEngine(ids=Ids(1), ports=2 * calls)
    legs: list[tuple[OpenPort, tuple[str, int], int]] = []
    for call in range(calls):
        room = engine.open_room()
        ports = [engine.open_port(room, "10.99.0.1") for _ in range(2)]
        for side, (port, spoken) in enumerate(zip(ports, (Codec.PCMU, codec), strict=True)):
            peer = (f"192.0.{call // 200}.{call % 200 + 1}", 4000 + side)
            payload_type = 0 if spoken is Codec.PCMU else 8
            engine.set_session(port.id, MediaSession(remote=peer, codec=spoken, payload_type=payload_type))
            engine.hear(port.id, {ports[1 - side].id: gain})
            legs.append((port, peer, payload_type))
    sent = 0

    def second() -> int:
        nonlocal sent
        out = 0
        for _ in range(50):
            now = 1000.0 + sent * 0.02
            packets = {pt: bytes(Packet(pt, sent % 65_536, sent * 160, 7, CODES[:160])) for pt in (0, 8)}
            for port, peer, payload_type in legs:
                engine.receive(port.id, packets[payload_type], peer, now)
            out += len(engine.step(now))
            sent += 1
        engine.events()
        return out

    second()
    return second


@pytest.mark.parametrize(
    ("codec", "gain"),
    [(Codec.PCMU, 1.0), (Codec.PCMA, 1.0), (Codec.PCMU, 0.9)],
    ids=["relayed", "transcoded", "mixed"],
)
def test_a_second_of_twenty_calls_without_a_network(benchmark: BenchmarkFixture, codec: Codec, gain: float) -> None:
    assert benchmark(call_second(codec, gain, 20)) >= 1900
