"""A leg: one party's connection to a conversation, that is one SIP session and one media port.

The legs of a call are negotiated apart: each side's offers and answers concern
its own port only, since the switch stands between them. A hold, a codec change
or a late offer on one leg is therefore never passed on to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal, Protocol

from softswitch.calls.digits import Keypad
from softswitch.ids import LegId
from softswitch.media import negotiation, peer
from softswitch.media.engine import Address, Codec, MediaEngine, MediaSession, PortId, RoomId
from softswitch.media.formats import Format
from softswitch.media.negotiation import Refused
from softswitch.mixer.roles import Role
from softswitch.sip.events import SessionId
from softswitch.sip.sdp import Direction, SessionDescription, following

__all__ = ["DigitsWord", "Leg", "LegState", "Media", "Visitor"]

DigitsWord = Literal["auto", "info", "sound"]


class LegState(Enum):
    """OFFERED: invited, nothing heard. RINGING: provisional. TALKING: answered. ENDED: session over."""

    OFFERED = "offered"
    RINGING = "ringing"
    TALKING = "talking"
    ENDED = "ended"


class Media:
    """The media half of a leg: its port, and the descriptions exchanged with its peer."""

    def __init__(
        self,
        engine: MediaEngine,
        room: RoomId,
        *,
        bind: str,
        advertised: str,
        timeout: float,
        keys: bool = False,
        signaller: str | None = None,
        digits: DigitsWord = "auto",
    ) -> None:
        """``keys``: digits of the peer are commands to us and reach nobody else.

        ``signaller`` is the numeric host that its SIP comes from, None if that has a name only.
        ``digits``: in which form it takes those of others; "auto" is what proves possible.
        """
        opened = engine.open_port(room, bind)
        self.port: PortId = opened.id
        self.session: MediaSession | None = None
        self.on_hold = False
        self._masks: set[str] = set()
        self._keys, self._signaller = keys, signaller
        self._events, self._told = digits == "auto", digits == "info"
        self._may_tell = digits != "sound"
        self._engine = engine
        self._local: Address = (advertised, opened.local[1])
        self._timeout = timeout
        self._ours: SessionDescription | None = None
        self._spoken: tuple[Codec, ...] = ()
        self._settled = False

    def succeed(self, former: Media) -> None:
        """Go on in the dialog of a port that this one replaces."""
        self._ours, self._events = former._ours, former._events

    def offer(
        self,
        codecs: Sequence[Codec],
        direction: Direction = Direction.SENDRECV,
        *,
        foreign: Sequence[tuple[Format, int]] = (),
        keep: bool = True,
    ) -> SessionDescription:
        """Describe our side; ``accept`` takes the peer's answer to it.

        ``foreign`` are codecs of the other leg's peer. ``keep``: one that is passed through now is offered again.
        """
        if self._ours is None:
            self._ours = negotiation.offer(
                self._local,
                codecs,
                foreign=foreign,
                session_id=self._session_id,
                version=1,
                direction=direction,
                events=self._events,
            )
        else:
            passed = self.session.format if keep and self.session is not None else ""
            self._ours = negotiation.reoffer(
                self._ours, self._local, codecs, keep=passed, direction=direction, events=self._events
            )
        return self._ours

    def refusal(self, offer: SessionDescription, codecs: Sequence[Codec], *, foreign: bool) -> Refused | None:
        """Say why an offer could never be answered here, None if it can; nothing is applied.

        ``foreign``: a codec that only whom he calls may know will do.
        """
        others = peer.foreign(offer) if foreign else ()
        if not peer.common(offer, codecs) and not others:
            return Refused("no common codec")
        prefer = negotiation.passing(others[0][0]) if others else None
        return negotiation.refusal(offer, self._local, codecs, prefer=prefer)

    def answer(
        self,
        offer: SessionDescription,
        codecs: Sequence[Codec],
        prefer: MediaSession | None = None,
        direction: Direction = Direction.SENDRECV,
    ) -> SessionDescription | Refused:
        """Answer the peer's offer and apply what was agreed, or say why it cannot be; ``prefer`` is the other leg's."""
        agreed = negotiation.answer(
            offer,
            self._local,
            codecs,
            prefer=prefer,
            session_id=self._session_id,
            version=1,
            direction=direction,
            events=self._events,
        )
        if isinstance(agreed, Refused):
            return agreed
        description, session = agreed
        self._ours = description if self._ours is None else following(self._ours, description)
        self._apply(session)
        self.on_hold = peer.held(offer)
        self._spoken = peer.common(offer, tuple(Codec))
        return self._ours

    def accept(self, answer: SessionDescription) -> Refused | None:
        """Apply the peer's answer to our last offer."""
        if self._ours is None:
            return Refused("an answer came although nothing was offered")
        session = negotiation.accept(self._ours, answer)
        if isinstance(session, Refused):
            return session
        self._apply(session)
        self.on_hold = peer.held(answer)
        # Who chose a codec that we cannot hear had ours before it in the offer: he speaks none of them.
        self._spoken = peer.common(answer, tuple(Codec))
        return None

    def out_of_passage(self, codecs: Sequence[Codec]) -> SessionDescription | None:
        """An offer of codecs that we can hear, for a peer whose codec is passed through; None if his is not.

        Asked for once: a peer who refused goes on in the codec that he has.
        """
        passing = self.session is not None and self.session.codec is Codec.PASSTHROUGH
        if not passing or self._settled:
            return None
        self._settled = True
        return self.offer(codecs, keep=False)

    def hearable(self, codecs: Sequence[Codec]) -> bool:
        """Whether the peer, as far as we know, speaks one of these codecs, or what he speaks now is one."""
        passing = self.session is not None and self.session.codec is Codec.PASSTHROUGH
        return not passing or any(codec in codecs for codec in self._spoken)

    def listen_again(self) -> None:
        """Count the peer's silence from now on: the engine tells of one silence once."""
        if self.session is not None and self.session.receives:
            self._engine.set_session(self.port, replace(self.session, receives=False))
            self._engine.set_session(self.port, self.session)

    def pass_digits(self) -> None:
        """From now on digits of the peer are meant for those who hear it."""
        self._keys = False
        if self.session is not None:
            self._apply(self.session)

    @property
    def events_agreed(self) -> bool:
        """Whether the peer may send digits as RFC 4733 events."""
        return self.session is not None and self.session.dtmf_receive is not None

    def takes_info(self, takes: bool) -> None:
        """Note that the peer takes keys by INFO, or that it does not after all; what is configured goes before."""
        self._may_tell &= takes
        if self._may_tell != self._told:
            self._told = self._may_tell
            if self.session is not None:
                self._apply(self.session)

    @property
    def told(self) -> bool:
        """Whether keys are told to the peer by INFO: it takes that, and no events were agreed."""
        return self.session is not None and self.session.told

    def send_digits(self, digits: str) -> None:
        """Press keys towards the peer as RFC 4733 events where that was agreed, else as sound."""
        self._engine.send_digits(self.port, digits)

    @property
    def masked(self) -> bool:
        """Whether what the peer says and presses is kept out of recordings."""
        return bool(self._masks)

    def mask(self, masked: bool, why: Literal["program", "conversation"]) -> None:
        """Keep what the peer says and presses out of recordings, or let it in again once nobody else objects."""
        if masked:
            self._masks.add(why)
        else:
            self._masks.discard(why)
        self._engine.mask(self.port, self.masked)

    def close(self) -> None:
        self._engine.close_port(self.port)

    def _apply(self, session: MediaSession) -> None:
        if self._keys:
            # Some telephones send keys although they were asked to send nothing; from the rest silence is no fault.
            timeout = self._timeout if session.receives else 0.0
            self.session = replace(session, timeout=timeout, receives=True, keys=True, signaller=self._signaller)
        else:
            told = self._told and session.dtmf_send is None
            self.session = replace(session, timeout=self._timeout, keys=False, told=told, signaller=self._signaller)
        self._engine.set_session(self.port, self.session)
        # Who agreed on events sends its digits as such; from the others they come as sound, if at all.
        self._engine.watch(self.port, digits=not self.events_agreed)

    @property
    def _session_id(self) -> int:
        # RFC 8866 section 5.2 asks for a number unique to this host; a port handle is.
        return self.port + 1


