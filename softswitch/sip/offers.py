"""Offer and answer of one dialog (RFC 3264; the order of exchanges in SIP: RFC 6337).

Descriptions of ours get their origin and version here, so that whoever makes
them need not know what was said before in this dialog (RFC 3264 section 8).
"""

from __future__ import annotations

from enum import Enum

from softswitch.sip.sdp import SessionDescription, following

__all__ = ["OfferAnswer"]


class OfferAnswer:
    """Which side has an offer open, and the two descriptions that are in force.

    ``local`` and ``remote`` are those of the last completed exchange; an exchange
    that is refused leaves them alone (RFC 3264 section 8, last paragraph).
    """

    State = Enum("State", "STABLE LOCAL_OFFER REMOTE_OFFER")

    __slots__ = ("_open", "_sent", "local", "remote", "state")

    def __init__(self) -> None:
        self.state = self.State.STABLE
        self.local: SessionDescription | None = None
        self.remote: SessionDescription | None = None
        self._open: SessionDescription | None = None
        self._sent: SessionDescription | None = None

    @property
    def stable(self) -> bool:
        return self.state is self.State.STABLE

    @property
    def established(self) -> bool:
        """Whether an exchange was completed in this dialog."""
        return self.remote is not None

    @property
    def local_offer(self) -> bool:
        """Whether an offer of ours is open."""
        return self.state is self.State.LOCAL_OFFER

    @property
    def remote_offer(self) -> bool:
        """Whether an offer of the peer is open."""
        return self.state is self.State.REMOTE_OFFER

    def fork(self) -> OfferAnswer:
        """Return a copy for a further early dialog of the same INVITE (RFC 3261 section 13.2.2.4)."""
        other = OfferAnswer()
        other.state, other.local, other.remote = self.state, self.local, self.remote
        other._open, other._sent = self._open, self._sent
        return other

    def offer(self, description: SessionDescription) -> SessionDescription:
        """Open an exchange of ours; return the description as it must be sent."""
        assert self.stable, "an offer while another one is open"
        self._open, self.state = self._numbered(description), self.State.LOCAL_OFFER
        return self._open

    def answered(self, description: SessionDescription) -> None:
        """The peer answered our offer."""
        assert self.local_offer, "an answer without an offer"
        self.local, self.remote = self._open, description
        self._open, self.state = None, self.State.STABLE

    def offered(self, description: SessionDescription) -> None:
        """The peer opened an exchange."""
        assert self.stable, "an offer while another one is open"
        self._open, self.state = description, self.State.REMOTE_OFFER

    def preview(self, description: SessionDescription) -> SessionDescription:
        """Return our answer for an unreliable 1xx, which completes nothing (RFC 6337 section 3.1.1)."""
        return self._numbered(description)

    def answer(self, description: SessionDescription) -> SessionDescription:
        """Answer the peer's offer; return the description as it must be sent."""
        assert self.remote_offer, "an answer without an offer"
        self.local, self.remote = self._numbered(description), self._open
        self._open, self.state = None, self.State.STABLE
        return self.local

    def refused(self) -> None:
        """The open exchange, whosever it is, came to nothing."""
        self._open, self.state = None, self.State.STABLE

    def _numbered(self, description: SessionDescription) -> SessionDescription:
        # RFC 3264 section 8 compares with the previous description sent, whether the peer took that one or not.
        if self._sent is not None:
            description = following(self._sent, description)
        self._sent = description
        return description
