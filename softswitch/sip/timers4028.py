"""Session timers (RFC 4028): who refreshes a session, how often, and when it is dead."""

from __future__ import annotations

from softswitch.sip.message import Request, Response

__all__ = ["ABSOLUTE_MINIMUM", "SessionTimer"]

ABSOLUTE_MINIMUM = 90
"""Seconds; no Session-Expires may be shorter (RFC 4028 section 4)."""


class SessionTimer:
    """The timer of one dialog.

    ``refresh_at`` is when we must refresh (None when the peer does), ``expires_at``
    when the session must be ended with BYE. Both are None until the first 2xx.
    ``supported``: the peer takes part, so a failed refresh is serious.
    """

    __slots__ = ("_interval", "_least", "_least_ours", "_local_refreshes", "expires_at", "refresh_at", "supported")

    def __init__(self, interval: int, min_se: int) -> None:
        self._interval = max(interval, min_se, ABSOLUTE_MINIMUM)
        self._least = self._least_ours = max(min_se, ABSOLUTE_MINIMUM)
        self._local_refreshes: bool | None = None
        self.supported = False
        self.refresh_at: float | None = None
        self.expires_at: float | None = None

    def request_headers(self) -> list[tuple[str, str]]:
        """Return what our INVITE or UPDATE carries (section 7.1; in a refresh the roles are kept, section 7.4)."""
        refresher = {None: "", True: ";refresher=uac", False: ";refresher=uas"}[self._local_refreshes]
        return [("Session-Expires", f"{self._interval}{refresher}"), ("Min-SE", str(self._least))]

    def too_brief(self, request: Request) -> int | None:
        """Return the Min-SE of the 422 that a request deserves (section 9), None when its interval will do."""
        asked = request.session_expires
        if asked is not None and asked < self._least_ours and "timer" in request.supported:
            return self._least_ours
        return None

    def raise_to(self, response: Response) -> bool:
        """Adopt the Min-SE of a 422; return whether a further attempt makes sense (section 7.3)."""
        least = max(ABSOLUTE_MINIMUM, response.min_se or 0)
        if least <= self._interval and least <= self._least:
            return False
        self._least = max(self._least, least)
        self._interval = max(self._interval, least)
        return True

    def answer(self, request: Request, now: float) -> list[tuple[str, str]]:
        """Agree as UAS on a refreshing request; return the headers of our 2xx (section 9, table 2)."""
        asked = request.session_expires
        self.supported = able = "timer" in request.supported
        least = max(self._least_ours, request.min_se or 0)
        self._interval = max(self._interval if asked is None else min(asked, self._interval), least)
        # A UAC that does not know the extension cannot be asked to refresh.
        refresher = request.session_refresher or "uac" if able else "uas"
        self._agree(refresher == "uas", now)
        headers = [("Session-Expires", f"{self._interval};refresher={refresher}")]
        if refresher == "uac":
            headers.append(("Require", "timer"))
        return headers

    def agreed(self, response: Response, now: float) -> None:
        """Take the agreement from a 2xx to our refreshing request (section 7.2)."""
        said = response.session_expires
        if said is None:
            # The peer knows no timers: we refresh on our own, which finds a peer that is gone.
            self.supported = False
            self._agree(True, now)
            return
        self.supported = True
        self._interval = max(min(said, 86_400), ABSOLUTE_MINIMUM)
        self._agree(response.session_refresher != "uas", now)

    def answered(self, now: float) -> None:
        """The peer declined a refresh that only we wanted: it is there, which was the question."""
        self._agree(True, now)

    def postpone(self, until: float) -> None:
        """A refresh met another exchange: try again at ``until``; the expiry stays."""
        if self.refresh_at is not None:
            self.refresh_at = until

    def stop(self) -> None:
        self.refresh_at = self.expires_at = None

    @property
    def deadline(self) -> float | None:
        if self.refresh_at is None:
            return self.expires_at
        return min(self.refresh_at, self.expires_at) if self.expires_at is not None else self.refresh_at

    def _agree(self, local_refreshes: bool, now: float) -> None:
        self._local_refreshes = local_refreshes
        if local_refreshes:
            self.refresh_at = now + self._interval / 2
            self.expires_at = now + self._interval
        else:
            self.refresh_at = None
            # Section 10: the side that waits ends the session a little before it expires.
            self.expires_at = now + self._interval - min(32.0, self._interval / 3)
