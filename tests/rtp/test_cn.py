"""Comfort noise: its level, its spectrum, and the kernel against the twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.rtp import cn


def noise(packet: bytes, seconds: float = 2.0) -> np.ndarray:
    maker = kernels.ComfortNoise(7)
    maker.take(packet)
    frames = [np.frombuffer(maker.make(160), dtype=np.int16) for _ in range(int(50 * seconds))]
    return np.concatenate(frames).astype(float)


def level(pcm: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(pcm**2) / 32767**2))


@pytest.mark.parametrize("dbov", [20, 35, 50, 65])
def test_noise_has_the_level_that_was_told(dbov: int) -> None:
    assert level(noise(bytes([dbov]))) == pytest.approx(-dbov, abs=0.5)


@pytest.mark.parametrize("reflection", [40, 214])
def test_a_coefficient_shapes_the_spectrum_and_keeps_the_level(reflection: int) -> None:
    pcm = noise(bytes([40, reflection]))
    assert level(pcm) == pytest.approx(-40, abs=0.7)
    spectrum = np.abs(np.fft.rfft(pcm)) ** 2
    low, high = spectrum[: len(spectrum) // 4].sum(), spectrum[-len(spectrum) // 4 :].sum()
    # A predictor with k < 0 says that the next sample is like this one: the noise is dull; k > 0 makes it hiss.
    assert (low > 4 * high) if reflection < 127 else (high > 4 * low)


def test_a_new_level_is_followed_in_steps_of_four_decibels() -> None:
    maker = kernels.ComfortNoise(1)
    maker.take(bytes([60]))
    maker.make(160)
    maker.take(bytes([40]))
    levels = [level(np.frombuffer(maker.make(160), dtype=np.int16).astype(float)) for _ in range(6)]
    assert levels == pytest.approx([-56, -52, -48, -44, -40, -40], abs=1.5)


def test_silence_makes_no_sound() -> None:
    assert not noise(bytes([127])).any()


@pytest.mark.parametrize(("amplitude", "told"), [(32767, 0), (3277, 20), (33, 60), (0, 127)])
def test_the_level_of_a_frame_is_told_in_one_byte(amplitude: int, told: int) -> None:
    frame = np.resize(np.array([amplitude, -amplitude], dtype=np.int16), 160)
    assert kernels.noise_payload(frame.tobytes()) == cn.payload(frame.tolist()) == bytes([told])


@given(st.lists(st.binary(max_size=14), max_size=5), st.integers(0, 2**32 - 1))
def test_the_kernel_is_its_twin_whatever_is_told(packets: list[bytes], seed: int) -> None:
    kernel, twin = kernels.ComfortNoise(seed), cn.ComfortNoise(seed)
    for packet in packets:
        assert kernel.take(packet) == twin.take(packet)
        assert np.frombuffer(kernel.make(80), dtype=np.int16).tolist() == twin.make(80)
