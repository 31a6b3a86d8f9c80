"""The control socket, over real UNIX sockets."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from softswitch.api.commands import COMMANDS
from softswitch.api.socket import LONGEST_REQUEST, ControlSocket
from softswitch.errors import NotPossible
from tests.api.switchboard import CALL, EVENTS, STATUS, Broken, Switchboard

KNOWN = ", ".join(COMMANDS)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[ControlSocket]:
    server = ControlSocket(tmp_path / "control.sock", Switchboard())
    await server.start()
    yield server
    await server.close()


async def ask(path: Path, *requests: str | bytes, answers: int | None = None) -> list[dict[str, Any]]:
    """Send lines and return as many answers."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 20)
    for request in requests:
        writer.write((request.encode() if isinstance(request, str) else request) + b"\n")
    found = [json.loads(await reader.readline()) for _ in range(len(requests) if answers is None else answers)]
    writer.close()
    return found


async def test_a_request_gets_its_result_under_its_number(office: ControlSocket) -> None:
    assert await ask(office.path, '{"id": 7, "method": "status"}') == [{"id": 7, "result": STATUS}]


async def test_requests_of_one_connection_are_answered_in_order(office: ControlSocket) -> None:
    found = await ask(office.path, '{"id": 1, "method": "calls"}', '{"id": "two", "method": "people", "params": {}}')
    assert [answer["id"] for answer in found] == [1, "two"]
    assert found[0]["result"] == [CALL]


@pytest.mark.parametrize(
    ("request_line", "code", "message"),
    [
        ("not json", 400, "a request is one line of JSON"),
        ("[" * 5000, 400, "a request is one line of JSON"),
        ("\xff", 400, "a request is one line of JSON"),
        ("[]", 400, "a request is a JSON object with id, method and params"),
        ("{}", 400, f"unknown method None (known: {KNOWN})"),
        (
            '{"method": ["x"]}',
            400,
            f"unknown method ['x'] (known: {KNOWN})",
        ),
        ('{"method": "show"}', 400, "parameter 'conversation' is missing: id of the conversation, or its beginning"),
        ('{"method": "show", "params": {"conversation": 5}}', 400, "parameter 'conversation' must be of type str"),
        (
            '{"method": "show", "params": {"convresation": "x"}}',
            400,
            "unknown parameter 'convresation' (did you mean 'conversation'?)",
        ),
        ('{"method": "calls", "params": {"finished": true}}', 400, "parameter 'finished' must be of type int"),
        ('{"method": "calls", "params": {"finished": -1}}', 400, "parameter 'finished' must be from 0 to 10000"),
        ('{"method": "calls", "params": []}', 400, "params must be an object"),
        ('{"method": "show", "params": {"conversation": "zz"}}', 404, "no conversation 'zz'"),
        ('{"method": "reload", "params": {"path": "busy.toml"}}', 409, "another reload is under way"),
    ],
)
async def test_a_bad_request_is_answered_and_the_connection_lives(
    office: ControlSocket, request_line: str, code: int, message: str
) -> None:
    refused, status = await ask(office.path, request_line.encode("latin-1"), '{"id": 2, "method": "status"}')
    assert refused["error"] == {"code": code, "message": message, "problems": []}
    assert status["result"]["name"] == "Romashka"


async def test_a_refused_configuration_is_told_line_by_line(office: ControlSocket) -> None:
    [answer] = await ask(office.path, '{"id": 1, "method": "reload", "params": {"path": "bad.toml"}}')
    assert answer["error"] == {
        "code": 422,
        "message": "the configuration was refused",
        "problems": ['bad.toml:3:1 switch.nmae: unknown key (did you mean "name"?)'],
    }


async def test_a_fault_of_ours_says_no_more_than_its_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = ControlSocket(tmp_path / "control.sock", Broken())
    await server.start()
    [answer] = await ask(server.path, '{"id": 1, "method": "status"}')
    await server.close()
    assert answer["error"] == {"code": 500, "message": "internal error: RuntimeError", "problems": []}


async def test_a_request_without_end_is_refused(office: ControlSocket) -> None:
    [answer] = await ask(office.path, b"x" * (2 * LONGEST_REQUEST))
    assert answer["error"]["code"] == 400


async def test_events_are_streamed_one_a_line(office: ControlSocket) -> None:
    found = await ask(office.path, '{"id": 1, "method": "events", "params": {"since": 4}}', answers=3)
    assert found == [{"id": 1, "event": EVENTS[4]}, {"id": 1, "event": EVENTS[5]}, {"id": 1, "result": None}]


async def test_a_stream_ends_when_the_asker_leaves_a_quiet_office(tmp_path: Path) -> None:
    commands = Switchboard()
    server = ControlSocket(tmp_path / "control.sock", commands)
    await server.start()
    await ask(server.path, '{"id": 1, "method": "events"}', answers=len(EVENTS))
    async with asyncio.timeout(5):
        while commands.streams:
            await asyncio.sleep(0)
    await server.close()


async def test_a_stream_ends_at_a_newline_and_the_connection_lives(office: ControlSocket) -> None:
    reader, writer = await asyncio.open_unix_connection(str(office.path))
    writer.write(b'{"id": 1, "method": "events"}\n')
    for _ in EVENTS:
        await reader.readline()
    writer.write(b'\n{"id": 2, "method": "status"}\n')
    assert json.loads(await reader.readline()) == {"id": 1, "result": None}
    assert json.loads(await reader.readline())["id"] == 2
    writer.close()


async def test_closing_ends_streams_and_removes_the_socket(tmp_path: Path) -> None:
    commands = Switchboard()
    server = ControlSocket(tmp_path / "control.sock", commands)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(b'{"id": 1, "method": "events"}\n')
    await reader.readline()
    await server.close()
    while await reader.readline():
        pass
    writer.close()
    assert (commands.streams, server.path.exists()) == (0, False)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_only_the_owner_may_open_it_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    server = ControlSocket(tmp_path / "control.sock", Switchboard())
    before = os.umask(umask)
    try:
        await server.start()
    finally:
        os.umask(before)
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    await server.close()


async def test_a_socket_that_a_dead_switch_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = ControlSocket(path, Switchboard())
    await server.start()
    assert (await ask(path, '{"method": "status"}'))[0]["result"]["pid"] == 4711
    await server.close()


async def test_a_second_switch_at_the_same_place_is_refused(office: ControlSocket) -> None:
    with pytest.raises(NotPossible, match="another switch is running here"):
        await ControlSocket(office.path, Switchboard()).start()
    assert (await ask(office.path, '{"method": "status"}'))[0]["result"]["pid"] == 4711


async def test_something_else_at_its_place_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "control.sock").write_text("precious")
    with pytest.raises(NotPossible, match="is in the way and is not a socket"):
        await ControlSocket(tmp_path / "control.sock", Switchboard()).start()
    assert (tmp_path / "control.sock").read_text() == "precious"


async def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="choose a shorter data folder"):
        await ControlSocket(tmp_path / ("x" * 107) / "control.sock", Switchboard()).start()
