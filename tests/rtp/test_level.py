"""Levels, speech and noise floor of a leg."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from softswitch.media import kernels
from softswitch.rtp.level import SILENCE, LevelMeter, dbov

FRAME = 160


def tone(dbov: float, samples: int = FRAME) -> NDArray[np.int16]:
    """A sine with this RMS level."""
    peak = 32768 * 10 ** (dbov / 20) * 2**0.5
    return np.rint(peak * np.sin(2 * np.pi * 500 * np.arange(samples) / 8000)).astype(np.int16)


def noise(dbov: float, frames: int, seed: int = 1) -> list[NDArray[np.int16]]:
    rms = 32768 * 10 ** (dbov / 20)
    return [f.astype(np.int16) for f in np.random.default_rng(seed).normal(0, rms, (frames, FRAME))]


def test_a_full_scale_sine_is_3_db_below_a_full_scale_square_wave() -> None:
    meter = LevelMeter()
    meter.add(np.rint(32767 * np.sin(2 * np.pi * np.arange(FRAME) / 16)).astype(np.int16))
    assert dbov(meter.take().power) == pytest.approx(-3.01, abs=0.01)


def test_nothing_is_silence() -> None:
    meter = LevelMeter()
    meter.miss()
    assert dbov(meter.take().power) == SILENCE


def test_speech_over_noise_is_counted_with_its_hang_over() -> None:
    meter = LevelMeter()
    for frame in noise(-55, 50):
        assert not meter.add(frame)
    for _ in range(20):
        assert meter.add(tone(-26))
    spoken = [meter.add(frame) for frame in noise(-55, 30)]
    assert spoken == [True] * 9 + [False] * 21
    second = meter.take()
    assert (second.frames, second.loud) == (100, 29)


def test_a_steady_noise_becomes_the_floor_and_is_no_speech() -> None:
    meter = LevelMeter()
    for frame in noise(-38, 500):
        meter.add(frame)
    meter.take()
    assert not any(meter.add(frame) for frame in noise(-38, 50, seed=2))
    assert dbov(meter.take().floor) == pytest.approx(-38, abs=2)


def test_speech_that_begins_at_once_is_speech() -> None:
    assert LevelMeter().add(tone(-26))


def test_pauses_of_ten_seconds_of_speech_keep_the_floor_down() -> None:
    meter = LevelMeter()
    pause = noise(-60, 500)
    for second in range(10):
        for i in range(50):
            meter.add(tone(-24) if i < 35 else pause[50 * second + i])
    assert dbov(meter.take().floor) < -55


def test_a_whisper_below_50_dbov_is_no_speech() -> None:
    meter = LevelMeter()
    meter.add(np.zeros(FRAME, np.int16))
    assert not meter.add(tone(-51))
    assert meter.add(tone(-48))


samples = st.integers(-32768, 32767)
frames = st.one_of(
    st.none(),
    st.tuples(st.sampled_from([80, 160, 320, 960]), st.integers(0, 32768), st.integers(0, 1000)),
    st.lists(samples, min_size=1, max_size=30),
)


@given(st.lists(st.one_of(frames, st.sampled_from(["overlap", "take"])), max_size=40))
def test_the_kernel_equals_its_twin(steps: list[object]) -> None:
    twin, kernel = LevelMeter(), kernels.LevelMeter()
    for step in steps:
        match step:
            case None:
                twin.miss()
                kernel.miss()
            case "overlap":
                twin.overlap()
                kernel.overlap()
            case "take":
                s = twin.take()
                assert kernel.take() == (s.power, s.floor, s.frames, s.loud, s.overlapped)
            case list():
                pcm = np.array(step, np.int16)
                assert kernel.add(pcm.tobytes()) == twin.add(pcm)
            case (int(n), int(peak), int(seed)):
                pcm = np.random.default_rng(seed).integers(-peak, max(peak, 1), n).astype(np.int16)
                assert kernel.add(pcm.tobytes()) == twin.add(pcm)
    s = twin.take()
    assert kernel.take() == (s.power, s.floor, s.frames, s.loud, s.overlapped)
