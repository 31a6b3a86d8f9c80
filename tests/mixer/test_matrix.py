"""A row of the matrix, and the kernel beside its twin."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from softswitch.media import kernels
from softswitch.mixer.matrix import UNITY, mix

Row = list[tuple[NDArray[np.int16], int, int]]


def constant(value: int) -> NDArray[np.int16]:
    return np.full(160, value, np.int16)


def kernel_mix(row: Row, samples: int) -> NDArray[np.int16]:
    found = kernels.mix([(pcm.astype("<i2").tobytes(), start, end) for pcm, start, end in row], samples)
    return np.frombuffer(found, "<i2")


def test_a_row_is_a_sum() -> None:
    assert set(mix([(constant(100), UNITY, UNITY), (constant(20), UNITY, UNITY)], 160)) == {120}


def test_unity_changes_nothing() -> None:
    pcm = np.arange(-32_768, 32_768, dtype=np.int16)
    assert np.array_equal(mix([(pcm, UNITY, UNITY)], len(pcm)), pcm)


def test_half_a_gain_is_half_rounded() -> None:
    assert set(mix([(constant(101), 2048, 2048)], 160)) == {51}
    assert set(mix([(constant(-101), 2048, 2048)], 160)) == {-50}


def test_a_new_gain_is_reached_at_the_end_of_the_frame() -> None:
    ramp = mix([(constant(16_000), 0, UNITY)], 160)
    assert (ramp[0], ramp[79], ramp[159]) == (98, 8000, 16_000)  # gain 25, 2048, 4096 of 4096


def test_the_sum_is_saturated_once_so_order_does_not_matter() -> None:
    loud, low = (constant(30_000), UNITY, UNITY), (constant(-30_000), UNITY, UNITY)
    assert set(mix([loud, loud, low], 160)) == set(mix([low, loud, loud], 160)) == {30_000}


def test_an_empty_row_is_silence() -> None:
    assert not mix([], 160).any()


gains = st.one_of(st.just(UNITY), st.just(0), st.integers(0, 4 * UNITY))
frames = st.integers(0, 10_000).map(
    lambda seed: np.random.default_rng(seed).integers(-32_768, 32_768, 160).astype(np.int16)
)


@given(st.lists(st.tuples(frames, gains, gains), max_size=8))
def test_kernel_and_twin_mix_alike(row: Row) -> None:
    assert np.array_equal(kernel_mix(row, 160), mix(row, 160))
