"""The four transaction machines of RFC 3261 section 17, as corrected by RFC 6026 and RFC 4320.

A transaction does no I/O and reads no clock: every call takes ``now``, seconds
on any monotonic clock, and returns what the caller must now do, in order. Call
``tick`` when ``deadline`` is reached; a late or early call is harmless. Nothing
that the peer sends raises. After ``Terminated`` every call returns nothing.

Timers have their RFC letters. ``reliable`` is True for TCP: nothing is
retransmitted and the waits for retransmissions (D, I, J, K) are zero.

States are plain strings and not an ``Enum``: matching them is nine times
quicker, they print themselves, and mypy checks them as well.
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from softswitch.frozen import dataclass
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response

__all__ = [
    "Cancel",
    "ClientOutput",
    "Deliver",
    "InviteClient",
    "InviteServer",
    "NonInviteClient",
    "NonInviteServer",
    "Send",
    "ServerOutput",
    "Terminated",
    "TimedOut",
    "Timers",
    "TransportFailed",
    "ack_for",
    "cancel_for",
]

Message = TypeVar("Message", bound=Request | Response)


@dataclass(frozen=True, slots=True)
class Timers:
    """RFC 3261 table 4, in seconds."""

    t1: float = 0.5  # estimated round trip
    t2: float = 4.0  # longest interval between retransmissions of non-INVITE requests and INVITE responses
    t4: float = 5.0  # longest time that a message stays in the network

    @property
    def patience(self) -> float:
        """64*T1: the length of timers B, F, H, J, L and M."""
        return 64 * self.t1

    @property
    def quiet(self) -> float:
        """Seconds until a client's timer E is reset to T2: no 100 may be sent to it earlier (RFC 4320 section 4.1)."""
        interval, elapsed = self.t1, self.t1
        while interval * 2 < self.t2:
            interval *= 2
            elapsed += interval
        return elapsed


# A TU that has not answered an INVITE for so long is spoken for with 100 Trying (RFC 3261 section 17.2.1).
TRYING_AFTER = 0.2
# Timer D must outlast the server's retransmissions over unreliable transports: "at least 32 seconds".
TIMER_D = 32.0


# Outputs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send(Generic[Message]):
    """Put the message on the wire; a retransmission is the same object as before."""

    message: Message


@dataclass(frozen=True, slots=True)
class Deliver(Generic[Message]):
    """Hand the message to the transaction user; it is new to it (but for 2xx to INVITE, RFC 6026 section 7.2)."""

    message: Message


@dataclass(frozen=True, slots=True)
class Cancel:
    """Send the CANCEL that was asked for: there was a provisional response (RFC 3261 section 9.1)."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Tell the transaction user that the peer stayed silent: a 408, or on the server side a missing ACK."""


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """Tell the transaction user that a message could not be sent; treated as a 503."""


@dataclass(frozen=True, slots=True)
class Terminated:
    """The transaction is over and may be forgotten."""


_CANCEL, _TIMED_OUT, _TRANSPORT_FAILED, _TERMINATED = Cancel(), TimedOut(), TransportFailed(), Terminated()

ClientOutput = Send[Request] | Deliver[Response] | Cancel | TimedOut | TransportFailed | Terminated
ServerOutput = Send[Response] | Deliver[Request] | TimedOut | TransportFailed | Terminated


# Requests that a transaction makes by itself ------------------------------------------------------------------------


def ack_for(request: Request, response: Response) -> Request:
    """Return the ACK of a non-2xx final response (RFC 3261 section 17.1.1.3); ``request`` carries our Via."""
    return _hop_request("ACK", request, response.headers.get("To") or "", ())


def cancel_for(request: Request, extra: tuple[tuple[str, str], ...] = ()) -> Request:
    """Return the CANCEL of an INVITE (RFC 3261 section 9.1); ``extra`` are header lines such as Reason."""
    return _hop_request("CANCEL", request, request.headers.get("To") or "", extra)


