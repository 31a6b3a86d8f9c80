"""Supervision: one person beside the two of a conversation, on a telephone of his own.

A supervisor listens, whispers or barges in; a prompter was asked for help by the
employee. Both are a leg in the conversation's room whose role makes its rows: the
legs of the two who talk are never renegotiated. While there is nobody to hear, the
leg stands in a lobby, a room of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from softswitch import events as facts
from softswitch.calls.chronicle import Wish
from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg, LegState
from softswitch.calls.modes import Mode, role_of
from softswitch.calls.office import Office
from softswitch.calls.policy import Policy
from softswitch.calls.ringing import Ringing
from softswitch.calls.telephone import KEY_TAIL
from softswitch.errors import NotPossible
from softswitch.ids import LegId
from softswitch.media import engine as media
from softswitch.media.engine import File, Tone
from softswitch.media.negotiation import Refused
from softswitch.mixer.roles import Role
from softswitch.sip.events import (
    Accept,
    Answered,
    Cause,
    Ended,
    Hangup,
    Incoming,
    KeyPressed,
    KeysRefused,
    MakeOffer,
    Progress,
    Reason,
    SessionEvent,
    SessionId,
)
from softswitch.sip.sdp import Direction

if TYPE_CHECKING:
    from softswitch.calls.call import Call

__all__ = ["Supervision", "Wish"]

ELSEWHERE = Reason(protocol="SIP", cause=200, text="Call completed elsewhere")
OVER = Reason(protocol="SIP", cause=200, text="Conversation over")

TAKE_OVER = str(Mode.TAKE_OVER)
ELSEWHERE_NOW = "somebody else has taken the conversation over"
PROMPTS_ONLY = "help that was asked for has no other mode"

DISCLOSED = Tone((1400.0,), level=-24.0, cadence=(0.2, 0.1), repeat=2)
"""What those hear who are to know that somebody listens: two short beeps, none of a country's call progress tones."""

LOUDEST, QUIETEST, STEP = 4.0, 0.125, 2.0**0.5
"""Bounds of a supervisor's volume, and one press of a key: 3 dB."""


