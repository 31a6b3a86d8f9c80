"""A PostgreSQL server of our own for the tests: in a folder of its own, on a UNIX socket, gone afterwards."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import pytest

__all__ = ["Postgres", "required"]

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def required() -> Path:
    """Return where the server's programs are; skip the test, or fail it in CI, where there are none."""
    found = next((place for place in PLACES if (place / "initdb").exists()), None)
    reason = ""
    if found is None:
        reason = "PostgreSQL is not installed (Debian: apt install postgresql)"
    elif importlib.util.find_spec("asyncpg") is None:
        reason = "asyncpg is not installed (pip install softswitch[postgres])"
    if not reason:
        assert found is not None
        return found
    if os.environ.get("SOFTSWITCH_REQUIRE_PEERS"):
        pytest.fail(reason)
    pytest.skip(reason)


class Postgres:
    """``stop`` and ``start`` it as often as wanted; ``close`` removes it."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Not below pytest's folder: that is for its owner only, and the server does not run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))
        self._user = next((name for name in ("postgres", "nobody") if _exists(name)), None) if _is_root() else None
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count()
        self.start()

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, "-k", self._folder, "-h", "", "-F"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            user=self._user,
        )
        end = time.monotonic() + 30
        while subprocess.run(
            [self._programs / "pg_isready", "-q", "-h", self._folder], check=False, timeout=10
        ).returncode:
            assert time.monotonic() < end, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """Take it away as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)
            self._process = None

    def database(self) -> str:
        """Make an empty database; return its URL."""
        name = f"office{next(self._names)}"
        self._run("createdb", "-h", self._folder, "-U", "postgres", name)
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def ask(self, url: str, sql: str) -> str:
        """Return what psql says, without headers."""
        name = url.partition("@/")[2].partition("?")[0]
        return self._run("psql", "-h", self._folder, "-U", "postgres", "-d", name, "-X", "-q", "-A", "-t", "-c", sql)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *words: str | Path) -> str:
        done = subprocess.run(
            [self._programs / program, *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self._folder,
            user=self._user,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _is_root() -> bool:
    return os.geteuid() == 0


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
