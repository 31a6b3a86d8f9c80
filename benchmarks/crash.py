"""How a switch survives SIGKILL: ``python -m benchmarks.crash --rounds 1000 --seed 1``.

The rounds themselves are in ``tests/switch/crash.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.switch.crash import Findings, play

__all__ = ["main"]

ROUNDS_OF_A_FOLDER = 50
"""After so many rounds a new office begins, so that a damage in one does not hide in the next."""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    findings, began, shown = Findings(), time.monotonic(), 0
    while (done := len(findings.rounds)) < given.rounds:
        with tempfile.TemporaryDirectory(prefix="crash-") as folder:
            count = min(ROUNDS_OF_A_FOLDER, given.rounds - done)
            asyncio.run(play(Path(folder), count, given.seed * 1_000_000 + done, findings))
        for fault in findings.faults[shown:]:
            print(fault, flush=True)
        shown = len(findings.faults)
        print(f"{len(findings.rounds)} rounds, {shown} faults, {time.monotonic() - began:.0f} s", flush=True)
    print(findings)
    return 1 if findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
