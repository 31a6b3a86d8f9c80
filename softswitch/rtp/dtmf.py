"""Telephone events (RFC 4733): each digit received once, and digits sent.

Durations and timestamps are samples at 8 kHz; ``now`` is nanoseconds.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

__all__ = ["DIGITS", "Began", "DtmfReceiver", "DtmfSender", "Ended", "Event", "EventPacket", "parse"]

DIGITS = "0123456789*#ABCD!"
"""Digits by event code (RFC 4733 section 3.2); the hook flash is written "!"."""

FRAME = 160
SILENT = 200_000_000
"""Nanoseconds without a packet after which an event is over though its end was not seen."""
RECENT = 80_000
"""Samples during which the packets of an ended event may still come."""
QUEUE = 32
LONGEST = 40_000
"""Samples, 5 s: a key that nobody releases, because who pressed it is gone."""
PAUSE = 3
"""Frames after the first end packet: its two repetitions and a quiet one."""
ENDS = 3
"""The end is sent three times (section 2.5.1.4)."""


@dataclass(frozen=True, slots=True)
class Event:
    """The payload of one packet (section 2.3)."""

    event: int
    end: bool
    volume: int
    duration: int

    def __bytes__(self) -> bytes:
        return struct.pack("!BBH", self.event, self.volume | (0x80 if self.end else 0), min(self.duration, 65_535))


def parse(payload: bytes) -> Event | None:
    """Read a payload; None if it is too short or no event of a telephone keypad."""
    if len(payload) < 4 or payload[0] >= len(DIGITS):
        return None
    event, flags, duration = struct.unpack_from("!BBH", payload)
    return Event(event, bool(flags & 0x80), flags & 0x3F, duration)


@dataclass(frozen=True, slots=True)
class Began:
    event: int


@dataclass(frozen=True, slots=True)
class Ended:
    event: int
    duration: int


class DtmfReceiver:
    """Makes one ``Began`` and one ``Ended`` of the many packets of an event, in whatever order and number they come."""

    def __init__(self) -> None:
        self._event: int | None = None
        self._start = 0
        self._duration = 0
        self._before = 0
        self._heard = 0
        self._done: int | None = None

    @property
    def active(self) -> bool:
        return self._event is not None

    def receive(self, packet: Event, timestamp: int, now: int) -> list[Began | Ended]:
        """Take one packet; the RTP timestamp names the event it belongs to."""
        told: list[Began | Ended] = []
        if self._done is not None and -RECENT < _signed(timestamp - self._done) <= 0:
            return told
        if self._event is not None and timestamp != self._start:
            if -RECENT < _signed(timestamp - self._start) < 0:
                return told
            next_segment = (self._start + 65_535) % (1 << 32)
            if packet.event == self._event and timestamp == next_segment and self._duration == 65_535:
                # Section 2.5.1.3: a long event goes on in a new segment.
                self._before += 65_535
                self._start, self._duration = timestamp, 0
            else:
                told.append(self._finish())
        if self._event is not None and packet.event != self._event:
            return told
        if self._event is None:
            self._event, self._start = packet.event, timestamp
            self._duration = self._before = 0
            told.append(Began(packet.event))
        self._heard = now
        self._duration = max(self._duration, packet.duration)
        # A packet that closes an older event and is a whole event itself tells the older one now;
        # its own end comes with its repetition, or by the timeout.
        if packet.end and not any(isinstance(fact, Ended) for fact in told):
            told.append(self._finish())
        return told

    def tick(self, now: int) -> list[Began | Ended]:
        """End an event of which nothing more was heard: its end packets were lost."""
        if self._event is not None and now - self._heard >= SILENT:
            return [self._finish()]
        return []

    def _finish(self) -> Ended:
        assert self._event is not None
        ended = Ended(self._event, self._before + self._duration)
        self._event = None
        self._done = self._start
        return ended


@dataclass(frozen=True, slots=True)
class EventPacket:
    """One packet to send; ``timestamp`` is that of the event's first frame."""

    event: int
    end: bool
    duration: int
    timestamp: int
    marker: bool


@dataclass(slots=True)
class _Key:
    event: int
    length: int


class DtmfSender:
    """Says what to send in each 20 ms frame while keys are pressed."""

    def __init__(self) -> None:
        self._keys: deque[_Key] = deque()
        self._sending = False
        self._start = 0
        self._duration = 0
        self._ends = 0
        self._pause = 0
        self._ended = 0

    @property
    def busy(self) -> bool:
        return bool(self._keys) or self._pause > 0

    def press(self, event: int, length: int) -> bool:
        """Queue a key for ``length`` samples, 0 until ``release``; False if the queue is full."""
        if len(self._keys) == QUEUE:
            return False
        self._keys.append(_Key(event, length))
        return True

    def release(self, event: int, length: int) -> None:
        """The key that was pressed without a length had this one."""
        for key in self._keys:
            if key.length == 0 and key.event == event:
                key.length = max(length, FRAME)
                return

    def next(self, timestamp: int) -> EventPacket | None:
        """Return the packet of the frame at ``timestamp``; None leaves the frame to audio."""
        if self._pause:
            self._pause -= 1
            if not self._ends:
                return None
            self._ends -= 1
            return EventPacket(self._ended, True, self._duration, self._start, False)
        if not self._keys:
            return None
        key, marker = self._keys[0], not self._sending
        if marker:
            self._sending, self._start, self._duration = True, timestamp, 0
        self._duration += FRAME
        end = self._duration >= (key.length or LONGEST)
        if end:
            self._sending, self._ended = False, key.event
            self._ends, self._pause = ENDS - 1, PAUSE
            self._keys.popleft()
        return EventPacket(key.event, end, self._duration, self._start, marker)


def _signed(difference: int) -> int:
    difference %= 1 << 32
    return difference - (1 << 32) if difference >= 1 << 31 else difference
