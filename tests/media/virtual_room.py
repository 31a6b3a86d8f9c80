"""A room of the media core under virtual time, and phones around it that speak tones and listen."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from softswitch.ids import Ids
from softswitch.media import kernels
from softswitch.media.engine import Address, Codec, MediaEvent, MediaSession, PortId, PortStats
from softswitch.media.virtual_engine import VirtualEngine
from softswitch.rtp.dtmf import Event
from softswitch.rtp.dtmf import parse as parse_event
from softswitch.rtp.packet import Packet, parse

LAW = {Codec.PCMU: (0, 0), Codec.PCMA: (1, 8)}
AMPLITUDE = 8000.0
FRAME = 160


def sine(frequency: float, samples: int, start: int = 0, amplitude: float = AMPLITUDE) -> NDArray[np.int16]:
    time = (np.arange(samples) + start) / 8000
    return np.round(amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.int16)


def level(pcm: NDArray[np.int16], frequency: float) -> float:
    """How loud a frequency is in dB relative to what phones speak: Goertzel's measure under a Hann window."""
    window = np.hanning(len(pcm))
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(pcm)) / 8000)
    found = 2 * abs(np.sum(pcm * window * turn)) / window.sum()
    return float(20 * np.log10(max(found, 1e-9) / AMPLITUDE))


@dataclass(slots=True)
class Phone:
    """One peer: sends 20 ms packets at its own phase, and keeps what it is sent."""

    engine: VirtualEngine
    port: PortId
    address: Address
    session: MediaSession
    ssrc: int
    phase: float
    frequency: float | None
    sequence: int = 65_500
    timestamp: int = (1 << 32) - 8000
    packets: list[Packet] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    spoken: int = 0
    silent: bool = False
    """Sends no packets at all."""
    lost: set[int] = field(default_factory=set)
    """Numbers of frames that the network loses."""

    def speak(self, now: float) -> None:
        n, self.spoken = self.spoken, self.spoken + 1
        if self.silent:
            self.timestamp = (self.timestamp + FRAME) % (1 << 32)
            return
        law, payload_type = LAW[self.session.codec]
        pcm = sine(self.frequency, FRAME, n * FRAME) if self.frequency else np.zeros(FRAME, np.int16)
        self.send(kernels.encode(law, pcm.tobytes()), payload_type, now, lost=n in self.lost)
        self.timestamp = (self.timestamp + FRAME) % (1 << 32)

    def send(
        self, payload: bytes, payload_type: int, now: float, *, lost: bool = False, timestamp: int | None = None
    ) -> None:
        packet = Packet(
            payload_type, self.sequence, self.timestamp if timestamp is None else timestamp, self.ssrc, payload
        )
        self.sequence = (self.sequence + 1) % 65_536
        if not lost:
            self.engine.receive(self.port, bytes(packet), self.address, now)

    def press(self, room: Room, event: int, *, ends: int = 3) -> None:
        """Press a key for 100 ms, as phones do: no audio meanwhile, one timestamp."""
        assert self.session.dtmf_receive is not None
        start = self.timestamp
        self.silent = True
        for i in range(1, 5 + ends):
            end = i >= 5
            payload = bytes(Event(event, end, 10, min(160 * i, 800)))
            self.send(payload, self.session.dtmf_receive, room.now, timestamp=start)
            room.run(0.02)
        self.silent = False

    @property
    def audio(self) -> list[Packet]:
        return [p for p in self.packets if p.payload_type == self.session.payload_type]

    @property
    def events(self) -> list[tuple[int, Event]]:
        """(timestamp, event) of the telephone-event packets that came."""
        found = [
            (p.timestamp, parse_event(p.payload)) for p in self.packets if p.payload_type == self.session.dtmf_send
        ]
        return [(timestamp, event) for timestamp, event in found if event]

    def heard(self, seconds: float = 0.5) -> NDArray[np.int16]:
        """The newest audio, placed by timestamp."""
        packets = self.audio
        if not packets:
            return np.zeros(round(seconds * 8000), np.int16)
        first = packets[0].timestamp
        places = [(p.timestamp - first) % (1 << 32) for p in packets]
        line = np.zeros(max(at + len(p.payload) for at, p in zip(places, packets, strict=True)), np.int16)
        for at, packet in zip(places, packets, strict=True):
            pcm = np.frombuffer(kernels.decode(LAW[self.session.codec][0], packet.payload), "<i2")
            line[at : at + len(pcm)] = pcm
        return line[-round(seconds * 8000) :]

    def level(self, frequency: float, seconds: float = 0.5) -> float:
        return level(self.heard(seconds), frequency)

    def forget(self) -> None:
        self.packets.clear()
        self.times.clear()


