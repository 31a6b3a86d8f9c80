"""What the dial plan consists of; an immutable snapshot of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["SUPERVISE", "Inbound", "Outbound", "Plan", "Trunk"]

SUPERVISE = "supervise"
"""Where an inbound number goes that is for supervising from outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A provider or another exchange: a static peer, known by its address.

    ``addresses`` are numeric hosts or networks ("203.0.113.0/28") from which its calls come;
    ``calls`` bounds simultaneous calls, None is no bound. ``user`` answers its challenges, only
    for ``realm`` if that is set; the password is kept apart (``directory.accounts.Account``).
    A call from which nothing at all is heard for ``timeout`` seconds goes on to the next trunk;
    every ``keep_alive`` seconds the trunk is asked whether it is there, never if that is None.
    ``digits``: how digits are sent to it where "auto" would be wrong, see ``calls.leg.Media``.
    """

    name: str
    host: str
    port: int = 5060
    transport: Literal["udp", "tcp"] = "udp"
    addresses: tuple[str, ...] = ()
    user: str | None = None
    realm: str | None = None
    calls: int | None = None
    timeout: float = 4.0
    keep_alive: float | None = 30.0
    digits: Literal["auto", "info", "sound"] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """Calls from trunks to ``number`` (pattern in E.164) go ``to`` "person:101" or SUPERVISE; ``trunk`` None is any."""

    number: str
    to: str
    trunk: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """Numbers of this pattern go through the first of ``trunks`` that works.

    The called party is shown the person's own outside number, else ``caller`` (E.164).
    """

    number: str
    trunks: tuple[str, ...]
    caller: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``country`` (ISO 3166) and ``area`` say how national and local numbers are read into E.164."""

    inbound: tuple[Inbound, ...] = ()
    outbound: tuple[Outbound, ...] = ()
    trunks: Mapping[str, Trunk]
    country: str = "RU"
    area: str = ""
