"""What a failed call was, in the words of the records, and what the caller is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from softswitch.media.engine import Tone
from softswitch.media.tones import CallTones
from softswitch.sip.events import Cause, Reason

__all__ = [
    "NOT_ACCEPTABLE",
    "NO_ANSWER",
    "NO_LINE",
    "NO_MEDIA",
    "STOPPING",
    "UNREACHABLE",
    "UNSUITABLE",
    "Failure",
    "best",
    "of_status",
    "passed_on",
    "tone",
]

Result = Literal["busy", "declined", "no answer", "unreachable", "no such number", "refused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """``status`` goes to the caller, ``reason`` beside it (RFC 3326), ``result`` and ``cause`` into the record."""

    result: Result
    status: int
    reason: Reason | None = None
    cause: str = ""
    headers: tuple[tuple[str, str], ...] = ()


UNREACHABLE = Failure(
    result="unreachable", status=480, reason=Reason(protocol="Q.850", cause=20, text="Subscriber absent")
)
_LATER = (("Retry-After", "10"),)
NOT_ACCEPTABLE = Reason(protocol="SIP", cause=488, text="Not acceptable here")
NO_MEDIA = Failure(result="failed", status=503, cause="no media port left", headers=_LATER)
NO_LINE = Failure(result="refused", status=503, cause="all lines are busy", headers=_LATER)
STOPPING = Failure(result="refused", status=503, cause="the switch is stopping", headers=_LATER)
UNSUITABLE = Failure(result="failed", status=488, cause="no common media")
NO_ANSWER = Failure(result="no answer", status=480, reason=Reason(protocol="Q.850", cause=19, text="No answer"))


def of_status(status: int, cause: Cause) -> Failure:
    """Read one device's or trunk's refusal. 603 stays 603: a decline is not a prohibition."""
    if cause is Cause.NO_RESPONSE:
        return UNREACHABLE
    match status:
        case 486 | 600:
            return Failure(result="busy", status=status)
        case 603 | 607 | 608:
            return Failure(result="declined", status=status)
        case 404 | 410 | 484 | 604:
            return Failure(result="no such number", status=status)
        case 408:
            return NO_ANSWER
        case 480 | 430 | 503:
            return Failure(result="unreachable", status=480)
        case 401 | 402 | 403 | 407:
            # Our own trouble with a provider is none of the caller's business.
            return Failure(result="refused", status=403)
        case 488 | 606 | 415 | 420:
            return Failure(result="failed", status=488)
        case _ if 300 <= status < 400:
            return Failure(result="failed", status=480)
        case _ if status >= 600:
            return Failure(result="declined", status=status)
        case _:
            return Failure(result="failed", status=500 if status >= 500 else 480)


def tone(result: str, tones: CallTones) -> Tone:
    """What a caller who was answered already hears instead of a status; endless."""
    match result:
        case "busy" | "declined":
            return tones.busy
        case "no such number":
            return tones.unobtainable
        case _:
            return tones.congestion


def passed_on(reason: Reason | None) -> Reason | None:
    """What one side's reason (RFC 3326) tells the other: the number of a known protocol, none of a stranger's words."""
    if reason is None or reason.protocol.upper() not in ("SIP", "Q.850"):
        return None
    return Reason(protocol=reason.protocol.upper(), cause=reason.cause)


_RANK: dict[Result, int] = {
    "declined": 0,
    "busy": 1,
    "no answer": 2,
    "no such number": 3,
    "refused": 4,
    "failed": 5,
    "unreachable": 6,
}


def best(failures: Iterable[Failure]) -> Failure:
    """Choose among several devices' refusals what tells the caller most (RFC 3261 section 16.7 step 6).

    What a human did outranks what a machine did; a sixth-class answer outranks all.
    """
    return min(failures, key=lambda f: (f.status < 600, _RANK[f.result]), default=UNREACHABLE)
