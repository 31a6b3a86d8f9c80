"""The settings of one switch: what the file said, checked, with every default filled in; immutable.

A reload makes a new ``Settings`` and swaps it in; calls keep the one they began with.
Seconds are floats, paths are absolute, numbers are E.164. No secret shows in ``repr``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from softswitch.dialplan.codes import KEYS, Codes
from softswitch.dialplan.routes import Plan
from softswitch.directory.accounts import Account
from softswitch.directory.people import Directory
from softswitch.media.engine import Codec

__all__ = [
    "Language",
    "Listener",
    "Network",
    "RecordingOptions",
    "RtpOptions",
    "Settings",
    "SipOptions",
    "SwitchOptions",
    "WebOptions",
]

Language = Literal["en", "ru"]
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Listener:
    """One address to listen on; ``host`` is numeric, port 0 lets the system choose."""

    transport: Literal["udp", "tcp"]
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOptions:
    """``database`` is SQLite's file or a PostgreSQL URL, as ``store.Database`` takes it; ``data`` a folder.

    ``music`` is what a held party hears, None for the built-in melody; ``music_play`` how (``File``).
    ``country`` is an ISO 3166-1 code.
    """

    name: str
    domain: str
    language: Language
    timezone: str
    data: Path
    database: Path | str = field(repr=False)
    music: Path | None = None
    music_play: Literal["order", "shuffle", "together"] = "order"
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipOptions:
    """``public`` is told to peers outside ``local_nets``; None: the address of the interface that reaches them.

    A registration lasts from ``expires_min`` to ``expires`` seconds; a person has at most ``contacts`` of them.
    """

    listen: tuple[Listener, ...]
    public: str | None
    local_nets: tuple[Network, ...]
    digest: tuple[str, ...]
    expires: float
    expires_min: float
    contacts: int
    keep_alive: float
    session_expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpOptions:
    """Ports are inclusive; ``threads`` None lets the media core choose; ``timeout`` ends a silent call."""

    port_low: int
    port_high: int
    codecs: tuple[Codec, ...]
    threads: int | None
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOptions:
    """``keep`` is in seconds, None is for ever."""

    what: Literal["all", "none"]
    folder: Path
    keep: float | None
    whisper_track: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """Where the API listens; ``host`` is numeric, port 0 lets the system choose.

    ``origin`` is what browsers call it when that is not its own address ("https://pbx.example"), None else.
    ``proxies`` are the addresses whose X-Forwarded-For and X-Forwarded-Proto are believed.
    """

    host: str
    port: int
    origin: str | None = None
    proxies: tuple[str, ...] = ()

    @property
    def listen(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything; ``accounts`` answer the challenges of trunks, by trunk name; without ``web`` there is no API."""

    path: Path
    switch: SwitchOptions
    sip: SipOptions
    rtp: RtpOptions
    recording: RecordingOptions
    directory: Directory
    plan: Plan
    accounts: Mapping[str, Account]
    web: WebOptions | None = None
    codes: Codes = Codes()
    keys: Mapping[str, str] = field(default_factory=lambda: KEYS)
