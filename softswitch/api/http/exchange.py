"""What the API needs of the switch behind it."""

from __future__ import annotations

from collections.abc import Sequence
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

__all__ = ["Exchange", "Mode", "PrompterRow", "Supervision", "SupervisionRow"]

Mode = Literal["listen", "whisper", "whisper to customer", "barge", "take over"]


class SupervisionRow(TypedDict):
    """One supervisor beside one conversation; ``conversation`` is null while he waits for the person's next call."""

    id: str
    by: str
    mode: Mode
    person: str
    conversation: str | None
    follow: bool
    since: str


class PrompterRow(TypedDict):
    """One colleague called to prompt; ``state`` "ringing" until he answers."""

    id: str
    conversation: str
    person: str
    asked_by: str
    state: Literal["ringing", "prompting"]


class Supervision(Protocol):
    """Supervising, as ``calls`` does it. Who may is decided before; failures are NoSuch and NotPossible."""

    def supervise(
        self, by: str, mode: Mode, *, person: str, conversation: ConversationId | None, follow: bool
    ) -> SupervisionRow:
        """Call the supervisor's devices and put him beside ``person``, in this conversation or the next one."""
        ...

    def change(self, supervision: str, mode: Mode) -> SupervisionRow: ...

    def end(self, supervision: str) -> None: ...

    @property
    def supervisions(self) -> Sequence[SupervisionRow]: ...

    def invite_prompter(self, conversation: ConversationId, by: str, to: str) -> PrompterRow:
        """Call ``to``, "person:105" or "group:support", to prompt the employee of the conversation."""
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

    def metrics(self) -> tuple[bytes, str] | None:
        """Return the exposition for Prometheus and its content type, None if this switch has none."""
        ...
