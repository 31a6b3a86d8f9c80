from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from softswitch.media import playout_kernels as kernels
from softswitch.rtp.plc import Concealment, blend
from tests.rtp.voices import pcm_of, voice

RATES = [8000, 16_000, 48_000]


def samples(pcm: bytes) -> list[int]:
    found: list[int] = np.frombuffer(pcm, "<i2").tolist()
    return found


def lose(past: NDArray[np.int64], n: int, rate: int = 8000) -> NDArray[np.int64]:
    concealment = Concealment(rate)
    concealment.begin(past)
    return np.array(concealment.conceal(n))


def test_a_tone_goes_on_as_if_nothing_were_lost() -> None:
    # 125 Hz has a period of 64 samples at 8 kHz, within the 5 to 15 ms that are searched.
    tone = np.round(8000 * np.sin(2 * np.pi * 125 * np.arange(800) / 8000)).astype(np.int64)
    assert abs(lose(tone[:640], 80) - tone[640:720]).max() <= 1


def test_the_sound_is_full_for_ten_milliseconds_then_loses_a_fifth_of_it_in_each_ten() -> None:
    flat = np.full(400, 10_000)
    heard = lose(flat, 560)
    assert heard[79] == 10_000
    assert heard[80 + 80] == 8000
    assert heard[80 + 160] == 6000
    assert heard[80 + 320] == 2000
    assert set(heard[80 + 400 :]) == {0}


def test_silence_is_known_after_sixty_milliseconds() -> None:
    concealment = Concealment(8000)
    concealment.begin(np.full(400, 1000))
    concealment.conceal(479)
    assert not concealment.silent
    concealment.conceal(1)
    assert concealment.silent


def test_the_seam_at_the_begin_is_no_step() -> None:
    # A ramp has no period: the repeated one begins far below, and the step is spread over 1 ms, eight samples.
    ramp = np.arange(400) * 10
    steps = np.diff(np.concatenate([ramp[-1:], lose(ramp, 40)]))
    assert abs(steps).max() <= 10 + (ramp[-1] - ramp[-41]) // 8 + 1


def test_good_sound_is_blended_in_and_then_untouched() -> None:
    concealment = Concealment(8000)
    concealment.begin(np.full(400, 1000))
    concealment.conceal(160)
    merged = concealment.merge([0] * 160)
    # A quarter of the period (the shortest, 40 samples) and 2 ms for the second 10 ms that were lost.
    assert merged[0] > 750
    assert merged[25] > 0
    assert merged[10 + 16 :] == [0] * 134
    assert concealment.lost == 0


def test_a_voice_is_concealed_much_better_than_by_silence() -> None:
    spoken = voice(8000, seconds=2.0)
    errors = [spoken[at : at + 80] - lose(spoken[:at], 80) for at in range(1600, 14_000, 400)]
    lost = [spoken[at : at + 80] for at in range(1600, 14_000, 400)]
    assert np.sum(np.square(errors)) < 0.1 * np.sum(np.square(lost))


@pytest.mark.parametrize("rate", RATES)
def test_the_longest_history_that_is_needed_is_there(rate: int) -> None:
    # The longest period, 15 ms: three of them and the quarter before are 48.75 ms.
    past = np.zeros(rate // 20, np.int64)
    past[:: rate * 15 // 1000] = 20_000
    assert len(lose(past, rate // 10, rate)) == rate // 10


def test_a_blend_ends_where_it_says() -> None:
    assert [blend(-32_768, 32_767, i, 4) for i in range(5)] == [-32_768, -16_385, -1, 16_383, 32_767]


@given(
    st.sampled_from(RATES),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["voice", "noise", "loud", "silence"]),
    st.lists(st.tuples(st.integers(1, 400), st.integers(1, 200)), min_size=1, max_size=4),
)
def test_kernel_and_twin_conceal_alike(rate: int, seed: int, kind: str, losses: list[tuple[int, int]]) -> None:
    past = pcm_of(kind, rate, rate // 20, seed)
    kernel, twin = kernels.Concealment(rate), Concealment(rate)
    for lost, good in losses:
        kernel.begin(past.astype("<i2").tobytes())
        twin.begin(past)
        assert samples(kernel.conceal(lost)) == twin.conceal(lost)
        assert (kernel.lost, kernel.silent) == (twin.lost, twin.silent)
        fresh = pcm_of(kind, rate, good, seed + 1)
        assert samples(kernel.merge(fresh.astype("<i2").tobytes())) == twin.merge(fresh.tolist())
        past = np.concatenate([past, fresh])[-len(past) :]
