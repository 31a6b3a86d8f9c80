"""The asking side of the control socket, blocking, for the command line and scripts."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from softswitch.errors import SwitchError

__all__ = ["Client", "CommandFailed", "NotRunning"]

TIMEOUT = 30.0
"""Seconds without an answer after which the switch counts as hung."""


class NotRunning(SwitchError):
    """No switch answers at this socket."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"no switch answers at {path}: {why}")


class CommandFailed(SwitchError):
    """The switch refused; ``code`` is an HTTP status, ``problems`` the lines of a refused configuration."""

    def __init__(self, code: int, message: str, problems: tuple[str, ...] = ()) -> None:
        self.code, self.message, self.problems = code, message, problems
        super().__init__(message)


class Client:
    """One connection; use it in a ``with`` block. Raises NotRunning when there is nobody to talk to."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._number = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(_short(path))
        except OSError as error:
            self._socket.close()
            raise NotRunning(path, (error.strerror or str(error)).lower()) from None
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def call(self, method: str, **params: object) -> Any:
        """Ask and return the result. Raises CommandFailed if the switch refuses."""
        self._ask(method, params)
        return self._answer().get("result")

    def stream(self, method: str, **params: object) -> Iterator[Any]:
        """Ask and yield what comes, for as long as it comes. Raises CommandFailed."""
        self._ask(method, params)
        self._socket.settimeout(None)
        while "event" in (answer := self._answer()):
            yield answer["event"]

    def _ask(self, method: str, params: dict[str, object]) -> None:
        self._number += 1
        request = {"id": self._number, "method": method, "params": params}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise NotRunning(self._path, (error.strerror or str(error)).lower()) from None

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._stream.readline()
        except TimeoutError:
            raise NotRunning(self._path, "it accepts but does not answer") from None
        except OSError as error:
            raise NotRunning(self._path, (error.strerror or str(error)).lower()) from None
        if not line.endswith(b"\n"):
            raise NotRunning(self._path, "it hung up")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        refused = answer.get("error")
        if refused is not None:
            raise CommandFailed(refused["code"], refused["message"], tuple(refused["problems"]))
        return answer


def _short(path: Path) -> str:
    """Return the path relative to here if that is shorter: a socket's name has at most 107 bytes."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
