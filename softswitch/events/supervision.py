"""Facts about who stands beside a conversation, and who talks in whose place.

``supervisor``, ``employee`` and ``colleague`` are extensions, ``mode`` is a word of ``calls.modes.Mode``.
"""

from __future__ import annotations

from softswitch.events.event import Event
from softswitch.frozen import dataclass
from softswitch.ids import LegId

__all__ = [
    "GivenBack",
    "HelpAsked",
    "HelpEnded",
    "HelpRefused",
    "HelpStarted",
    "SupervisionChanged",
    "SupervisionEnded",
    "SupervisionRefused",
    "SupervisionStarted",
    "TakenOver",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionStarted(Event):
    """From now on the supervisor hears; ``via`` is how it was asked for: "code", "key", "cli", "api" or "mobile".

    ``why`` he may, in the words of ``permissions.Reason``.
    """

    leg: LegId
    supervisor: str
    employee: str
    mode: str
    via: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionChanged(Event):
    leg: LegId
    supervisor: str
    employee: str
    mode: str
    before: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionEnded(Event):
    """``cause``: "hung up", "stopped", "conversation over", "moved on", "taken over" or that of a ``LegEnded``."""

    leg: LegId
    supervisor: str
    employee: str
    mode: str
    cause: str
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionRefused(Event):
    """Nothing was changed; ``action`` is a mode, "take over" or "PIN", ``reason`` a sentence.

    ``supervisor`` and ``employee`` are "" of who did not prove who he is.
    """

    supervisor: str
    employee: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver(Event):
    """The supervisor talks instead of the employee; his own leg is a party's from now on.

    ``parked`` is the employee's leg where it waits with music until ``GivenBack``; None: it ends.
    """

    leg: LegId
    supervisor: str
    employee: str
    parked: LegId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack(Event):
    """The employee, on the leg ``to``, talks again; the supervisor's leg stands beside the conversation, or is over."""

    leg: LegId
    supervisor: str
    employee: str
    to: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpAsked(Event):
    """The employee wants a prompter; the devices of ``colleagues`` ring."""

    employee: str
    colleagues: tuple[str, ...]
    via: str
    skill: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpStarted(Event):
    """``colleague`` hears both, and only the employee hears him; ``waited`` is how long he was asked for."""

    leg: LegId
    colleague: str
    employee: str
    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpEnded(Event):
    """``cause`` as in ``SupervisionEnded``; ``duration`` is how long the help took."""

    leg: LegId
    colleague: str
    employee: str
    cause: str
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpRefused(Event):
    """Nobody came; ``reason`` is a sentence."""

    employee: str
    reason: str
