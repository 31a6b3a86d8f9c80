"""The switch as a program, forked from a server that has loaded the modules already."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

__all__ = ["Program"]


class Program:
    """``softswitch run FILE``; ``output`` is what it said. ``files``: its limit of open files (soft, hard)."""

    def __init__(self, config: Path, *, files: tuple[int, int] | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, "softswitch.switch", "softswitch.cli.main", "av"])
        self._said = config.with_suffix(".out")
        self._control = config.parent / "var" / "control.sock"
        self.process: ForkServerProcess = context.Process(
            target=_main, args=(str(config), str(self._said), files), daemon=True
        )
        self.process.start()

    @property
    def output(self) -> str:
        return self._said.read_text() if self._said.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    async def ready(self) -> None:
        await self.until(self._answers)

    async def ended(self, limit: float = 60.0) -> int:
        """Return the exit code."""
        await self.until(lambda: self.process.exitcode is not None, limit)
        assert self.process.exitcode is not None
        return self.process.exitcode

    async def until(self, condition: Callable[[], bool], limit: float = 60.0) -> None:
        end = time.monotonic() + limit
        while not condition():
            assert time.monotonic() < end, self.output
            await asyncio.sleep(0.01)

    def close(self) -> None:
        if self.process.exitcode is None:
            self.process.kill()
        self.process.join()

    def _answers(self) -> bool:
        assert self.process.exitcode is None, self.output
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._control)) == 0


def _main(config: str, said: str, files: tuple[int, int] | None) -> None:
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
    signal.signal(signal.SIGUSR1, _stall)
    from softswitch.cli import main

    main(["run", config])


def _stall(number: int, frame: object) -> None:
    """Keep the interpreter busy for half a second, as a fault of ours in the event loop would."""
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
