"""What an employee asks his head to hear, and what is said to it.

``employee``, who asked, and ``by``, who answers, are extensions. They concern nobody else.
"""

from __future__ import annotations

from softswitch.events.event import Event
from softswitch.frozen import dataclass

__all__ = ["ReviewAsked", "ReviewClosed", "ReviewCommented", "ReviewMarked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAsked(Event):
    """``employee`` wants a head to hear this conversation of his and to advise; a closed review is open again.

    ``note`` says what it is about; ``via`` is "api", "cli" or "code".
    """

    employee: str
    note: str
    via: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCommented(Event):
    """``position`` is in seconds of the recording with this number, counted from 1; None: it is about the whole."""

    employee: str
    by: str
    text: str
    recording: int
    position: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewMarked(Event):
    """``mark`` is from 1 to 5, the best; the last one counts."""

    employee: str
    by: str
    mark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewClosed(Event):
    """It is nobody's task any more; ``by`` may be who asked."""

    employee: str
    by: str
