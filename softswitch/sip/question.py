"""OPTIONS as a sign of life: what we ask telephones and trunks, again and again (RFC 3261 section 11)."""

from __future__ import annotations

from collections.abc import Iterable

from softswitch.sip.headers import Headers
from softswitch.sip.message import Request
from softswitch.sip.session import Stack
from softswitch.sip.uri import Uri

__all__ = ["Questions"]


class Questions:
    """Makes the questions of one asker: one Call-ID, rising CSeq."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._call_id = stack.ids.call_id()
        self._from = f"<sip:{stack.settings.domain}>;tag={stack.ids.tag()}"
        self._cseq = 0

    def to(self, target: Uri, path: Iterable[str] = ()) -> Request:
        """Ask ``target``, through the proxies of ``path``."""
        self._cseq += 1
        headers = Headers()
        headers.add("Max-Forwards", "70")
        for hop in path:
            headers.add("Route", hop)
        headers.add("From", self._from)
        headers.add("To", f"<{target}>")
        headers.add("Call-ID", self._call_id)
        headers.add("CSeq", f"{self._cseq % 2**31} OPTIONS")
        headers.add("Accept", "application/sdp")
        headers.add("User-Agent", self._stack.settings.server)
        return Request("OPTIONS", target, headers)
