"""The Makefile, in a folder that holds nothing but what its targets look at."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed (Debian: apt install make)")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "setup.py", ".gitignore"):
        shutil.copy(TREE / name, tmp_path / name)
    for folder in ("ext", "softswitch/media", "tests", "benchmarks", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ext" / "native.pyx").touch()
    return tmp_path


def make(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *words], cwd=clone, env=environment, capture_output=True, text=True, check=False)


def test_clean_removes_all_that_git_ignores_but_the_office_s_own_data(clone: Path) -> None:
    ignored = (clone / ".gitignore").read_text().split()
    made = {pattern.strip("/").replace("**/", "media/").replace("*", "softswitch") for pattern in ignored}
    made.remove("__pycache__")
    made.remove("softswitch.pyc")
    for name in made:
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.suffix == ".so" else path.mkdir()
    (clone / "tests" / "__pycache__").mkdir()
    (clone / "tests" / "__pycache__" / "test_make.pyc").touch()
    (clone / "var" / "journal.db").touch()
    assert make(clone, "clean").returncode == 0
    assert [name for name in sorted(made) if (clone / name).exists()] == ["var"]
    assert (clone / "var" / "journal.db").exists()
    assert not (clone / "tests" / "__pycache__").exists()
    assert (clone / "ext" / "native.pyx").exists()


def test_setup_has_nothing_to_do_the_second_time(clone: Path) -> None:
    (clone / ".venv").mkdir()
    for name in (".ready", ".built"):
        (clone / ".venv" / name).touch()
    done = make(clone, "setup")
    assert (done.returncode, done.stderr) == (0, "")
    assert "installing" not in done.stdout
    assert "building" not in done.stdout


def test_setup_names_a_python_that_is_too_old(clone: Path) -> None:
    old = clone / "python-of-2010"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make(clone, "setup", f"PYTHON={old}")
    assert done.returncode != 0
    assert f"Softswitch needs Python 3.11 or later; {old} is not" in done.stderr


def test_setup_names_the_debian_packages_that_are_missing(clone: Path) -> None:
    bare = clone / "bare-python"
    # New enough, without ensurepip, and with its headers nowhere.
    bare.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *sysconfig*) echo /nowhere;; esac\n')
    bare.chmod(0o755)
    done = make(clone, "setup", f"PYTHON={bare}")
    assert done.returncode != 0
    assert "on Debian: apt install python3-venv python3-dev" in done.stderr
    assert not (clone / ".venv").exists()
