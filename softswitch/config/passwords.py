"""Passwords: read from the environment or a file, or made once by the switch and kept in its data folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from softswitch.config.kinds import Env, File, Literally
from softswitch.config.values import Wrong
from softswitch.ids import Ids

__all__ = ["Vault", "open_to_all", "read", "weak"]

STRENGTH = 80
"""Bits of a generated password: 16 letters, none of which can be mistaken for another."""


def read(source: Env | File | Literally, base: Path, environ: Mapping[str, str]) -> str | Wrong:
    """Return the password, or why there is none. Relative files are relative to ``base``."""
    match source:
        case Env(name):
            if name not in environ:
                return Wrong("no_env", {"name": name})
            return _clean(environ[name]) or Wrong("env_empty", {"name": name})
        case File(name):
            return _first_line(base / name, name)
        case Literally(text):
            return _clean(text) or Wrong("empty")


def open_to_all(source: File, base: Path) -> bool:
    """Tell whether every user of the machine may read the file."""
    try:
        return bool((base / source.path).stat().st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False


def weak(password: str, user: str) -> bool:
    """Tell whether a scanner would find the password among its first few thousand guesses."""
    return len(password) < 8 or password == user * (len(password) // len(user)) or password.isdigit()


class Vault:
    """Generated passwords, one file each, readable by the switch's user only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, user: str) -> str | None:
        """Return the password made for ``user`` earlier, or None."""
        password = _first_line(self._folder / user, user)
        return None if isinstance(password, Wrong) else password

    def make(self, user: str) -> str | Wrong:
        """Make, store and return a password for ``user``."""
        password = Ids().token(STRENGTH)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Created closed: a file that is closed after writing was open for a moment.
            file = os.open(self._folder / user, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(file, "w") as stream:
                stream.write(password + "\n")
        except OSError as error:
            return Wrong("secret_unreadable", {"name": str(self._folder / user), "error": error.strerror or "?"})
        return password


def _first_line(path: Path, name: str) -> str | Wrong:
    try:
        with path.open(encoding="utf-8") as stream:
            line = stream.readline(4096).rstrip("\r\n")
    except FileNotFoundError:
        return Wrong("no_secret_file", {"name": name})
    except OSError as error:
        return Wrong("secret_unreadable", {"name": name, "error": (error.strerror or "?").lower()})
    except ValueError:
        return Wrong("secret_unreadable", {"name": name, "error": "not UTF-8"})
    return _clean(line) or Wrong("secret_empty", {"name": name})


def _clean(text: str) -> str | Wrong | None:
    """Return the password, None if it is empty; control characters could not be typed into any phone."""
    if not text:
        return None
    return text if text.isprintable() else Wrong("secret_control")
