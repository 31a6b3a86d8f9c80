"""Reliable provisional responses (RFC 3262): the sender at the UAS and the receiver at the UAC."""

from __future__ import annotations

from collections import deque
from enum import Enum

from softswitch.sip.headers import CSeq
from softswitch.sip.message import Response
from softswitch.sip.transaction import Timers

__all__ = ["ReliableReceiver", "ReliableSender", "rseq"]


def rseq(response: Response) -> int | None:
    """Return the RSeq of a provisional response that must be acknowledged, else None."""
    return response.rseq if 100 < response.status < 200 and "100rel" in response.require else None


class ReliableSender:
    """UAS side (section 3): one response in flight, resent at T1, 2*T1, ... until its PRACK, for at most 64*T1."""

    def __init__(self, first: int, timers: Timers) -> None:
        self._next, self._timers = first, timers
        self._queue: deque[Response] = deque()
        self._flying: Response | None = None
        self._number = 0
        self._interval = self._resend_at = self._give_up_at = 0.0

    @property
    def idle(self) -> bool:
        """Whether every response was acknowledged."""
        return self._flying is None

    @property
    def deadline(self) -> float | None:
        return min(self._resend_at, self._give_up_at) if self._flying is not None else None

    def send(self, response: Response, now: float) -> list[Response]:
        """Number a response and return what to send now; later ones wait for the PRACK of the first."""
        response.headers.set("RSeq", str(self._next))
        self._next += 1
        self._queue.append(response)
        return [] if self._flying is not None else self._fly(now)

    def acknowledge(self, which: tuple[int, CSeq] | None, now: float) -> list[Response] | None:
        """Take a PRACK; return what to send next, None when it acknowledges nothing that is in flight (481)."""
        if self._flying is None or which != (self._number, self._flying.cseq):
            return None
        self._flying = None
        return self._fly(now)

    def tick(self, now: float) -> list[Response] | None:
        """Return what to send again, None when the peer stayed silent for 64*T1 (reject the INVITE with a 5xx)."""
        if self._flying is None or now < min(self._resend_at, self._give_up_at):
            return []
        if now >= self._give_up_at:
            self.stop()
            return None
        self._interval *= 2
        self._resend_at = now + self._interval
        return [self._flying]

    def stop(self) -> None:
        """A final response was sent: nothing is resent any more."""
        self._flying = None
        self._queue.clear()

    def _fly(self, now: float) -> list[Response]:
        if not self._queue:
            return []
        self._flying = self._queue.popleft()
        self._number = int(self._flying.headers.get("RSeq") or 0)
        self._interval = self._timers.t1
        self._resend_at, self._give_up_at = now + self._interval, now + 64 * self._timers.t1
        return [self._flying]


class ReliableReceiver:
    """UAC side (section 4), one per early dialog: takes responses in order, each once."""

    Verdict = Enum("Verdict", "NEW SEEN EARLY")

    def __init__(self) -> None:
        self._last: int | None = None

    def receive(self, number: int) -> Verdict:
        """NEW must be acknowledged; SEEN is a retransmission; EARLY overtook another one and is to be ignored."""
        if self._last is None or number == self._last + 1:
            self._last = number
            return self.Verdict.NEW
        return self.Verdict.SEEN if number <= self._last else self.Verdict.EARLY
