"""The E-model against values worked out by hand, and its order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.rtp.mos import mos, rating


def test_a_call_without_impairments_has_the_default_rating() -> None:
    # R = 93.2: 1 + 3.262 + 93.2 * 33.2 * 6.8 * 7e-6 = 4.409.
    assert rating("PCMU", 0.0, 0.0) == 93.2
    assert mos("PCMU", 0.0, 0.0) == pytest.approx(4.409, abs=0.001)


def test_five_per_cent_of_loss_cost_g711_sixteen_points() -> None:
    # 95 * 5 / (5 + 25.1) = 15.78.
    assert rating("PCMA", 0.05, 0.0) == pytest.approx(93.2 - 15.78, abs=0.01)


def test_delay_hurts_more_beyond_177_ms() -> None:
    # 0.024 * 100 = 2.4; 0.024 * 277.3 + 0.11 * 100 = 17.66.
    assert rating("PCMA", 0.0, 0.1) == pytest.approx(90.8)
    assert rating("PCMA", 0.0, 0.2773) == pytest.approx(93.2 - 17.66, abs=0.01)


def test_g729_is_worse_than_g711_by_its_equipment_impairment() -> None:
    assert rating("PCMU", 0.0, 0.0) - rating("G729", 0.0, 0.0) == pytest.approx(11.0)


shares = st.floats(0, 1)
delays = st.floats(0, 5)
codecs = st.sampled_from(["PCMU", "PCMA", "G722", "opus", "L16", "G729", "unknown"])


@given(codecs, shares, shares, delays, delays)
def test_more_loss_or_delay_never_sounds_better(codec: str, a: float, b: float, c: float, d: float) -> None:
    best, worst = mos(codec, min(a, b), min(c, d)), mos(codec, max(a, b), max(c, d))
    assert 1.0 <= worst <= best <= 4.5
