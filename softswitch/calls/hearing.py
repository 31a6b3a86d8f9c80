"""Who hears whom in one conversation: the only place that sets its rows and starts its player."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from softswitch.calls.leg import Leg
from softswitch.errors import NotPossible
from softswitch.media.engine import File, MediaEngine, RoomId, SourceId, Tone
from softswitch.mixer.roles import rows

__all__ = ["Hearing"]


class Hearing:
    """The rows of a conversation's members. A row never names a port that is closed.

    ``player`` is what plays in the room: music for who is held, or what a program plays to the caller.
    """

    def __init__(
        self,
        engine: MediaEngine,
        room: RoomId,
        music: File | Tone,
        *,
        own: Callable[[SourceId], None],
        disown: Callable[[SourceId], None],
    ) -> None:
        """``own`` is told of each player that starts, ``disown`` of each that is stopped."""
        self.player: SourceId | None = None
        self._engine, self._room, self._music = engine, room, music
        self._own, self._disown = own, disown
        self._members: tuple[Leg, ...] = ()
        self._alone: Leg | None = None

    def connect(self, members: Sequence[Leg]) -> None:
        """Let these hear each other as their roles say; what was played to one of them alone is over."""
        if self._alone is not None:
            self.stop()
        self._members = tuple(members)
        self.update()

    def update(self) -> None:
        """Set the rows anew after a hold: who holds is neither heard nor hears; who is held hears music."""
        holding = {leg for leg in self._members if leg.holds}
        if holding and self.player is None:
            with suppress(NotPossible):  # Silence on hold is bad, but no reason to lose the call.
                self._start(self._music)
        for listener, row in rows({leg: leg.role for leg in self._members}).items():
            heard: dict[SourceId, float] = {}
            if listener not in holding:
                heard = {leg.port: gain for leg, gain in row.items() if leg not in holding}
                if holding and self.player is not None:
                    heard[self.player] = 1.0
            self._engine.hear(listener.port, heard)
        if self._members and not holding:
            self.stop()

    def play(self, listener: Leg, source: Tone | File) -> None:
        """Play to one who is alone, instead of what played before. Raises NotPossible."""
        self.stop()
        self._start(source)
        assert self.player is not None
        self._alone = listener
        self._engine.hear(listener.port, {self.player: 1.0})

    def leave(self, leg: Leg) -> None:
        """Part from a member whose port is about to be closed: who stays alone hears nothing."""
        if leg is self._alone:
            self.stop()
        if leg in self._members:
            for member in self._members:
                self._engine.hear(member.port, {})
            self._members = ()
            self.stop()

    def stop(self) -> None:
        """End what plays; harmless when nothing does."""
        if self._alone is not None:
            self._engine.hear(self._alone.port, {})
            self._alone = None
        if self.player is not None:
            self._engine.stop(self.player)
            self._disown(self.player)
            self.player = None

    def ended(self, source: SourceId) -> bool:
        """Note that a player reached its end; return whether it played to one who is alone."""
        if source != self.player:
            return False
        self.player, alone = None, self._alone
        self.stop()
        return alone is not None

    def _start(self, source: Tone | File) -> None:
        self.player = self._engine.play(self._room, source)
        self._own(self.player)