class Supervision(Ringing):
    """Begin with ``ring`` or ``welcome``. Owned by ``Control``, which brings the news of its session.

    ``wish`` is what is being done now, ``call`` where; ``leg`` is the telephone that answered.
    """

    def __init__(self, desk: Desk, office: Office, policy: Policy, wish: Wish, now: float) -> None:
        super().__init__(desk, office, policy, wish, now)
        self.over_for_good = False
        self._beside = wish.mode
        """The mode to go back to from somebody's place."""
        self._volume = 1.0
        self._heir: Leg | None = None

    # Beginning -------------------------------------------------------------------------------------------------------

    def welcome(self, call: Call | None, incoming: Incoming, now: float) -> str | None:
        """Take the supervisor's own INVITE; return why it cannot be, None if it is answered."""
        if call is not None:
            self._attach(call)
        leg = self._new_leg(f"person:{self.wish.supervisor}")
        leg.session = incoming.session
        self._desk.adopt(self, leg.session)
        try:
            leg.media = self._place.open_media(leg, incoming.flow.remote[0])
        except NotPossible as error:
            self._close()
            return str(error)
        self._said = self._direction
        if incoming.offer is None:
            description = leg.media.offer(self._codecs, self._said)
        else:
            answer = leg.media.answer(incoming.offer, self._codecs, direction=self._said)
            if isinstance(answer, Refused):
                leg.media.close()
                self._close()
                return answer.reason
            description = answer
        self.leg = leg
        leg.state = LegState.TALKING
        self._tell_of_leg(leg, "", incoming.request.call_id)
        self._desk.command(leg.session, Accept(description=description))
        self._tell_answer(leg)
        self._arrive(now)
        return None

    def concerns(self, wish: Wish) -> bool:
        """Whether this is what somebody wishes already, but for the mode."""
        here = wish.conversation is None or (self.call is not None and self.call.id == wish.conversation)
        return self.wish.employee == wish.employee and here

    # Commands --------------------------------------------------------------------------------------------------------

    def change(self, mode: Mode, now: float) -> None:
        """Take part in another way from now on; only the supervisor's own leg is renegotiated, if at all.

        Raises NotPossible, and NotPermitted by way of the caller's policy.
        """
        before = self.wish.mode
        if mode is before:
            return
        if before is Mode.TAKE_OVER:
            self._give_back(mode)
            self._settle()
            return
        self.wish = replace(self.wish, mode=mode)
        leg = self.leg
        if leg is None:
            return  # it rings: what was asked last counts when it is answered
        if self._started_at is not None and self.call is not None:
            self._tell_change(leg, before, self._why)
            self._take_role(leg, self.call)
        self._settle()

    def take_over(self, now: float, *, park: bool = False) -> None:
        """Talk in the employee's place, who is released, or with ``park`` waits until he is given it back.

        Without ``park`` whoever is parked already is released now. Raises NotPossible.
        """
        call, leg = self.call, self.leg
        if self._holds_place:
            assert call is not None
            assert leg is not None
            if self._parked_himself:
                raise NotPossible(ELSEWHERE_NOW)
            if not park:
                call.places.keep(leg)
                self._go_on_as_side(leg, now)
            return
        former = call.leg_of(self.wish.employee) if call is not None else None
        if call is None or leg is None or former is None or self._started_at is None or not call.talking:
            raise NotPossible("there is no conversation to take over")
        if former not in call.sides:
            raise NotPossible(f"somebody else talks in the place of {self.wish.employee}")
        if call.waits:
            call.wait(former, waits=False)
        if self._said is not Direction.SENDRECV and leg.media is not None:
            self._desk.command(leg.session, MakeOffer(description=leg.media.offer(self._codecs, Direction.SENDRECV)))
        leg.volume = 1.0
        call.places.take(former, leg, park=park)
        if park:
            self._beside, before = self.wish.mode, self.wish.mode
            self.wish = replace(self.wish, mode=Mode.TAKE_OVER)
            self._tell_change(leg, before, self._why)
            self._said, self._offered = Direction.SENDRECV, None
        else:
            self._go_on_as_side(leg, now)
        call.audience.talking(now)

    @property
    def _holds_place(self) -> bool:
        """Whether he talks in the place of an employee who waits for it; the call owns his leg meanwhile."""
        return self.wish.mode is Mode.TAKE_OVER

    @property
    def _parked_himself(self) -> bool:
        """Whether another has taken the conversation over from him in turn."""
        call, leg = self.call, self.leg
        return self._holds_place and call is not None and leg is not None and not call.places.has_waiting(leg)

    def _give_back(self, mode: Mode) -> None:
        """Stand beside the two again. Raises NotPossible."""
        call, leg = self.call, self.leg
        assert call is not None
        assert leg is not None
        if self._parked_himself:
            raise NotPossible(ELSEWHERE_NOW)
        call.places.give_back(leg)
        self._desk.adopt(self, leg.session)
        self.wish = replace(self.wish, mode=mode)
        self._tell_change(leg, Mode.TAKE_OVER, self._why)
        self._take_role(leg, call)

    def _go_on_as_side(self, leg: Leg, now: float) -> None:
        """His leg is one of the two who talk; there is nobody left to supervise."""
        self._part("taken over", now)
        self._heir = leg
        self._close()
        self._desk.wake(self, now + KEY_TAIL)

    def _part(self, cause: str, now: float) -> None:
        """Leave the leg to the call."""
        self._tell_end(cause, now)
        if self.call is not None:
            self.call.audience.dismiss(self)
        self.leg = self.call = None

    def stop(self, now: float, cause: str = "stopped") -> None:
        """End it from our side; the conversation goes on."""
        for leg in self._ringing.values():
            self._release_ringing(leg, cause, None)
        if self._parked_himself and self.call is not None and self.leg is not None:
            self.call.legs.release(self.leg, cause, None)  # ``place_lost`` follows
            return
        leg_session = self.leg.session if self.leg is not None else None
        self._leave(now, cause)
        if leg_session is not None:
            self._desk.command(leg_session, Hangup(reason=OVER if cause == "conversation over" else None))
        self._close()

    @property
    def rings(self) -> bool:
        """Whether nobody has answered yet."""
        return self.leg is None

    @property
    def _rings_there(self) -> bool:
        """Whether what rings has its port in the conversation's room: it ends with it, whatever was asked since."""
        return self.call is not None and any(self._stands(leg, self.call) for leg in self._ringing.values())

    def move(self, call: Call, employee: str, now: float) -> None:
        """Go on to another conversation, listening there at first; what rings must do so in the lobby.

        Raises NotPossible.
        """
        if self._parked_himself:
            raise NotPossible(ELSEWHERE_NOW)
        self._leave(now, "moved on")
        mode = self.wish.mode if employee == self.wish.employee else Mode.LISTEN
        self.wish = replace(self.wish, employee=employee, mode=mode)
        self._attach(call)
        self._settle()

    # Visitor: what the conversation tells ----------------------------------------------------------------------------

    def talking(self, now: float) -> None:
        if self.leg is None or self._holds_place:
            return
        # Whoever talks by now in the place of another may be one whom nobody supervises.
        if self._started_at is not None and not self.wish.helps and not self._permitted(str(self.wish.mode)):
            self.over(now)
        else:
            self._arrive(now)

    def over(self, now: float) -> None:
        """The conversation is over: so is this, unless it follows the employee."""
        if self._holds_place:
            if self.leg is not None:
                self.leg.visitor = None
            self._part("conversation over", now)
            self._close()
        elif self.wish.follow and not self._rings_there:
            self._leave(now, "conversation over")
            self._settle()
        elif self.leg is not None:
            self.stop(now, "conversation over")
        else:
            for leg in self._ringing.values():
                self._release_ringing(leg, "conversation over", OVER)
            self._nobody("the conversation is over")

    def pressed(self, digit: str, now: float) -> None:
        key = self._office.keys.get(digit) if now >= self._keys_from else None
        match key:
            case None:
                return
            case "louder" | "quieter":
                self._volume *= STEP if key == "louder" else 1 / STEP
                self._volume = min(max(self._volume, QUIETEST), LOUDEST)
                if self.leg is not None and self.call is not None and self._started_at is not None:
                    self._take_role(self.leg, self.call)
            case "aside":
                self._put_aside()
            case _ if self.wish.helps:
                self._turn_down(PROMPTS_ONLY, key)
            case "next":
                found = self._policy.next_call(self)
                if found is None:
                    self._turn_down("there is no other conversation to go to", key)
                else:
                    self._attempt(key, lambda: self.move(*found, now))
            case "take over" | "park":
                if self._permitted(TAKE_OVER):
                    self._attempt(TAKE_OVER, lambda: self._take_by_key(key, now))
            case _:
                if self._permitted(key):
                    self._attempt(key, lambda: self.change(Mode(key), now))

    def _take_by_key(self, key: str, now: float) -> None:
        if key == "park" and self._holds_place:
            self.change(self._beside, now)
        else:
            self.take_over(now, park=key == "park")

    def _attempt(self, action: str, command: Callable[[], None]) -> None:
        try:
            command()
        except NotPossible as error:
            self._turn_down(str(error), action)

    def _turn_down(self, reason: str, action: str) -> None:
        """Refuse what a key asked for: tell why, and let it be heard."""
        self._refuse(reason, action)
        self._deny()

    def _put_aside(self) -> None:
        """Let the customer wait with music while the employee and the helper talk, or come back."""
        employee = self.call.leg_of(self.wish.employee) if self.call is not None else None
        if self.call is None or employee is None or self._started_at is None:
            return
        if employee not in self.call.sides:
            self._turn_down(f"somebody else talks in the place of {self.wish.employee}", "aside")
        elif self.wish.mode is Mode.LISTEN:
            self._turn_down("who only listens cannot talk aside", "aside")
        else:
            self.call.wait(employee, waits=not self.call.waits)

    def fell_silent(self, now: float) -> None:
        self.stop(now, "media lost")

    def place_lost(self, now: float, cause: str) -> None:
        self._part(cause, now)
        self._close()

    def place_kept(self, now: float) -> None:
        if self.leg is not None:
            self.leg.visitor = None
            self._go_on_as_side(self.leg, now)

    def asked_back(self, now: float) -> None:
        """The three talk with each other from now on: nobody is expelled, and how he goes on is the supervisor's."""
        self._attempt(str(Mode.BARGE), lambda: self.change(Mode.BARGE, now))

    # What the session tells ------------------------------------------------------------------------------------------

    def receive(self, event: SessionEvent, now: float) -> None:
        leg = self._ringing.get(event.session)
        if leg is None and self.leg is not None and self.leg.session == event.session:
            leg = self.leg
        if leg is None or leg.media is None or self.over_for_good:
            return
        match event:
            case Ended():
                self._ended(leg, event, now)
            case Progress(status=status):
                if leg.state is LegState.OFFERED:
                    leg.state = LegState.RINGING
                    self._tell(leg, facts.LegRinging(leg=leg.id, status=status))
            case Answered():
                self._answered(leg, event, now)
            case KeyPressed(digit=digit):
                for new in leg.keypad.press(digit, media.Means.INFO, now):
                    self.pressed(new, now)
            case KeysRefused() | Incoming():
                pass
            case _:
                self._negotiate(leg, event, now)

    def _answered(self, leg: Leg, event: Answered, now: float) -> None:
        assert leg.media is not None
        del self._ringing[leg.session]
        self.leg = leg
        if leg.media.accept(event.description) is not None:
            self.stop(now, str(Cause.PROTOCOL))
            return
        for other in list(self._ringing.values()):
            self._release_ringing(other, "answered elsewhere", ELSEWHERE)
        self._ringing.clear()
        self._set_ring_limit(None)
        leg.state = LegState.TALKING
        self.wish = replace(self.wish, supervisor=leg.name)
        self._tell_answer(leg)
        self._arrive(now)

    def _ended(self, leg: Leg, event: Ended, now: float) -> None:
        if leg is not self.leg:
            del self._ringing[leg.session]
            self._tell_leg_end(leg, str(event.cause), event.status, remote=event.remote)
            self._ring_next_or_end(now)
            return
        self._leave(now, str(event.cause), remote=event.remote)
        self._close()

    # Where it stands -------------------------------------------------------------------------------------------------

    def _attach(self, call: Call) -> None:
        self.call = call
        call.audience.admit(self)

    def _arrive(self, now: float) -> None:
        """Take part, if the leg is in the room and somebody talks there; else go there, or wait."""
        call, leg = self.call, self.leg
        if call is None or leg is None or leg.media is None:
            return
        if not self._stands(leg, call):
            self._settle()
            return
        if not call.talking or self._started_at is not None:
            return
        if call.leg_of(self.wish.employee) is None:
            self.over(now)  # somebody else has answered
            return
        # Asked anew: while it rang nobody knew who would talk.
        if not self.wish.helps and not self._permitted(str(self.wish.mode)):
            self.over(now)
            return
        self._started_at = now
        self._take_role(leg, call)
        self._tell_start(now, self._why)
        if self.wish.helps:
            self._policy.helps(self.wish.supervisor, now)
        else:
            self._disclose(call)
        self._settle()

    def _disclose(self, call: Call) -> None:
        people = self._office.directory
        groups = [people.groups[key] for key in people.people[self.wish.employee].groups if key in people.groups]
        employee = call.leg_of(self.wish.employee)
        for leg in call.sides:
            side = "employee" if leg is employee else "customer"
            told = [group for group in groups if group.disclosure in (side, "both")]
            file = next((group.announcement for group in told if group.announcement is not None), None)
            if told:
                call.audience.tell(DISCLOSED if file is None else File(file), leg)

    def _take_role(self, leg: Leg, call: Call) -> None:
        leg.volume = self._volume
        if self._holds_place:
            call.hearing.update()
            return
        employee = call.leg_of(self.wish.employee)
        leg.role = role_of(self.wish.mode, employee.role if employee is not None else Role.AGENT)
        call.audience.hear(leg)

    def _leave(self, now: float, cause: str, *, remote: bool = False) -> None:
        """Part from the conversation: tell the end, close the leg's port in its room. The session may go on."""
        call, leg, moving = self.call, self.leg, self._moving
        if call is None:
            return
        if self._holds_place:
            self._give_back(self._beside)
        self._tell_end(cause, now)
        call.audience.dismiss(self)
        if leg is not None and self._stands(leg, call):
            call.audience.part_from(leg)
            employee = call.leg_of(self.wish.employee)
            if call.waits and employee in call.sides and not call.audience.legs and employee is not None:
                call.wait(employee, waits=False)  # nobody is left who could take the customer back
            self._tell_leg_end(leg, cause, 0, remote=remote)
        if moving is not None and self._stands(moving, call):
            self._tell_leg_end(moving, cause, 0, remote=False)
            self._moving = None
        self.call, self._started_at = None, None

    # Small words -----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        if self._heir is not None:
            if self._heir.state is not LegState.ENDED and self._heir.media is not None:
                self._heir.media.pass_digits()
            self._heir = None
            self._desk.closed(self)
        self._ring_on(now)

    def _new_leg(self, party: str) -> Leg:
        return Leg(
            id=LegId(self._desk.ids.leg()),
            session=SessionId(""),
            party=party,
            role=Role.LISTENER,
            media=None,
            visitor=self,
        )

    @property
    def _why(self) -> str:
        """Why he may do what he does now."""
        return "" if self.wish.helps else self._policy.grounds(self.wish, str(self.wish.mode), self.call)

    def _permitted(self, action: str) -> bool:
        objection = self._policy.objection(self.wish, action, self.call)
        if objection is not None:
            self._turn_down(objection, action)
        return objection is None

    def _deny(self) -> None:
        """Let him hear that his key had no effect: a display may be far from the ear."""
        if self.call is not None and self.leg is not None and self._started_at is not None:
            self.call.audience.deny(self.leg, self._office.tones.congestion)

    def _close(self) -> None:
        if self.over_for_good:
            return
        self.over_for_good = True
        self._set_ring_limit(None)
        self._ringing.clear()
        if self.call is not None:
            self.call.audience.dismiss(self)
        for leg in (self.leg, self._moving):
            if leg is not None and leg.media is not None and leg.state is not LegState.ENDED:
                leg.state = LegState.ENDED
                leg.media.close()  # it stood in the lobby
                self._tell_waiting(leg, "")
        if self._room is not None:
            self._desk.engine.close_room(self._room)
        if self._heir is None:
            self._desk.closed(self)
