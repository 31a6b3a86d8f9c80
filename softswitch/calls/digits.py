"""Digits of one party, each told once, by however many ways its telephone sends it.

A telephone may send a key as RFC 4733 event, as INFO and as sound, all at once.
Telling presses apart by time alone would swallow the second of two quick equal
digits: what counts is whether a way has told of this press already.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from softswitch.media.engine import Means

__all__ = ["Keypad"]

TOGETHER = 1.5
"""Seconds within which all ways tell of one press: INFO waits for the answer of the one before it."""

PATIENCE = 0.5
"""Seconds that an INFO waits for the RTP event or the sound of its key: that is passed on without us, and must not be
passed on twice."""


@dataclass(slots=True)
class _Press:
    digit: str
    at: float
    means: set[Means] = field(default_factory=set)
    waits: bool = False


class Keypad:
    """Takes what is told of presses and returns the digits that are new."""

    def __init__(self) -> None:
        self._presses: deque[_Press] = deque(maxlen=64)
        self._info_alone = False

    def press(self, digit: str, means: Means, now: float, *, heard: bool = False) -> str:
        """Return the digit if it is new, else "". ``heard``: others hear what the party sends as event or as sound."""
        while self._presses and now - self._presses[0].at > TOGETHER and not self._presses[0].waits:
            self._presses.popleft()
        for known in self._presses:
            if known.digit == digit and means not in known.means and now - known.at <= TOGETHER:
                known.means.add(means)
                waited, known.waits = known.waits, False
                return digit if waited else ""
        press = _Press(digit, now, {means})
        self._presses.append(press)
        if means is Means.INFO and heard and not self._info_alone:
            press.waits = True
            return ""
        return digit

    @property
    def deadline(self) -> float | None:
        """When ``tick`` is to be called."""
        return next((press.at + PATIENCE for press in self._presses if press.waits), None)

    def tick(self, now: float) -> str:
        """Return the digits for which nothing but INFO came, in order."""
        due = [press for press in self._presses if press.waits and now >= press.at + PATIENCE]
        for press in due:
            press.waits = False
            # Telephones set to INFO may agree on events all the same, and send none.
            self._info_alone = True
        return "".join(press.digit for press in due)
