"""baresip as a telephone: an independent SIP and RTP stack, driven by its ctrl_tcp module."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop import sound
from tests.interop.running import HOST, free_port, until

MODULES = next((path for path in Path("/usr/lib").glob("**/baresip/modules") if path.is_dir()), Path("/usr/lib"))
READY_WITHIN = 8.0
LONGEST = 90.0
"""Seconds of its tone; baresip hangs up at the end of the file."""


class Telephone:
    """One baresip. ``control`` speaks netstrings of JSON; the log holds its SIP trace."""

    def __init__(self, program: str, folder: Path, extension: int, server: int, tone: float, codecs: str) -> None:
        self.extension = extension
        self.port = free_port()
        self._folder = folder
        self._control_port = free_port()
        self._control: socket.socket | None = None
        folder.mkdir()
        sound.write(folder / "said.wav", sound.tone(tone, LONGEST))
        (folder / "config").write_text(self._config())
        (folder / "contacts").write_text("\n")
        (folder / "accounts").write_text(
            f"<sip:{extension}@{HOST}:{server}>;auth_user={extension};auth_pass=secret-{extension};regint=300;"
            f"answermode=auto;audio_codecs={codecs};ptime=20\n"
        )
        with (folder / "log.txt").open("wb") as log:
            # Its standard input must stay open, or it reads the end of file as the wish to quit.
            self._process = subprocess.Popen(
                [program, "-s", "-f", str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    # What it says -----------------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        return (self._folder / "log.txt").read_text(errors="replace")

    def wait_for(self, text: str, within: float = READY_WITHIN, times: int = 1) -> None:
        try:
            until(lambda: self.log.count(text) >= times, f"baresip {self.extension} says {text!r}", within)
        except AssertionError as missing:
            raise AssertionError(f"{missing}\n{self.log[-6000:]}") from None

    @property
    def digits(self) -> str:
        """Digits that arrived as RFC 4733 events, in order."""
        return "".join(re.findall(r"received event: '(.)' \(end=1\)", self.log))

    @property
    def ears(self) -> tuple[sound.Samples, ...]:
        """What its loudspeaker got; complete once the call is over."""
        (path,) = self._folder.glob("dump-*-dec.wav")
        until(lambda: not self._writes(path), f"baresip {self.extension} has written {path.name}", READY_WITHIN)
        return sound.read(path).channels

    def _writes(self, path: Path) -> bool:
        """Whether it has the file open still: it says that the call is over before it closes it."""
        try:
            held = list(Path(f"/proc/{self._process.pid}/fd").iterdir())
        except FileNotFoundError:
            return False
        return any(os.path.realpath(one) == str(path.resolve()) for one in held)

    @property
    def heard(self) -> sound.Samples:
        (only,) = self.ears
        return only

    # What it does -----------------------------------------------------------------------------------------------------

    def registered(self) -> None:
        self.wait_for("/UDP/v4} 200 OK")

    @property
    def media_port(self) -> int:
        """The port from which it sends sound: that of its last description."""
        described = re.findall(r"tool:baresip[^\n]*\n(?:[^\n]*\n)*?m=audio (\d+) ", self.log.replace("\r", ""))
        return int(described[-1])

    def dial(self, extension: int, server: int) -> None:
        self.command("dial", f"sip:{extension}@{HOST}:{server}")

    def talks(self, within: float = READY_WITHIN, times: int = 1) -> None:
        self.wait_for("Call established", within, times)

    def press(self, digits: str) -> None:
        for digit in digits:
            self.command("sndcode", digit)

    def hang_up(self) -> None:
        self.command("hangup")

    def released(self, within: float = READY_WITHIN, times: int = 1) -> None:
        """Wait until its call is over, for whatever reason."""
        try:
            until(
                lambda: len(re.findall(r"session closed|Call with .* terminated", self.log)) >= times,
                f"the call of {self.extension} ends",
                within,
            )
        except AssertionError as missing:
            raise AssertionError(f"{missing}\n{self.log[-6000:]}") from None

    def command(self, name: str, params: str = "") -> None:
        if self._control is None:
            self._control = until(self._connect, f"baresip {self.extension} takes commands", READY_WITHIN)
        words = json.dumps({"command": name, "params": params}).encode()
        self._control.sendall(b"%d:%s," % (len(words), words))

    def end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _connect(self) -> socket.socket | None:
        try:
            return socket.create_connection((HOST, self._control_port), 1.0)
        except OSError:
            return None

    def _config(self) -> str:
        return "\n".join(
            [
                f"sip_listen {HOST}:{self.port}",
                f"net_interface {HOST}",
                f"module_path {MODULES}",
                *(f"module {name}.so" for name in ("g711", "g722", "opus", "aufile", "sndfile")),
                "module_tmp account.so",
                *(f"module_app {name}.so" for name in ("contact", "menu", "ctrl_tcp")),
                f"ctrl_tcp_listen {HOST}:{self._control_port}",
                f"audio_source aufile,{self._folder}/said.wav",
                f"audio_player aufile,{self._folder}/unused.wav",
                "ausrc_srate 8000",
                "auplay_srate 8000",
                "ausrc_channels 1",
                "auplay_channels 1",
                f"snd_path {self._folder}",
                "rtp_ports 10000-19999",
                "",
            ]
        )


@dataclass
class Baresip:
    """Starts telephones; all that it started are gone after ``end``."""

    program: str
    folder: Path
    running: list[Telephone] = field(default_factory=list)

    def telephone(
        self, extension: int, server: int, *, tone: float, codecs: str = "PCMA/8000/1,PCMU/8000/1"
    ) -> Telephone:
        """Return a telephone that is registered with the switch and says ``tone`` Hz whenever it talks."""
        folder = self.folder / f"{len(self.running)}-{extension}"
        telephone = Telephone(self.program, folder, extension, server, tone, codecs)
        self.running.append(telephone)
        telephone.registered()
        return telephone

    def end(self) -> None:
        for telephone in self.running:
            telephone.end()
