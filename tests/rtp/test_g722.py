"""ITU-T G.722: the kernel against the twin, and both against implementations that are not ours."""

from __future__ import annotations

import av
import G722
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from softswitch.media import kernels
from softswitch.rtp import g722

CODEC_G722 = 2


def speechlike(seconds: float, seed: int = 1) -> NDArray[np.int16]:
    """Noise through two resonances, in syllables: loud, quiet and silent parts at 16 kHz."""
    noise = np.random.default_rng(seed).normal(size=int(16_000 * seconds))
    spectrum = np.fft.rfft(noise)
    at = np.fft.rfftfreq(len(noise), 1 / 16_000)
    spectrum *= 1 / (1 + ((at - 500) / 150) ** 2) + 0.3 / (1 + ((at - 3000) / 400) ** 2) + 0.02
    sound = np.fft.irfft(spectrum, len(noise))
    syllables = np.clip(np.sin(2 * np.pi * 4 * np.arange(len(noise)) / 16_000), 0, 1)
    return np.rint(sound / np.abs(sound).max() * syllables * 30_000).astype(np.int16)


def extremes() -> NDArray[np.int16]:
    """What drives every saturation: full-scale noise, square waves, a step, silence."""
    noise = np.random.default_rng(2).integers(-32_768, 32_767, 8000, dtype=np.int16)
    square = np.tile(np.repeat(np.array([32_767, -32_768], dtype=np.int16), 7), 400)
    nyquist = np.tile(np.array([32_767, -32_768], dtype=np.int16), 2000)
    step = np.repeat(np.array([-32_768, 0, 32_767, 0], dtype=np.int16), 1500)
    return np.concatenate((noise, square, nyquist, step))


SOUNDS = {"speech": speechlike(2.0), "extremes": extremes()}


def ffmpeg(codec: str, mode: str) -> av.CodecContext:
    context = av.CodecContext.create(codec, mode)
    context.sample_rate, context.layout, context.format = 16_000, "mono", "s16"
    if mode == "w":
        context.time_base = "1/16000"
    return context


def ffmpeg_decode(payload: bytes) -> NDArray[np.int16]:
    decoder = ffmpeg("g722", "r")
    frames = [*decoder.decode(av.Packet(payload)), *decoder.decode(None)]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


@pytest.mark.parametrize("name", SOUNDS)
def test_we_encode_as_an_independent_implementation_does(name: str) -> None:
    pcm = SOUNDS[name]
    assert kernels.Codec(CODEC_G722).encode(pcm[:8000].tobytes()) == G722.G722(16_000, 64_000).encode(pcm[:8000])


@pytest.mark.parametrize("name", [*SOUNDS, "noise"])
def test_we_decode_bit_by_bit_as_two_independent_implementations_do(name: str) -> None:
    if name == "noise":
        payload = np.random.default_rng(3).integers(0, 255, 900, dtype=np.uint8, endpoint=True).tobytes()
    else:
        payload = kernels.Codec(CODEC_G722).encode(SOUNDS[name][:1800].tobytes())
    ours = np.frombuffer(kernels.Codec(CODEC_G722).decode(payload) or b"", dtype=np.int16)
    assert np.array_equal(ours, ffmpeg_decode(payload))
    assert np.array_equal(ours, G722.G722(16_000, 64_000).decode(payload))


@pytest.mark.parametrize("name", SOUNDS)
def test_the_kernel_encodes_like_its_twin(name: str) -> None:
    pcm = SOUNDS[name][:6000]
    assert kernels.Codec(CODEC_G722).encode(pcm.tobytes()) == g722.Encoder().encode(pcm.tolist())


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_the_kernel_decodes_any_bytes_like_its_twin(payloads: list[bytes]) -> None:
    kernel, twin = kernels.Codec(CODEC_G722), g722.Decoder()
    for payload in payloads:
        out = kernel.decode(payload)
        assert out is not None
        assert np.frombuffer(out, dtype=np.int16).tolist() == twin.decode(payload)


@given(st.lists(st.integers(-32_768, 32_767), max_size=200).map(lambda pcm: pcm[: len(pcm) // 2 * 2]))
def test_the_kernel_encodes_any_samples_like_its_twin(pcm: list[int]) -> None:
    samples = np.array(pcm, dtype=np.int16).tobytes()
    assert kernels.Codec(CODEC_G722).encode(samples) == g722.Encoder().encode(pcm)


def test_a_frame_of_twenty_milliseconds_is_160_bytes_and_160_ticks_of_a_clock_of_8000() -> None:
    codec = kernels.Codec(CODEC_G722)  # RFC 3551 section 4.5.2
    payload = codec.encode(bytes(640))
    assert (codec.rate, codec.clock, codec.frame, codec.ticks) == (16_000, 8000, 320, 160)
    assert (len(payload), codec.lasts(payload)) == (160, 160)


def test_speech_comes_out_as_speech() -> None:
    pcm = speechlike(1.0)
    codec = kernels.Codec(CODEC_G722)
    out = np.frombuffer(codec.decode(codec.encode(pcm.tobytes())[:960]) or b"", dtype=np.int16).astype(float)
    # 22 samples is the delay of the two filters (24 taps each at 16 kHz, less the pair that is at hand).
    sent = pcm[: len(out) - 22].astype(float)
    error = out[22:] - sent
    assert 10 * np.log10((sent**2).sum() / (error**2).sum()) > 15
