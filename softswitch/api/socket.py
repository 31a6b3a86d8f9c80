"""The control socket: how the command line talks to the running switch.

A UNIX socket that only the switch's own user (and root) may open. Each line in
is one request, each line out one answer, both JSON:

    {"id": 1, "method": "show", "params": {"conversation": "4rt0"}}
    {"id": 1, "result": {...}}            or
    {"id": 1, "error": {"code": 404, "message": "no conversation '4rt0'", "problems": []}}

A streaming command answers with any number of ``{"id": 1, "event": {...}}`` and
ends with a result of null when the asker hangs up or sends a newline. Requests of one connection are answered in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from softswitch.api.commands import COMMANDS, BadRequest, Commands, Failure, arguments, failure
from softswitch.errors import NotPossible
from softswitch.log import Log, make_logger

__all__ = ["SOCKET_NAME", "ControlSocket"]

SOCKET_NAME = "control.sock"

LONGEST_PATH = 107
"""Bytes: sun_path of Linux has 108 with the closing zero."""

LONGEST_REQUEST = 64 * 1024
MOST_CONNECTIONS = 64
BACKLOG = 16


class ControlSocket:
    """The server; ``start`` and ``close`` it inside the loop of the switch it serves."""

    def __init__(self, path: Path, commands: Commands, log: Log | None = None) -> None:
        self.path = path
        self._commands = commands
        self._log: Log = log if log is not None else make_logger()
        self._server: asyncio.Server | None = None
        self._inode: int | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. A socket that a dead switch left behind is replaced.

        Raises NotPossible if the path is too long for a socket, something else
        stands there, or another switch answers at it.
        """
        if len(os.fsencode(self.path)) > LONGEST_PATH:
            raise NotPossible(f"{self.path} has more than {LONGEST_PATH} bytes: choose a shorter data folder")
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_stale(self.path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(self.path))
            # Between bind and listen nobody can connect, so no moment is open to all, whatever the umask.
            self.path.chmod(0o600)
            listener.listen(BACKLOG)
            self._inode = self.path.stat().st_ino
        except OSError as error:
            listener.close()
            raise NotPossible(f"cannot listen on {self.path}: {error.strerror}") from error
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=LONGEST_REQUEST)

    async def close(self) -> None:
        """Stop listening, end the connections and remove the socket, unless it is another's by now."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        with contextlib.suppress(OSError):
            if self._inode is not None and self.path.stat().st_ino == self._inode:
                self.path.unlink()
        self._server = self._inode = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # The asker left, or we are closing: nobody is there to be told.
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                await _send(writer, _error(None, Failure(400, f"a request has at most {LONGEST_REQUEST} bytes")))
                return
            async for answer in self._answers(line, reader):
                await _send(writer, answer)

    async def _answers(self, line: bytes, reader: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
        """Yield the answers to one request line; whatever goes wrong is the last of them."""
        number: object = None
        try:
            request = _request(line)
            number = request.get("id")
            command = COMMANDS.get(str(request.get("method")))
            if command is None:
                raise BadRequest(f"unknown method {request.get('method')!r} (known: {', '.join(COMMANDS)})")
            given = arguments(command, request.get("params"))
            if command.stream is not None:
                async for event in _until_gone(command.stream(self._commands, **given), reader):
                    yield {"id": number, "event": event}
                yield {"id": number, "result": None}
            elif command.call is not None:
                yield {"id": number, "result": await command.call(self._commands, **given)}
        except Exception as error:
            told = failure(error)
            if told.code == 500:
                self._log.exception("command failed", request=line[:512].decode(errors="replace"))
            yield _error(number, told)


async def _until_gone(events: AsyncIterator[Any], reader: asyncio.StreamReader) -> AsyncIterator[Any]:
    """Yield events until the asker hangs up: a quiet office would else keep the stream of a dead asker for ever."""
    gone = asyncio.ensure_future(reader.read(1))
    try:
        while True:
            coming = asyncio.ensure_future(anext(events, None))
            await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await coming
                return
            event = coming.result()
            if event is None:
                return
            yield event
    finally:
        gone.cancel()
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def _request(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRequest("a request is one line of JSON") from None
    if not isinstance(request, dict):
        raise BadRequest("a request is a JSON object with id, method and params")
    return request


def _error(number: object, told: Failure) -> dict[str, Any]:
    return {"id": number, "error": {"code": told.code, "message": told.message, "problems": list(told.problems)}}


async def _send(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    # ASCII only: what a peer put into a name must not reach a terminal as control characters.
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()


def _remove_stale(path: Path) -> None:
    """Make room for our socket. Raises NotPossible if a living switch or another kind of file is there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise NotPossible(f"{path} is in the way and is not a socket: remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
                raise NotPossible(f"cannot tell whether a switch runs at {path}: {error.strerror}") from error
        else:
            raise NotPossible(f"another switch is running here: it answers at {path}")
    path.unlink(missing_ok=True)
