"""What the peers of a call agree on about its sound while it runs: codecs, addresses, hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softswitch import events as facts
from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg, LegState
from softswitch.calls.outcome import NOT_ACCEPTABLE
from softswitch.media.negotiation import Refused
from softswitch.sip.events import AnswerOffer, Cause, MakeOffer, RefuseOffer, RemoteOffer
from softswitch.sip.sdp import SessionDescription

if TYPE_CHECKING:
    from softswitch.calls.call import Call

__all__ = ["Agreement"]


class Agreement:
    """Each leg is negotiated apart; only a codec that we cannot hear ties the two together."""

    def __init__(self, call: Call, desk: Desk) -> None:
        self._call, self._desk = call, desk

    def answered(self, leg: Leg, description: SessionDescription) -> None:
        assert leg.media is not None
        if leg.media.accept(description) is not None:
            self._call.legs.release(leg, Cause.PROTOCOL, NOT_ACCEPTABLE)
            return
        self._note_hold(leg)
        self._stay_in_tune()

    def offered(self, leg: Leg, event: RemoteOffer) -> None:
        assert leg.media is not None
        other = next((side for side in self._call.sides if side is not leg), leg)
        prefer = other.agreed or leg.agreed
        if event.description is None:
            first = prefer.codec if prefer is not None else None
            codecs = sorted(self._call.office.codecs, key=lambda codec: codec is not first)
            self._desk.command(leg.session, AnswerOffer(description=leg.media.offer(codecs)))
            return
        # Where the other side has nothing but a codec that we cannot hear, leaving it would make both deaf.
        ours = self._call.office.codecs if other.media is None or other.media.hearable(self._call.office.codecs) else ()
        answer = leg.media.answer(event.description, ours, prefer=prefer)
        if isinstance(answer, Refused):
            self._desk.command(leg.session, RefuseOffer(status=answer.status))
            return
        self._desk.command(leg.session, AnswerOffer(description=answer))
        self._call.legs.publish_dialog(leg)  # the offer may have come with another Contact
        self._note_hold(leg)
        self._stay_in_tune()

    def _stay_in_tune(self) -> None:
        """A codec that we cannot hear must be the same on both sides; when one has left it, the other is asked to."""
        agreed = {side.agreed.format for side in self._call.sides if side.agreed is not None}
        if len(agreed) > 1:
            for side in self._call.sides:
                self.out_of_passage(side)

    def out_of_passage(self, leg: Leg) -> None:
        """Ask a peer whose codec is only passed through for one that can be mixed, if all can follow."""
        if leg.state is not LegState.TALKING or leg.ended_as is not None or leg.media is None:
            return
        if not all(side.media is None or side.media.hearable(self._call.office.codecs) for side in self._call.sides):
            return
        offer = leg.media.out_of_passage(self._call.office.codecs)
        if offer is not None:
            self._desk.command(leg.session, MakeOffer(description=offer))

    def _note_hold(self, leg: Leg) -> None:
        assert leg.media is not None
        if leg.media.on_hold != leg.holds:
            leg.holds = leg.media.on_hold
            self._call.publish(facts.LegHeld(leg=leg.id) if leg.holds else facts.LegResumed(leg=leg.id))
        self._call.hearing.update()
        self._call.silence.listen_again()
