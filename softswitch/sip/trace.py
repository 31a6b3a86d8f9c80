"""The last SIP messages of each call, kept in memory for ``softswitch trace``.

Recording costs one dictionary look-up and two appends per message and copies
no bytes; everything dear (decoding, masking, sorting) is done when somebody looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from softswitch.sip.events import Destination, Flow

__all__ = ["Entry", "Trace", "call_id_of", "masked"]

_CALL_ID = re.compile(rb"\r?\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)

# What could be used to find or to be a password, or to decrypt media: digest responses, other schemes whole, SDES keys.
_CREDENTIALS = re.compile(
    r"(?im)^((?:proxy-)?authorization[ \t]*:(?:[ \t]|\r?\n[ \t])*)(\S+)([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)"
)
_SECRET_PARAMETER = re.compile(r'(?i)\b(c?nonce|response|opaque)([ \t\r\n]*=[ \t\r\n]*)("(?:[^"\\]|\\.)*"|[^\s,]+)')
_SIGNAL = re.compile(r"(?im)^([ \t]*signal[ \t]*=[ \t]*)[^\s]+")
_SDES_KEY = re.compile(r"(?i)\b(inline:)[^\s|;]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a ladder. ``at`` is what ``record`` was given; ``text`` has its credentials masked."""

    at: float
    way: Flow | Destination
    sent: bool
    call_id: str
    text: str

    @property
    def summary(self) -> str:
        """The start line without the version: ``INVITE sip:101@office`` or ``180 Ringing``."""
        line = self.text.partition("\n")[0].strip()
        return line.removeprefix("SIP/2.0 ").removesuffix(" SIP/2.0")


class _Call:
    __slots__ = ("held", "messages")

    def __init__(self) -> None:
        # A call has a dozen messages: a deque would reserve room for five times as many.
        self.messages: list[tuple[float, int, Flow | Destination, bool, bytes]] = []
        self.held = 0


class Trace:
    """A ring buffer of messages per Call-ID.

    At most ``calls`` call-ids of ``messages`` messages each are kept, and at most
    ``limit`` bytes in all; the call that was silent longest goes first.
    """

    def __init__(self, *, calls: int = 2000, messages: int = 100, limit: int = 32 << 20) -> None:
        self._most_calls, self._most_messages, self._limit = calls, messages, limit
        self._calls: dict[str, _Call] = {}  # in the order of their last message
        self._count = 0
        self.held = 0

    def __len__(self) -> int:
        return len(self._calls)

    def record(self, at: float, way: Flow | Destination, data: bytes, sent: bool, call_id: str | None = None) -> None:
        """Keep one message; ``data`` is shared and not copied. Without ``call_id`` it is looked for in the message."""
        if call_id is None:
            call_id = call_id_of(data)
        call = self._calls.pop(call_id, None)
        if call is None:
            call = _Call()
        self._calls[call_id] = call
        messages, size = call.messages, len(data)
        if len(messages) == self._most_messages:
            lost = len(messages.pop(0)[4])
            call.held -= lost
            self.held -= lost
        self._count += 1
        messages.append((at, self._count, way, sent, data))
        call.held += size
        self.held += size
        while (self.held > self._limit or len(self._calls) > self._most_calls) and len(self._calls) > 1:
            self._forget(next(iter(self._calls)))

    def ladder(self, call_ids: Iterable[str]) -> list[Entry]:
        """Return the messages of these calls in the order in which they were recorded, credentials masked."""
        found = [
            (count, Entry(at, way, sent, call_id, masked(data)))
            for call_id in dict.fromkeys(call_ids)
            if call_id in self._calls
            for at, count, way, sent, data in self._calls[call_id].messages
        ]
        return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]

    def forget(self, call_id: str) -> None:
        """Drop what is known of a call."""
        if call_id in self._calls:
            self._forget(call_id)

    def _forget(self, call_id: str) -> None:
        self.held -= self._calls.pop(call_id).held


def call_id_of(data: bytes) -> str:
    """Return the Call-ID of raw bytes, or "" when there is none."""
    start = data.find(b"\r\nCall-ID: ")
    if start >= 0:  # as we and nearly everybody write it
        end = data.find(b"\r\n", start + 11)
        if end >= 0:
            return data[start + 11 : end].strip().decode("utf-8", "replace")
    found = _CALL_ID.search(data)
    return found[1].strip().decode("utf-8", "replace") if found else ""


def masked(data: bytes) -> str:
    """Return the message as text with digest values, other credentials, SDES keys and keys pressed replaced by ``***``.

    The timeline tells keys, unless they are a card's number.
    """
    text = data.decode("utf-8", "replace")
    if text.startswith("INFO "):
        head, gap, body = text.partition("\r\n\r\n")
        named = _SIGNAL.sub(r"\1***", body)
        text = head + gap + ("***" if body.strip() and named == body else named)
    return _SDES_KEY.sub(r"\1***", _CREDENTIALS.sub(_mask_credentials, text))


def _mask_credentials(header: re.Match[str]) -> str:
    if header[2].lower() != "digest":
        return f"{header[1]}{header[2]} ***"
    return f"{header[1]}{header[2]}{_SECRET_PARAMETER.sub(_mask_parameter, header[3])}"


def _mask_parameter(parameter: re.Match[str]) -> str:
    return f'{parameter[1]}{parameter[2]}"***"'
