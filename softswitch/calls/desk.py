"""What a call needs of its surroundings, and what a program that attends to a caller must be able to take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from softswitch.dialplan.routes import Trunk
from softswitch.events import Event
from softswitch.ids import Ids
from softswitch.media.engine import MediaEngine, PortId, RecordingId, SourceId
from softswitch.sip.events import Binding, Invite, SessionCommand, SessionId

if TYPE_CHECKING:
    from softswitch.calls.call import Call

__all__ = ["Attendant", "Desk"]


class Desk(Protocol):
    """Commands take effect in order, after the input that caused them is done; facts are written at once.

    ``owns_...`` says whose news of the media core are; ``released`` that nothing more is wanted of a source.
    """

    ids: Ids
    engine: MediaEngine

    def publish(self, event: Event) -> None: ...
    def utc(self) -> datetime: ...

    def invite(self, call: Call, invite: Invite) -> SessionId: ...
    def command(self, session: SessionId, command: SessionCommand) -> None: ...
    def call_id(self, session: SessionId) -> str: ...
    def dialog(self, session: SessionId) -> str | None: ...
    def bindings(self, person: str) -> Sequence[Binding]: ...
    def free_lines(self, trunk: Trunk) -> bool: ...

    def in_order(self, trunks: Sequence[Trunk]) -> tuple[Trunk, ...]: ...
    def trunk_failed(self, name: str) -> None: ...

    def media_address(self, remote: str) -> tuple[str, str]: ...
    def owns_port(self, call: Call, port: PortId) -> None: ...
    def owns_source(self, call: Call, source: SourceId) -> None: ...
    def owns_recording(self, call: Call, recording: RecordingId) -> None: ...
    def released(self, media: PortId | SourceId) -> None: ...

    def wake(self, call: Call, at: float | None) -> None: ...
    def closed(self, call: Call) -> None: ...


class Attendant(Protocol):
    """A program that the caller was given to; told of what happens, it answers with the call's commands.

    It may give them at once, from within what it is told. It must not raise: the
    switch has nobody to tell.
    """

    def arrived(self, call: Call) -> None:
        """The caller waits, unanswered."""
        ...

    def digit_pressed(self, digit: str) -> None: ...

    def played(self) -> None:
        """What was played to the caller is over."""
        ...

    def connected(self) -> None:
        """The person or number that was dialled has answered."""
        ...

    def refused(self, result: str) -> None:
        """What was dialled came to nothing; ``result`` as in ``ConversationEnded``. The caller is still there."""
        ...

    def gone(self) -> None:
        """The conversation is over."""
        ...
