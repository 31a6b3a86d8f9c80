"""Digits in INFO requests, as telephones write them: "application/dtmf-relay" and "application/dtmf"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from softswitch.sip.message import Request, Response

__all__ = ["BODIES", "PLAIN", "RELAY", "Key", "body_of", "key_in", "takes_keys"]

RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"
BODIES = frozenset({RELAY, PLAIN})
"""Media types of bodies that name a key."""

NUMBERED = {10: "*", 11: "#", 12: "A", 13: "B", 14: "C", 15: "D", 16: "!"}
"""Some telephones write the event codes of RFC 4733 section 3.2; "!" is the hook flash."""

USUAL = 160
"""Milliseconds of a press whose length is not told."""
LONGEST = 5000

_LINE = re.compile(r"^\s*(signal|duration)\s*=\s*(\S+)\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Key:
    """One of 0-9, *, #, A-D or "!", and how long it was pressed, in seconds."""

    digit: str
    duration: float


def key_in(content_type: str, body: bytes) -> Key | None:
    """Read a body; None when it names no key, or its type is another. Never raises."""
    if content_type not in BODIES or len(body) > 512:
        return None
    text = body.decode("ascii", "replace")
    fields = {match[1].lower(): match[2] for line in text.splitlines() if (match := _LINE.match(line))}
    signal = fields.get("signal")
    if signal is None and content_type == PLAIN:
        signal = text.strip()  # the bare digit
    digit = _digit(signal or "")
    if digit is None:
        return None
    told = fields.get("duration", "")
    milliseconds = int(told) if told.isascii() and told.isdecimal() and len(told) <= 6 else USUAL
    return Key(digit, max(40, min(milliseconds, LONGEST)) / 1000)


def body_of(digit: str, content_type: str) -> bytes:
    """Write the body that names one key of 0-9, *, # and A-D."""
    return f"Signal={digit}\r\nDuration={USUAL}\r\n".encode() if content_type == RELAY else digit.encode()


def takes_keys(message: Request | Response) -> str | None:
    """Return in which form the sender of an INVITE or its 2xx says that he takes keys by INFO, None if he does not say.

    Only Accept tells: nearly everybody lists INFO in Allow, and no package for keys
    was ever registered for the Recv-Info of RFC 6086.
    """
    accepted = message.accept if "Accept" in message.headers else ()
    return next((body for body in (RELAY, PLAIN) if body in accepted), None)


def _digit(signal: str) -> str | None:
    if len(signal) == 1 and signal.upper() in "0123456789*#ABCD!":
        return signal.upper()
    if signal.lower() in ("hf", "flash", "hook-flash"):
        return "!"
    return NUMBERED.get(int(signal)) if signal.isascii() and signal.isdecimal() and len(signal) == 2 else None
