"""The core between threads, as the switch runs it, watched by the thread sanitizer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXT = HERE.parents[1] / "ext"
ROUNDS = 4
FLAGS = [
    "-std=gnu11",
    "-O1",
    "-g",
    "-fsanitize=thread",
    "-fno-strict-aliasing",
    "-Wall",
    "-Wextra",
    "-Wno-unused-function",
    "-Wno-unused-parameter",
]


def test_commands_events_and_recorded_blocks_pass_between_threads_without_a_race(tmp_path: Path) -> None:
    program = tmp_path / "threads"
    source = HERE / "threads.c"
    subprocess.run(["gcc", *FLAGS, f"-I{EXT}", str(source), "-o", str(program), "-lm", "-pthread"], check=True)
    ran = subprocess.run([program, str(ROUNDS)], capture_output=True, text=True, timeout=300, check=False)
    if "unexpected memory mapping" in ran.stderr:
        pytest.skip("the thread sanitizer cannot run with this kernel's randomised addresses")
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[:4000]
    assert ran.stdout.startswith(f"{ROUNDS} rounds")
    assert "ThreadSanitizer" not in ran.stderr
