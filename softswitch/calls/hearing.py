"""Who hears whom in one conversation: the only place that sets its rows and starts its player."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from softswitch.calls.leg import Leg
from softswitch.errors import NotPossible
from softswitch.media.engine import File, MediaEngine, RoomId, SourceId, Tone
from softswitch.mixer.roles import music, rows

__all__ = ["Hearing"]


class Hearing:
    """The rows of a conversation's members. A row never names a port that is closed.

    ``player`` is what plays in the room: music for who is held, or what a program plays to the caller.
    Besides it short notices may play into single rows.
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
        self._heard, self._plays_music = 0.0, False
        self._own, self._disown = own, disown
        self._sides: tuple[Leg, ...] = ()
        self._visitors: list[Leg] = []
        self._parked: list[Leg] = []
        self._notices: dict[SourceId, tuple[Leg, ...]] = {}
        self._alone: Leg | None = None

    @property
    def silent(self) -> bool:
        """Whether nobody hears anybody, and nothing plays."""
        return not self._sides and self.player is None

    def connect(self, sides: Sequence[Leg]) -> None:
        """Let these hear each other as their roles say; what was played to one of them alone is over."""
        if self._alone is not None:
            self.stop()
        self._sides = tuple(sides)
        self._visitors = [leg for leg in self._visitors if leg not in self._sides]
        self._parked = [leg for leg in self._parked if leg not in self._sides]
        self.update()

    def park(self, leg: Leg) -> None:
        """Let one who is no side any more hear music, and nobody hear him, until ``connect`` or ``leave``."""
        self._parked.append(leg)
        self.update()

    def join(self, visitor: Leg) -> None:
        """Let one more take part as his role says; nothing changes for whom it does not concern."""
        if visitor not in self._visitors:
            self._visitors.append(visitor)
        self.update()

    def update(self) -> None:
        """Set the rows anew after a hold or another role: who is held hears music."""
        members = {leg: leg.role for leg in (*self._sides, *self._visitors)}
        holding = {leg for leg in self._sides if leg.holds}
        waiting = {leg for leg in self._sides if leg.waits}
        music_for = bool(holding or waiting or self._parked)
        if music_for and self.player is None:
            with suppress(NotPossible):  # Silence on hold is bad, but no reason to lose the call.
                self._start_music()
        held = music(members, holding=holding, waiting=waiting)
        for listener, row in rows(members, holding=holding, waiting=waiting).items():
            heard: dict[SourceId, float] = {leg.port: gain * listener.volume for leg, gain in row.items()}
            if listener in held and self.player is not None:
                heard[self.player] = 1.0
            heard |= {notice: 1.0 for notice, listeners in self._notices.items() if listener in listeners}
            self._engine.hear(listener.port, heard)
        for leg in self._parked:
            self._engine.hear(leg.port, {} if self.player is None else {self.player: 1.0})
        if self._sides and not music_for:
            self.stop()

    def notify(self, listeners: Sequence[Leg], source: Tone | File) -> None:
        """Play something short to these besides what they hear. Raises NotPossible."""
        notice = self._engine.play(self._room, source)
        self._own(notice)
        self._notices[notice] = tuple(listeners)
        self.update()

    def play(self, listener: Leg, source: Tone | File) -> None:
        """Play to one who is alone, instead of what played before. Raises NotPossible."""
        self.stop()
        self._start(source)
        assert self.player is not None
        self._alone = listener
        self._engine.hear(listener.port, {self.player: 1.0})

    def leave(self, leg: Leg) -> None:
        """Part from a member whose port is about to be closed: of two sides who stays alone hears nothing."""
        if leg is self._alone:
            self.stop()
        if leg in self._visitors:
            self._visitors.remove(leg)
            self._engine.hear(leg.port, {})
            self.update()
        elif leg in self._parked:
            self._parked.remove(leg)
            self._engine.hear(leg.port, {})
            self.update()
        elif leg in self._sides:
            for member in (*self._sides, *self._visitors, *self._parked):
                self._engine.hear(member.port, {})
            self._sides, self._parked = (), []
            for notice in list(self._notices):
                self._notices.pop(notice)
                self._engine.stop(notice)
                self._disown(notice)
            self.stop()

    def stop(self) -> None:
        """End what plays; harmless when nothing does."""
        if self._alone is not None:
            self._engine.hear(self._alone.port, {})
            self._alone = None
        if self.player is not None:
            if self._plays_music:
                self._heard = self._engine.position(self.player)
            self._engine.stop(self.player)
            self._disown(self.player)
            self.player = None

    def ended(self, source: SourceId) -> bool:
        """Note that a player reached its end; return whether it played to one who is alone."""
        if self._notices.pop(source, None) is not None:
            self.update()
            return False
        if source != self.player:
            return False
        self.player, alone = None, self._alone
        self.stop()
        return alone is not None

    def _start_music(self) -> None:
        """Who is held again hears how the music goes on, not its first bars once more."""
        again = self._music
        self._start(replace(again, start=self._heard) if isinstance(again, File) else again)
        self._plays_music = True

    def _start(self, source: Tone | File) -> None:
        self.player = self._engine.play(self._room, source)
        self._plays_music = False
        self._own(self.player)
