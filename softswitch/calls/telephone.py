"""A supervisor's telephone: where its leg stands, and what is agreed with it.

While there is somebody to hear, the leg has a port in the conversation's room; else it
waits in a lobby, a room of its own. Going from one to the other is a new
offer to this telephone, as is beginning to speak; nobody else is asked anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from softswitch.calls.chronicle import Chronicle, Wish
from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg, LegState
from softswitch.calls.legs import Legs
from softswitch.calls.modes import Mode, direction_of
from softswitch.calls.office import Office
from softswitch.errors import NotPossible
from softswitch.media import engine as media
from softswitch.media.negotiation import Refused
from softswitch.sip.events import (
    AnswerOffer,
    Cause,
    Confirmed,
    Hangup,
    MakeOffer,
    OfferFailed,
    RefuseOffer,
    RemoteAnswer,
    RemoteOffer,
    SessionEvent,
)
from softswitch.sip.sdp import Direction

__all__ = ["KEY_TAIL", "Telephone"]

KEY_TAIL = 0.5
"""Seconds after which no packet of a pressed key is under way any more (RFC 4733 section 2.5.1.4 repeats its end)."""


class Telephone(Chronicle, ABC):
    """``leg`` is the one that answered; what follows from what is agreed, and from keys, is the heirs' affair."""

    def __init__(self, desk: Desk, office: Office, wish: Wish, now: float) -> None:
        super().__init__(desk, wish, now)
        self.id = f"supervision-{desk.ids.token(60)}"
        self._office = office
        self._room: media.RoomId | None = None
        self._lobby: Legs | None = None
        self._moving: Leg | None = None
        self._offered: Direction | None = None
        self._said = Direction.SENDRECV
        self._keys_from = now

    @abstractmethod
    def receive(self, event: SessionEvent, now: float) -> None:
        """Take news of the session."""

    @abstractmethod
    def tick(self, now: float) -> None:
        """The time that was asked for has come."""

    @abstractmethod
    def pressed(self, digit: str, now: float) -> None:
        """A key was pressed on it."""

    @abstractmethod
    def change(self, mode: Mode, now: float) -> None:
        """Take part in another way."""

    @abstractmethod
    def stop(self, now: float, cause: str = "stopped") -> None:
        """End it from our side."""

    @abstractmethod
    def _arrive(self, now: float) -> None:
        """It may be where it is wanted now."""

    @abstractmethod
    def _new_leg(self, party: str) -> Leg:
        """Return another leg of it."""

    # Offers and answers ----------------------------------------------------------------------------------------------

    def _negotiate(self, leg: Leg, event: SessionEvent, now: float) -> None:
        assert leg.media is not None
        match event:
            case Confirmed(description=description):
                if description is not None and leg.media.accept(description) is not None:
                    self.stop(now, str(Cause.PROTOCOL))
            case RemoteAnswer(description=description):
                self._agreed(leg, event, now)
            case OfferFailed():
                self._not_agreed(leg, now)
            case RemoteOffer(description=None):
                self._desk.command(leg.session, AnswerOffer(description=leg.media.offer(self._codecs, self._said)))
            case RemoteOffer(description=description):
                assert description is not None
                answer = leg.media.answer(description, self._codecs, prefer=leg.agreed, direction=self._said)
                refused = isinstance(answer, Refused)
                self._desk.command(
                    leg.session,
                    RefuseOffer(status=answer.status)
                    if isinstance(answer, Refused)
                    else AnswerOffer(description=answer),
                )
                if not refused:
                    self._tell_dialog(leg)
            case _:
                pass

    @property
    def _place(self) -> Legs:
        """Where new ports are opened: the conversation's room, or the lobby."""
        if self.call is not None:
            return self.call.legs
        if self._lobby is None:
            self._room = self._desk.engine.open_room()
            self._lobby = Legs(
                self._desk, self._office, self._room, lambda port: self._desk.owns_port(self, port), lambda _: None
            )
        return self._lobby

    def _settle(self) -> None:
        """Renegotiate the supervisor's own leg when it is to be elsewhere, or to send or be silent; one at a time."""
        leg = self.leg
        if leg is None or leg.media is None or self._offered is not None:
            return
        here = self._place
        wanted = self._direction
        if leg.state is LegState.ENDED or here.of_port(leg.port) is not leg:
            heir = self._new_leg(leg.party)
            heir.session, heir.state = leg.session, LegState.TALKING
            try:
                heir.media = here.open_media(heir, leg.remote)
            except NotPossible:
                self._desk.command(leg.session, Hangup(reason=None))
                return
            heir.media.succeed(leg.media)
            self._moving = heir
            self._tell_of_leg(heir, "")
            self._offer(heir, wanted)
        elif wanted is not self._said:
            self._offer(leg, wanted)

    def _offer(self, leg: Leg, direction: Direction) -> None:
        assert leg.media is not None
        self._offered = direction
        self._desk.command(leg.session, MakeOffer(description=leg.media.offer(self._codecs, direction)))

    def _agreed(self, leg: Leg, event: RemoteAnswer, now: float) -> None:
        if self._offered is None:
            # He had asked us for an offer.
            if leg.media is not None and leg.media.accept(event.description) is not None:
                self.stop(now, str(Cause.PROTOCOL))
            return
        self._said, self._offered = self._offered, None
        heir, self._moving = self._moving, None
        if heir is not None and heir.media is not None:
            if leg.media is not None and leg.state is not LegState.ENDED:
                leg.media.close()  # it stood in the lobby
                self._tell_waiting(leg, "")
            self.leg = leg = heir
            self._keys_from = now + KEY_TAIL  # the key that moved it is repeated to the new port
        if leg.media is None or leg.state is LegState.ENDED:
            self._settle()  # the conversation ended meanwhile
            return
        if leg.media.accept(event.description) is not None:
            self.stop(now, str(Cause.PROTOCOL))
            return
        if heir is not None:
            self._tell_answer(leg)
        self._arrive(now)
        self._settle()

    def _not_agreed(self, leg: Leg, now: float) -> None:
        """His telephone takes no new offer: a move is impossible, and so is a mode for which it would have to send."""
        self._offered = None
        if self._moving is not None:
            self.stop(now, str(Cause.PROTOCOL))
            return
        if self._said is Direction.SENDONLY and self.wish.mode is not Mode.LISTEN:
            self._refuse("the telephone refuses to send", str(self.wish.mode))
            self.change(Mode.LISTEN, now)
        else:
            self._said = self._direction

    # Small words -----------------------------------------------------------------------------------------------------

    def receive_media(self, event: media.MediaEvent, now: float) -> None:
        """News of a port in the lobby."""
        match event:
            case media.Digit(port=port, digit=digit, means=means):
                leg = self._lobby.of_port(port) if self._lobby is not None else None
                for new in leg.keypad.press(digit, means, now) if leg is not None else "":
                    self.pressed(new, now)
            case media.PortClosed(port=port, stats=stats):
                assert self._lobby is not None
                self._lobby.port_closed(port, stats)
            case _:
                pass

    @property
    def _direction(self) -> Direction:
        """What we write into SDP now."""
        return direction_of(self.wish.mode)

    @property
    def _codecs(self) -> Sequence[media.Codec]:
        """Ours, the employee's first: his codec needs no conversion on the way to the supervisor."""
        employee = self.call.leg_of(self.wish.employee) if self.call is not None else None
        spoken = employee.codec if employee is not None else None
        return sorted(self._office.codecs, key=lambda codec: codec is not spoken)
