"""The answer to a second call by which somebody only asked for something: a tone that it is done, and the end."""

from __future__ import annotations

from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg, LegState
from softswitch.calls.legs import Legs
from softswitch.calls.office import Office
from softswitch.errors import NotPossible
from softswitch.media import engine as media
from softswitch.media.engine import SourceId, Tone
from softswitch.media.negotiation import Refused
from softswitch.mixer.roles import Role
from softswitch.sip.events import (
    Accept,
    Confirmed,
    Ended,
    Hangup,
    Incoming,
    Reason,
    RefuseOffer,
    RemoteAnswer,
    RemoteOffer,
    SessionEvent,
)

__all__ = ["Receipt"]

DONE = Tone((800.0,), level=-20.0, cadence=(0.15, 0.1), repeat=2)
"""What is heard."""

LONGEST = 2.0
"""Seconds after which the call is ended though nobody told the end of the tone."""


class Receipt:
    """Begins with ``give``; ends itself. No conversation, and in nobody's records."""

    def __init__(self, desk: Desk, office: Office) -> None:
        """Raises NotPossible when the media core has no room."""
        self.id = f"receipt-{desk.ids.token(60)}"
        self._desk, self._office = desk, office
        self._room = desk.engine.open_room()
        self._legs = Legs(desk, office, self._room, lambda port: desk.owns_port(self, port), lambda _: None)
        self._leg: Leg | None = None
        self._player: SourceId | None = None
        self._why = ""

    def give(self, incoming: Incoming, why: str, now: float) -> str | None:
        """Answer, and let the caller hear that it is done; return why it cannot be, None if it is."""
        leg = Leg(
            id=self._desk.ids.leg(),
            session=incoming.session,
            party=f"person:{incoming.identity.name}",
            role=Role.CUSTOMER,
            media=None,
        )
        try:
            leg.media = self._legs.open_media(leg, incoming.flow.remote[0])
        except NotPossible as error:
            self._desk.engine.close_room(self._room)
            return str(error)
        codecs = self._office.codecs
        answer = leg.media.offer(codecs) if incoming.offer is None else leg.media.answer(incoming.offer, codecs)
        if isinstance(answer, Refused):
            leg.media.close()
            self._desk.engine.close_room(self._room)
            return answer.reason
        leg.state, self._leg, self._why = LegState.TALKING, leg, why
        self._desk.adopt(self, leg.session)
        self._desk.command(leg.session, Accept(description=answer))
        self._desk.wake(self, now + LONGEST)
        return None

    def _play(self, leg: Leg) -> None:
        if self._player is not None:
            return
        try:
            self._player = self._desk.engine.play(self._room, DONE)
        except NotPossible:
            return  # no player left: ``tick`` ends the call
        self._desk.owns_source(self, self._player)
        self._desk.engine.hear(leg.port, {self._player: 1.0})

    def receive(self, event: SessionEvent, now: float) -> None:
        leg = self._leg
        if leg is None or leg.media is None:
            return
        match event:
            case Ended():
                self._close(leg)
            case Confirmed(description=description):
                if description is not None:
                    leg.media.accept(description)
                self._play(leg)  # not before: his telephone has only now begun to listen
            case RemoteAnswer(description=description):
                leg.media.accept(description)
            case RemoteOffer():
                self._desk.command(leg.session, RefuseOffer(status=488))  # in a moment it is over
            case _:
                pass

    def receive_media(self, event: media.MediaEvent, now: float) -> None:
        match event:
            case media.PlayEnded(source=source) if source == self._player:
                self._player = None
                self._hang_up()
            case media.PortClosed(port=port, stats=stats):
                self._legs.port_closed(port, stats)
            case _:
                pass

    def tick(self, now: float) -> None:
        self._hang_up()

    def _hang_up(self) -> None:
        self._desk.wake(self, None)
        if self._leg is not None:
            self._desk.engine.hear(self._leg.port, {})
            reason = Reason(protocol="SIP", cause=200, text=self._why)
            self._desk.command(self._leg.session, Hangup(reason=reason))

    def _close(self, leg: Leg) -> None:
        assert leg.media is not None
        self._leg = None
        self._desk.engine.hear(leg.port, {})
        if self._player is not None:
            self._desk.engine.stop(self._player)
            self._desk.released(self._player)
        leg.media.close()
        self._desk.engine.close_room(self._room)
        self._desk.closed(self)
