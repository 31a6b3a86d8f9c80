"""Comfort noise (RFC 3389) of a peer that detects silence: what the others hear, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from softswitch.media import kernels, libopus
from softswitch.media.engine import Codec
from tests.media.virtual_room import Phone, Room
from tests.rtp.voices import voice

SPEECH = voice(16_000, 1.2).astype("<i2").reshape(60, 320)


def mixed() -> tuple[Room, Phone, Phone]:
    """A caller in A-law hears a peer in mu-law."""
    room = Room()
    a, b = room.phone(440.0), room.phone(None, Codec.PCMA)
    room.engine.hear(b.port, {a.port: 1.0})
    room.run(1.0)
    return room, a, b


def test_who_is_mixed_hears_the_noise_that_was_told_and_no_loss_is_counted() -> None:
    room, a, b = mixed()
    a.silent = True
    a.send(bytes([45]), 13, room.now)
    room.run(1.0)
    heard = b.heard(0.5).astype(float)
    # A-law rounds what is so quiet to steps of 16, which adds some power.
    assert abs(10 * np.log10(np.mean(heard**2) / 32_767**2) + 45) < 1
    a.silent = False
    room.run(1.5)
    assert abs(b.level(440.0)) < 1
    assert room.stats[a.port].concealed == 0
    assert room.stats[a.port].lost == 0


def passed_on(*, agreed: bool) -> list[tuple[int, int, int, bytes]]:
    """What a listener gets of a pause of 200 ms and of speech: type, number and time from the first on, noise."""
    room = Room()
    a, b = room.phone(440.0), room.phone(None, noise=agreed)
    room.call(a, b)
    room.run(0.1)
    b.forget()
    a.silent = True
    a.send(bytes([45, 127]), 13, room.now)
    room.run(0.2)
    a.silent = False
    room.run(0.021)
    first = b.packets[0]
    return [
        (
            packet.payload_type,
            (packet.sequence - first.sequence) % 65_536,
            (packet.timestamp - first.timestamp) % (1 << 32),
            packet.payload if packet.payload_type == 13 else b"",
        )
        for packet in b.packets
    ]


def test_noise_is_passed_on_to_whom_it_was_agreed_with() -> None:
    assert passed_on(agreed=True)[:2] == [(13, 0, 0, bytes([45, 127])), (0, 1, 1600, b"")]


def test_who_did_not_agree_gets_no_noise_and_sees_no_loss() -> None:
    got = passed_on(agreed=False)
    assert [(kind, number) for kind, number, _, _ in got] == [(0, n) for n in range(len(got))]


def test_the_pauses_of_opus_are_noise_and_no_loss() -> None:
    library = libopus.find()
    if isinstance(library, libopus.Missing):
        pytest.skip(str(library))
    kernels.use_opus(library.addresses)
    room = Room()
    a, b = room.phone(), room.phone()
    a.silent = True
    room.renegotiate(a, codec=Codec.OPUS, payload_type=111)
    room.connect((b, [a]))
    encoder = kernels.Codec(6)
    encoder.tune(bitrate=28_000, playback_rate=48_000, complexity=5, loss=5, fec=True, dtx=True, constant=False)
    random = np.random.default_rng(1)
    sent: list[int] = []
    for n in range(300):
        speaks = n < 60 or n >= 240
        frame = SPEECH[n % 60] if speaks else random.integers(-12, 13, 320).astype("<i2")
        if packet := encoder.encode(frame.tobytes()):
            a.send(packet, 111, room.now, timestamp=960 * n)
            sent.append(n)
        if n == 239:
            paused = b.heard(1.0).reshape(-1, 160).astype(float)
        room.run(0.02)
    room.run(1.0)
    assert sum(80 <= n < 240 for n in sent) < 30  # it did pause
    assert np.all(np.sqrt(np.mean(paused**2, 1)) > 1)  # no frame of the last second is dead
    assert (room.stats[a.port].concealed, room.stats[a.port].lost) == (0, 0)
