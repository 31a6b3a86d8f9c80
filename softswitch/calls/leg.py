"""A leg: one party's connection to a conversation, that is one SIP session and one media port.

The legs of a call are negotiated apart: each side's offers and answers concern
its own port only, since the switch stands between them. A hold, a codec change
or a late offer on one leg is therefore never passed on to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from softswitch.ids import LegId
from softswitch.media import negotiation
from softswitch.media.engine import Address, Codec, MediaEngine, MediaSession, PortId, RoomId
from softswitch.media.negotiation import Refused
from softswitch.mixer.roles import Role
from softswitch.sip.events import SessionId
from softswitch.sip.sdp import SessionDescription, following

__all__ = ["Leg", "LegState", "Media"]


class LegState(Enum):
    """OFFERED: invited, nothing heard. RINGING: provisional. TALKING: answered. ENDED: session over."""

    OFFERED = "offered"
    RINGING = "ringing"
    TALKING = "talking"
    ENDED = "ended"


class Media:
    """The media half of a leg: its port, and the descriptions exchanged with its peer."""

    def __init__(self, engine: MediaEngine, room: RoomId, *, bind: str, advertised: str, timeout: float) -> None:
        opened = engine.open_port(room, bind)
        self.port: PortId = opened.id
        self.session: MediaSession | None = None
        self.on_hold = False
        self._engine = engine
        self._local: Address = (advertised, opened.local[1])
        self._timeout = timeout
        self._ours: SessionDescription | None = None

    def offer(self, codecs: Sequence[Codec]) -> SessionDescription:
        """Describe our side; ``accept`` takes the peer's answer to it."""
        if self._ours is None:
            self._ours = negotiation.offer(self._local, codecs, session_id=self._session_id, version=1)
        else:
            self._ours = negotiation.reoffer(self._ours, self._local, codecs)
        return self._ours

    def refusal(self, offer: SessionDescription, codecs: Sequence[Codec]) -> Refused | None:
        """Say why an offer could never be answered here, None if it can; nothing is applied."""
        if not negotiation.common(offer, codecs):
            return Refused("no common codec")
        agreed = negotiation.answer(offer, self._local, codecs, session_id=self._session_id, version=1)
        return agreed if isinstance(agreed, Refused) else None

    def answer(
        self, offer: SessionDescription, codecs: Sequence[Codec], prefer: Codec | None = None
    ) -> SessionDescription | Refused:
        """Answer the peer's offer and apply what was agreed, or say why it cannot be."""
        agreed = negotiation.answer(offer, self._local, codecs, prefer=prefer, session_id=self._session_id, version=1)
        if isinstance(agreed, Refused):
            return agreed
        description, session = agreed
        self._ours = description if self._ours is None else following(self._ours, description)
        self._apply(session)
        self.on_hold = negotiation.held(offer)
        return self._ours

    def accept(self, answer: SessionDescription) -> Refused | None:
        """Apply the peer's answer to our last offer."""
        if self._ours is None:
            return Refused("an answer came although nothing was offered")
        session = negotiation.accept(self._ours, answer)
        if isinstance(session, Refused):
            return session
        self._apply(session)
        self.on_hold = negotiation.held(answer)
        return None

    def listen_again(self) -> None:
        """Count the peer's silence from now on: the engine tells of one silence once."""
        if self.session is not None and self.session.receives:
            self._engine.set_session(self.port, replace(self.session, receives=False))
            self._engine.set_session(self.port, self.session)

    def close(self) -> None:
        self._engine.close_port(self.port)

    def _apply(self, session: MediaSession) -> None:
        self.session = replace(session, timeout=self._timeout)
        self._engine.set_session(self.port, self.session)

    @property
    def _session_id(self) -> int:
        # RFC 8866 section 5.2 asks for a number unique to this host; a port handle is.
        return self.port + 1


@dataclass(slots=True, eq=False)
class Leg:
    """``party`` is "person:101", "trunk:provider" or "action:600"; ``role`` decides whom the leg hears."""

    id: LegId
    session: SessionId
    party: str
    role: Role
    media: Media | None
    state: LegState = LegState.OFFERED
    holds: bool = False
    """It put the others on hold."""
    silent: bool = False
    """Nothing comes from its peer, which was no fault when it was noticed: somebody held the call."""
    ended_as: str | None = None
    """Why we are ending it, in the words of the timeline; None while we are not."""
    dialog: str | None = None
    """What was last told of its dialog, to release the peer after a crash."""

    @property
    def port(self) -> PortId:
        assert self.media is not None
        return self.media.port

    @property
    def codec(self) -> Codec | None:
        return self.media.session.codec if self.media is not None and self.media.session is not None else None

    @property
    def name(self) -> str:
        """The extension, or the trunk's name."""
        return self.party.partition(":")[2]

    @property
    def trunk(self) -> str | None:
        kind, _, name = self.party.partition(":")
        return name if kind == "trunk" else None
