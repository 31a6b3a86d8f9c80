"""Finding the running switch, and its records when none is running, by the office's file.

Only the data folder is read out of the file: a switch must be found, and told
to stop, also while somebody is in the middle of editing the rest.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softswitch.config.values import duration
from softswitch.errors import SwitchError

__all__ = ["Found", "NoConfig", "default_file", "find"]

DEFAULT_FILE = "softswitch.toml"
SOCKET_NAME = "control.sock"


class NoConfig(SwitchError):
    """The office's file is not there (``broken`` False) or no TOML."""

    def __init__(self, path: Path, *, broken: bool) -> None:
        self.path, self.broken = path, broken
        super().__init__(str(path))


@dataclass(frozen=True, slots=True)
class Found:
    """``config`` is the file as it was named; ``data`` None if only a socket is known; ``url`` None is SQLite.

    ``recordings`` is their folder, and ``keep`` how many seconds they stay, None for ever.
    """

    config: Path
    socket: Path
    data: Path | None
    url: str | None = None
    recordings: Path | None = None
    keep: float | None = None


def default_file(environ: Mapping[str, str] = os.environ) -> Path:
    return Path(environ.get("SOFTSWITCH_CONFIG") or DEFAULT_FILE)


def find(config: Path | None, socket: Path | None, environ: Mapping[str, str] = os.environ) -> Found:
    """Return where the switch of ``config`` is. Raises NoConfig unless ``socket`` makes the file unnecessary."""
    path = config or default_file(environ)
    try:
        raw = _tables(path)
    except NoConfig:
        if socket is None:
            raise
        return Found(path, socket, None)
    switch, recording = _table(raw, "switch"), _table(raw, "recording")
    data = path.absolute().parent / _text(switch.get("data"), "var")
    url: str | None = None
    match switch.get("database"):
        case {"env": str() as name}:
            url = environ.get(name)
        case {"file": str() as name}:
            url = _first_line(path.parent / _text(name, "."))
        case str() as written if written != "sqlite":
            url = written
    folder = data / _text(recording.get("folder"), "recordings")
    keep = duration(_text(recording.get("keep"), "forever"))
    return Found(path, socket or data / SOCKET_NAME, data, url, folder, keep=keep if isinstance(keep, float) else None)


def _tables(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError:
        raise NoConfig(path, broken=False) from None
    except (ValueError, RecursionError):
        raise NoConfig(path, broken=True) from None
    return raw


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name, {})
    return found if isinstance(found, dict) else {}


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip() or None
    except (OSError, ValueError):
        return None


def _text(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) and value and "\0" not in value else otherwise
