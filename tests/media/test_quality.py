"""What a listener would say of a second: where the sound waits with us, how long is known and not guessed."""

from __future__ import annotations

import pytest

from softswitch.media.quality import Quality
from softswitch.rtp.mos import mos


def test_the_delay_of_our_own_play_out_counts_in_place_of_what_the_jitter_suggests() -> None:
    # 40 ms of every path, half of 100 ms, and 80 ms in our buffer.
    assert Quality().score("PCMA", 50, 0, 0, 0.002, 0.1, 0.08) == pytest.approx(mos("PCMA", 0.0, 0.04 + 0.05 + 0.08))


def test_where_packets_are_passed_on_the_other_sides_buffer_is_guessed_from_the_jitter() -> None:
    assert Quality().score("PCMA", 50, 0, 0, 0.015, None, 0.0) == pytest.approx(mos("PCMA", 0.0, 0.04 + 0.02 + 0.04))


def test_what_was_lost_and_what_came_too_late_was_not_heard() -> None:
    quality = Quality()
    assert quality.score("PCMU", 50, 0, 0, 0.0, None, 0.02) == pytest.approx(mos("PCMU", 0.0, 0.08))
    # 45 more came, 5 were lost, 2 of those that came were late: 7 of 50.
    assert quality.score("PCMU", 95, 5, 2, 0.0, None, 0.02) == pytest.approx(mos("PCMU", 0.14, 0.08))
    assert quality.score("PCMU", 95, 5, 2, 0.0, None, 0.02) is None
