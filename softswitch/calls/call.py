"""A call: one conversation from its first INVITE to its last BYE, above all of its legs.

The caller's leg comes first; the callee's devices, or one trunk after another,
are offered the call; the first answer wins exactly once. Facts are published
before anything that follows from them reaches the wire.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from dataclasses import replace

from softswitch import events as facts
from softswitch.calls import offering
from softswitch.calls.agreement import Agreement
from softswitch.calls.audience import Audience
from softswitch.calls.desk import Attendant, Desk
from softswitch.calls.hearing import Hearing
from softswitch.calls.hunt import Hunt
from softswitch.calls.keys import Keys
from softswitch.calls.leg import Leg, LegState
from softswitch.calls.legs import Legs
from softswitch.calls.office import Office
from softswitch.calls.outcome import NO_MEDIA, NOT_ACCEPTABLE, UNSUITABLE, Failure, passed_on, tone
from softswitch.calls.places import Places
from softswitch.calls.recording import ConversationRecording, wanted
from softswitch.calls.silence import Silence
from softswitch.dialplan import plan
from softswitch.dialplan.plan import NoRoute, ToPerson, ToTrunk
from softswitch.errors import NotPossible
from softswitch.events import Event
from softswitch.ids import ConversationId
from softswitch.media import engine as media
from softswitch.media.negotiation import Refused
from softswitch.mixer.roles import Role
from softswitch.sip.events import (
    Accept,
    Answered,
    Cause,
    Confirmed,
    Ended,
    Incoming,
    Invite,
    KeyPressed,
    KeysRefused,
    OfferFailed,
    Progress,
    Reason,
    Reject,
    RemoteAnswer,
    RemoteOffer,
    Ring,
    SessionEvent,
    SessionId,
)
from softswitch.sip.sdp import SessionDescription

__all__ = ["Call"]

LINGER = 5.0
"""Seconds that an ended call waits for its recording and its ports before it is closed without them."""

FAREWELL = 10.0
"""Seconds that a caller hears why it came to nothing before he is hung up on; few listen so long."""

ELSEWHERE = Reason(protocol="SIP", cause=200, text="Call completed elsewhere")


class Call:
    """Not thread-safe; lives on the loop that feeds it. ``office`` is the configuration it began with.

    ``partner`` is who took the call; ``sides`` are the two who talk with each other, none before the answer.
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
        self.sides: tuple[Leg, ...] = ()
        self._desk = desk
        self._incoming = incoming
        self._began = now
        self._room = desk.engine.open_room()

        # The parts know their call weakly: what ends is then gone at once, and is not left to the garbage collector,
        # which would find half a minute of calls there and stop the office to walk through them.
        me = weakref.ref(self)

        def itself() -> Call:
            call = me()
            assert call is not None, "a part outlived its call"
            return call

        def publish(event: Event) -> None:
            desk.publish(facts.place(event, conversation))

        self.publish = publish
        """Tell an event as a part of this conversation."""
        self.hearing = Hearing(
            desk.engine,
            self._room,
            office.music,
            own=lambda source: desk.owns_source(itself(), source),
            disown=desk.released,
        )
        self.legs = Legs(desk, office, self._room, lambda port: desk.owns_port(itself(), port), publish)
        self.silence = Silence(self.legs, lambda: itself().sides, publish)
        self._hunt = Hunt(weakref.proxy(self), office, desk, incoming, caller)
        self._caller = Leg(
            id=desk.ids.leg(),
            session=incoming.session,
            party=f"{incoming.identity.kind}:{incoming.identity.name}",
            role=Role.CUSTOMER,
            media=None,
        )
        self.legs.add(self._caller)
        self._ringing_sent = False
        self._early: SessionDescription | None = None
        self._attendant: Attendant | None = None
        self._recording = ConversationRecording(desk, publish)
        self.audience = Audience(self.hearing, self._recording, lambda: itself().sides)
        self.places = Places(self, desk)
        self.keys = Keys(weakref.proxy(self), desk, lambda leg, digit: itself()._tell_attendant(leg, digit))
        self.sound = Agreement(weakref.proxy(self), desk)
        self._answered_caller = False
        self._outcome: Failure | None = None
        self._refused: Failure | None = None
        self._farewell_until: float | None = None
        self._abandoned = False
        self._closed = False
        self._cause = ""
        self._linger_until: float | None = None
        self.publish(
            facts.CallArrived(
                leg=self._caller.id,
                origin=self._caller.party,
                caller=caller,
                caller_name=incoming.caller[0],
                called=incoming.request.uri.user or "",
                call_id=incoming.request.call_id,
                withheld=incoming.withheld,
                dialog=self.legs.new_dialog(self._caller),
            )
        )

    @property
    def caller_name(self) -> str:
        return self._incoming.caller[0]

    # Where the caller goes -------------------------------------------------------------------------------------------

    def turn_away(self, failure: Failure) -> None:
        """Refuse the caller before anybody is called."""
        self.publish(facts.CallRouted(to="nowhere", rule=failure.cause))
        self.come_to_nothing(failure)

    def follow(self, now: float) -> None:
        """Go where the dial plan says."""
        if self._open_caller(foreign=True):
            self._go(self._incoming.request.uri.user or "", now)

    def attend(self, attendant: Attendant, name: str) -> None:
        """Give the caller to a program."""
        self.publish(facts.CallRouted(to=f"action:{name}", rule="action"))
        if self._open_caller(foreign=False):
            self._attendant = attendant
            attendant.arrived(self)

    def _open_caller(self, *, foreign: bool) -> bool:
        """``foreign``: the caller may speak a codec that only whom he calls knows."""
        try:
            self._caller.media = self.legs.open_media(self._caller, self._incoming.flow.remote[0])
        except NotPossible:
            self.come_to_nothing(NO_MEDIA)
            return False
        if self._incoming.takes_keys:
            self._caller.media.takes_info(True)
        offer = self._incoming.offer
        refused = None if offer is None else self._caller.media.refusal(offer, self.office.codecs, foreign=foreign)
        if refused is not None:
            warning = (("Warning", f'{refused.warning} softswitch "{refused.reason}"'),)
            self.come_to_nothing(replace(UNSUITABLE, cause=refused.reason, headers=warning))
            return False
        return True

    def _go(self, dialled: str, now: float) -> None:
        identity = self._incoming.identity
        match plan.route(self.office.plan, self.office.directory, identity.kind, identity.name, dialled):
            case ToPerson(extension=extension, rule=rule):
                self.publish(facts.CallRouted(to=f"person:{extension}", rule=rule))
                self._caller.role = Role.CUSTOMER
                self._hunt.person(extension, now)
            case ToTrunk(number=number, rule=rule) as route:
                self.publish(facts.CallRouted(to=f"number:{number}", rule=rule))
                self._caller.role = Role.AGENT
                self._hunt.number(route, now)
            case NoRoute(reason=reason, status=status):
                self.publish(facts.CallRouted(to="nowhere", rule=reason))
                self.come_to_nothing(Failure(result="no such number", status=status, cause=reason))

    def offer(self, party: str, role: Role, remote: str, invite: Invite) -> bool:
        """Call one device or trunk; False when no port is left for it."""
        leg = Leg(id=self._desk.ids.leg(), session=SessionId(""), party=party, role=role, media=None)
        try:
            leg.media = self.legs.open_media(leg, remote)
        except NotPossible:
            return False
        offer = leg.media.offer(
            offering.codecs(self._incoming.offer, self.office.codecs),
            foreign=offering.foreign(self._incoming.offer, self._caller.agreed),
        )
        leg.session = self._desk.invite(self, replace(invite, offer=offer))
        self.legs.add(leg)
        self.publish(
            facts.LegOffered(
                leg=leg.id,
                party=party,
                target=str(invite.target),
                call_id=self._desk.call_id(leg.session),
                dialog=self.legs.new_dialog(leg),
            )
        )
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
        self.hearing.play(self._caller, source)

    def mask(self, masked: bool) -> None:
        """Keep what the caller says and presses out of the recording and the timeline, or let it in again."""
        self._must_be_there()
        if self._caller.media is not None and self._caller.media.masked != masked:
            self._caller.media.mask(masked, "program")
            told = facts.RecordingMasked if masked else facts.RecordingUnmasked
            self.publish(told(by="", via="program"))

    def dial(self, dialled: str, now: float) -> None:
        """Send the caller on; ``Attendant.connected`` or ``refused`` follows, maybe from within.

        A caller who was answered hears ringing. Raises NotPossible.
        """
        self._must_be_alone()
        self._refused = None
        self._hunt.begin()
        if self._caller.state is LegState.TALKING:
            with suppress(NotPossible):
                self.hearing.play(self._caller, self.office.tones.ringback)
        self._go(dialled, now)

    def dismiss(self, now: float) -> None:
        """Send the caller away whom a program could not send on: with a tone, or if he was not answered, a status."""
        failure, self._refused = self._refused, None
        if failure is None or self._over or self._caller.ended_as is not None or self.sides or self.outgoing:
            self.hang_up(now)
            return
        self._attendant, attendant = None, self._attendant
        if self._caller.state is not LegState.TALKING:
            self.come_to_nothing(failure)
        else:
            with suppress(NotPossible):
                self.hearing.play(self._caller, tone(failure.result, self.office.tones))
            self._farewell_until = now + FAREWELL
            self.wake()
        self._attendant = attendant

    def _must_be_there(self) -> None:
        if self._caller.state is LegState.ENDED or self._caller.ended_as is not None or self._over:
            raise NotPossible("the caller has gone")

    def _must_be_alone(self) -> None:
        self._must_be_there()
        if self.partner is not None or self.outgoing:
            raise NotPossible("the caller has been sent on already")

    # What sessions tell ----------------------------------------------------------------------------------------------

    def receive(self, event: SessionEvent, now: float) -> None:
        leg = self.legs.of_session(event.session)
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
                self._answered(leg, event, now)
            case Confirmed(description=description) | RemoteAnswer(description=description):
                if description is not None:
                    self.sound.answered(leg, description)
            case RemoteOffer():
                self.sound.offered(leg, event)
            case KeyPressed(digit=digit):
                if leg.media is not None:
                    leg.media.takes_info(True)  # who tells keys so is told them so
                self.keys.pressed(leg, digit, media.Means.INFO, now)
            case KeysRefused(digits=digits, status=status):
                self.keys.refused(leg, digits, status)
            case OfferFailed() | Incoming():
                pass

    def _progress(self, leg: Leg, event: Progress) -> None:
        if leg.state is LegState.OFFERED:
            leg.state = LegState.RINGING
            self.publish(facts.LegRinging(leg=leg.id, status=event.status))
        if self._caller.state is LegState.TALKING:
            return
        if event.description is not None and self.outgoing == [leg]:
            # Early media has one speaker: with several devices ringing the caller hears plain ringing.
            assert leg.media is not None
            if leg.media.accept(event.description) is None:
                self._let_hear_early(leg)
                return
        if self._early is not None:
            self._ring_in_sound()
        elif not self._ringing_sent:
            self._ringing_sent = True
            self._desk.command(self._caller.session, Ring(status=180))

    def _ring_in_sound(self) -> None:
        """Who has heard a trunk that failed makes no ringing of his own any more."""
        if self.hearing.silent:
            with suppress(NotPossible):
                self.hearing.play(self._caller, self.office.tones.ringback)

    def _let_hear_early(self, leg: Leg) -> None:
        self.hearing.connect((self._caller, leg))
        if self._early is None:
            self._early = self._describe_to_caller(leg)
            self._ringing_sent = True
            self._desk.command(self._caller.session, Ring(status=183, description=self._early))

    def _answered(self, leg: Leg, event: Answered, now: float) -> None:
        assert leg.media is not None
        if event.takes_keys:
            leg.media.takes_info(True)
        if leg.media.accept(event.description) is not None:
            self.legs.release(leg, Cause.PROTOCOL, NOT_ACCEPTABLE)
            return
        self.partner, self.sides = leg, (self._caller, leg)
        leg.state = LegState.TALKING
        self._hunt.stop()
        self.publish(facts.LegAnswered(leg=leg.id, codec=str(leg.codec or ""), dialog=self.legs.new_dialog(leg)))
        if self._caller.state is not LegState.TALKING:
            self._accept_caller(leg)
        self.hearing.connect(self.sides)
        self.silence.listen_again()
        self._recording.follow(self.sides)
        if wanted(self.office, self.sides):
            recording = self._recording.start(self.id, self.office, self._room, self.sides)
            if recording is not None:
                self._desk.owns_recording(self, recording)
        for other in self.outgoing:
            if other is not leg:
                self.legs.release(other, "answered elsewhere", ELSEWHERE)
        if self._attendant is not None:
            self._attendant.connected()
        self.audience.talking(now)
        self._desk.answered(self, now)

    def _accept_caller(self, callee: Leg | None) -> None:
        description = self._early or self._describe_to_caller(callee)
        self._caller.state = LegState.TALKING
        self._answered_caller = True
        # Nothing is sent before this event of the session has been dealt with: the fact stands before the 200 goes out.
        self._desk.command(self._caller.session, Accept(description=description))
        dialog = self.legs.new_dialog(self._caller)
        self.publish(facts.LegAnswered(leg=self._caller.id, codec=str(self._caller.codec or ""), dialog=dialog))

    def _describe_to_caller(self, callee: Leg | None) -> SessionDescription:
        """Our answer to the caller's offer, in the callee's codec if the caller has it; our offer if he made none."""
        assert self._caller.media is not None
        prefer = callee.agreed if callee is not None else None
        if self._incoming.offer is None:
            first = callee.codec if callee is not None else None
            return self._caller.media.offer(sorted(self.office.codecs, key=lambda codec: codec is not first))
        answer = self._caller.media.answer(self._incoming.offer, self.office.codecs, prefer=prefer)
        assert not isinstance(answer, Refused), "it was found answerable when it came"
        return answer

    # Ending ----------------------------------------------------------------------------------------------------------

    @property
    def _over(self) -> bool:
        return self._outcome is not None or self._abandoned

    def hang_up(self, now: float, reason: Reason | None = None) -> None:
        """End the conversation from our side, whatever its state."""
        if not self._over and not self._answered_caller:
            self._outcome = Failure(result="refused", status=480, cause="ended by the switch")
        self._hunt.stop()
        for leg in self.legs:
            self.legs.release(leg, Cause.LOCAL, reason)

    def come_to_nothing(self, failure: Failure) -> None:
        """Nobody takes the call: tell the program that sent it, or else the caller."""
        self._hunt.stop()
        for leg in self.outgoing:
            self.legs.release(leg, Cause.CANCELLED, None)
        if self._attendant is not None:
            self.hearing.stop()
            self._refused = failure
            self._attendant.refused(failure.result)
            return
        self._outcome = failure
        self._desk.command(
            self._caller.session, Reject(status=failure.status, reason=failure.reason, headers=failure.headers)
        )

    def _ended(self, leg: Leg, event: Ended, now: float) -> None:
        leg.state = LegState.ENDED
        cause, ours = leg.ended_as or str(event.cause), leg.ended_as is not None
        self.publish(facts.LegEnded(leg=leg.id, cause=cause, status=event.status, remote=event.remote and not ours))
        if self.places.ended(leg, cause, now):
            if leg.media is not None:
                leg.media.close()
            self._finish_if_done(now)
            return
        if leg.media is not None:
            self.hearing.leave(leg)
            leg.media.close()
        if leg in self.sides:
            self._recording.stop()
            self._cause = self._cause or cause
            for other in (*self.sides, *self.places):
                self.legs.release(other, Cause.LOCAL, passed_on(event.reason))
            self.audience.over(now)
        elif leg is self._caller and not self.sides:
            self._cause = self._cause or cause
            self._caller_gone(event, now)
        elif leg.ended_as in (None, Cause.PROTOCOL):
            self._hunt.failed(leg, event, now)
        self._finish_if_done(now)

    def _caller_gone(self, event: Ended, now: float) -> None:
        self._hunt.stop()
        if not self._answered_caller and not self._over and self._caller.ended_as is None:
            self._abandoned = True
            self.publish(facts.Abandoned(waited=round(now - self._began, 3)))
        for leg in self.outgoing:
            self.legs.release(leg, Cause.CANCELLED, passed_on(event.reason))

    def _finish_if_done(self, now: float) -> None:
        if self._closed or not self.legs.over:
            return
        self.audience.over(now)
        if self.legs.open_ports or self._recording.open:
            if self._linger_until is None:
                self._linger_until = now + LINGER
                self.wake()
            if now < self._linger_until:
                return
        self._closed = True
        result: facts.Result
        if self._outcome is not None and self.partner is None:
            result, cause = self._outcome.result, self._outcome.cause
        else:
            result, cause = "answered" if self._answered_caller else "abandoned", self._cause
        self.publish(facts.ConversationEnded(result=result, cause=cause))
        self._desk.engine.close_room(self._room)
        for port in self.legs.open_ports:
            self._desk.released(port)
        self._desk.closed(self)
        if self._attendant is not None:
            self._attendant.gone()

    # Visitors: supervisors and prompters -----------------------------------------------------------------------------

    @property
    def talking(self) -> bool:
        """Whether two talk with each other, a hold included."""
        return bool(self.sides) and all(leg.state is LegState.TALKING and leg.ended_as is None for leg in self.sides)

    @property
    def going_on(self) -> bool:
        """Whether the two talk or may yet come to talk."""
        return self.talking or not (self.sides or self._over or self._caller.ended_as or self.legs.over)

    def leg_of(self, extension: str) -> Leg | None:
        """Return a person's leg: of the two who talk or are parked, or before the answer, whoever calls or rings."""
        party = f"person:{extension}"
        present = (*self.sides, *self.places) if self.sides else (self._caller, *self.outgoing)
        return next((leg for leg in present if leg.party == party), None)

    @property
    def waits(self) -> bool:
        """Whether a side waits with music while the other talks with a visitor."""
        return any(leg.waits for leg in self.sides)

    def wait(self, employee: Leg, *, waits: bool) -> None:
        """Let the other side wait with music while the employee talks with a visitor, or come back."""
        assert employee in self.sides
        for other in self.sides:
            if other is not employee and other.waits != waits and self.talking:
                other.waits = waits
                self.publish(facts.LegHeld(leg=employee.id) if waits else facts.LegResumed(leg=employee.id))
                self.hearing.update()

    @property
    def masked(self) -> bool:
        """Whether what is said and pressed is kept out of the recording."""
        return self._recording.masked

    @property
    def recorded(self) -> bool:
        """Whether a recording was begun."""
        return self._recording.begun

    def mask_all(self, masked: bool, by: str, via: str) -> None:
        """Keep what everybody says and presses out of the recording and the timeline, or end that.

        Raises NotPossible when that is so already, and when nobody talks.
        """
        if not self.talking:
            raise NotPossible("nobody talks in this conversation")
        self._recording.mask(masked=masked, by=by, via=via)

    # What the media core tells ---------------------------------------------------------------------------------------

    def receive_media(self, event: media.MediaEvent, now: float) -> None:
        match event:
            case media.RecordingEnded():
                self._recording.ended(event)
                self._finish_if_done(now)
            case media.PlayEnded(source=source):
                if self.hearing.ended(source) and self._attendant is not None:
                    self._attendant.played()
            case _:
                leg = self.legs.of_port(event.port)
                if leg is not None:
                    self._receive_of_port(leg, event, now)

    def _tell_attendant(self, leg: Leg, digit: str) -> None:
        if leg is self._caller and self._attendant is not None:
            self._attendant.digit_pressed(digit)

    def _receive_of_port(self, leg: Leg, event: media.MediaEvent, now: float) -> None:
        match event:
            case media.MediaTimeout() if leg.visitor is not None:
                leg.visitor.fell_silent(now)
            case media.Digit(digit=digit, means=means):
                self.keys.pressed(leg, digit, means, now)
            case media.MediaTimeout(silent=silent):
                self.silence.fell(leg, silent)
            case media.PortStats(mos=mos) if leg.visitor is None:
                if mos is not None:
                    leg.scores, leg.scored = leg.scores + mos, leg.scored + 1
                self.silence.measured(leg, event)
            case media.MediaResumed():
                self.silence.broken(leg)
            case media.Unheard():
                self.sound.out_of_passage(leg)
            case media.PortClosed(port=port, stats=stats):
                self.legs.port_closed(port, stats)
                self._finish_if_done(now)
            case _:
                pass

    # Time ------------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Called when the time asked of ``Desk.wake`` has come; right also when called late or early."""
        if self._hunt.until is not None and now >= self._hunt.until:
            for leg in self.outgoing:
                self.legs.release(leg, "no answer", Reason(protocol="Q.850", cause=19, text="No answer"))
            self._hunt.rang_out()
        if self._farewell_until is not None and now >= self._farewell_until:
            self._farewell_until = None
            self.hang_up(now)
        self.keys.tick(now)
        self._finish_if_done(now)
        self.wake()

    def wake(self) -> None:
        """Ask to be called at the earliest of our times."""
        keypads = (leg.keypad.deadline for leg in self.legs)
        ours = (self._hunt.until, self._linger_until, self._farewell_until)
        times = [at for at in (*ours, *keypads) if at is not None]
        self._desk.wake(self, None if self._closed else min(times, default=None))

    # Small words -----------------------------------------------------------------------------------------------------

    def uses(self, trunk: str) -> int:
        """How many lines of the trunk this call holds."""
        return sum(1 for leg in self.legs if leg.trunk == trunk and leg.state is not LegState.ENDED)

    @property
    def outgoing(self) -> list[Leg]:
        """Whom we called and have not given up. None of them talks yet, or one of them does."""
        return [
            leg
            for leg in self.legs
            if leg is not self._caller and leg.state is not LegState.ENDED and leg.ended_as is None
        ]
