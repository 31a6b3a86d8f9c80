"""The RTP side of the load generator: a small C program, compiled when first needed, driven over pipes."""

from __future__ import annotations

import hashlib
import json
import os
import select
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

SOURCE = Path(__file__).with_name("loadgen_media.c")
PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9, "opus": 96}


@dataclass(frozen=True, slots=True)
class Heard:
    """One measuring window over all legs. Delays and lateness in milliseconds, ``own_cores`` in cores.

    ``lost`` counts frames that were sent in the window and did not arrive half a second
    after its end. ``late_p99`` says how late our own packets left, ``late_ticks`` how many
    milliseconds were served together with the next one: the run is worth nothing when these
    are large, or when ``overflowed`` or ``send_errors`` are not 0.
    """

    seconds: float
    delay_p50: float | None
    delay_p99: float | None
    delay_p999: float | None
    delay_max: float | None
    late_p99: float | None
    late_max: float | None
    own_cores: float
    expected: int
    received: int
    lost: int
    gaps: int
    deaf: int
    misrouted: int
    unmarked: int
    duplicates: int
    other: int
    overflowed: int
    send_errors: int
    late_ticks: int
    mixed: int
    """Legs that hear a mix: their packets are counted, not recognised."""
    packets: int
    mixed_gaps: int
    silent: int
    unsaid: int
    """Frames that the generator had no time to say; they are not expected."""
    skipped: Sequence[Sequence[int]] = ()
    """When that was: (first millisecond, how many) of the generator's clock; leg i says frame n in 20 n + i % 20."""

    @property
    def loss(self) -> float:
        """Lost frames, of all, in percent."""
        return 100.0 * self.lost / self.expected if self.expected else 0.0

    @property
    def missing(self) -> float:
        """What legs without a partner did not get of 50 packets a second, less ``unsaid``, percent; below 0: more."""
        due = self.mixed * self.seconds * 50 - self.unsaid
        return 100.0 * (due - self.packets) / due if due > 0 else 0.0


def compiled(source_file: Path = SOURCE) -> Path:
    """Return the program of one C file, built at most once for each version of its source."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "softswitch-benchmarks"
    source = source_file.read_bytes()
    program = cache / f"{source_file.stem}-{hashlib.sha256(source).hexdigest()[:16]}"
    if not program.exists():
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise SystemExit("the load generator needs a C compiler (Debian: apt install gcc)")
        cache.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [compiler, "-O2", "-std=gnu11", "-pthread", "-o", str(fresh), str(source_file), "-lm"], check=True
        )
        fresh.replace(program)
    return program


class Media:
    """``legs`` RTP phones, or the sockets of a relay; use as a context manager. ``ports`` are theirs, by leg."""

    def __init__(
        self, legs: int, *, cpu: int | None, kind: Literal["phones", "relay"] = "phones", host: str = "127.0.0.1"
    ) -> None:
        pin = ["taskset", "-c", str(cpu)] if cpu is not None and shutil.which("taskset") else []
        self.host = host
        self._process = subprocess.Popen(
            [*pin, str(compiled()), kind, str(legs), host], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        words = self._line(10.0).split()
        assert words[:1] == ["ports"], f"the load generator said {words[:4]}"
        self.ports: Sequence[int] = [int(word) for word in words[1:]]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def peer(self, leg: int, host: str, port: int, codec: str = "PCMU", partner: int = -1) -> None:
        """Let the leg speak to an address; the frames of ``partner`` must arrive at it, -1: it hears a mix."""
        self._say(f"peer {leg} {host} {port} {PAYLOAD_TYPES[codec]} {partner}")

    def voice(self, codec: str, step: int, frames: Path) -> None:
        """Let the legs of a codec say the frames of a file; ``step`` is the RTP clock of 20 ms."""
        self._say(f"voice {PAYLOAD_TYPES[codec]} {step} {frames}")

    def hush(self, leg: int) -> None:
        self._say(f"hush {leg}")

    def begin(self, seconds: float) -> None:
        """Open a measuring window; ``result`` returns what came of it."""
        self._say(f"measure {seconds}")

    def result(self, within: float) -> Heard:
        return Heard(**json.loads(self._line(within)))

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _line(self, within: float) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], within)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise RuntimeError(f"the load generator said nothing within {within:g} s")
        return line
