"""What the load generator remembers of each call and registration, and what it counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

Address = tuple[str, int]

T1, T2, GIVE_UP = 0.5, 4.0, 32.0
"""Seconds: RFC 3261 timers T1 and T2, and 64*T1."""


@dataclass(slots=True, eq=False)
class Call:
    """The caller's side of one call."""

    number: int
    caller: str
    called: str
    call_id: bytes
    hold: float | None
    started: float = 0.0
    cseq: int = 1
    state: str = "calling"
    to_tag: bytes = b""
    target: bytes = b""
    request: bytes = b""
    next_repeat: float = 0.0
    interval: float = T1
    give_up: float = 0.0


@dataclass(slots=True, eq=False)
class Answer:
    """The callee's side of one call; ``answer`` is repeated until the ACK comes, ``cseq`` that of its INVITE."""

    answer: bytes
    where: Address
    next_repeat: float
    give_up: float
    cseq: bytes
    interval: float = T1
    acked: bool = False


@dataclass(slots=True, eq=False)
class Registering:
    user: str
    call_id: bytes
    cseq: int = 1
    request: bytes = b""
    started: float = 0.0
    next_repeat: float = 0.0
    interval: float = T1
    give_up: float = 0.0


@dataclass(slots=True)
class Tally:
    """What became of the calls or registrations of one run; ``setup`` in seconds, from the first request to its 200."""

    attempted: int = 0
    answered: int = 0
    completed: int = 0
    failed: int = 0
    timeouts: int = 0
    early_ends: int = 0
    repeats: int = 0
    server_repeats: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    setup: list[float] = field(default_factory=list)
    peak: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls: ``number`` and ``secret`` of a person, or a number outside without a secret."""

    number: str
    secret: str = ""
