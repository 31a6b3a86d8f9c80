"""Writing an office's file and reading it, for the tests of the configuration."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from softswitch.config import ConfigError, Loaded, load
from softswitch.config.settings import Language, Settings

SWITCH = """\
[switch]
name = "Romashka"
domain = "pbx.example"
"""
"""Three lines; what a test adds begins on line 4."""

ANNA = """\
[people.101]
name = "Anna"
password = { env = "P101" }
"""

ENVIRON = {"P101": "long-enough-1", "P102": "long-enough-2"}


def write(folder: Path, text: str) -> Path:
    path = folder / "office.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def read(folder: Path, text: str, environ: Mapping[str, str] = ENVIRON, *, create: bool = False) -> Loaded:
    return load(write(folder, text), environ, create=create)


def settings(folder: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> Settings:
    return read(folder, text, environ).settings


def complaints(folder: Path, text: str, environ: Mapping[str, str] = ENVIRON, language: Language = "en") -> list[str]:
    """Return what is said about a text, errors and warnings, without the file's name."""
    path = write(folder, text)
    try:
        problems = list(load(path, environ, language=language).warnings)
    except ConfigError as error:
        problems = error.problems
    return [str(problem).removeprefix(f"{path}:") for problem in problems]
