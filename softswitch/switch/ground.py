"""What a switch stands on: folders, ports and file descriptors, looked at before anything is started."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

from softswitch.config.settings import Listener, RtpOptions, Settings
from softswitch.errors import NotPossible
from softswitch.ids import Ids
from softswitch.media import libopus, sounds
from softswitch.media.engine import Codec
from softswitch.media.ports import PortPool

__all__ = [
    "check_folders",
    "check_ports",
    "default_music",
    "default_threads",
    "port_pairs",
    "preload",
    "raise_file_limit",
    "scarcity",
    "speakable",
    "taken",
]

RESERVED = 128
"""File descriptors for everything but audio and telephones: journal, database, recordings, control socket."""


def check_folders(settings: Settings) -> None:
    """Make the folders and prove that files can be made there. Raises NotPossible."""
    for key, folder, mode in (
        ("switch.data", settings.switch.data, 0o700),
        ("recording.folder", settings.recording.folder, 0o750),
    ):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=mode)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            # A full disk is no reason not to carry calls: the journal has its reserve, recordings fail one by one.
            if error.errno in (errno.ENOSPC, errno.EDQUOT) and folder.is_dir():
                continue
            raise NotPossible(f"{key}: {folder} cannot be written: {error.strerror or error}") from error


def check_ports(settings: Settings) -> None:
    """Prove that one call could have its audio ports. Raises NotPossible."""
    rtp = settings.rtp
    host = next((item.host for item in settings.sip.listen), "127.0.0.1")
    try:
        # A pool of its own: in the real one the tried numbers would have to rest.
        pool = PortPool(rtp.port_low, rtp.port_high, Ids())
        pool.release(pool.open(host))
    except NotPossible as error:
        raise NotPossible(f"rtp.ports {rtp.port_low}-{rtp.port_high}: {error}") from error


def taken(listen: Sequence[Listener]) -> str:
    """Return which of the addresses cannot be listened on; all of them when each one can by now."""
    refused = []
    for item in listen:
        kind = socket.SOCK_DGRAM if item.transport == "udp" else socket.SOCK_STREAM
        family = socket.AF_INET6 if ":" in item.host else socket.AF_INET
        with socket.socket(family, kind) as probe:
            if item.transport == "tcp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((item.host, item.port))
            except OSError:
                refused.append(str(item))
    return ", ".join(refused or map(str, listen))


def default_threads() -> int:
    """Media threads when the configuration names no number: one core is left for signalling."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def port_pairs(rtp: RtpOptions) -> int:
    """How many legs can have audio at once: an even port and the next one for each."""
    return len(range(rtp.port_low + rtp.port_low % 2, rtp.port_high, 2))


def raise_file_limit() -> None:
    """Let this process open as many files as the system lets it; two descriptors go into each leg of a call."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def scarcity(settings: Settings) -> list[str]:
    """Say what will not be there when the office is at its fullest; empty when everything will."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    pairs, people = port_pairs(settings.rtp), len(settings.directory.people)
    wanted = 2 * pairs + people + RESERVED
    warnings = []
    if limit != resource.RLIM_INFINITY and limit < wanted:
        legs = max(0, (limit - people - RESERVED) // 2)
        warnings.append(
            f"the process may open {limit} files, {pairs} legs and {people} people want {wanted}: "
            f"from about {legs} legs on, calls will be refused (raise LimitNOFILE)"
        )
    opus = libopus.find()
    if Codec.OPUS in settings.rtp.codecs and isinstance(opus, libopus.Missing):
        warnings.append(f"Opus is not spoken: {opus.reason}")
    return warnings


def speakable(codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """Return those of the codecs that this machine can speak; G.711, which needs nothing, if that is none."""
    if isinstance(libopus.find(), libopus.Library):
        return codecs
    return tuple(codec for codec in codecs if codec is not Codec.OPUS) or (Codec.PCMA, Codec.PCMU)


def default_music(data: Path) -> Path:
    """Return the built-in music as a file, made whole or not at all."""
    path = data / "sounds" / "hold.wav"
    if path.exists():
        return path
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(new), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sounds.RATE)
            file.writeframes(sounds.default_music())
        new.rename(path)
    except OSError:
        new.unlink(missing_ok=True)
    return path


def preload(path: Path, *, shuffled: bool) -> str | None:
    """Decode a sound now as it will be played; return what is wrong with it, None when nothing is."""
    try:
        sounds.load(path, shuffled=shuffled)
    except NotPossible as error:
        return str(error)
    return None
