"""A million packets that nobody should send, into a core that the sanitizers watch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from softswitch.media import libopus

HERE = Path(__file__).parent
EXT = HERE.parents[1] / "ext"
PACKETS = 500_000
FLAGS = [
    "-std=gnu11",
    "-O1",
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-strict-aliasing",
    "-Wall",
    "-Wextra",
    "-Wno-unused-function",
    "-Wno-unused-parameter",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("native") / "hostile"
    source = HERE / "hostile.c"
    subprocess.run(["gcc", *FLAGS, f"-I{EXT}", str(source), "-o", str(program), "-lm", "-ldl"], check=True)
    return program


def opus() -> list[str]:
    """The library that the product uses; without one the core is without Opus."""
    found = libopus.find()
    return [found.path, *libopus.FUNCTIONS] if isinstance(found, libopus.Library) else []


@pytest.mark.timeout(900)  # what the sanitizers cost is not the core's speed
@pytest.mark.parametrize("seed", [1, 2])
def test_no_packet_reads_or_writes_where_it_must_not_and_every_book_balances(hostile: Path, seed: int) -> None:
    ran = subprocess.run(
        [hostile, str(seed), str(PACKETS), *opus()], capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[:4000]
    assert ran.stdout.startswith(f"{PACKETS} packets in")
