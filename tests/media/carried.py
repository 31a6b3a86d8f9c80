"""Speech carried by the real engine under virtual time, through a bad network, into a listener who loses nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softswitch.ids import Ids
from softswitch.media import kernels, libopus
from softswitch.media.engine import Codec, MediaSession, PortStats
from softswitch.media.virtual_engine import VirtualEngine
from softswitch.rtp.packet import Packet, parse
from tests.media.impairment import Impairment, Network

__all__ = ["Carried", "carry", "encoded", "nothing"]

Pcm = NDArray[np.int16]

NUMBERS = {Codec.PCMU: 0, Codec.PCMA: 1, Codec.G722: 2, Codec.L16_8: 3, Codec.L16_16: 4, Codec.OPUS: 6}
"""Of the core's table."""
PAYLOAD_TYPES = {Codec.PCMU: 0, Codec.PCMA: 8, Codec.G722: 9, Codec.L16_8: 96, Codec.L16_16: 97, Codec.OPUS: 98}
OPUS_BITRATE, OPUS_LOSS = 32_000, 10
"""What the speaker's encoder is told: bits per second, and the loss in percent that its in-band FEC prepares for."""
LATE = 0.02
"""Seconds that a receiver waits who does nothing about the network."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What was heard at the codec's rate, and the statistics of the leg that said it."""

    pcm: Pcm
    stats: PortStats | None
    lost: list[int]


def encoder(codec: Codec, loss: int = OPUS_LOSS) -> kernels.Codec:
    """``loss``: percent that Opus is told to expect; at 0 it carries nothing for repair."""
    if codec is Codec.OPUS:
        library = libopus.find()
        assert isinstance(library, libopus.Library)
        kernels.use_opus(library.addresses)
    made = kernels.Codec(NUMBERS[codec])
    if codec is Codec.OPUS:
        made.tune(
            bitrate=OPUS_BITRATE,
            playback_rate=16_000,
            complexity=5,
            loss=loss,
            fec=loss > 0,
            dtx=False,
            constant=False,
        )
    return made


def encoded(pcm: Pcm, codec: Codec, loss: int = OPUS_LOSS) -> list[bytes]:
    """Payloads of 20 ms, with 300 ms of silence behind so that all of the speech is played."""
    made = encoder(codec, loss)
    whole = np.concatenate([pcm, np.zeros(made.frame * 15, np.int16)])
    frames = len(whole) // made.frame
    return [made.encode(whole[made.frame * n : made.frame * (n + 1)].astype("<i2").tobytes()) for n in range(frames)]


def carry(
    payloads: list[bytes],
    codec: Codec,
    impairment: Impairment = Impairment(),  # noqa: B008 (frozen)
    *,
    to: Codec | None = None,
    alone: bool = True,
    seed: int = 1,
) -> Carried:
    """Send payloads of 20 ms into one leg, and hear them on another that speaks ``to``, linear PCM unless named.

    ``alone``: the listener hears this leg only; else a silent third one too, so that nothing is passed through.
    """
    made = encoder(codec)
    to = to or (Codec.L16_8 if made.rate == 8000 else Codec.L16_16)
    engine, network = VirtualEngine(ids=Ids(seed), ports=8), Network(impairment, seed)
    room = engine.open_room()
    speaker, listener, third = (engine.open_port(room, "10.99.0.1") for _ in range(3))
    for port, spoken, host in ((speaker, codec, 1), (listener, to, 2), (third, codec, 3)):
        remote = (f"192.0.2.{host}", 4000)
        engine.set_session(port.id, MediaSession(remote=remote, codec=spoken, payload_type=PAYLOAD_TYPES[spoken]))
    heard = [speaker.id] if alone else [speaker.id, third.id]
    engine.hear(listener.id, dict.fromkeys(heard, 1.0))
    period, ticks, sent = network.period(0.02), made.ticks, 0
    began, packets, stats = 1000.103, [], None
    for step in range(round(len(payloads) * 20 + 400)):
        now = round(1000 + step / 1000, 6)
        while sent < len(payloads) and began + sent * period <= now:
            packet = Packet(PAYLOAD_TYPES[codec], sent % 65_536, sent * ticks, 7, payloads[sent])
            network.send(bytes(packet), began + sent * period)
            sent += 1
        for data in network.due(now):
            engine.receive(speaker.id, data, ("192.0.2.1", 4000), now)
        for port, local, _, data in engine.step(now):
            packet_heard = parse(data) if local[1] % 2 == 0 and port == listener.id else None
            if isinstance(packet_heard, Packet):
                packets.append(packet_heard)
        for event in engine.events():
            if isinstance(event, PortStats) and event.port == speaker.id:
                stats = event
    decoder = encoder(to)
    first = packets[0].timestamp if packets else 0
    places = [(p.timestamp - first) % (1 << 32) for p in packets]
    line = np.zeros(max(places, default=0) * decoder.rate // decoder.clock + 10 * decoder.frame, np.int16)
    for at, p in zip(places, packets, strict=True):
        pcm = np.frombuffer(decoder.decode(p.payload) or b"", "<i2")
        line[at * decoder.rate // decoder.clock :][: len(pcm)] = pcm
    return Carried(line, stats, network.lost)


def nothing(payloads: list[bytes], codec: Codec, impairment: Impairment, *, seed: int = 1) -> Pcm:
    """What a receiver hears that waits 20 ms and puts silence in the place of all that is not there."""
    network, decoder = Network(impairment, seed), encoder(codec)
    come: dict[int, float] = {}
    for n, _ in enumerate(payloads):
        network.send(n.to_bytes(4, "big"), 0.02 * n)
    for step in range(len(payloads) * 20 + 1000):
        for data in network.due(step / 1000):
            come.setdefault(int.from_bytes(data, "big"), step / 1000)
    frames = []
    for n, payload in enumerate(payloads):
        if come.get(n, np.inf) <= 0.02 * n + LATE + 1e-9:
            frames.append(np.frombuffer(decoder.decode(payload) or bytes(2 * decoder.frame), "<i2"))
        else:
            frames.append(np.zeros(decoder.frame, np.int16))
    return np.concatenate(frames)
