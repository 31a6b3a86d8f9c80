"""A call: one conversation from its first INVITE to its last BYE, above all of its legs.

The caller's leg comes first; the callee's devices, or one trunk after another,
are offered the call; the first answer wins exactly once. Facts are published
before anything that follows from them reaches the wire.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from softswitch import events as facts
from softswitch.calls import offering
from softswitch.calls.desk import Attendant, Desk
from softswitch.calls.hearing import Hearing
from softswitch.calls.leg import Leg, LegState, Media
from softswitch.calls.office import Office
from softswitch.calls.outcome import (
    NO_ANSWER,
    NO_LINE,
    NO_MEDIA,
    UNSUITABLE,
    Failure,
    best,
    of_status,
    passed_on,
)
from softswitch.calls.recording import ConversationRecording, wanted
from softswitch.dialplan import plan
from softswitch.dialplan.plan import NoRoute, ToPerson, ToTrunk
from softswitch.dialplan.routes import Trunk
from softswitch.errors import NotPossible
from softswitch.events import Event
from softswitch.ids import ConversationId
from softswitch.media import engine as media
from softswitch.media.negotiation import Refused
from softswitch.mixer.roles import Role
from softswitch.sip.events import (
    Accept,
    Answered,
    AnswerOffer,
    Cause,
    Confirmed,
    Ended,
    Hangup,
    Incoming,
    Invite,
    OfferFailed,
    Progress,
    Reason,
    RefuseOffer,
    Reject,
    RemoteAnswer,
    RemoteOffer,
    Ring,
    SessionEvent,
    SessionId,
)
from softswitch.sip.sdp import SessionDescription
from softswitch.sip.uri import Uri

__all__ = ["Call"]

TRUNK_RING = 180.0
"""Seconds that a called number outside may ring: timer C of RFC 3261 section 16.6."""

LINGER = 5.0
"""Seconds that an ended call waits for its recording and its ports before it is closed without them."""

RINGBACK = media.Tone((425.0,), level=-20.0, cadence=(1.0, 4.0))
"""What a caller hears who was answered by a program and then sent on (ETSI ES 201 970: 425 Hz, 1 s on, 4 s off)."""

MEDIA_LOST = "media lost"

ELSEWHERE = Reason(protocol="SIP", cause=200, text="Call completed elsewhere")
NOT_ACCEPTABLE = Reason(protocol="SIP", cause=488, text="Not acceptable here")


class Call:
    """Not thread-safe; lives on the loop that feeds it. ``office`` is the configuration it began with.

    A leg that we end counts as gone at once (``ended_as``), though its ``Ended`` comes a moment later.
    """

    def __init__(
        self, conversation: ConversationId, office: Office, desk: Desk, incoming: Incoming, caller: str, now: float
    ) -> None:
        """Take the caller's INVITE; then ``follow``, ``attend`` or ``turn_away``. ``caller`` is the number as recorded.

        Raises NotPossible when the media core takes no more conversations.
        """
        self.id = conversation
        self.office = office
        self.partner: Leg | None = None
        self._desk = desk
        self._incoming = incoming
        self._caller_number = caller
        self._began = now
        self._room = desk.engine.open_room()
        self._hearing = Hearing(
            desk.engine,
            self._room,
            office.music,
            own=lambda source: desk.owns_source(self, source),
            disown=desk.released,
        )
        self._ports: dict[media.PortId, Leg] = {}
        self._caller = Leg(
            id=desk.ids.leg(),
            session=incoming.session,
            party=f"{incoming.identity.kind}:{incoming.identity.name}",
            role=Role.CUSTOMER,
            media=None,
        )
        self._legs: dict[SessionId, Leg] = {incoming.session: self._caller}
        self._failures: list[Failure] = []
        self._trunks: tuple[Trunk, ...] = ()
        self._number, self._shown = "", offering.ANONYMOUS
        self._ringing_sent = False
        self._early: SessionDescription | None = None
        self._attendant: Attendant | None = None
        self._recording = ConversationRecording(desk, self._publish)
        self._answered_caller = False
        self._outcome: Failure | None = None
        self._abandoned = False
        self._closed = False
        self._cause = ""
        self._ring_until: float | None = None
        self._linger_until: float | None = None
        self._publish(
            facts.CallArrived(
                leg=self._caller.id,
                origin=self._caller.party,
                caller=caller,
                caller_name=incoming.caller[0],
                called=incoming.request.uri.user or "",
                call_id=incoming.request.call_id,
                withheld=incoming.withheld,
            )
        )

    @property
    def caller_name(self) -> str:
        return self._incoming.caller[0]

    # Where the caller goes -------------------------------------------------------------------------------------------

    def turn_away(self, failure: Failure) -> None:
        """Refuse the caller before anybody is called."""
        self._publish(facts.CallRouted(to="nowhere", rule=failure.cause))
        self._come_to_nothing(failure)

    def follow(self, now: float) -> None:
        """Go where the dial plan says."""
        if self._open_caller():
            self._go(self._incoming.request.uri.user or "", now)

    def attend(self, attendant: Attendant, name: str) -> None:
        """Give the caller to a program."""
        self._publish(facts.CallRouted(to=f"action:{name}", rule="action"))
        if self._open_caller():
            self._attendant = attendant
            attendant.arrived(self)

    def _open_caller(self) -> bool:
        try:
            self._caller.media = self._open_media(self._caller, self._incoming.flow.remote[0])
        except NotPossible:
            self._come_to_nothing(NO_MEDIA)
            return False
        offer = self._incoming.offer
        refused = None if offer is None else self._caller.media.refusal(offer, self.office.codecs)
        if refused is not None:
            warning = (("Warning", f'{refused.warning} softswitch "{refused.reason}"'),)
            self._come_to_nothing(replace(UNSUITABLE, cause=refused.reason, headers=warning))
            return False
        self._publish_dialog(self._caller)
        return True

    def _go(self, dialled: str, now: float) -> None:
        identity = self._incoming.identity
        match plan.route(self.office.plan, self.office.directory, identity.kind, identity.name, dialled):
            case ToPerson(extension=extension, rule=rule):
                self._publish(facts.CallRouted(to=f"person:{extension}", rule=rule))
                self._caller.role = Role.CUSTOMER
                self._ring_person(extension, now)
            case ToTrunk(trunks=trunks, number=number, caller=shown, rule=rule):
                self._publish(facts.CallRouted(to=f"number:{number}", rule=rule))
                self._trunks, self._number = trunks, number
                self._shown = (self.caller_name, Uri(scheme="sip", user=shown or None, host=self.office.domain))
                self._caller.role = Role.AGENT
                self._try_next_trunk(now)
            case NoRoute(reason=reason, status=status):
                self._publish(facts.CallRouted(to="nowhere", rule=reason))
                self._come_to_nothing(Failure(result="no such number", status=status, cause=reason))

    def _ring_person(self, extension: str, now: float) -> None:
        person, incoming = self.office.directory.people[extension], self._incoming
        # The telephone that calls is not called; but it may have accounts of several people.
        own = incoming.flow if incoming.identity.name == extension else None
        for binding in self._desk.bindings(extension):
            if binding.reachable and binding.flow != own:
                invite = offering.to_device(incoming, self._caller_number, binding, person, self.office.domain)
                self._offer(f"person:{extension}", Role.AGENT, binding.flow.remote[0], invite)
        if self._outgoing:
            self._set_ring_limit(now + person.ring)
        else:
            self._come_to_nothing(best(self._failures))

    def _try_next_trunk(self, now: float) -> None:
        while self._trunks:
            trunk, self._trunks = self._trunks[0], self._trunks[1:]
            if not self._desk.free_lines(trunk):
                self._failures.append(NO_LINE)
                continue
            invite = offering.to_trunk(self._incoming, trunk, self._number, self._shown)
            if self._offer(f"trunk:{trunk.name}", Role.CUSTOMER, trunk.host, invite):
                self._set_ring_limit(now + TRUNK_RING)
                return
        self._come_to_nothing(best(self._failures))

    def _offer(self, party: str, role: Role, remote: str, invite: Invite) -> bool:
        leg = Leg(id=self._desk.ids.leg(), session=SessionId(""), party=party, role=role, media=None)
        try:
            leg.media = self._open_media(leg, remote)
        except NotPossible:
            self._failures.append(NO_MEDIA)
            return False
        offer = leg.media.offer(offering.codecs(self._incoming.offer, self.office.codecs))
        leg.session = self._desk.invite(self, replace(invite, offer=offer))
        self._legs[leg.session] = leg
        self._publish(
            facts.LegOffered(
                leg=leg.id, party=party, target=str(invite.target), call_id=self._desk.call_id(leg.session)
            )
        )
        self._publish_dialog(leg)
        return True

    # What an attendant commands --------------------------------------------------------------------------------------

    def answer(self) -> None:
        """Answer the caller although nobody has been called. Harmless when that is done. Raises NotPossible."""
        self._must_be_there()
        if self._caller.state is not LegState.TALKING:
            self._accept_caller(None)

    def play(self, source: media.Tone | media.File) -> None:
        """Play to the caller instead of what played before; ``Attendant.played`` follows at the end.

        Raises NotPossible, also when the caller has been sent on.
        """
        self._must_be_alone()
        self._hearing.play(self._caller, source)

    def dial(self, dialled: str, now: float) -> None:
        """Send the caller on; ``Attendant.connected`` or ``refused`` follows, maybe from within.

        A caller who was answered hears ringing. Raises NotPossible.
        """
        self._must_be_alone()
        self._failures.clear()
        if self._caller.state is LegState.TALKING:
            with suppress(NotPossible):
                self._hearing.play(self._caller, RINGBACK)
        self._go(dialled, now)

    def _must_be_there(self) -> None:
        if self._caller.state is LegState.ENDED or self._caller.ended_as is not None or self._over:
            raise NotPossible("the caller has gone")

    def _must_be_alone(self) -> None:
        self._must_be_there()
        if self.partner is not None or self._outgoing:
            raise NotPossible("the caller has been sent on already")

    # What sessions tell ----------------------------------------------------------------------------------------------

    def receive(self, event: SessionEvent, now: float) -> None:
        leg = self._legs.get(event.session)
        if leg is None or leg.state is LegState.ENDED:
            return
        match event:
            case Ended():
                self._ended(leg, event, now)
            case _ if leg.ended_as is not None:
                pass  # said before it learned that we end it
            case Progress():
                self._progress(leg, event)
            case Answered():
                self._answered(leg, event)
            case Confirmed(description=description) | RemoteAnswer(description=description):
                if description is not None:
                    self._take_answer(leg, description)
            case RemoteOffer():
                self._remote_offer(leg, event)
            case OfferFailed() | Incoming():
                pass

    def _progress(self, leg: Leg, event: Progress) -> None:
        if leg.state is LegState.OFFERED:
            leg.state = LegState.RINGING
            self._publish(facts.LegRinging(leg=leg.id, status=event.status))
        if self._caller.state is LegState.TALKING:
            return
        if event.description is not None and self._outgoing == [leg]:
            # Early media has one speaker: with several devices ringing the caller hears plain ringing.
            assert leg.media is not None
            if leg.media.accept(event.description) is None:
                self._let_hear_early(leg)
                return
        if not self._ringing_sent:
            self._ringing_sent = True
            self._desk.command(self._caller.session, Ring(status=180))

    def _let_hear_early(self, leg: Leg) -> None:
        self._hearing.connect((self._caller, leg))
        if self._early is None:
            self._early = self._describe_to_caller(leg)
            self._ringing_sent = True
            self._desk.command(self._caller.session, Ring(status=183, description=self._early))

    def _answered(self, leg: Leg, event: Answered) -> None:
        assert leg.media is not None
        if leg.media.accept(event.description) is not None:
            self._release(leg, Cause.PROTOCOL, NOT_ACCEPTABLE)
            return
        self.partner = leg
        leg.state = LegState.TALKING
        self._set_ring_limit(None)
        self._publish(facts.LegAnswered(leg=leg.id, codec=str(leg.codec or "")))
        self._publish_dialog(leg)
        if self._caller.state is not LegState.TALKING:
            self._accept_caller(leg)
        self._hearing.connect((self._caller, leg))
        self._listen_again()
        if wanted(self.office, (self._caller, leg)):
            recording = self._recording.start(self.id, self.office.recordings, self._room, (self._caller, leg))
            if recording is not None:
                self._desk.owns_recording(self, recording)
        for other in self._outgoing:
            if other is not leg:
                self._release(other, "answered elsewhere", ELSEWHERE)
        if self._attendant is not None:
            self._attendant.connected()

    def _accept_caller(self, callee: Leg | None) -> None:
        description = self._early or self._describe_to_caller(callee)
        self._caller.state = LegState.TALKING
        self._answered_caller = True
        self._publish(facts.LegAnswered(leg=self._caller.id, codec=str(self._caller.codec or "")))
        self._desk.command(self._caller.session, Accept(description=description))
        self._publish_dialog(self._caller)

    def _describe_to_caller(self, callee: Leg | None) -> SessionDescription:
        """Our answer to the caller's offer, in the callee's codec if the caller has it; our offer if he made none."""
        assert self._caller.media is not None
        prefer = callee.codec if callee is not None else None
        if self._incoming.offer is None:
            return self._caller.media.offer(sorted(self.office.codecs, key=lambda codec: codec is not prefer))
        answer = self._caller.media.answer(self._incoming.offer, self.office.codecs, prefer=prefer)
        assert not isinstance(answer, Refused), "it was found answerable when it came"
        return answer

    def _take_answer(self, leg: Leg, description: SessionDescription) -> None:
        assert leg.media is not None
        if leg.media.accept(description) is not None:
            self._release(leg, Cause.PROTOCOL, NOT_ACCEPTABLE)
            return
        self._note_hold(leg)

    def _remote_offer(self, leg: Leg, event: RemoteOffer) -> None:
        assert leg.media is not None
        if event.description is None:
            codecs = sorted(self.office.codecs, key=lambda codec: codec is not leg.codec)
            self._desk.command(leg.session, AnswerOffer(description=leg.media.offer(codecs)))
            return
        answer = leg.media.answer(event.description, self.office.codecs, prefer=leg.codec)
        if isinstance(answer, Refused):
            self._desk.command(leg.session, RefuseOffer(status=answer.status))
            return
        self._desk.command(leg.session, AnswerOffer(description=answer))
        self._publish_dialog(leg)  # the offer may have come with another Contact
        self._note_hold(leg)

    def _note_hold(self, leg: Leg) -> None:
        assert leg.media is not None
        if leg.media.on_hold != leg.holds:
            leg.holds = leg.media.on_hold
            self._publish(facts.LegHeld(leg=leg.id) if leg.holds else facts.LegResumed(leg=leg.id))
        self._hearing.update()
        self._listen_again()

    # Ending ----------------------------------------------------------------------------------------------------------

    @property
    def _over(self) -> bool:
        return self._outcome is not None or self._abandoned

    def hang_up(self, now: float, reason: Reason | None = None) -> None:
        """End the conversation from our side, whatever its state."""
        if not self._over and not self._answered_caller:
            self._outcome = Failure(result="refused", status=480, cause="ended by the switch")
        self._set_ring_limit(None)
        for leg in self._legs.values():
            self._release(leg, Cause.LOCAL, reason)

    def _come_to_nothing(self, failure: Failure) -> None:
        """Nobody takes the call: tell the program that sent it, or else the caller."""
        self._set_ring_limit(None)
        self._trunks = ()
        for leg in self._outgoing:
            self._release(leg, Cause.CANCELLED, None)
        if self._attendant is not None:
            self._hearing.stop()
            self._attendant.refused(failure.result)
            return
        self._outcome = failure
        self._desk.command(
            self._caller.session, Reject(status=failure.status, reason=failure.reason, headers=failure.headers)
        )

    def _release(self, leg: Leg, cause: str, reason: Reason | None) -> None:
        if leg.state is not LegState.ENDED and leg.ended_as is None:
            leg.ended_as = str(cause)
            self._desk.command(leg.session, Hangup(reason=reason))

    def _ended(self, leg: Leg, event: Ended, now: float) -> None:
        leg.state = LegState.ENDED
        cause, ours = leg.ended_as or str(event.cause), leg.ended_as is not None
        self._publish(facts.LegEnded(leg=leg.id, cause=cause, status=event.status, remote=event.remote and not ours))
        if leg.media is not None:
            self._hearing.leave(leg)
            leg.media.close()
        if leg is self._caller or leg is self.partner:
            self._recording.stop()
            self._cause = self._cause or cause
        if leg is self._caller:
            self._caller_gone(event, now)
        elif leg is self.partner:
            self._release(self._caller, Cause.LOCAL, passed_on(event.reason))
        elif leg.ended_as in (None, Cause.PROTOCOL):
            self._device_failed(leg, event, now)
        self._finish_if_done(now)

    def _caller_gone(self, event: Ended, now: float) -> None:
        self._set_ring_limit(None)
        if not self._answered_caller and not self._over and self._caller.ended_as is None:
            self._abandoned = True
            self._publish(facts.Abandoned(waited=round(now - self._began, 3)))
        for leg in self._outgoing:
            self._release(leg, Cause.LOCAL if leg is self.partner else Cause.CANCELLED, passed_on(event.reason))

    def _device_failed(self, leg: Leg, event: Ended, now: float) -> None:
        failure = UNSUITABLE if leg.ended_as is not None else of_status(event.status, event.cause)
        self._failures.append(failure)
        if failure.status >= 600:
            # RFC 3261 section 21.6: nobody else needs to be asked.
            self._come_to_nothing(failure)
        elif not self._outgoing:
            decided = leg.trunk is not None and failure.result in ("busy", "declined", "no answer", "no such number")
            if decided:
                self._trunks = ()
            self._try_next_trunk(now)

    def _finish_if_done(self, now: float) -> None:
        if self._closed or any(leg.state is not LegState.ENDED for leg in self._legs.values()):
            return
        if self._ports or self._recording.open:
            if self._linger_until is None:
                self._linger_until = now + LINGER
                self._wake()
            if now < self._linger_until:
                return
        self._closed = True
        if self._outcome is not None and self.partner is None:
            result, cause = str(self._outcome.result), self._outcome.cause
        else:
            result, cause = "answered" if self._answered_caller else "abandoned", self._cause
        self._publish(facts.ConversationEnded(result=result, cause=cause))  # type: ignore[arg-type]
        self._desk.engine.close_room(self._room)
        for port in self._ports:
            self._desk.released(port)
        self._desk.closed(self)
        if self._attendant is not None:
            self._attendant.gone()

    # What the media core tells ---------------------------------------------------------------------------------------

    def receive_media(self, event: media.MediaEvent, now: float) -> None:
        match event:
            case media.RecordingEnded():
                self._recording.ended(event)
                self._finish_if_done(now)
            case media.PlayEnded(source=source):
                if self._hearing.ended(source) and self._attendant is not None:
                    self._attendant.played()
            case _ if event.port in self._ports:
                self._receive_of_port(self._ports[event.port], event, now)
            case _:
                pass

    def _receive_of_port(self, leg: Leg, event: media.MediaEvent, now: float) -> None:
        match event:
            case media.Digit(digit=digit):
                self._publish(facts.DigitPressed(leg=leg.id, digit=digit))
                if leg is self._caller and self._attendant is not None:
                    self._attendant.digit_pressed(digit)
            case media.MediaTimeout(silent=silent):
                self._media_lost(leg, silent)
            case media.MediaResumed():
                leg.silent = False
                if leg.ended_as == MEDIA_LOST:
                    self._publish(facts.MediaRegained(leg=leg.id))
            case media.PortClosed(port=port, stats=stats):
                del self._ports[port]
                self._desk.released(port)
                self._publish_quality(leg, stats)
                self._finish_if_done(now)
            case _:
                pass

    def _media_lost(self, leg: Leg, silent: float) -> None:
        if leg.state is not LegState.TALKING or any(other.holds for other in self._legs.values()):
            # Who holds may well be silent, and so may who is held: he has nobody to talk to.
            leg.silent = True
            return
        remote = leg.media.session.remote if leg.media is not None and leg.media.session is not None else None
        where = f"{remote[0]}:{remote[1]}" if remote else "nowhere"
        self._publish(facts.MediaLost(leg=leg.id, silent=silent, sent_to=where))
        # A telephone that lost its power says nothing more: it is released, and so is the other side.
        self._release(leg, MEDIA_LOST, Reason(protocol="Q.850", cause=27, text="Media lost"))

    def _listen_again(self) -> None:
        """Once nobody holds the call any more, silence is a fault again."""
        talking = [leg for leg in self._legs.values() if leg.state is LegState.TALKING]
        if any(leg.holds for leg in talking):
            return
        for leg in talking:
            if leg.silent and leg.media is not None:
                leg.silent = False
                leg.media.listen_again()

    def _publish_quality(self, leg: Leg, stats: media.PortStats) -> None:
        self._publish(
            facts.MediaQuality(
                leg=leg.id,
                received=stats.received,
                sent=stats.sent,
                lost=stats.lost,
                late=stats.late,
                concealed=stats.concealed,
                bad_source=stats.bad_source,
                jitter=stats.jitter,
                round_trip=stats.round_trip,
            )
        )

    # Time ------------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Called when the time asked of ``Desk.wake`` has come; right also when called late or early."""
        if self._ring_until is not None and now >= self._ring_until:
            for leg in self._outgoing:
                self._release(leg, "no answer", Reason(protocol="Q.850", cause=19, text="No answer"))
            self._failures.append(NO_ANSWER)
            self._come_to_nothing(best(self._failures))
        self._finish_if_done(now)
        self._wake()

    def _set_ring_limit(self, at: float | None) -> None:
        self._ring_until = at
        self._wake()

    def _wake(self) -> None:
        times = [at for at in (self._ring_until, self._linger_until) if at is not None]
        self._desk.wake(self, None if self._closed else min(times, default=None))

    # Small words -----------------------------------------------------------------------------------------------------

    def uses(self, trunk: str) -> int:
        """How many lines of the trunk this call holds."""
        return sum(1 for leg in self._legs.values() if leg.trunk == trunk and leg.state is not LegState.ENDED)

    def _open_media(self, leg: Leg, remote: str) -> Media:
        bind, advertised = self._desk.media_address(remote)
        opened = Media(
            self._desk.engine, self._room, bind=bind, advertised=advertised, timeout=self.office.media_timeout
        )
        self._ports[opened.port] = leg
        self._desk.owns_port(self, opened.port)
        return opened

    @property
    def _outgoing(self) -> list[Leg]:
        """Whom we called and have not given up."""
        return [
            leg
            for leg in self._legs.values()
            if leg is not self._caller and leg.state is not LegState.ENDED and leg.ended_as is None
        ]

    def _publish_dialog(self, leg: Leg) -> None:
        state = self._desk.dialog(leg.session)
        if state is not None and state != leg.dialog:
            leg.dialog = state
            self._publish(facts.LegDialog(leg=leg.id, state=state))

    def _publish(self, event: Event) -> None:
        self._desk.publish(replace(event, conversation=self.id))
