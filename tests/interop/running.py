"""A real switch in a process of its own, on loopback, as a person would run it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softswitch.api.client import Client

HOST = "127.0.0.1"
PROVIDER, BACKUP = "127.0.0.2", "127.0.0.3"
"""The trunk's address: a trunk is known by its address alone, so it needs another one than the phones."""

INBOUND = "+74951234567"
INBOUND_ALL = "+74951230000"
"""The first office number goes to 101, the second to 110."""

DOMAIN = "pbx.interop.example"
COMMAND = (sys.executable, "-c", "from softswitch.cli import main; main()")
"""What the installed console script does, without depending on an installation."""

START_WITHIN = 60.0
STOP_WITHIN = 30.0


def free_port(host: str = HOST, *, room: int = 2) -> int:
    """Return a port that is free for UDP and TCP, and so are the next ones, ``room`` in all."""
    for _ in range(200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((host, 0))
            port = int(udp.getsockname()[1])
        if port + room <= 65536 and all(
            _free(host, port + step, kind) for step in range(room) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)
        ):
            return port
    raise OSError(f"no free port on {host}")


def _free(host: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def until(fact: Callable[[], Any], what: str, within: float) -> Any:
    """Return the first true value of ``fact``, asked again and again; fail when it does not come in time."""
    end = time.monotonic() + within
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {within:g} s")
        time.sleep(0.02)


@dataclass
class RunningSwitch:
    """``people`` are extensions; the password of 101 is "secret-101". Phones ring for ``ring`` seconds.

    SIPp takes
    the OPTIONS of ``trunk_keep_alive`` for calls that went wrong, so that they are off unless wanted.

    ``directors`` may supervise everybody. ``before`` stands before the command line, ("taskset", "-c", "0") for one.
    """

    folder: Path
    people: Sequence[int] = (101, 102, 103, 110)
    ring: int = 5
    codecs: Sequence[str] = ("opus", "G722", "PCMA", "PCMU")
    record: bool = True
    keep_alive: str = "5m"
    digest: Sequence[str] = ("MD5",)
    trunk_keep_alive: str = "off"
    rtp: tuple[int, int] = (20000, 29998)
    before: Sequence[str] = ()
    directors: Sequence[int] = ()
    port: int = 0
    provider_port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        self.provider_port = self.provider_port or free_port(PROVIDER)
        self.backup_port = free_port(BACKUP)
        self.config.write_text(self._toml(), encoding="utf-8")

    @property
    def config(self) -> Path:
        return self.folder / "softswitch.toml"

    @property
    def data(self) -> Path:
        return self.folder / "var"

    @property
    def log(self) -> str:
        path = self.folder / "log.txt"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start the process and return as soon as it answers OPTIONS."""
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.before, *COMMAND, "run", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._passwords(), "PYTHONUNBUFFERED": "1"},
                cwd=Path(__file__).parents[2],
                start_new_session=True,
            )
        until(self._answers, f"the switch on port {self.port} answers OPTIONS", START_WITHIN)

    def stop(self) -> int:
        """Ask the process to end as a service manager would; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_WITHIN)

    def kill(self) -> None:
        """Take the process away without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(5)

    def end(self) -> None:
        """Whatever its state, leave nothing running."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)

    def ask(self, *words: str) -> Any:
        """Return what ``softswitch WORDS --json`` prints."""
        done = subprocess.run(
            [*COMMAND, *words, "--json", "--config", str(self.config)],
            capture_output=True,
            timeout=60,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        if done.returncode != 0:
            raise AssertionError(f"softswitch {' '.join(words)}: {done.returncode}\n{done.stdout!r}\n{done.stderr!r}")
        return json.loads(done.stdout)

    def tell(self, method: str, **params: object) -> Any:
        """Command the switch over its control socket, without the second that a command line needs to start."""
        with Client(self.data / "control.sock") as client:
            return client.call(method, **params)

    def calls(self) -> list[dict[str, Any]]:
        """Running and finished conversations, the latest last."""
        rows: list[dict[str, Any]] = self.ask("calls", "--finished", "1000")
        return rows

    def open_calls(self) -> list[dict[str, Any]]:
        return [call for call in self.ask("calls") if call["state"] != "ended"]

    def recordings(self) -> list[Path]:
        """Every recording, oldest first."""
        return sorted((self.data / "recordings").rglob("*.wav"), key=lambda path: path.stat().st_mtime)

    def _passwords(self) -> dict[str, str]:
        people = {f"PASSWORD_{extension}": f"secret-{extension}" for extension in self.people}
        return {**people, "PROVIDER_PASSWORD": "secret-office"}

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"the switch ended with status {self.process.returncode}:\n{self.log[-4000:]}")
        reply = ask_options(self.port, within=0.3)
        return reply.startswith(b"SIP/2.0 200")

    def _toml(self) -> str:
        lines = [
            "[switch]",
            'name = "Interop"',
            f'domain = "{DOMAIN}"',
            'language = "en"',
            'data = "var"',
            'country = "RU"',
            "[sip]",
            f'listen = ["udp:{HOST}:{self.port}", "tcp:{HOST}:{self.port}"]',
            f'keep_alive = "{self.keep_alive}"',
            f"digest = {json.dumps(list(self.digest))}",
            "[rtp]",
            f'ports = "{self.rtp[0]}-{self.rtp[1]}"',
            f"codecs = {json.dumps(list(self.codecs))}",
            "[recording]",
            f'what = "{"all" if self.record else "none"}"',
            "whisper_track = false",
        ]
        for extension in self.people:
            lines += [
                f"[people.{extension}]",
                f'name = "Person {extension}"',
                f'password = {{ env = "PASSWORD_{extension}" }}',
                f'ring = "{self.ring}s"',
                *(['role = "director"'] if extension in self.directors else []),
            ]
        lines += [
            "[trunks.provider]",
            f'server = "{PROVIDER}:{self.provider_port}"',
            f'keep_alive = "{self.trunk_keep_alive}"',
            'account = { user = "office", password = { env = "PROVIDER_PASSWORD" } }',
            "[trunks.backup]",
            f'server = "{BACKUP}:{self.backup_port}"',
            f'keep_alive = "{self.trunk_keep_alive}"',
            "[[inbound]]",
            f'number = "{INBOUND}"',
            'to = "person:101"',
            "[[inbound]]",
            f'number = "{INBOUND_ALL}"',
            'to = "person:110"',
            "[[outbound]]",
            'number = "+7XXXXXXXXXX"',
            'trunks = ["provider"]',
            f'as = "{INBOUND}"',
            "[[outbound]]",
            'number = "+44."',
            'trunks = ["provider", "backup"]',
            f'as = "{INBOUND}"',
        ]
        return "\n".join(lines) + "\n"


def ask_options(port: int, within: float = 2.0) -> bytes:
    """Send one OPTIONS and return the answer, empty if none came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        probe.settimeout(within)
        own = f"{HOST}:{probe.getsockname()[1]}"
        unique = time.monotonic_ns()
        probe.sendto(
            (
                f"OPTIONS sip:{HOST}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{unique};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:probe@{own}>;tag={unique}\r\nTo: <sip:{HOST}:{port}>\r\n"
                f"Call-ID: {unique}@{own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            ).encode(),
            (HOST, port),
        )
        try:
            return probe.recv(65535)
        except OSError:
            return b""
