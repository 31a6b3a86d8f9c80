"""What the API needs of the switch behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from typing_extensions import TypedDict

from softswitch.api.commands import Commands
from softswitch.bus import Bus
from softswitch.clock import Clock
from softswitch.directory.people import Directory
from softswitch.ids import ConversationId
from softswitch.records.live import Live
from softswitch.records.query import Records

__all__ = ["Exchange", "Mode", "Supervision", "SupervisionRow", "present_of"]

Mode = Literal["listen", "whisper", "whisper to customer", "barge", "take over"]


class SupervisionRow(TypedDict):
    """``by`` stands beside ``person``: a supervisor, or in mode "prompt" a colleague who was asked for help.

    ``by`` is empty while it is open which colleague will answer, ``conversation`` null while a supervisor waits for
    the next one; ``active`` once he hears.
    """

    id: str
    by: str
    mode: Literal["listen", "whisper", "whisper to customer", "barge", "take over", "prompt"]
    person: str
    conversation: str | None
    follow: bool
    active: bool


class Supervision(Protocol):
    """Supervising, as ``calls`` does it. Failures are NoSuch, NotPermitted and NotPossible."""

    @property
    def supervisions(self) -> Sequence[SupervisionRow]: ...

    def supervise(
        self,
        by: str,
        mode: Mode,
        *,
        person: str,
        follow: bool,
        park: bool = False,
        conversation: ConversationId | None = None,
    ) -> SupervisionRow:
        """Call the supervisor's devices and put him beside ``person``; in "take over" he is there already.

        ``conversation``: in which of that one's, None where he talks now. ``park``: whom he takes over from waits with
        music, and any other mode gives the conversation back.
        """
        ...

    def change(self, supervision: str, mode: Mode, *, park: bool = False) -> SupervisionRow: ...

    def end(self, supervision: str) -> None: ...

    def invite_prompter(self, person: str, to: str, conversation: ConversationId | None = None) -> SupervisionRow:
        """Call ``to``, "person:105", "group:support" or "skill:tariffs", to prompt ``person``."""
        ...


class Exchange(Protocol):
    """One switch. ``supervision`` None: this one cannot supervise."""

    @property
    def clock(self) -> Clock: ...

    @property
    def live(self) -> Live: ...

    @property
    def bus(self) -> Bus: ...

    @property
    def records(self) -> Records: ...

    @property
    def reviewing(self) -> asyncio.Lock:
        """Held from where a review is read to where it is changed."""
        ...

    @property
    def commands(self) -> Commands: ...

    @property
    def supervision(self) -> Supervision | None: ...

    @property
    def directory(self) -> Directory: ...

    @property
    def recordings(self) -> Path:
        """The folder of the recordings."""
        ...

    @property
    def language(self) -> str: ...

    @property
    def alarms(self) -> Sequence[str]: ...

    def hang_up(self, conversation: ConversationId) -> None:
        """End a conversation. Raises NoSuch."""
        ...

    def mask(self, conversation: ConversationId, masked: bool, by: str) -> None:
        """Keep a conversation out of its recording from now on, or end that. Raises NoSuch and NotPossible."""
        ...

    def scores(self, conversation: ConversationId) -> Mapping[str, float]:
        """Return the opinion scores so far of a running conversation's legs, by their ids."""
        ...

    def metrics(self) -> tuple[bytes, str] | None:
        """Return the exposition for Prometheus and its content type, None if this switch has none."""
        ...


def present_of(exchange: Exchange, conversation: ConversationId) -> datetime:
    """Return the present by the clock that a conversation which runs began with, else the civil time."""
    fold, clock = exchange.live.conversations.get(conversation), exchange.clock
    return clock.utc() if fold is None else fold.present(clock.now(), clock.utc())
