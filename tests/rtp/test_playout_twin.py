"""The kernel of play-out is held against its twin on schedules that no network would be so bad to make."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.media import kernels, playout_kernels
from softswitch.rtp.playout import Kind, Playout
from tests.rtp.decoders import Pcmu, Toy
from tests.rtp.voices import voice

MS = 1_000_000
SPEECH = voice(8000, 8.0)
CODES = kernels.encode(0, SPEECH.astype("<i2").tobytes())

Step = tuple[str, int, int]

network = st.one_of(
    st.tuples(st.just("send"), st.sampled_from([0] * 6 + [5, 12, 19, 25, 40, 65, 90, 150, 400]), st.integers(0, 0)),
    st.tuples(st.just("lose"), st.integers(1, 4), st.just(0)),
    st.tuples(st.just("pause"), st.integers(1, 30), st.just(0)),
    st.tuples(st.just("silence"), st.sampled_from([0, 20]), st.just(0)),
    st.tuples(st.just("noise"), st.integers(0, 127), st.integers(0, 12)),
    st.tuples(st.just("last"), st.integers(1, 30), st.just(0)),
    st.tuples(st.just("twice"), st.integers(0, 30), st.just(0)),
    st.tuples(st.just("jump"), st.sampled_from([-100_000, 3000, 7000, 1 << 31, 77]), st.booleans()),
    st.tuples(st.just("odd"), st.integers(0, 3000), st.integers(0, 20)),
    st.tuples(st.just("steady"), st.integers(1, 40), st.integers(0, 12)),
    st.tuples(st.just("ptime"), st.sampled_from([10, 20, 30, 60]), st.just(0)),
    st.tuples(st.just("stall"), st.integers(20, 500), st.just(0)),
    st.tuples(st.just("flush"), st.just(0), st.just(0)),
)


class Story:
    """Packets of one sender at the times at which they come, and what both make of them each 20 ms."""

    def __init__(self, codec: Pcmu | Toy, start: int, phase: int) -> None:
        self.codec = codec
        self.kernel, self.twin = playout_kernels.Playout(codec.number), Playout(codec)
        self.timestamp, self.sequence, self.said = start, 65_530, 0
        self.now, self.due = 50_000 * MS, 50_000 * MS + phase * MS
        self.flying: list[tuple[int, int, Kind, int, int, bytes, bool]] = []
        self.ptime = 20
        self.behind = self.restarted = False
        self.stalled = 0

    def payload(self, n: int) -> bytes:
        if isinstance(self.codec, Toy):
            return bytes([self.ptime * 2 // 5, n % 201, (n - 1) % 201][: 2 + n % 2])
        at = n * 80 % (len(CODES) - 8 * self.ptime)
        return CODES[at : at + 8 * self.ptime]

    def say(
        self, late: int, *, lost: bool = False, twice: int | None = None, kind: Kind = Kind.AUDIO, noise: bytes = b""
    ) -> None:
        payload = self.payload(self.said) if kind is Kind.AUDIO else noise
        if not lost:
            for delay in (late,) if twice is None else (late, late + twice):
                at = max(self.now + delay * MS, self.stalled)
                packet = (
                    at,
                    len(self.flying),
                    kind,
                    self.timestamp % (1 << 32),
                    self.sequence,
                    payload,
                    self.restarted,
                )
                self.flying.append(packet)
                self.restarted = False
        self.sequence = (self.sequence + 1) % 65_536
        if kind is Kind.AUDIO:
            self.said += self.ptime // 10
            self.timestamp += self.codec.clock // 1000 * self.ptime
            self.run(self.now + self.ptime * MS)

    def run(self, until: int) -> None:
        while self.due <= until:
            self.arrive(self.due)
            kernel = np.frombuffer(self.kernel.pop(self.due), "<i2").tolist()
            assert kernel == self.twin.pop(self.due)
            self.alike()
            self.due += 20 * MS
        self.arrive(until)
        self.now = until

    def arrive(self, until: int) -> None:
        come = sorted(packet for packet in self.flying if packet[0] <= until)
        self.flying = [packet for packet in self.flying if packet[0] > until]
        for at, _, kind, timestamp, sequence, payload, restarted in come:
            kernel = self.kernel.put(kind, timestamp, sequence, payload, at, restarted)
            assert kernel == self.twin.put(kind, timestamp, sequence, payload, at, restarted=restarted)
        self.alike()

    def alike(self) -> None:
        t = self.twin
        counters = (t.late, t.duplicate, t.concealed, t.stretched, t.skipped)
        assert self.kernel.state == (t.state, t.target, t.delayed, *counters)

    def act(self, what: str, first: int, second: int) -> None:
        match what:
            case "send":
                self.say(first)
            case "lose":
                for _ in range(first):
                    self.say(0, lost=True)
            case "pause":
                self.timestamp += self.codec.clock // 50 * first
                self.run(self.now + 20 * first * MS)
            case "silence":
                self.say(first, kind=Kind.SILENCE)
            case "noise":
                self.say(0, kind=Kind.SILENCE, noise=bytes([first, *range(90, 90 + 7 * second, 7)]))
            case "last":
                self.said += (200 - self.said) % 201
                self.say(0)
                self.act("pause", first, 0)
            case "twice":
                self.say(0, twice=first)
            case "jump":
                self.timestamp = (self.timestamp + first) % (1 << 32)
                self.restarted = bool(second)
            case "odd":
                kind = Kind(first % 2 + 1)
                payload = b"" if kind is Kind.SILENCE else bytes([second, first % 256]) * (first % 7)
                payload = payload if first % 3 else bytes([first % 128]) * (first % 20)
                timestamp = (self.timestamp + 37 * first - 5000) % (1 << 32)
                self.flying.append((self.now, 0, kind, timestamp, first, payload, False))
            case "steady":
                for n in range(first):
                    self.say(n * 7 % 13 * second // 4)
            case "ptime":
                self.ptime = first
            case "stall":
                self.stalled = self.now + first * MS
            case "flush":
                self.kernel.flush()
                self.twin.flush()


@pytest.mark.parametrize("codec", [Pcmu(), Toy()])
@settings(deadline=None)
@given(
    start=st.sampled_from([0, 123_456, (1 << 32) - 4000]),
    phase=st.integers(0, 19),
    steps=st.lists(network, min_size=1, max_size=60),
)
def test_kernel_and_twin_play_alike(codec: Pcmu | Toy, start: int, phase: int, steps: list[Step]) -> None:
    story = Story(codec, start, phase)
    for step in steps:
        story.act(*step)
    story.run(story.now + 500 * MS)