def _hop_request(method: str, request: Request, to: str, extra: tuple[tuple[str, str], ...]) -> Request:
    ours = request.headers
    headers = Headers()
    headers.add("Via", ours.get("Via") or "")
    headers.add("Max-Forwards", "70")
    for route in ours.all("Route"):
        headers.add("Route", route)
    headers.add("From", ours.get("From") or "")
    headers.add("To", to)
    headers.add("Call-ID", ours.get("Call-ID") or "")
    headers.add("CSeq", f"{request.cseq.number} {method}")
    for name, value in extra:
        headers.add(name, value)
    return Request(method, request.uri, headers)


# Machines -----------------------------------------------------------------------------------------------------------


class _Timed:
    """What the four machines share: running timers by letter."""

    __slots__ = ("_at", "_timers", "reliable")

    def __init__(self, timers: Timers, reliable: bool) -> None:
        self._timers = timers
        self._at: dict[str, float] = {}
        self.reliable = reliable

    @property
    def deadline(self) -> float | None:
        """When ``tick`` is next wanted, or None."""
        return min(self._at.values(), default=None)

    @property
    def running(self) -> str:
        """The running timers and their instants, for people: ``A 1000.50, B 1032.00``."""
        return ", ".join(f"{letter} {at:.2f}" for letter, at in sorted(self._at.items(), key=lambda timer: timer[1]))

    def _due(self, letter: str, now: float) -> bool:
        at = self._at.get(letter)
        return at is not None and at <= now


class InviteClient(_Timed):
    """INVITE client transaction (RFC 3261 section 17.1.1, RFC 6026 section 7.2).

    Whoever keeps many may ``del`` the ``request`` once it is "accepted": nothing
    is sent any more. In "proceeding" no timer runs: the transaction user cancels
    when it is tired of waiting, and 64*T1 after that the transaction is over in
    any case.
    """

    __slots__ = ("_ack", "_cancel", "_interval", "request", "state")

    State = Literal["calling", "proceeding", "accepted", "completed", "terminated"]

    def __init__(self, request: Request, timers: Timers, *, reliable: bool) -> None:
        super().__init__(timers, reliable)
        self.request = request
        self.state: InviteClient.State = "calling"
        self._interval = timers.t1
        self._ack: Request | None = None
        self._cancel: Literal["no", "wanted", "sent"] = "no"

    def start(self, now: float) -> list[ClientOutput]:
        self._at["B"] = now + self._timers.patience
        if not self.reliable:
            self._at["A"] = now + self._interval
        return [Send(self.request)]

    def resume(self) -> None:
        """Go on, instead of ``start``, where another process was when it had sent the request."""
        self.state = "proceeding"

    def receive(self, response: Response, now: float) -> list[ClientOutput]:
        status = response.status
        match self.state:
            case "calling" | "proceeding" if status < 200:
                self.state = "proceeding"
                self._at.pop("A", None)
                self._at.pop("B", None)
                if self._cancel == "wanted":
                    return [Deliver(response), *self._send_cancel(now)]
                return [Deliver(response)]
            case "calling" | "proceeding" if status < 300:
                self.state = "accepted"
                self._at = {"M": now + self._timers.patience}
                return [Deliver(response)]
            case "accepted" if 200 <= status < 300:
                # RFC 6026: a forked INVITE may be accepted more than once, and each 2xx may
                # come again. The dialogs send the ACKs; we stay so that all 2xx reach them.
                return [Deliver(response)]
            case "calling" | "proceeding":
                self._ack = ack_for(self.request, response)
                if self.reliable:
                    return [Send(self._ack), Deliver(response), *self._end()]
                self.state = "completed"
                self._at = {"D": now + TIMER_D}
                return [Send(self._ack), Deliver(response)]
            case "completed" if status >= 300 and self._ack is not None:
                return [Send(self._ack)]
        return []

    def cancel(self, now: float) -> list[ClientOutput]:
        """Ask for a CANCEL: ``Cancel`` is returned now, with the first provisional response, or never if too late."""
        match self.state:
            case "calling":
                self._cancel = "wanted"
            case "proceeding" if self._cancel == "no":
                return self._send_cancel(now)
        return []

    def transport_failed(self, now: float) -> list[ClientOutput]:
        # In "proceeding" and "accepted" nothing of ours is under way: the news is late.
        if self.state in ("calling", "completed"):
            return [_TRANSPORT_FAILED, *self._end()]
        return []

    def tick(self, now: float) -> list[ClientOutput]:
        if self._due("B", now) or self._due("cancelled", now):
            return [_TIMED_OUT, *self._end()]
        if self._due("D", now) or self._due("M", now):
            return self._end()
        if self._due("A", now):
            self._interval *= 2  # not bounded by T2
            self._at["A"] = now + self._interval
            return [Send(self.request)]
        return []

    def _send_cancel(self, now: float) -> list[ClientOutput]:
        self._cancel = "sent"
        # RFC 3261 section 9.1: without a final response 64*T1 after the CANCEL, the INVITE counts as cancelled.
        self._at["cancelled"] = now + self._timers.patience
        return [_CANCEL]

    def _end(self) -> list[ClientOutput]:
        self.state = "terminated"
        self._at = {}
        return [_TERMINATED]


