"""SIGKILL at any moment (reliability F1); ``python -m benchmarks.crash`` plays many more rounds."""

from __future__ import annotations

from pathlib import Path

from tests.switch.crash import play


async def test_nothing_is_lost_doubled_or_left_ringing_when_the_switch_is_killed(tmp_path: Path):
    # The machine that runs all tests at once stops for longer than the second that is promised and benchmarked.
    findings = await play(tmp_path, rounds=3, seed=2026, tolerance=3.0)
    assert findings.faults == []
    assert sum(found.conversations for found in findings.rounds) > 5
