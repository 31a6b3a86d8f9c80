"""Whether the machine ran: a thread on each core that would wake every millisecond, and what it saw."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.loadgen_media import compiled

SOURCE = Path(__file__).with_name("witness.c")
LEAST_MS = 5.0


@dataclass(frozen=True, slots=True)
class Stall:
    """A core on which nobody could run: seconds of the monotonic clock."""

    cpu: int
    began: float
    lasted: float


class Witness:
    """Watches all cores from construction to ``close``; use as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [compiled(SOURCE), str(LEAST_MS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._rest = b""
        self.stalls: list[Stall] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def look(self) -> list[Stall]:
        """Take what was seen since the last look; ``stalls`` keeps them all."""
        assert self._process.stdout is not None
        *lines, self._rest = (self._rest + (self._process.stdout.read() or b"")).split(b"\n")
        fresh = []
        for line in lines:
            cpu, began, lasted = map(int, line.split())
            fresh.append(Stall(cpu, began / 1e6, lasted / 1e6))
        self.stalls += fresh
        return fresh
