"""SIPp as a peer: one process plays one scenario; its exit status says whether every call went by the book."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.running import HOST, free_port, until

SCENARIOS = Path(__file__).parent / "scenarios"


@dataclass
class Played:
    """One SIPp process. ``port`` is where it listens."""

    name: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def succeeds(self, within: float = 30.0) -> None:
        """Wait for the end of the scenario and fail with SIPp's own words if one call went wrong."""
        try:
            status = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"{self.name} did not end within {within:g} s\n{self.words()}") from None
        if status != 0:
            raise AssertionError(f"{self.name} ended with {status}\n{self.words()}")

    def words(self) -> str:
        """What SIPp wrote: the first unexpected messages, then the last messages."""
        texts = [path.read_text(errors="replace")[:3000] for path in sorted(self.folder.glob("errors*.log"))]
        texts += [path.read_text(errors="replace")[-9000:] for path in sorted(self.folder.glob("messages*.log"))]
        texts += [path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("output.txt"))]
        return "\n".join(texts)

    @property
    def messages(self) -> str:
        path = self.folder / "messages.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)


@dataclass
class Sipp:
    """Starts SIPp; everything it started is gone after ``end``."""

    program: str
    folder: Path
    running: list[Played] = field(default_factory=list)

    def play(
        self,
        scenario: str,
        remote: int,
        *,
        caller: str = "sipp",
        called: str = "service",
        port: int = 0,
        host: str = HOST,
        remote_host: str = HOST,
        password: str = "",
        calls: int = 1,
        rate: int = 10,
        at_once: int = 0,
        rows: Sequence[Sequence[str]] = (),
        words: Mapping[str, str] | None = None,
        talk: float = 0.5,
        transport: str = "u1",
        extra: Sequence[str] = (),
        trace: bool = True,
    ) -> Played:
        """Start a scenario of ours by name, or a built-in one as "-uac" or "-uas".

        ``caller`` is the person who speaks and authenticates; with ``rows`` that is their first field, and
        ``caller`` is "[field0]". ``words`` replace ``@word@`` in the scenario. Returns once an answering one
        listens.
        """
        port = port or free_port(host)
        folder = self.folder / f"{len(self.running):02d}{scenario}"
        folder.mkdir()
        command = [self.program]
        if scenario.startswith("-"):
            command += ["-sn", scenario[1:]]
        else:
            text = (SCENARIOS / f"{scenario}.xml").read_text()
            auth = f"[field{len(rows[0])}]" if rows else credentials(caller, password)
            for word, value in {"from": caller, "to": called, "auth": auth, **(words or {})}.items():
                text = text.replace(f"@{word}@", value)
            (folder / "scenario.xml").write_text(text)
            command += ["-sf", str(folder / "scenario.xml")]
        if rows:
            # SIPp does not look for fields inside [authentication ...]: the whole of it is a field of its own.
            lines = ["SEQUENTIAL", *(";".join([*row, credentials(row[0])]) for row in rows)]
            (folder / "rows.csv").write_text("\n".join(lines) + "\n")
            command += ["-inf", str(folder / "rows.csv")]
        command += ["-i", host, "-p", str(port), "-mi", host, "-mp", str(free_port(host, room=4)), "-s", called]
        command += ["-m", str(calls), "-r", str(rate), "-l", str(at_once or calls), "-d", str(round(talk * 1000))]
        if scenario.startswith("call"):
            # SIPp would name the server's URI in its credentials; they must name the request's (RFC 3261 section 22.4).
            command += ["-auth_uri", f"{called}@{remote_host}:{remote}"]
        command += ["-t", transport, "-nostdin", "-trace_err", "-error_file", str(folder / "errors.log"), *extra]
        if trace:
            command += ["-trace_msg", "-message_file", str(folder / "messages.log")]
        command.append(f"{remote_host}:{remote}")
        with (folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "TERM": "dumb"},
                start_new_session=True,
            )
        played = Played(scenario, port, folder, process)
        self.running.append(played)
        if scenario.startswith(("answer", "-uas")):
            kind = socket.SOCK_STREAM if transport.startswith("t") else socket.SOCK_DGRAM
            until(lambda: process.poll() is not None or _taken(host, port, kind), f"{scenario} listens", 5.0)
        return played

    def end(self) -> None:
        for played in self.running:
            played.end()


def credentials(person: str, password: str = "") -> str:
    return f"[authentication username={person} password={password or f'secret-{person}'}]"


def _taken(host: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
