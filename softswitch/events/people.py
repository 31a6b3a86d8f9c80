"""Facts about people and what they were let do over the API."""

from __future__ import annotations

from softswitch.events.event import Event
from softswitch.frozen import dataclass

__all__ = [
    "AccessGranted",
    "AccessRefused",
    "LoggedIn",
    "LoggedOut",
    "LoginRefused",
    "PasswordChanged",
    "TokenMade",
    "TokenRevoked",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn(Event):
    """``source`` is the address that the person came from."""

    person: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut(Event):
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRefused(Event):
    """Somebody gave a wrong password for ``person``, who need not exist; ``wait`` s before the next try."""

    person: str
    source: str
    wait: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    """``by`` is an extension, or "console" for the command line."""

    person: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade(Event):
    person: str
    name: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(Event):
    person: str
    name: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted(Event):
    """``by`` did something that others may ask about later: ``action`` is a ``directory.permissions.Action``.

    ``about`` are the people concerned.
    """

    by: str
    action: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRefused(Event):
    """As ``AccessGranted``; ``reason`` is a ``directory.permissions.Reason``."""

    by: str
    action: str
    about: tuple[str, ...] = ()
    reason: str = ""
