"""From the start of the program after SIGKILL to the first 180: ``python -m benchmarks.restart --rounds 10``.

The telephones registered with the process that died. ``python -c pass`` in the same run measures the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.switch.real import Desk, configuration, fresh_host

PROGRAM = (sys.executable, "-c", "from softswitch.cli import main; main()")


async def measure(folder: Path, rounds: int) -> list[tuple[float, float]]:
    """Return for each round the seconds to the first 180, and those of an interpreter that does nothing."""
    host = fresh_host()
    configuration(folder, host)
    with (folder / "log").open("wb") as log:

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen([*PROGRAM, "run", str(folder / "office.toml")], stdout=log, stderr=log)

        desk = Desk(host)
        caller, callee = desk.phone("101"), desk.phone("102", answer=None)
        process = start()
        try:
            await _listening(host)
            await desk.registered(caller, callee)
            found = []
            for _ in range(rounds):
                process.kill()
                process.wait()
                nothing = _nothing()
                began = time.monotonic()
                process = start()
                await _listening(host)
                said = len(caller.log)
                caller.call("102")
                await desk.until(lambda: "< SIP/2.0 180 Ringing" in caller.log[said:], 60.0)  # noqa: B023
                found.append((time.monotonic() - began, nothing))
                caller.hang_up()
                await desk.until(lambda: caller.idle and callee.idle, 60.0)
        finally:
            process.kill()
            process.wait()
            desk.close()
    return found


def _nothing() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.monotonic() - began


async def _listening(host: str) -> None:
    """Wait until the kernel no longer says that nobody listens; what is sent from then on is read in its turn."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 5060))
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                probe.send(b"\r\n\r\n")
                await asyncio.sleep(0.005)
                probe.send(b"\r\n\r\n")
                return
            await asyncio.sleep(0.005)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=10)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="restart-") as folder:
        found = asyncio.run(measure(Path(folder), given.rounds))
    for name, column in (("start to the first 180", 0), ("python -c pass", 1)):
        times = [one[column] for one in found]
        print(f"{name:24} {statistics.median(times):6.2f} s, longest {max(times):.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
