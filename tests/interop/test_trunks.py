"""Fail-over from a trunk that is not there to the next, with SIPp as telephone and as providers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.interop.running import BACKUP, PROVIDER, RunningSwitch, until
from tests.interop.sipp import Sipp

ABROAD = "810442071234567"
"""+44 20 7123 4567 as dialled in Russia: the rule of two trunks."""


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[RunningSwitch]:
    running = RunningSwitch(tmp_path / "trunks", trunk_keep_alive="5s")
    try:
        yield running
    finally:
        running.end()


def state(switch: RunningSwitch, trunk: str) -> str:
    return next(one["state"] for one in switch.ask("status")["trunks"] if one["name"] == trunk)


@pytest.fixture
def unwatched(tmp_path: Path) -> Iterator[RunningSwitch]:
    """A switch that asks no trunk: an OPTIONS is a failed call to SIPp."""
    running = RunningSwitch(tmp_path / "unwatched")
    try:
        running.start()
        yield running
    finally:
        running.end()


def passed_over(switch: RunningSwitch, sipp: Sipp) -> float:
    """Place a call that the backup answers; return the seconds from its INVITE to ours at the backup."""
    callee = sipp.play("-uas", switch.port, host=BACKUP, port=switch.backup_port)
    began = time.monotonic()
    caller = sipp.play("call", switch.port, caller="101", called=ABROAD, talk=0.2)
    until(lambda: "INVITE sip:+442071234567@" in callee.messages, "the backup is called", 10.0)
    waited = time.monotonic() - began
    caller.succeeds()
    callee.succeeds()
    return waited


def test_a_trunk_that_says_nothing_is_passed_over_in_four_seconds(unwatched: RunningSwitch, sipp: Sipp) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind((PROVIDER, unwatched.provider_port))
        assert 4.0 <= passed_over(unwatched, sipp) < 5.0
        assert state(unwatched, "provider") == "down"
        # The next call goes to the backup first.
        assert passed_over(unwatched, sipp) < 2.0


def test_a_trunk_whose_port_is_closed_is_passed_over_at_once(unwatched: RunningSwitch, sipp: Sipp) -> None:
    assert passed_over(unwatched, sipp) < 2.0
    assert state(unwatched, "provider") == "down"


def test_a_trunk_that_answers_503_is_passed_over_at_once(unwatched: RunningSwitch, sipp: Sipp) -> None:
    words = {"line": "503 Service Unavailable"}
    full = sipp.play("answer_refused", unwatched.port, host=PROVIDER, port=unwatched.provider_port, words=words)
    assert passed_over(unwatched, sipp) < 2.0
    full.succeeds()


def test_a_trunk_that_answers_options_again_is_back_in_use(switch: RunningSwitch) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as provider:
        provider.bind((PROVIDER, switch.provider_port))
        provider.settimeout(0.1)
        switch.start()

        def answering() -> bool:
            try:
                data, source = provider.recvfrom(65535)
            except TimeoutError:
                return False
            head, _, rest = data.decode().partition("\r\n")
            assert head.startswith("OPTIONS sip:")
            kept = [line for line in rest.split("\r\n") if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")]
            to = next(line for line in rest.split("\r\n") if line.startswith("To:"))
            lines = ["SIP/2.0 200 OK", *kept, f"{to};tag=x", "Content-Length: 0", "", ""]
            provider.sendto("\r\n".join(lines).encode(), source)
            return True

        until(lambda: answering() and state(switch, "provider") == "up", "the provider is up", 10.0)
        until(lambda: state(switch, "provider") == "down", "the provider is down", 15.0)
        until(lambda: answering() and state(switch, "provider") == "up", "the provider is back", 25.0)
