"""Opus by libopus: what comes through, what loss does to it, and what no payload can do."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from softswitch.media import kernels, libopus

OPUS = 6
FRAME = 320
"""Samples of 20 ms."""

USUAL = {
    "bitrate": 28_000,
    "playback_rate": 48_000,
    "complexity": 5,
    "loss": 5,
    "fec": True,
    "dtx": False,
    "constant": False,
}

LIBRARY = libopus.find()
pytestmark = pytest.mark.skipif(isinstance(LIBRARY, libopus.Missing), reason=str(LIBRARY))
if isinstance(LIBRARY, libopus.Library):
    kernels.use_opus(LIBRARY.addresses)


def voice(seconds: float) -> NDArray[np.int16]:
    """A buzz of 120 Hz with two formants that move, in syllables: what an Opus tuned to speech takes for speech."""
    at = np.arange(int(16_000 * seconds)) / 16_000
    pitch = 120 * at + 3 * np.sin(2 * np.pi * 0.7 * at)
    sound = np.zeros(len(at))
    for harmonic in range(1, 50):
        frequency = 120 * harmonic
        first, second = 600 + 200 * np.sin(2 * np.pi * 1.1 * at), 1700 + 500 * np.sin(2 * np.pi * 0.6 * at)
        shape = np.exp(-(((frequency - first) / 200) ** 2)) + 0.4 * np.exp(-(((frequency - second) / 300) ** 2)) + 0.01
        sound += shape * np.sin(2 * np.pi * harmonic * pitch)
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * at)
    return np.rint(sound / np.abs(sound).max() * envelope * 16_000).astype(np.int16)


def frames(pcm: NDArray[np.int16], samples: int = FRAME) -> list[bytes]:
    return [pcm[at : at + samples].tobytes() for at in range(0, len(pcm) - samples + 1, samples)]


def samples(pcm: bytes | None) -> NDArray[np.int16]:
    assert pcm is not None
    return np.frombuffer(pcm, dtype=np.int16)


def likeness(sent: NDArray[np.int16], heard: NDArray[np.int16]) -> float:
    """Correlation of the spectra's magnitudes, frame by frame: what is left of speech after a codec of its kind."""
    n = min(len(sent), len(heard)) // FRAME * FRAME
    spectra = [np.abs(np.fft.rfft(pcm[:n].reshape(-1, FRAME) * np.hanning(FRAME))) for pcm in (sent, heard)]
    return float(np.corrcoef(spectra[0].ravel(), spectra[1].ravel())[0, 1])


