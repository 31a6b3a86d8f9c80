"""Killed at any instant, the journal keeps what it said it had."""

from __future__ import annotations

import os

from tests.records.killing import kill_again_and_again

ROUNDS = int(os.environ.get("KILLS", "20"))


def test_a_killed_process_loses_and_doubles_no_acknowledged_event_and_every_conversation_ends_once() -> None:
    result = kill_again_and_again(ROUNDS)
    assert result.kills == ROUNDS
    assert result.acknowledged > 10 * ROUNDS
    assert (result.lost, result.doubled, result.wrong_conversations) == ([], [], [])
