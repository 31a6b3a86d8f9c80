"""linphonec as a telephone: a third independent stack, and the one that speaks SHA-256 digest; driven by its stdin."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.running import HOST, free_port


class Softphone:
    """One linphonec; its log holds every message that it sends or receives."""

    def __init__(self, program: str, folder: Path) -> None:
        # Without this folder in its home it does not start its database.
        (folder / ".local/share/linphone").mkdir(parents=True)
        port, sound = free_port(), free_port(room=100)
        # A TCP port of 0 would turn UDP off as well.
        (folder / "rc").write_text(
            f"[sip]\nsip_port={port}\nsip_tcp_port={port}\nsip_tls_port=0\n"
            f"[rtp]\naudio_rtp_port={sound}-{sound + 98}\n[net]\nfirewall_policy=0\n"
        )
        self._log = folder / "log.txt"
        with (folder / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(
                [program, "-c", str(folder / "rc"), "-d", "6", "-l", str(self._log)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "HOME": str(folder)},
                start_new_session=True,
            )
        # Else it describes itself by its first IPv6 address.
        self._say("ipv6 disable")

    def register(self, extension: int, server: int) -> None:
        self._say(f"register sip:{extension}@{HOST}:{server} sip:{HOST}:{server} secret-{extension}")

    @property
    def proofs(self) -> set[str]:
        """The algorithms of its answers to challenges."""
        log = self._log.read_text(errors="replace") if self._log.exists() else ""
        return set(re.findall(r"^Authorization:.*algorithm=([\w-]+)", log, re.MULTILINE))

    def end(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()


@dataclass
class Linphone:
    """Starts softphones; all that it started are gone after ``end``."""

    program: str
    folder: Path
    running: list[Softphone] = field(default_factory=list)

    def softphone(self) -> Softphone:
        self.running.append(Softphone(self.program, self.folder / f"linphone-{len(self.running)}"))
        return self.running[-1]

    def end(self) -> None:
        for softphone in self.running:
            softphone.end()
