from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import playout_kernels as kernels
from softswitch.rtp import pitch, stretch
from tests.rtp.voices import pcm_of, voice


def tone(frequency: float, n: int, rate: int = 8000) -> list[int]:
    found: list[int] = np.round(8000 * np.sin(2 * np.pi * frequency * np.arange(n) / rate)).astype(int).tolist()
    return found


@pytest.mark.parametrize(("frequency", "period"), [(200, 40), (125, 64), (80, 100)])
def test_the_period_of_a_tone_is_found(frequency: float, period: int) -> None:
    found = stretch.period(np.array(tone(frequency, 400)), 200, 8000, 120, stretch.ALIKE)
    assert found % period == 0
    assert found > 0


def test_noise_has_no_period() -> None:
    noise = pcm_of("noise", 8000, 400, seed=3)
    assert stretch.period(noise, 200, 8000, 120, stretch.ALIKE) == 0


def test_a_period_longer_than_what_may_go_is_not_taken() -> None:
    assert stretch.period(np.array(tone(80, 400)), 200, 8000, 99, stretch.ALIKE) == 0


def test_a_tone_stays_pure_when_a_period_goes_or_comes() -> None:
    x = tone(100, 400)
    assert np.abs(np.array(stretch.remove(x, 160, 80, 80)) - tone(100, 320)).max() <= 1
    assert np.abs(np.array(stretch.insert(x, 160, 80, 80)) - tone(100, 480)).max() <= 1


def test_remove_keeps_all_before_and_behind_the_blend() -> None:
    x = list(range(100))
    found = stretch.remove(x, 50, 20, 10)
    assert found[:30] == x[:30]
    assert found[40:] == x[60:]
    assert found[30] == 30  # all of the old side
    assert found[39] == 39 + 17  # 9/10 of the way to the new one, rounded down in Q14


def test_insert_plays_what_was_before_the_seam_again() -> None:
    x = list(range(100))
    found = stretch.insert(x, 50, 20, 10)
    assert found[:50] == x[:50]
    assert found[60:70] == x[40:50]
    assert found[70:] == x[50:]


def test_a_voice_can_nearly_always_be_stretched() -> None:
    spoken = voice(8000, 2.0)
    seams = range(400, 15_000, 160)
    assert sum(stretch.period(spoken, at, 8000, 120, stretch.ALIKE) > 0 for at in seams) > 0.9 * len(seams)


@given(
    st.sampled_from([8000, 16_000, 48_000]),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["voice", "noise", "loud", "silence"]),
    st.integers(0, 15),
    st.sampled_from([stretch.ALIKE, stretch.HURRY, 0.0]),
)
def test_kernel_and_twin_stretch_alike(rate: int, seed: int, kind: str, longest_ms: int, alike: float) -> None:
    ms = rate // 1000
    x = pcm_of(kind, rate, 40 * ms, seed)
    pcm = x.astype("<i2").tobytes()
    found = pitch.find(x, 20 * ms, 20 * ms, 5 * ms, 15 * ms, rate)
    assert kernels.find_pitch(pcm, 20 * ms, 20 * ms, 5 * ms, 15 * ms, rate) == (found.lag, found.product, found.energy)
    seam, longest = 16 * ms, longest_ms * ms
    length = stretch.period(x, seam, rate, longest, alike)
    assert kernels.find_period(pcm, seam, rate, longest, alike) == length
    length = length or 5 * ms
    for fade in (length, rate // 400):
        for kernel, twin in ((kernels.stretch_remove, stretch.remove), (kernels.stretch_insert, stretch.insert)):
            assert np.frombuffer(kernel(pcm, seam, length, fade), "<i2").tolist() == twin(
                x.tolist(), seam, length, fade
            )
