"""Messages out of a byte stream (RFC 3261 section 18.3), and keep-alives between them (RFC 5626 section 4.4.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from softswitch.sip.grammar import ParseError
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import DEFAULT_LIMITS, Head, Limits, build, read_head

__all__ = ["KeepAlive", "StreamFramer"]

_PINGS = re.compile(rb"(?:\r\n\r\n)++")


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The peer asks whether we are there: send ``pong`` back on the same connection."""

    pong: bytes = b"\r\n"


class StreamFramer:
    """The receiving half of one TCP or TLS connection, without the connection.

    ``receive`` returns what the bytes completed, in order. A faulty message whose
    end is known is a ``ParseError`` and the stream goes on; when the end is not
    known, ``closed`` becomes true: send the error's reply, if any, and close. No
    byte is searched twice, and at most one message is held.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.closed = False
        self.deadline: float | None = None
        self._buffer = bytearray()
        self._searched = 0
        self._head: Head | None = None
        self._body_length = 0

    def receive(self, data: bytes, now: float) -> list[Request | Response | ParseError | KeepAlive]:
        """Take what arrived. A message must be complete ``header_timeout`` plus ``body_timeout`` after it began."""
        outputs: list[Request | Response | ParseError | KeepAlive] = []
        if self.closed:
            return outputs
        self._buffer += data
        while not self.closed:
            output = self._next(now)
            if output is None:
                break
            outputs.append(output)
        return outputs

    def tick(self, now: float) -> list[Request | Response | ParseError | KeepAlive]:
        """Give up on a message that takes too long, and with it on the connection."""
        if self.closed or self.deadline is None or now < self.deadline:
            return []
        if self._head is not None:
            return [self._close(self._head.refuse(400, "body did not arrive in time"))]
        return [self._close(ParseError(400, 0, "header section did not arrive in time"))]

    def _next(self, now: float) -> Request | Response | ParseError | KeepAlive | None:
        """Return what the buffer holds next, or None when it holds no whole message."""
        if self._head is None:
            pings = _PINGS.match(self._buffer)
            if pings is not None:
                # A flood of pings in one segment gets one pong.
                del self._buffer[: pings.end()]
                self._searched = 0
                return KeepAlive()
            error = self._find_head(now)
            if error is not None or self._head is None:
                return error
        if len(self._buffer) < self._body_length:
            return None
        body = bytes(self._buffer[: self._body_length])
        message = build(self._head, body, self.limits)
        self._forget(self._body_length)
        return message

    def _find_head(self, now: float) -> ParseError | None:
        """Look for the end of the header section; then know the length of the body, or close."""
        buffer = self._buffer
        # Half a ping, a pong, or the line break that old clients put after a body.
        if buffer.startswith(b"\r\n") and len(buffer) > 2 and buffer[2] != 0x0D:
            del buffer[:2]
            self._searched = 0
        if b"\r\n\r\n".startswith(buffer):
            return None
        if self.deadline is None:
            self.deadline = now + self.limits.header_timeout
        end = buffer.find(b"\r\n\r\n", self._searched)
        if end < 0:
            self._searched = max(0, len(buffer) - 3)
        if end > self.limits.headers or (end < 0 and len(buffer) > self.limits.headers + 3):
            head = read_head(bytes(buffer[: self.limits.headers]), 0, self.limits)
            return self._close(head.refuse(400, "header section too long"))
        if end < 0:
            return None
        head = read_head(bytes(buffer[:end]), 0, self.limits)
        if head.fault is not None:
            return self._close(head.fault)
        length = head.body_length(self.limits)
        if isinstance(length, ParseError):
            return self._close(length)
        if length is None:
            # RFC 3261 section 20.14: a stream needs it.
            return self._close(head.refuse(400, "missing Content-Length header field"))
        del buffer[: end + 4]
        self._head, self._body_length, self._searched = head, length, 0
        self.deadline = now + self.limits.body_timeout
        return None

    def _forget(self, length: int) -> None:
        del self._buffer[:length]
        self._head, self._body_length, self._searched, self.deadline = None, 0, 0, None

    def _close(self, error: ParseError) -> ParseError:
        self._forget(len(self._buffer))
        self.closed = True
        return error
