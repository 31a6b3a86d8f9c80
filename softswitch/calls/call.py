"""A call: one conversation from its first INVITE to its last BYE, above all of its legs.

The caller's leg comes first; the callee's devices, or one trunk after another,
are offered the call; the first answer wins exactly once. Facts are published
before anything that follows from them reaches the wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from softswitch import events as facts
from softswitch.calls import offering
from softswitch.calls.desk import Attendant, Desk
from softswitch.calls.leg import Leg, LegState, Media
from softswitch.calls.office import Office
from softswitch.calls.outcome import NO_ANSWER, UNREACHABLE, Failure, best, of_status
from softswitch.calls.recording import ConversationRecording, wanted
from softswitch.dialplan.plan import NoRoute, Route, ToPerson, ToTrunk
from softswitch.dialplan.routes import Trunk
from softswitch.errors import NotPossible
from softswitch.events import Event
from softswitch.ids import ConversationId
from softswitch.media import engine as media
from softswitch.media import negotiation
from softswitch.media.negotiation import Refused
from softswitch.mixer.roles import Role, rows
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

ELSEWHERE = Reason(protocol="SIP", cause=200, text="Call completed elsewhere")
UNSUITABLE = Reason(protocol="SIP", cause=488, text="Not acceptable here")


class Call:
    """Not thread-safe; lives on the loop that feeds it. ``office`` is the configuration it began with."""

    def __init__(
        self, conversation: ConversationId, office: Office, desk: Desk, incoming: Incoming, caller: str, now: float
    ) -> None:
        """Take the caller's INVITE; then ``follow`` or ``attend``. ``caller`` is the number as recorded."""
        self.id = conversation
        self.office = office
        self.partner: Leg | None = None
        self._desk = desk
        self._incoming = incoming
        self._began = now
        self._room = desk.engine.open_room()
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
        self._number, self._shown = "", ("", offering.ANONYMOUS[1])
        self._ringing_sent = 0
        self._early: SessionDescription | None = None
        self._attendant: Attendant | None = None
        self._player: media.SourceId | None = None
        self._recording = ConversationRecording(desk, self._publish)
        self._answered_caller = False
        self._outcome: Failure | None = None
        self._abandoned = False
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

    def follow(self, route: Route, now: float) -> None:
        """Go where the dial plan says."""
        if isinstance(route, NoRoute):
            self._publish(facts.CallRouted(to="nowhere", rule=route.reason))
            self._come_to_nothing(Failure(result="no such number", status=route.status))
        elif self._open_caller():
            self._go(route, now)

    def attend(self, attendant: Attendant, name: str) -> None:
        """Give the caller to a program."""
        self._publish(facts.CallRouted(to=f"action:{name}", rule="action"))
        if self._open_caller():
            self._attendant = attendant
            attendant.arrived(self)

    def _open_caller(self) -> bool:
        if self._incoming.offer is not None and not negotiation.common(self._incoming.offer, self.office.codecs):
            self._come_to_nothing(Failure(result="failed", status=488))
            return False
        try:
            self._caller.media = self._open_media(self._caller, self._incoming.flow.remote[0])
        except NotPossible:
            self._come_to_nothing(Failure(result="failed", status=503))
            return False
        return True

    def _go(self, route: Route, now: float) -> None:
        try:
            match route:
                case ToPerson(extension=extension, rule=rule):
                    self._publish(facts.CallRouted(to=f"person:{extension}", rule=rule))
                    self._ring_person(extension, now)
                case ToTrunk(trunks=trunks, number=number, caller=shown, rule=rule):
                    self._publish(facts.CallRouted(to=f"number:{number}", rule=rule))
                    self._trunks, self._number = trunks, number
                    self._shown = (self._incoming.caller[0], Uri(scheme="sip", user=shown, host=self.office.domain))
                    if self._caller.trunk is None:
                        self._caller.role = Role.AGENT
                    self._try_next_trunk(now)
                case NoRoute(reason=reason, status=status):
                    self._publish(facts.CallRouted(to="nowhere", rule=reason))
                    self._come_to_nothing(Failure(result="no such number", status=status))
        except NotPossible:
            self._come_to_nothing(Failure(result="failed", status=503))

    def _ring_person(self, extension: str, now: float) -> None:
        person = self.office.directory.people[extension]
        own = self._incoming.flow
        devices = [b for b in self._desk.bindings(extension) if b.reachable and b.flow != own]
        if not devices:
            self._come_to_nothing(UNREACHABLE)
            return
        for binding in devices:
            invite = offering.to_device(self._incoming, binding, person, self.office.domain)
            self._offer(f"person:{extension}", Role.AGENT, binding.flow.remote[0], invite)
        self._set_ring_limit(now + person.ring)

    def _try_next_trunk(self, now: float) -> None:
        while self._trunks:
            trunk, self._trunks = self._trunks[0], self._trunks[1:]
            if self._desk.free_lines(trunk):
                invite = offering.to_trunk(self._incoming, trunk, self._number, self._shown)
                self._offer(f"trunk:{trunk.name}", Role.CUSTOMER, trunk.host, invite)
                self._set_ring_limit(now + TRUNK_RING)
                return
            self._failures.append(Failure(result="failed", status=503))
        self._come_to_nothing(best(self._failures))

    def _offer(self, party: str, role: Role, remote: str, invite: Invite) -> None:
        leg = Leg(id=self._desk.ids.leg(), session=SessionId(""), party=party, role=role, media=None)
        leg.media = self._open_media(leg, remote)
        leg.session = self._desk.invite(self, replace(invite, offer=leg.media.offer(self._codecs_for_callee())))
        self._legs[leg.session] = leg
        self._publish(
            facts.LegOffered(
                leg=leg.id, party=party, target=str(invite.target), call_id=self._desk.call_id(leg.session)
            )
        )

    def _codecs_for_callee(self) -> Sequence[media.Codec]:
        """Our codecs with the caller's choice first, so that both legs meet in one codec and nothing is transcoded."""
        if self._incoming.offer is None:
            return self.office.codecs
        spoken = negotiation.common(self._incoming.offer, self.office.codecs)
        return [*spoken, *(codec for codec in self.office.codecs if codec not in spoken)]

    # What an attendant commands --------------------------------------------------------------------------------------

    def answer(self) -> None:
        """Answer the caller although nobody has been called. Harmless when that is done. Raises NotPossible."""
        self._must_be_there()
        if self._caller.state is LegState.TALKING:
            return
        description = self._early or self._answer_caller(None)
        if description is None:
            raise NotPossible("the caller's offer cannot be answered")
        self._accept_caller(description)

    def play(self, source: media.Tone | media.File) -> None:
        """Play to the caller instead of what played before; ``Attendant.played`` follows at the end."""
        self._must_be_there()
        self._stop_playing()
        self._player = self._desk.engine.play(self._room, source)
        self._desk.owns_source(self, self._player)
        assert self._caller.media is not None
        self._desk.engine.hear(self._caller.media.port, {self._player: 1.0})

    def dial(self, dialled: str, now: float) -> None:
        """Send the caller on; ``Attendant.connected`` or ``refused`` follows. An answered caller hears ringing."""
        self._must_be_there()
        if self.partner is not None or self._outgoing_alive():
            raise NotPossible("the caller has been sent on already")
        self._failures.clear()
        if self._caller.state is LegState.TALKING:
            self.play(RINGBACK)
        self._go(self._desk.route(self._incoming.identity, dialled), now)

    def _must_be_there(self) -> None:
        if self._caller.state is LegState.ENDED or self._caller.ended_as is not None or self._outcome is not None:
            raise NotPossible("the caller has gone")

    def _stop_playing(self) -> None:
        if self._player is not None:
            self._desk.engine.stop(self._player)
            self._desk.released(self._player)
            self._player = None

    # What sessions tell ----------------------------------------------------------------------------------------------

    def receive(self, event: SessionEvent, now: float) -> None:
        leg = self._legs.get(event.session)
        if leg is None or leg.state is LegState.ENDED:
            return
        match event:
            case Progress():
                self._progress(leg, event)
            case Answered():
                self._answered(leg, event)
            case Confirmed(description=description) | RemoteAnswer(description=description):
                if description is not None:
                    self._take_answer(leg, description)
            case RemoteOffer():
                self._remote_offer(leg, event)
            case Ended():
                self._ended(leg, event, now)
            case OfferFailed() | Incoming():
                pass

    def _progress(self, leg: Leg, event: Progress) -> None:
        if self.partner is not None or self._over:
            return
        if leg.state is LegState.OFFERED:
            leg.state = LegState.RINGING
            self._publish(facts.LegRinging(leg=leg.id, status=event.status))
            self._publish_dialog(leg)
        if self._caller.state is LegState.TALKING:
            return
        if event.description is not None and self._early is None and self._outgoing_alive() == [leg]:
            # Early media has one speaker: with several devices ringing the caller hears plain ringing.
            assert leg.media is not None
            if leg.media.accept(event.description) is None:
                self._early = self._answer_caller(leg)
            if self._early is not None:
                self._hear((self._caller, leg))
                self._ringing_sent = 183
                self._desk.command(self._caller.session, Ring(status=183, description=self._early))
                return
        if self._ringing_sent == 0:
            self._ringing_sent = 180
            self._desk.command(self._caller.session, Ring(status=180))

    def _answered(self, leg: Leg, event: Answered) -> None:
        if self.partner is not None or self._over:
            self._release(leg, "answered elsewhere" if self.partner is not None else Cause.CANCELLED, ELSEWHERE)
            return
        assert leg.media is not None
        if leg.media.accept(event.description) is not None:
            self._release(leg, Cause.PROTOCOL, UNSUITABLE)
            return
        self.partner = leg
        leg.state = LegState.TALKING
        self._set_ring_limit(None)
        self._publish(facts.LegAnswered(leg=leg.id, codec=str(leg.codec or "")))
        self._publish_dialog(leg)
        self._stop_playing()
        if self._caller.state is not LegState.TALKING:
            description = self._early or self._answer_caller(leg)
            if description is None:
                self._come_to_nothing(Failure(result="failed", status=488))
                self._release(leg, Cause.LOCAL, None)
                return
            self._accept_caller(description)
        self._hear((self._caller, leg))
        if wanted(self.office, (self._caller, leg)):
            recording = self._recording.start(self.id, self.office.recordings, self._room, (self._caller, leg))
            if recording is not None:
                self._desk.owns_recording(self, recording)
        for other in self._outgoing_alive():
            if other is not leg:
                self._release(other, "answered elsewhere", ELSEWHERE)
        if self._attendant is not None:
            self._attendant.connected()

    def _accept_caller(self, description: SessionDescription) -> None:
        self._caller.state = LegState.TALKING
        self._answered_caller = True
        self._publish(facts.LegAnswered(leg=self._caller.id, codec=str(self._caller.codec or "")))
        self._desk.command(self._caller.session, Accept(description=description))
        self._publish_dialog(self._caller)

    def _answer_caller(self, callee: Leg | None) -> SessionDescription | None:
        """Our answer to the caller's offer, in the callee's codec if the caller has it; our offer if he made none."""
        assert self._caller.media is not None
        prefer = callee.codec if callee is not None else None
        if self._incoming.offer is None:
            return self._caller.media.offer(sorted(self.office.codecs, key=lambda codec: codec is not prefer))
        answer = self._caller.media.answer(self._incoming.offer, self.office.codecs, prefer=prefer)
        return None if isinstance(answer, Refused) else answer

    def _take_answer(self, leg: Leg, description: SessionDescription) -> None:
        assert leg.media is not None
        if leg.media.accept(description) is not None:
            self._release(leg, Cause.PROTOCOL, UNSUITABLE)
            return
        self._note_hold(leg)

    def _remote_offer(self, leg: Leg, event: RemoteOffer) -> None:
        assert leg.media is not None
        if event.description is None:
            self._desk.command(leg.session, AnswerOffer(description=leg.media.offer(self.office.codecs)))
            return
        answer = leg.media.answer(event.description, self.office.codecs, prefer=leg.codec)
        if isinstance(answer, Refused):
            self._desk.command(leg.session, RefuseOffer(status=answer.status))
            return
        self._desk.command(leg.session, AnswerOffer(description=answer))
        self._note_hold(leg)

    # Hold ------------------------------------------------------------------------------------------------------------

    def _note_hold(self, leg: Leg) -> None:
        assert leg.media is not None
        if leg.media.on_hold != leg.holds:
            leg.holds = leg.media.on_hold
            self._publish(facts.LegHeld(leg=leg.id) if leg.holds else facts.LegResumed(leg=leg.id))
        if self.partner is not None:
            self._hear((self._caller, self.partner))

    def _hear(self, members: Sequence[Leg]) -> None:
        """Set the rows: who holds is neither heard nor hears; who is held hears music."""
        holding = {leg for leg in members if leg.holds}
        if holding and self._player is None:
            self._player = self._start_music()
        roles: Mapping[Leg, Role] = {leg: leg.role for leg in members}
        for listener, row in rows(roles).items():
            assert listener.media is not None
            heard: dict[media.SourceId, float] = {}
            if listener not in holding:
                heard = {leg.media.port: gain for leg, gain in row.items() if leg.media and leg not in holding}
                if holding and self._player is not None:
                    heard[self._player] = 1.0
            self._desk.engine.hear(listener.media.port, heard)
        if not holding:
            self._stop_playing()

    def _start_music(self) -> media.SourceId | None:
        try:
            return self._desk.engine.play(self._room, self.office.music)
        except NotPossible:
            return None  # Silence on hold is bad, but no reason to lose the call.

    # Ending ----------------------------------------------------------------------------------------------------------

    @property
    def _over(self) -> bool:
        return self._outcome is not None or self._abandoned

    def hang_up(self, now: float, reason: Reason | None = None) -> None:
        """End the conversation from our side, whatever its state."""
        if not self._over and self._caller.state is not LegState.TALKING:
            self._outcome = Failure(result="refused", status=480)
        self._set_ring_limit(None)
        for leg in list(self._legs.values()):
            self._release(leg, Cause.LOCAL, reason)
        self._finish_if_done(now)

    def _come_to_nothing(self, failure: Failure) -> None:
        """Nobody takes the call: tell the program that sent it, or else the caller."""
        self._set_ring_limit(None)
        if self._attendant is not None and not self._over:
            self._stop_playing()
            self._attendant.refused(failure.result)
            return
        self._outcome = failure
        self._desk.command(self._caller.session, Reject(status=failure.status, reason=failure.reason))

    def _release(self, leg: Leg, cause: str, reason: Reason | None) -> None:
        if leg.state is not LegState.ENDED and leg.ended_as is None:
            leg.ended_as = str(cause)
            self._desk.command(leg.session, Hangup(reason=reason))

    def _ended(self, leg: Leg, event: Ended, now: float) -> None:
        leg.state = LegState.ENDED
        cause, ours = leg.ended_as or str(event.cause), leg.ended_as is not None
        self._publish(facts.LegEnded(leg=leg.id, cause=cause, status=event.status, remote=event.remote and not ours))
        if leg.media is not None:
            leg.media.close()
        if leg is self._caller:
            self._caller_gone(event, now)
        elif leg is self.partner:
            self._recording.stop()
            self._release(self._caller, Cause.LOCAL, event.reason)
        elif self.partner is None and not self._over:
            self._device_failed(leg, event, now)
        self._finish_if_done(now)

    def _caller_gone(self, event: Ended, now: float) -> None:
        self._set_ring_limit(None)
        self._stop_playing()
        self._recording.stop()
        if self.partner is None and not self._over and self._caller.ended_as is None:
            self._abandoned = True
            self._publish(facts.Abandoned(waited=round(now - self._began, 3)))
        for leg in self._outgoing_alive():
            self._release(leg, Cause.LOCAL if leg is self.partner else Cause.CANCELLED, event.reason)

    def _device_failed(self, leg: Leg, event: Ended, now: float) -> None:
        if leg.ended_as is not None and event.status == 0 and leg.ended_as != Cause.PROTOCOL:
            failure = NO_ANSWER
        else:
            failure = of_status(event.status, event.cause)
        self._failures.append(failure)
        others = self._outgoing_alive()
        if failure.status >= 600:
            # RFC 3261 section 21.6: nobody else needs to be asked.
            self._come_to_nothing(failure)
            for other in others:
                self._release(other, Cause.CANCELLED, None)
        elif not others:
            decided = leg.trunk is not None and failure.result in ("busy", "declined", "no answer", "no such number")
            if self._trunks and not decided:
                self._try_next_trunk(now)
            else:
                self._come_to_nothing(best(self._failures))

    def _finish_if_done(self, now: float) -> None:
        if any(leg.state is not LegState.ENDED for leg in self._legs.values()):
            return
        if (self._ports or self._recording.open) and (self._linger_until is None or now < self._linger_until):
            if self._linger_until is None:
                self._linger_until = now + LINGER
                self._desk.wake(self, self._linger_until)
            return
        talked = self.partner is not None or (self._attendant is not None and self._answered_caller)
        if self._outcome is not None and self.partner is None:
            result: str = self._outcome.result
        else:
            result = "answered" if talked else "abandoned" if self._abandoned else "failed"
        self._publish(facts.ConversationEnded(result=result))  # type: ignore[arg-type]
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
                if source == self._player:
                    self._player = None
                    if self._attendant is not None:
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
                self._publish(facts.MediaRegained(leg=leg.id))
            case media.PortClosed(port=port, stats=stats):
                del self._ports[port]
                self._desk.released(port)
                self._publish_quality(leg, stats)
                self._finish_if_done(now)
            case _:
                pass

    def _media_lost(self, leg: Leg, silent: float) -> None:
        # Who holds may well be silent, and so may who is held: he has nobody to talk to.
        if leg.state is not LegState.TALKING or any(other.holds for other in self._legs.values()):
            return
        remote = leg.media.session.remote if leg.media is not None and leg.media.session is not None else None
        where = f"{remote[0]}:{remote[1]}" if remote else "nowhere"
        self._publish(facts.MediaLost(leg=leg.id, silent=silent, sent_to=where))
        # A telephone that lost its power says nothing more: it is released, and so is the other side.
        self._release(leg, "media lost", Reason(protocol="Q.850", cause=27, text="Media lost"))

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
        if self._linger_until is not None and now >= self._linger_until:
            self._finish_if_done(now)
        elif self._ring_until is not None and now >= self._ring_until:
            self._ring_until = None
            for leg in self._outgoing_alive():
                self._release(leg, "no answer", Reason(protocol="Q.850", cause=19, text="No answer"))
            self._failures.append(NO_ANSWER)
            self._come_to_nothing(best(self._failures))

    def _set_ring_limit(self, at: float | None) -> None:
        self._ring_until = at
        self._desk.wake(self, at)

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

    def _outgoing_alive(self) -> list[Leg]:
        return [leg for leg in self._legs.values() if leg is not self._caller and leg.state is not LegState.ENDED]

    def _publish_dialog(self, leg: Leg) -> None:
        state = self._desk.dialog(leg.session)
        if state is not None:
            self._publish(facts.LegDialog(leg=leg.id, state=state))

    def _publish(self, event: Event) -> None:
        self._desk.publish(replace(event, conversation=self.id))
