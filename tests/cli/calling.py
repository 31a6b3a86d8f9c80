"""Calling the command line as a person would, and what it did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from softswitch.cli import main
from tests.api.switchboard import Switchboard, serving
from tests.config.office import ANNA, SWITCH

QUIET = {"LANG": "C", "LC_ALL": "", "LC_MESSAGES": "", "NO_COLOR": "", "P101": "long-enough-1", "SOFTSWITCH_CONFIG": ""}


@dataclass(frozen=True)
class Called:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.out.splitlines() if line.strip()]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Office:
    """A folder with an office's file in it, where a switch may be running."""

    folder: Path

    def __post_init__(self) -> None:
        self.config.write_text(SWITCH + ANNA, encoding="utf-8")

    @property
    def config(self) -> Path:
        return self.folder / "softswitch.toml"

    def call(self, *words: str, environ: Mapping[str, str] = QUIET) -> Called:
        done = CliRunner(env={**QUIET, **environ}).invoke(main, ["--config", str(self.config), *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Called(done.exit_code, done.stdout, done.stderr)

    @contextmanager
    def running(self, commands: Switchboard | None = None) -> Iterator[Switchboard]:
        commands = commands or Switchboard()
        with serving(self.folder / "var" / "control.sock", commands):
            yield commands
