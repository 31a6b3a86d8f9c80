"""The jitter buffer: packets in any order, 20 ms frames out, as late as the network asks for.

Times are nanoseconds, positions are RTP timestamps at 8 kHz, payload bytes are
samples (G.711). A stream starts to play when its first packet has waited for
the target delay. A packet that comes after its frame was concealed moves the
play-out back and the target up, so it is heard all the same; when for five
seconds even the latest packet came a frame and a half early, one frame is
skipped.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["FRAME", "JitterBuffer", "Put", "State"]

FRAME = 160
SLOTS = 16
PAYLOAD = 240
"""Longest payload of one packet; longer ones are cut before they are put."""
MAX_TARGET = 6
WINDOW = 250
"""Packets after which a shorter delay is tried."""
GIVE_UP = 10
"""Missing frames in a row after which the next packet starts anew (a pause, not a loss)."""
SLACK = 4
"""Frames above the target that may wait before the play-out jumps forward."""
PAST = 8000
"""Samples behind the play-out beyond which the sender's timestamps must have jumped."""
FRAME_NS = 20_000_000
MARGIN_NS = 10_000_000
SAMPLE_NS = 125_000


class Put(IntEnum):
    STORED = 0
    DUPLICATE = 1
    LATE = 2
    RESYNCED = 3


class State(IntEnum):
    IDLE = 0
    FILLING = 1
    PLAYING = 2


class JitterBuffer:
    """One stream's buffer; call ``pop`` every 20 ms."""

    def __init__(self) -> None:
        self.state = State.IDLE
        self.target = 1
        """Frames of delay that are aimed at, 1 to 6."""
        self.late = self.duplicate = self.concealed = self.skipped = 0
        self._held: dict[int, bytes] = {}
        self._play = self._newest_end = 0
        self._first_ns = self._last_pop_ns = 0
        self._missing_run = 0
        self._window = 0
        self._min_margin: int | None = None

    def flush(self) -> None:
        """Forget what is held; the target stays."""
        self._held.clear()
        self.state = State.IDLE

    def put(self, timestamp: int, payload: bytes, now: int) -> Put:
        """Store the samples of one packet, 1 to 240 of them."""
        verdict = Put.STORED
        if self.state is State.IDLE:
            self._fill_from(timestamp, now)
        ahead = _signed(timestamp - self._play)
        if ahead >= SLOTS * FRAME or ahead < -PAST:
            self._fill_from(timestamp, now)
            verdict, ahead = Put.RESYNCED, 0
        if self.state is State.FILLING:
            if ahead < 0:
                self._play = timestamp
        elif ahead + len(payload) <= 0:
            growth = (-ahead + FRAME - 1) // FRAME
            if growth > self._missing_run or self.target + growth > MAX_TARGET:
                self.late += 1
                return Put.LATE
            self.target += growth
            self._play = timestamp
            self._missing_run = 0
            self._restart_window()
        else:
            margin = ahead * SAMPLE_NS + self._last_pop_ns + FRAME_NS - now
            self._min_margin = margin if self._min_margin is None else min(margin, self._min_margin)
            self._window += 1
        if timestamp in self._held:
            self.duplicate += 1
            return Put.DUPLICATE
        if len(self._held) == SLOTS and not self._make_room(timestamp):
            self.late += 1
            return Put.LATE
        self._held[timestamp] = payload
        end = (timestamp + len(payload)) % (1 << 32)
        if _signed(end - self._newest_end) > 0:
            self._newest_end = end
        return verdict

    def pop(self, blank: int, now: int) -> tuple[int, bytes]:
        """Take the frame that is due: how many of its samples came, and the frame with ``blank`` for the others.

        (-1, b"") while no stream is playing: nothing is missing, nobody is talking.
        """
        if self.state is State.IDLE:
            return -1, b""
        if self.state is State.FILLING:
            if now - self._first_ns < (self.target - 1) * FRAME_NS + MARGIN_NS:
                return -1, b""
            self.state = State.PLAYING
            self._play = self._oldest()
        self._shorten()
        frame = bytearray([blank]) * FRAME
        came = 0
        for timestamp in list(self._held):
            payload = self._held[timestamp]
            at = _signed(timestamp - self._play)
            first, last = max(at, 0), min(at + len(payload), FRAME)
            if first < last:
                frame[first:last] = payload[first - at : last - at]
                came += last - first
            if at + len(payload) <= FRAME:
                del self._held[timestamp]
        self._play = (self._play + FRAME) % (1 << 32)
        self._last_pop_ns = now
        if came:
            self._missing_run = 0
            return min(came, FRAME), bytes(frame)
        self._missing_run += 1
        if not self._held and self._missing_run >= GIVE_UP:
            self.state = State.IDLE
            self._missing_run = 0
            return -1, b""
        self.concealed += 1
        return 0, bytes(frame)

    def _restart_window(self) -> None:
        self._window = 0
        self._min_margin = None

    def _fill_from(self, timestamp: int, now: int) -> None:
        self._held.clear()
        self.state = State.FILLING
        self._first_ns = now
        self._play = self._newest_end = timestamp
        self._missing_run = 0
        self._restart_window()

    def _oldest(self) -> int:
        """The first position that is held."""
        return min(self._held, key=lambda timestamp: _signed(timestamp - self._newest_end), default=self._newest_end)

    def _make_room(self, timestamp: int) -> bool:
        """Give up the oldest packet for a newer one."""
        oldest = self._oldest()
        if _signed(timestamp - oldest) < 0:
            return False
        payload = self._held.pop(oldest)
        if self.state is State.PLAYING:
            self._play = (oldest + len(payload)) % (1 << 32)
        self.skipped += 1
        return True

    def _shorten(self) -> None:
        """Skip frames when a burst left too many waiting, or when the network has been better than the target."""
        waiting = _signed(self._newest_end - self._play)
        if waiting > (self.target + SLACK) * FRAME:
            self._skip((waiting - (self.target + 1) * FRAME) // FRAME)
        elif self._window >= WINDOW:
            if self.target > 1 and self._min_margin is not None and self._min_margin >= FRAME_NS + MARGIN_NS:
                self.target -= 1
                self._skip(1)
            self._restart_window()

    def _skip(self, frames: int) -> None:
        self._play = (self._play + frames * FRAME) % (1 << 32)
        self.skipped += frames
        for timestamp, payload in list(self._held.items()):
            if _signed(timestamp + len(payload) - self._play) <= 0:
                del self._held[timestamp]


def _signed(difference: int) -> int:
    difference %= 1 << 32
    return difference - (1 << 32) if difference >= 1 << 31 else difference
