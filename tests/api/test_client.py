"""The asking side."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from softswitch.api.client import Client, CommandFailed, NotRunning
from tests.api.switchboard import EVENTS, PEOPLE, Switchboard, serving


def test_a_call_returns_the_result(tmp_path: Path) -> None:
    with serving(tmp_path / "s", Switchboard()), Client(tmp_path / "s") as client:
        assert client.call("people") == PEOPLE
        assert client.call("status")["name"] == "Romashka"


def test_a_refusal_is_raised_with_its_code(tmp_path: Path) -> None:
    with serving(tmp_path / "s", Switchboard()), Client(tmp_path / "s") as client:
        with pytest.raises(CommandFailed, match="no conversation 'zz'") as caught:
            client.call("show", conversation="zz")
        assert caught.value.code == 404
        assert client.call("status")["pid"] == 4711


def test_a_stream_yields_events_until_it_ends(tmp_path: Path) -> None:
    with serving(tmp_path / "s", Switchboard()), Client(tmp_path / "s") as client:
        assert list(client.stream("events", since=3)) == EVENTS[3:]


def test_nobody_at_the_path_is_not_running(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no such file or directory"):
        Client(tmp_path / "s")


def test_a_dead_switch_is_not_running(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    with pytest.raises(NotRunning, match="connection refused"):
        Client(tmp_path / "s")


def test_a_switch_that_accepts_and_says_nothing_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(tmp_path / "s"))
        hung.listen()
        with Client(tmp_path / "s", timeout=0.05) as client, pytest.raises(NotRunning, match="does not answer"):
            client.call("status")


def test_a_switch_that_hangs_up_in_the_middle_is_not_running(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        with Client(tmp_path / "s") as client:
            server.accept()[0].close()
            with pytest.raises(NotRunning):
                client.call("status")
