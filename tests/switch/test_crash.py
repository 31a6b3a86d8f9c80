"""SIGKILL at any moment (reliability F1); ``python -m benchmarks.crash`` plays many more rounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from softswitch.api.client import Client
from tests.switch.crash import Victim, play
from tests.switch.real import Desk

HEAD = """
[people.103]
name = "Anna"
password = "secret-103"
group = "sales"
[people.110]
name = "Head"
password = "secret-110"
role = "head"
[groups.sales]
name = "Sales"
head = "110"
"""


async def test_nothing_is_lost_doubled_or_left_ringing_when_the_switch_is_killed(tmp_path: Path):
    # The machine that runs all tests at once stops for longer than the second that is promised and benchmarked.
    findings = await play(tmp_path, rounds=3, seed=2026, tolerance=3.0)
    assert findings.faults == []
    assert sum(found.conversations for found in findings.rounds) > 5


@pytest.mark.parametrize("heard", [False, True])
async def test_a_telephone_that_waits_to_follow_somebody_is_released_after_a_kill(tmp_path: Path, heard: bool):
    victim = Victim(tmp_path, HEAD)
    victim.start()
    await victim.ready()
    desk = Desk(victim.host)
    try:
        anna, boris = desk.phone("103"), desk.phone("102")
        head = desk.phone("110", answer=0.05)
        await desk.registered(anna, boris, head)
        wish = {"employee": "103", "supervisor": "110", "mode": "listen", "follow": True}
        with Client(victim.settings.switch.data / "control.sock") as client:
            client.call("supervise", **wish)
        await desk.until(lambda: head.talking)
        if heard:  # it was in a conversation, and waits for the next one
            boris.call("103")
            await desk.until(lambda: boris.talking and head.count("INVITE") == 2)
            boris.hang_up()
            await desk.until(lambda: boris.idle and anna.idle and head.count("INVITE") == 3)
        await desk.turn(0.2)
        victim.kill()
        victim.start()
        await victim.ready()
        await desk.until(lambda: head.idle, limit=8.0)
        assert head.count("BYE") == 1
    finally:
        desk.close()
        victim.end()
