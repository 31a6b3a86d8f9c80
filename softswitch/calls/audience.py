"""Who stands beside the two who talk: supervisors and prompters, and their legs in the conversation's room."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from softswitch.calls.hearing import Hearing
from softswitch.calls.leg import Leg, Visitor
from softswitch.calls.recording import ConversationRecording
from softswitch.errors import NotPossible
from softswitch.media.engine import File, Tone

__all__ = ["Audience"]

DENIALS = 3
"""How often the cadence of congestion is heard by whom something is denied."""


class Audience:
    """The visitors of one conversation. No other leg is touched by what they do but for its row."""

    def __init__(
        self, hearing: Hearing, recording: ConversationRecording, sides: Callable[[], tuple[Leg, ...]]
    ) -> None:
        self.legs: list[Leg] = []
        """The legs that take part."""
        self._hearing, self._recording, self._sides = hearing, recording, sides
        self._visitors: list[Visitor] = []

    def admit(self, visitor: Visitor) -> None:
        """Tell a visitor what happens here; ``hear`` lets his leg take part."""
        self._visitors.append(visitor)

    def dismiss(self, visitor: Visitor) -> None:
        if visitor in self._visitors:
            self._visitors.remove(visitor)

    def hear(self, leg: Leg) -> None:
        """Let a leg take part as its role says, now or anew."""
        if leg not in self.legs:
            self.legs.append(leg)
        self._hearing.join(leg)
        self.record()

    def part_from(self, leg: Leg) -> None:
        """A leg is about to be closed."""
        self._hearing.leave(leg)
        self.forget(leg)

    def forget(self, leg: Leg) -> None:
        """A leg is a visitor's no longer."""
        if leg in self.legs:
            self.legs.remove(leg)
            self.record()

    def record(self) -> None:
        """Record the two sides and the visitors as they are now."""
        self._recording.follow((*self._sides(), *self.legs))

    def tell(self, sound: Tone | File, *listeners: Leg) -> None:
        """Let these hear something short besides what they hear: that somebody listens, or that nobody helps."""
        with suppress(NotPossible):  # no player left: a beep is no reason to refuse
            self._hearing.notify(listeners, sound)

    def deny(self, leg: Leg, refusal: Tone) -> None:
        """Let one visitor hear that his key had no effect."""
        with suppress(NotPossible):
            self._hearing.notify((leg,), replace(refusal, repeat=DENIALS))

    def talking(self, now: float) -> None:
        """The two talk from now on."""
        for visitor in list(self._visitors):
            visitor.talking(now)

    def over(self, now: float) -> None:
        """The two no longer talk."""
        for visitor in list(self._visitors):
            visitor.over(now)