class InviteServer(_Timed):
    """INVITE server transaction (RFC 3261 section 17.2.1, RFC 6026 section 7.1).

    It takes the request as received and hands it to nobody: whoever made the
    machine has it, and may ``del`` it once it is "accepted". In "proceeding" no
    timer but the one of 100 Trying runs.
    """

    __slots__ = ("_interval", "_last", "request", "state")

    State = Literal["proceeding", "accepted", "completed", "confirmed", "terminated"]

    def __init__(self, request: Request, timers: Timers, *, reliable: bool) -> None:
        super().__init__(timers, reliable)
        self.request = request
        self.state: InviteServer.State = "proceeding"
        self._interval = timers.t1
        self._last: Response | None = None

    def start(self, now: float) -> list[ServerOutput]:
        self._at["100"] = now + TRYING_AFTER
        return []

    def receive(self, request: Request, now: float) -> list[ServerOutput]:
        """Take a retransmission of the INVITE, or an ACK that matches it."""
        acked = request.method == "ACK"
        match self.state:
            case "proceeding" | "completed" if not acked:
                return [Send(self._last)] if self._last is not None else []
            case "accepted" if acked:
                # The ACK of a 2xx has a branch of its own (RFC 3261 section 13.2.2.4), but
                # some peers reuse the INVITE's; RFC 6026 section 7.1 hands it to the user.
                return [Deliver(request)]
            case "completed":
                if self.reliable:
                    return self._end()
                self.state = "confirmed"
                self._at = {"I": now + self._timers.t4}
        return []

    def send(self, response: Response, now: float) -> list[ServerOutput]:
        """Send a response of the user; one that the state forbids (a second final one, a late 1xx) is dropped."""
        status = response.status
        match self.state:
            case "proceeding" if status < 200:
                self._at.pop("100", None)
                self._last = response
                return [Send(response)]
            case "proceeding" if status < 300:
                self.state = "accepted"
                self._last = None
                self._at = {"L": now + self._timers.patience}
                return [Send(response)]
            case "proceeding":
                self.state = "completed"
                self._last = response
                self._at = {"H": now + self._timers.patience}
                if not self.reliable:
                    self._at["G"] = now + self._interval
                return [Send(response)]
            case "accepted" if 200 <= status < 300:
                return [Send(response)]  # the dialog retransmits its 2xx (RFC 3261 section 13.3.1.4)
        return []

    def transport_failed(self, now: float) -> list[ServerOutput]:
        # RFC 6026 section 7.1: the user is told, the state stays, so that retransmissions of the request find us.
        return [] if self.state == "terminated" else [_TRANSPORT_FAILED]

    def tick(self, now: float) -> list[ServerOutput]:
        if self._due("H", now):
            return [_TIMED_OUT, *self._end()]
        if self._due("I", now) or self._due("L", now):
            return self._end()
        if self._due("G", now) and self._last is not None:
            self._interval = min(2 * self._interval, self._timers.t2)
            self._at["G"] = now + self._interval
            return [Send(self._last)]
        if self._due("100", now):
            return self.send(self.request.reply(100), now)
        return []

    def _end(self) -> list[ServerOutput]:
        self.state = "terminated"
        self._at = {}
        return [_TERMINATED]