class Visitor(Protocol):
    """A supervisor or prompter at a conversation; the call tells what concerns him."""

    def talking(self, now: float) -> None:
        """The two talk from now on; told again when another talks in the place of one."""
        ...

    def over(self, now: float) -> None:
        """The two no longer talk, and never will."""
        ...

    def pressed(self, digit: str, now: float) -> None:
        """A key of his own telephone."""
        ...

    def fell_silent(self, now: float) -> None:
        """Nothing comes from his telephone although it should."""
        ...

    def place_lost(self, now: float, cause: str) -> None:
        """He talked in somebody's place, and his leg has ended."""
        ...

    def place_kept(self, now: float) -> None:
        """He talks in somebody's place, and nobody waits for it any more."""
        ...

    def asked_back(self, now: float) -> None:
        """Whoever is parked wants to talk again."""
        ...


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
    waits: bool = False
    """The switch put it on hold."""
    volume: float = 1.0
    """How loud it hears the others, 1.0 is as they speak."""
    silent: bool = False
    """Nothing comes from its peer, which was no fault when it was noticed: somebody held the call."""
    remote: str = ""
    """The address that its signalling comes from or goes to, numeric or a name."""
    keypad: Keypad = field(default_factory=Keypad)
    """Tells each of its digits once."""
    scores: float = 0.0
    """The sum of what a listener would have said of each second of its sound (MOS), and of how many seconds."""
    scored: int = 0
    unheard: int = 0
    """Seconds since its answer in which we sent and nothing came; -1 when that is settled."""
    ended_as: str | None = None
    """Why we are ending it, in the words of the timeline; None while we are not."""
    visitor: Visitor | None = None
    """Whose telephone it is, when it stands beside the two who talk, or talks for a while in the place of one."""
    line: str = ""
    """The trunk whose line it holds, where ``party`` is somebody who called through it."""
    dialog: str | None = None
    """What was last told of its dialog, to release the peer after a crash."""

    @property
    def port(self) -> PortId:
        assert self.media is not None
        return self.media.port

    @property
    def agreed(self) -> MediaSession | None:
        """What was agreed with its peer about its sound."""
        return self.media.session if self.media is not None else None

    @property
    def codec(self) -> Codec | None:
        return self.agreed.codec if self.agreed is not None else None

    @property
    def name(self) -> str:
        """The extension, or the trunk's name."""
        return self.party.partition(":")[2]

    @property
    def trunk(self) -> str | None:
        kind, _, name = self.party.partition(":")
        return name if kind == "trunk" else self.line or None
