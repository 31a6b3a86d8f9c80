from __future__ import annotations

import numpy as np
import pytest

from softswitch.mixer.tones import render


def rendered(*frequencies: float, level: float = -16.0, cadence: tuple[float, ...] = ()) -> np.ndarray:  # type: ignore[type-arg]
    return np.frombuffer(render(frequencies, level, cadence), "<i2").astype(float)


def rms_dbov(pcm: np.ndarray) -> float:  # type: ignore[type-arg]
    return float(20 * np.log10(np.sqrt(np.mean(pcm**2)) / 32_768))


def test_a_continuous_tone_repeats_without_a_seam() -> None:
    for frequency in (425.0, 440.0, 697.5, 1234.5):
        once = rendered(frequency)
        twice = np.concatenate([once, once])
        assert np.abs(np.diff(twice)).max() <= np.abs(np.diff(once)).max() + 1


def test_the_level_is_that_of_each_sine_in_dbov() -> None:
    assert rms_dbov(rendered(1000.0, level=-20.0)) == pytest.approx(-20.0, abs=0.01)
    assert rms_dbov(rendered(350.0, 440.0, level=-20.0)) == pytest.approx(-17.0, abs=0.05)


def test_a_cadence_is_on_and_off_with_soft_edges() -> None:
    pcm = rendered(425.0, cadence=(1.0, 4.0))
    assert len(pcm) == 40_000
    assert rms_dbov(pcm[400:7600]) == pytest.approx(-16.0, abs=0.1)
    assert not pcm[8000:].any()
    assert abs(pcm[1]) < 200


def test_too_loud_a_tone_is_clipped_and_not_wrapped() -> None:
    pcm = rendered(100.0, 130.0, level=0.0)
    assert pcm.max() == 32_767
    assert np.abs(np.diff(pcm)).max() < 20_000