class Room:
    """Phones in one room; ``run`` lets them speak and lets time pass, a millisecond at a time."""

    def __init__(self, seed: int = 1) -> None:
        self.engine = VirtualEngine(ids=Ids(seed), ports=64)
        self.room = self.engine.open_room()
        self.now = 1000.0
        self.phones: list[Phone] = []
        self.events: list[MediaEvent] = []
        self.stats: dict[PortId, PortStats] = {}

    def phone(
        self, frequency: float | None = None, codec: Codec = Codec.PCMU, *, signed: bool = True, **session: object
    ) -> Phone:
        """Open a port and let a phone speak there; not ``signed``: its session is set later."""
        opened = self.engine.open_port(self.room, "10.99.0.1")
        n = len(self.phones)
        address = (f"192.0.2.{n + 1}", 4000)
        agreed = MediaSession(remote=address, codec=codec, payload_type=LAW[codec][1], dtmf_send=101, dtmf_receive=101)
        agreed = replace(agreed, **session)  # type: ignore[arg-type]
        if signed:
            self.engine.set_session(opened.id, agreed)
        phone = Phone(self.engine, opened.id, address, agreed, 1000 + n, (7 * n % 20) / 1000, frequency)
        self.phones.append(phone)
        return phone

    def renegotiate(self, phone: Phone, **session: object) -> None:
        phone.session = replace(phone.session, **session)  # type: ignore[arg-type]
        self.engine.set_session(phone.port, phone.session)

    def connect(self, *rows: tuple[Phone, Iterable[Phone]]) -> None:
        for listener, sources in rows:
            self.engine.hear(listener.port, {source.port: 1.0 for source in sources})

    def call(self, a: Phone, b: Phone) -> None:
        self.connect((a, [b]), (b, [a]))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1000)):
            self.now = round(self.now + 0.001, 6)
            for phone in self.phones:
                if round((self.now - phone.phase) * 1000) % 20 == 0:
                    phone.speak(self.now)
            self.step()

    def step(self) -> None:
        by_port = {phone.port: phone for phone in self.phones}
        for port, local, _remote, data in self.engine.step(self.now):
            if local[1] % 2:
                # Who has left the room is told goodbye.
                if port in by_port:
                    by_port[port].reports.append(data)
                continue
            packet = parse(data)
            assert isinstance(packet, Packet)
            by_port[port].packets.append(packet)
            by_port[port].times.append(self.now)
        for event in self.engine.events():
            if isinstance(event, PortStats):
                self.stats[event.port] = event
            else:
                self.events.append(event)

    def told(self, *kinds: type[MediaEvent]) -> list[MediaEvent]:
        return [event for event in self.events if isinstance(event, kinds)]


def gaps(packets: list[Packet]) -> list[tuple[int, int]]:
    """(sequence step, timestamp step) wherever they are not (1, 160)."""
    steps = [
        ((b.sequence - a.sequence) % 65_536, (b.timestamp - a.timestamp) % (1 << 32))
        for a, b in itertools.pairwise(packets)
    ]
    return [step for step in steps if step != (1, FRAME)]