class NonInviteClient(_Timed):
    """Non-INVITE client transaction (RFC 3261 section 17.1.2)."""

    __slots__ = ("_interval", "request", "state")

    State = Literal["trying", "proceeding", "completed", "terminated"]

    def __init__(self, request: Request, timers: Timers, *, reliable: bool) -> None:
        super().__init__(timers, reliable)
        self.request = request
        self.state: NonInviteClient.State = "trying"
        self._interval = timers.t1

    def start(self, now: float) -> list[ClientOutput]:
        self._at["F"] = now + self._timers.patience
        if not self.reliable:
            self._at["E"] = now + self._interval
        return [Send(self.request)]

    def receive(self, response: Response, now: float) -> list[ClientOutput]:
        match self.state:
            case "trying" | "proceeding" if response.status < 200:
                self.state = "proceeding"
                return [Deliver(response)]
            case "trying" | "proceeding":
                if self.reliable:
                    return [Deliver(response), *self._end()]
                self.state = "completed"
                self._at = {"K": now + self._timers.t4}
                return [Deliver(response)]
        return []

    def transport_failed(self, now: float) -> list[ClientOutput]:
        if self.state in ("trying", "proceeding"):
            return [_TRANSPORT_FAILED, *self._end()]
        return []

    def tick(self, now: float) -> list[ClientOutput]:
        if self._due("F", now):
            return [_TIMED_OUT, *self._end()]
        if self._due("K", now):
            return self._end()
        if self._due("E", now):
            doubled = min(2 * self._interval, self._timers.t2)
            self._interval = self._timers.t2 if self.state == "proceeding" else doubled
            self._at["E"] = now + self._interval
            return [Send(self.request)]
        return []

    def _end(self) -> list[ClientOutput]:
        self.state = "terminated"
        self._at = {}
        return [_TERMINATED]


class NonInviteServer(_Timed):
    """Non-INVITE server transaction (RFC 3261 section 17.2.2, RFC 4320 section 4).

    When the user stays silent it answers 100 as soon as RFC 4320 wants it, and
    after 64*T1, when the client has given up, it ends without any final response.
    """

    __slots__ = ("_last", "_trying_at", "request", "state")

    State = Literal["trying", "proceeding", "completed", "terminated"]

    def __init__(self, request: Request, timers: Timers, *, reliable: bool) -> None:
        super().__init__(timers, reliable)
        self.request = request
        self.state: NonInviteServer.State = "trying"
        self._last: Response | None = None
        self._trying_at = 0.0

    def start(self, now: float) -> list[ServerOutput]:
        self._trying_at = now + self._timers.quiet
        self._at = {"100": self._trying_at, "F": now + self._timers.patience}
        return []

    def receive(self, request: Request, now: float) -> list[ServerOutput]:
        """Take a retransmission of the request."""
        if self.state in ("proceeding", "completed") and self._last is not None:
            return [Send(self._last)]
        return []

    def send(self, response: Response, now: float) -> list[ServerOutput]:
        """Send a response of the transaction user, unless RFC 4320 forbids it.

        Provisional responses other than 100 are dropped, and a 100 over UDP that
        comes before its time; a 408 is not sent, and ends the transaction.
        """
        status = response.status
        match self.state:
            case "trying" | "proceeding" if status < 200:
                if status != 100 or (not self.reliable and now < self._trying_at):
                    return []
                self.state = "proceeding"
                self._at.pop("100", None)
                self._last = response
                return [Send(response)]
            case "trying" | "proceeding" if status == 408:
                return self._end()
            case "trying" | "proceeding":
                if self.reliable:
                    return [Send(response), *self._end()]
                self.state = "completed"
                self._last = response
                self._at = {"J": now + self._timers.patience}
                return [Send(response)]
        return []

    def transport_failed(self, now: float) -> list[ServerOutput]:
        return [] if self.state == "terminated" else [_TRANSPORT_FAILED]

    def tick(self, now: float) -> list[ServerOutput]:
        if self._due("F", now) or self._due("J", now):
            return self._end()
        if self._due("100", now):
            return self.send(self.request.reply(100), now)
        return []

    def _end(self) -> list[ServerOutput]:
        self.state = "terminated"
        self._at = {}
        return [_TERMINATED]
