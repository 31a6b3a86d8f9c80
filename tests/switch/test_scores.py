"""Opinion scores in the text that a monitoring system reads."""

from __future__ import annotations

import pytest

from softswitch.switch.scores import Scores


def test_seconds_are_counted_by_their_score() -> None:
    scores = Scores()
    for mos in (4.37, 4.37, 3.1, 1.0, 4.5):
        scores.add(mos)
    buckets, total = scores.histogram()
    assert dict(buckets) == {
        "1.5": 1, "2": 1, "2.5": 1, "3": 1, "3.6": 2, "4": 2, "4.2": 2, "4.35": 2, "4.5": 5, "+Inf": 5,
    }  # fmt: skip
    assert total == pytest.approx(17.34)
