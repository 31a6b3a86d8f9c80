"""The resampler: what it does to tones, and the kernel against the twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from softswitch.media import kernels
from softswitch.mixer import resample

PAIRS = [(a, b) for a in resample.RATES for b in resample.RATES if a != b]
EDGE = {8000: 3400.0, 16000: 7000.0}
"""Of the speech that the lower of two rates carries."""


def through(source: int, target: int, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """A signal of whole frames, converted frame by frame with the kernel."""
    frame, tail = source // 50, np.zeros(resample.tail_of(source), dtype=np.int16)
    out = []
    for at in range(0, len(pcm), frame):
        piece = pcm[at : at + frame]
        out.append(np.frombuffer(kernels.resample(source, target, tail.tobytes(), piece.tobytes()), dtype=np.int16))
        tail = piece[len(piece) - resample.tail_of(source) :]
    return np.concatenate(out)


def tone(rate: int, frequency: float, amplitude: float = 10_000.0, seconds: float = 1.0) -> NDArray[np.int16]:
    at = np.arange(int(rate * seconds)) / rate
    return np.rint(amplitude * np.cos(2 * np.pi * frequency * at)).astype(np.int16)


def level(rate: int, pcm: NDArray[np.int16], frequency: float) -> float:
    """Amplitude of a frequency in the last half second (whole periods of any even number of Hz)."""
    half = pcm[-rate // 2 :].astype(float)
    at = np.arange(len(half)) / rate
    return float(abs(2 * np.mean(half * np.exp(-2j * np.pi * frequency * at))))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_speech_passes_flat_within_a_fiftieth_of_a_decibel(source: int, target: int) -> None:
    edge = EDGE[min(source, target)]
    for frequency in np.linspace(100, edge, 12).round(-1):
        gain = level(target, through(source, target, tone(source, frequency)), frequency) / 10_000
        assert abs(20 * np.log10(gain)) < 0.02, frequency


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[0] < pair[1]])
def test_images_of_speech_are_sixty_decibels_down(source: int, target: int) -> None:
    edge = EDGE[source]
    for frequency in (300.0, 1000.0, edge):
        out = through(source, target, tone(source, frequency))
        for image in (source - frequency, source + frequency):
            if image < target / 2:
                assert level(target, out, image) < 10.0, (frequency, image)


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_aliases_into_speech_are_sixty_decibels_down(source: int, target: int) -> None:
    for folded in (300.0, 1000.0, EDGE[target]):
        assert level(target, through(source, target, tone(source, target - folded)), folded) < 10.0, folded


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_delay_is_as_stated_and_below_two_milliseconds(source: int, target: int) -> None:
    delay = resample.delay(source, target)
    assert delay < 0.002
    # A delay turns the phase of a tone: cos(w(t - delay)).
    out = through(source, target, tone(source, 200.0))[-target // 2 :].astype(float)
    at = 0.5 + np.arange(len(out)) / target
    turned = -np.angle(np.mean(out * np.exp(-2j * np.pi * 200.0 * at))) / (2 * np.pi * 200.0)
    assert turned == pytest.approx(delay, abs=1e-6)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_constant_stays_what_it_is(source: int, target: int) -> None:
    pcm = np.full(source // 50, -1234, dtype=np.int16)
    assert set(through(source, target, np.concatenate((pcm, pcm)))[-target // 50 :].tolist()) == {-1234}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_loudest_square_wave_saturates_and_does_not_wrap(source: int, target: int) -> None:
    # The overshoot of a low-pass goes beyond 16 bits; wrapped, a top would turn into a bottom.
    period = np.repeat(np.array([32_767, -32_768], dtype=np.int16), source // 500)
    out = through(source, target, np.tile(period, 50))
    tops = through(source, target, np.tile(period // 2, 50)).astype(int)
    assert np.all(np.abs(out - (2 * tops).clip(-32768, 32767)) <= 4)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_there_and_back_is_the_same_speech_later(source: int, target: int) -> None:
    pcm = tone(source, 440.0) // 2 + tone(source, 1270.0) // 3
    back = through(target, source, through(source, target, pcm)).astype(float)
    lag = (resample.delay(source, target) + resample.delay(target, source)) * source
    assert lag / source < 0.004
    at = (np.arange(len(back)) - lag) / source
    expected = 5000 * np.cos(2 * np.pi * 440 * at) + 3333 * np.cos(2 * np.pi * 1270 * at)
    assert np.abs(back - expected)[source // 10 :].max() < 6


@given(st.sampled_from(PAIRS), st.integers(1, 20), st.integers(0, 2**32 - 1), st.sampled_from([300, 32_767]))
def test_the_kernel_is_its_twin(pair: tuple[int, int], milliseconds: int, seed: int, amplitude: int) -> None:
    source, target = pair
    noise = np.random.default_rng(seed)
    tail = noise.integers(-amplitude - 1, amplitude, resample.tail_of(source), dtype=np.int16, endpoint=True)
    pcm = noise.integers(-amplitude - 1, amplitude, source // 1000 * milliseconds, dtype=np.int16, endpoint=True)
    out = kernels.resample(source, target, tail.tobytes(), pcm.tobytes())
    assert np.array_equal(np.frombuffer(out, dtype=np.int16), resample.resample(source, target, tail, pcm))