def delay(sent: NDArray[np.int16], heard: NDArray[np.int16]) -> int:
    n = len(heard)
    spectra = np.conj(np.fft.rfft(sent[:n].astype(float), 2 * n)) * np.fft.rfft(heard.astype(float), 2 * n)
    return int(np.argmax(np.fft.irfft(spectra)[: 16_000 // 10]))


def test_it_is_16_khz_inside_and_48_khz_on_the_wire() -> None:
    codec = kernels.Codec(OPUS)
    assert (codec.rate, codec.clock, codec.frame, codec.ticks) == (16_000, 48_000, 320, 960)  # RFC 7587 section 4.1


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
def test_speech_comes_out_as_speech(milliseconds: int) -> None:
    sent, codec = voice(2.0), kernels.Codec(OPUS)
    packets = [codec.encode(frame) for frame in frames(sent, 16 * milliseconds)]
    assert {codec.lasts(packet) for packet in packets} == {48 * milliseconds}
    heard = np.concatenate([samples(codec.decode(packet)) for packet in packets])
    late = delay(sent, heard)
    assert late < 16 * 12  # the encoder looks ahead 6.5 ms, and its resampler adds some
    assert likeness(sent, heard[late:]) > 0.9


def test_the_bitrate_is_what_was_asked_for() -> None:
    for bitrate in (12_000, 24_000, 40_000):
        codec = kernels.Codec(OPUS)
        codec.tune(**{**USUAL, "bitrate": bitrate, "fec": False, "constant": True})
        sizes = {len(codec.encode(frame)) for frame in frames(voice(1.0))}
        assert sizes == {bitrate // 50 // 8}


def test_a_peer_with_narrow_ears_is_sent_narrow_band() -> None:
    codec = kernels.Codec(OPUS)
    codec.tune(**{**USUAL, "playback_rate": 8000})
    packets = [codec.encode(frame) for frame in frames(voice(0.5))]
    # RFC 6716 table 2: configurations 0 to 3 are SILK narrow band, 16 to 19 CELT narrow band.
    assert {packet[0] >> 3 for packet in packets} <= {0, 1, 2, 3, 16, 17, 18, 19}


def test_a_lost_packet_is_in_the_next_one() -> None:
    sent, sender = voice(2.0), kernels.Codec(OPUS)
    packets = [sender.encode(frame) for frame in frames(sent)]
    whole, mended, concealed = (kernels.Codec(OPUS) for _ in range(3))
    heard: dict[str, list[NDArray[np.int16]]] = {"whole": [], "mended": [], "concealed": []}
    for number, packet in enumerate(packets[:-1]):
        lost = number % 5 == 4
        heard["whole"].append(samples(whole.decode(packet)))
        # What is too quiet to matter is not sent twice.
        mend = mended.recover(packets[number + 1], FRAME) or mended.conceal(FRAME) if lost else mended.decode(packet)
        heard["mended"].append(samples(mend))
        heard["concealed"].append(samples(concealed.conceal(FRAME) if lost else concealed.decode(packet)))
    lost_frames = slice(4, None, 5)
    right = np.concatenate(heard["whole"][lost_frames])
    with_fec, without = (likeness(right, np.concatenate(heard[way][lost_frames])) for way in ("mended", "concealed"))
    assert with_fec > 0.8
    assert with_fec > without


@pytest.mark.parametrize("loss", [1, 2, 5, 10, 20])
def test_speech_carries_what_was_lost_before_it_whatever_loss_is_expected(loss: int) -> None:
    sender, receiver = kernels.Codec(OPUS), kernels.Codec(OPUS)
    sender.tune(**{**USUAL, "loss": loss})
    packets = [sender.encode(frame) for frame in frames(voice(2.0))]
    assert sum(receiver.recover(packet, FRAME) is not None for packet in packets) > 60


def test_the_expected_loss_follows_the_reports_of_the_peer() -> None:
    codec = kernels.Codec(OPUS)
    # 5 % before the first report, each of which counts for a quarter: 5 + (25 - 5) / 4, 10 + (25 - 10) / 4.
    assert [codec.reported(64) for _ in range(2)] == [10, 14]
    assert [codec.reported(255) for _ in range(30)][-1] == 30
    assert [codec.reported(0) for _ in range(30)][-1] == 0


def test_nothing_is_recovered_where_nothing_was_sent() -> None:
    codec = kernels.Codec(OPUS)
    codec.tune(**{**USUAL, "fec": False})
    packets = [codec.encode(frame) for frame in frames(voice(0.5))]
    assert codec.recover(packets[-1], FRAME) is None


def test_what_is_concealed_fades_away() -> None:
    codec = kernels.Codec(OPUS)
    for frame in frames(voice(0.5)):
        codec.decode(codec.encode(frame))
    levels = [float(np.abs(samples(codec.conceal(FRAME)).astype(float)).mean()) for _ in range(25)]
    assert levels[0] > 100
    assert levels[24] < levels[0] / 20


def test_silence_is_not_sent_when_dtx_was_agreed() -> None:
    codec = kernels.Codec(OPUS)
    codec.tune(**{**USUAL, "dtx": True})
    spoken = [codec.encode(frame) for frame in frames(voice(1.0))]
    silent = [codec.encode(bytes(2 * FRAME)) for _ in range(100)]
    assert all(spoken)
    # After some 200 ms a packet every 400 ms keeps the noise at the far end alive.
    assert sum(map(bool, silent[20:])) <= 5
    assert all(codec.encode(frame) for frame in frames(voice(1.0))[5:])


def test_without_dtx_each_frame_is_a_packet() -> None:
    codec = kernels.Codec(OPUS)
    assert all(codec.encode(bytes(2 * FRAME)) for _ in range(100))


def test_stereo_is_heard_in_one_channel() -> None:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "stereo", "s16", 64_000
    at = np.arange(48_000) / 48_000
    left, right = (8000 * np.sin(2 * np.pi * frequency * at) for frequency in (500, 1200))
    frame = av.AudioFrame.from_ndarray(
        np.stack((left, right), axis=1).reshape(1, -1).astype(np.int16), format="s16", layout="stereo"
    )
    frame.sample_rate = 48_000
    codec, heard = kernels.Codec(OPUS), []
    fifo = av.AudioFifo()
    fifo.write(frame)
    while (piece := fifo.read(960)) is not None:
        heard += [samples(codec.decode(bytes(packet))) for packet in encoder.encode(piece)]
    spectrum = np.abs(np.fft.rfft(np.concatenate(heard)[1600:9600].astype(float)))
    assert {int(peak) * 2 for peak in np.argsort(spectrum)[-2:]} == {500, 1200}


def test_the_length_of_a_packet_is_read_from_its_first_bytes() -> None:
    # RFC 6716 table 2 and section 3.2: configuration in five bits, stereo in one, frame count code in two.
    codec = kernels.Codec(OPUS)
    assert codec.lasts(bytes([1 << 3])) == 960  # SILK, 20 ms, one frame
    assert codec.lasts(bytes([3 << 3 | 1])) == 5760  # SILK, two of 60 ms
    assert codec.lasts(bytes([13 << 3])) == 960  # hybrid, 20 ms
    assert codec.lasts(bytes([16 << 3])) == 120  # CELT, 2.5 ms
    assert codec.lasts(bytes([31 << 3 | 3, 6])) == 5760  # CELT, six of 20 ms
    assert codec.lasts(bytes([31 << 3 | 3, 7])) == 0  # 140 ms is none
    assert codec.lasts(bytes([31 << 3 | 3])) == 0  # the count is missing
    assert codec.lasts(b"") == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_any_thousand_payloads_decode_or_are_refused(seed: int) -> None:
    """A hundred times a thousand: random bytes, and true packets that were cut, stretched and flipped."""
    random, codec = np.random.default_rng(seed), kernels.Codec(OPUS)
    true = [codec.encode(frame) for frame in frames(voice_once())[:10]]
    for _ in range(1000):
        if random.random() < 0.5:
            payload = random.bytes(int(random.integers(0, 200)))
        else:
            mutable = bytearray(true[random.integers(len(true))] * int(random.integers(1, 3)))
            for _ in range(random.integers(1, 6)):
                mutable[random.integers(min(len(mutable), 8))] = random.integers(256)
            payload = bytes(mutable[: random.integers(len(mutable) + 1)])
        pcm = codec.decode(payload)
        assert pcm is None or 0 < len(pcm) <= 1920 * 2
        again = codec.recover(payload, FRAME)
        assert again is None or len(again) <= FRAME * 2
        assert 0 <= codec.lasts(payload) <= 5760


def voice_once(cache: list[NDArray[np.int16]] = []) -> NDArray[np.int16]:  # noqa: B006
    if not cache:
        cache.append(voice(0.3))
    return cache[0]


def test_a_library_that_is_none_is_told_with_its_reason(tmp_path: object) -> None:
    missing = libopus.load("/nowhere/libopus.so")
    assert isinstance(missing, libopus.Missing)
    assert missing.reason.startswith("/nowhere/libopus.so: ")
    other = libopus.load("libc.so.6")
    assert isinstance(other, libopus.Missing)
    assert "opus_get_version_string" in other.reason
