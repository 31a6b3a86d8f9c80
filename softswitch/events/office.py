"""Facts about the switch itself, and about the devices and trunks that it serves."""

from __future__ import annotations

from datetime import datetime

from softswitch.events.event import Event
from softswitch.frozen import dataclass

__all__ = [
    "AccountBanned",
    "BanLifted",
    "ConfigRefused",
    "ConfigReloaded",
    "DeviceBound",
    "DeviceReachability",
    "DeviceUnbound",
    "SwitchStarted",
    "SwitchStopped",
    "TrunkReachability",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchStarted(Event):
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchStopped(Event):
    """An orderly stop; a start without it before means that the process died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReloaded(Event):
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRefused(Event):
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBound(Event):
    """A contact registered or refreshed. Enough to call it again after a restart."""

    person: str
    contact: str
    transport: str
    remote_host: str
    remote_port: int
    local_host: str
    local_port: int
    call_id: str
    cseq: int
    expires_at: datetime
    registered_at: datetime
    user_agent: str = ""
    path: tuple[str, ...] = ()
    refreshed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUnbound(Event):
    person: str
    contact: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReachability(Event):
    """``why`` "disconnected": its connection ended with the process before, and it has yet to make another."""

    person: str
    contact: str
    reachable: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkReachability(Event):
    """A trunk is taken for dead, or taken back; ``why`` in a few words."""

    trunk: str
    reachable: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBanned(Event):
    """Too many wrong passwords for ``account`` came from the address ``source``."""

    source: str
    account: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BanLifted(Event):
    """Somebody ended a ban before its time."""

    source: str
    account: str
