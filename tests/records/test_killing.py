"""Killed at any instant, the journal keeps what it said it had."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROUNDS = int(os.environ.get("KILLS", "20"))
ROOT = Path(__file__).parents[2]


def test_a_killed_process_loses_and_doubles_no_acknowledged_event_and_every_conversation_ends_once() -> None:
    # In a process of its own, whose children are small: those of the test runner would import it each time.
    command = [sys.executable, "-c", "from tests.records.killing import main; main()", str(ROUNDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = [int(number) for number in re.findall(r"\d+", done.stdout)]
    assert done.returncode == 0, done.stderr
    kills, acknowledged, lost, doubled, wrong, _ = counts
    assert (kills, lost, doubled, wrong) == (ROUNDS, 0, 0, 0), done.stdout
    assert acknowledged > 10 * ROUNDS
