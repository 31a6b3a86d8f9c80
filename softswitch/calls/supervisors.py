"""All supervision of the office: who asked for what, whether he may, and where the employee talks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from softswitch import events as facts
from softswitch.calls.call import Call
from softswitch.calls.desk import Desk
from softswitch.calls.experts import Experts
from softswitch.calls.lately import Lately, talk_of
from softswitch.calls.modes import ACTIONS, Mode
from softswitch.calls.office import Office
from softswitch.calls.outside import FromOutside
from softswitch.calls.receipt import Receipt
from softswitch.calls.supervision import Supervision, Wish
from softswitch.dialplan.codes import Feature
from softswitch.directory import permissions
from softswitch.directory.lockout import Lockout
from softswitch.directory.people import Person, Skill
from softswitch.directory.permissions import Decision, Subject, allowed
from softswitch.errors import NoSuch, NotPermitted, NotPossible
from softswitch.ids import ConversationId
from softswitch.sip.events import Binding, Incoming, Reason, Reject

__all__ = ["Supervisors"]

TAKE_OVER = str(Mode.TAKE_OVER)


class Supervisors:
    """``calls`` and ``office`` give those in force. Every refusal is an event, and changes nothing."""

    def __init__(self, desk: Desk, office: Callable[[], Office], calls: Callable[[], Sequence[Call]]) -> None:
        self._desk, self._office, self._calls = desk, office, calls
        self._running: dict[str, Supervision] = {}
        self._lockout = Lockout()
        self._experts = Experts()
        self._lately = Lately()

    @property
    def running(self) -> Sequence[Supervision]:
        """Whoever has said whom he wants; not yet those who type their PIN, nor any longer who has taken over."""
        return [one for one in self._running.values() if one.wish.employee and not one.over_for_good]

    @property
    def everybody(self) -> Sequence[Supervision]:
        return list(self._running.values())

    def lines(self, trunk: str) -> int:
        """How many lines of a trunk are held by those who supervise through it."""
        return sum(isinstance(one, FromOutside) and one.trunk == trunk and one.apart for one in self._running.values())

    # Commands of people and programs ---------------------------------------------------------------------------------

    def supervise(self, wish: Wish, now: float) -> Supervision:
        """Ring the supervisor's telephones, or change the mode of whoever supervises the employee already.

        Raises NoSuch for unknown people, NotPermitted, and NotPossible.
        """
        self._refuse_unless_known(wish, str(wish.mode))
        before = self.of(wish.supervisor)
        if before is not None and before.concerns(wish):
            self._refuse_unless_permitted(wish, str(wish.mode), before.call)
            before.wish = replace(before.wish, follow=wish.follow or before.wish.follow)
            self._attempt(before, str(wish.mode), lambda: before.change(wish.mode, now))
            return before
        call = self._may_begin(wish, before)
        if before is not None and before.rings:
            before.stop(now, "moved on")
        elif before is not None and call is not None:
            self._attempt(before, str(wish.mode), lambda: before.move(call, wish.employee, now))
            before.wish = replace(before.wish, follow=wish.follow, conversation=wish.conversation)
            before.change(wish.mode, now)
            return before
        person = self._office().directory.people[wish.supervisor]
        supervision = self._new(wish, now)
        try:
            supervision.ring(call, [[person]], now)
        except NotPossible as error:
            self._tell_refusal(wish, str(wish.mode), str(error), call)
            raise
        return supervision

    def take_over(self, supervisor: str, employee: str, now: float, *, park: bool = False) -> None:
        """Let the supervisor talk in the employee's place, who is released, or with ``park`` waits for it.

        Raises NoSuch, NotPermitted and NotPossible.
        """
        wish = Wish(supervisor=supervisor, employee=employee, mode=Mode.LISTEN, via="")
        self._refuse_unless_known(wish, TAKE_OVER)
        supervision = self.of(supervisor)
        if supervision is None or supervision.wish.employee != employee:
            reason = f"{supervisor} does not supervise {employee}"
            self._tell_refusal(wish, TAKE_OVER, reason, None)
            raise NotPossible(reason)
        self._refuse_unless_permitted(supervision.wish, TAKE_OVER, supervision.call)
        self._attempt(supervision, TAKE_OVER, lambda: supervision.take_over(now, park=park))

    def stop(self, supervisor: str, now: float) -> None:
        """End what somebody does. Raises NoSuch."""
        supervision = self.of(supervisor)
        if supervision is None:
            raise NoSuch("supervision of", supervisor)
        supervision.stop(now)

    def ask_help(
        self, employee: str, whom: str, via: str, now: float, conversation: ConversationId | None = None
    ) -> Supervision:
        """Ring a colleague ("105", or the name), or whoever is free of "group:sales" or has "skill:tariffs".

        They ring as prompters of the employee. Raises NoSuch, NotPermitted and NotPossible.
        """
        call = self._call_of(employee, conversation)
        wish = Wish(supervisor="", employee=employee, mode=Mode.PROMPT, via=via)
        try:
            self._known(employee)
            asked, skill = self._asked(whom, employee, now)
        except NoSuch as error:
            self._tell(facts.HelpRefused(employee=employee, reason=str(error)), call)
            raise
        turns = [[one] for one in asked] if skill is not None and skill.ring == "in turn" else [asked]
        reason = ""
        if call is None or not call.talking:
            reason = f"{employee} is in no conversation"
        elif self.helper_of(employee) is not None:
            reason = f"{employee} has a prompter already"
        elif not asked:
            reason = "nobody is free to help" if skill is None else "nobody who is free can help with this"
        elif not any(self.devices_of(one) for one in asked):
            reason = "no telephone of a colleague can be reached"
        if reason or call is None:
            self._tell(facts.HelpRefused(employee=employee, reason=reason), call)
            raise NotPossible(reason)
        names = tuple(one.extension for one in asked)
        call.publish(
            facts.HelpAsked(employee=employee, colleagues=names, via=via, skill="" if skill is None else skill.key)
        )
        supervision = self._new(wish, now)
        try:
            supervision.ring(call, turns, now, each=None if skill is None or len(turns) == 1 else skill.each)
        except NotPossible as error:
            call.publish(facts.HelpRefused(employee=employee, reason=str(error)))
            raise
        return supervision

    def _asked(self, whom: str, employee: str, now: float) -> tuple[list[Person], Skill | None]:
        """Return whose help is wanted, in order, and the skill if it is about one. Raises NoSuch."""
        directory = self._office().directory
        kind, _, name = whom.partition(":")
        others = [one for one in directory.people.values() if one.extension != employee]
        match kind:
            case "skill":
                if name not in directory.skills:
                    raise NoSuch("skill", name)
                able = [one for one in others if name in one.skills and self.free(one) and self.devices_of(one)]
                return self._experts.in_order(able, now), directory.skills[name]
            case "group":
                if name not in directory.groups:
                    raise NoSuch("group", name)
                return [one for one in others if name in one.groups and self.free(one)], None
            case _:
                extension = whom if whom in directory.people else self._named(whom)
                return [one for one in others if one.extension == extension], None

    def _named(self, name: str) -> str:
        """Return the extension of the one person of this name, or whose name alone begins so. Raises NoSuch."""
        wanted = name.strip().casefold()
        people = [(one.name.casefold(), one.extension) for one in self._office().directory.people.values()]
        exact = [extension for known, extension in people if known == wanted]
        found = exact or [extension for known, extension in people if wanted and known.startswith(wanted)]
        if len(found) != 1:
            raise NoSuch("person", name)
        return found[0]

    def end_help(self, employee: str, now: float) -> None:
        """End the help that an employee has, or waits for. Raises NoSuch."""
        helper = self.helper_of(employee)
        if helper is None:
            raise NoSuch("prompter of", employee)
        helper.stop(now)

    # From any telephone ----------------------------------------------------------------------------------------------

    def dialled(self, feature: Feature, incoming: Incoming, now: float) -> None:
        """Somebody dialled a feature code: answer him, or refuse and say why."""
        caller = incoming.identity.name
        if feature.word in ("help", "skill"):
            self._dialled_help(feature, incoming, now)
            return
        if feature.word == "mask":
            self._dialled_mask(incoming, now)
            return
        if feature.word == "review":
            self._dialled_review(incoming, now)
            return
        wish = Wish(supervisor=caller, employee=feature.extension, mode=Mode(feature.word), via="code")
        before = self.of(caller)
        try:
            self._known(feature.extension)
            call = self._may_begin(wish, before)
        except NoSuch as error:
            self._tell_refusal(wish, str(wish.mode), str(error), None)
            self._reject(incoming, 404, str(error))
            return
        except NotPermitted as error:
            self._reject(incoming, 403, str(error))
            return
        except NotPossible as error:
            self._reject(incoming, 480, str(error))
            return
        if before is not None:
            before.stop(now, "moved on")
        refused = self._new(wish, now).welcome(call, incoming, now)
        if refused is not None:
            self._tell_refusal(wish, str(wish.mode), refused, call)
            self._reject(incoming, 488, refused)

    def _dialled_help(self, feature: Feature, incoming: Incoming, now: float) -> None:
        """A second call of the employee: what it asked for is done, and there is nothing to talk about in it."""
        employee = incoming.identity.name
        try:
            if feature.word == "skill":
                self.ask_help(employee, f"skill:{self._skill(feature.extension)}", "code", now)
            elif feature.extension:
                self.ask_help(employee, feature.extension, "code", now)
            else:
                self.end_help(employee, now)
        except NoSuch as error:
            self._reject(incoming, 404, str(error))
        except NotPossible as error:
            self._reject(incoming, 480, str(error))
        else:
            ends = feature.word == "help" and not feature.extension
            self._done(incoming, "help has ended" if ends else "the colleague is called", now)

    def _dialled_mask(self, incoming: Incoming, now: float) -> None:
        """A second call of the employee, as for help."""
        employee = incoming.identity.name
        call = self._call_of(employee)
        try:
            if call is None:
                raise NotPossible(f"{employee} is in no conversation")
            call.mask_all(not call.masked, employee, "code")
        except NotPossible as error:
            self._reject(incoming, 480, str(error))
        else:
            self._done(incoming, "nothing is recorded from now on" if call.masked else "the recording goes on", now)

    def _dialled_review(self, incoming: Incoming, now: float) -> None:
        """Somebody wants his present conversation reviewed, or the last one. To ask twice changes nothing."""
        employee = incoming.identity.name
        call = self._call_of(employee)
        talk = talk_of(call) if call is not None and call.talking else self._lately.last(employee)
        try:
            if talk is None:
                raise NotPossible(f"{employee} has talked in no conversation yet")
            if not talk.recorded:
                raise NotPossible("nothing of the conversation is recorded")
            if not permissions.heard(talk.people, self._office().directory):
                raise NotPossible(permissions.REASONS[permissions.Reason.NOT_MONITORED][0])
        except NotPossible as error:
            self._reject(incoming, 480, str(error))
            return
        asked = facts.ReviewAsked(conversation=talk.conversation, employee=employee, note="", via="code")
        self._desk.publish(asked)
        self._done(incoming, "a review is asked for", now)

    def _done(self, incoming: Incoming, why: str, now: float) -> None:
        """Answer who asked for something by a second call, and end that call."""
        try:
            refused = Receipt(self._desk, self._office()).give(incoming, why, now)
        except NotPossible as error:
            refused = str(error)
        if refused is not None:
            self._reject(incoming, 488, refused)

    def _skill(self, number: str) -> str:
        """Return the key of the skill with this number, or of the only one. Raises NoSuch."""
        skills = list(self._office().directory.skills.values())
        found = [one.key for one in skills if one.number == number] if number else [one.key for one in skills]
        if len(found) != 1:
            raise NoSuch("skill", number)
        return found[0]

    # From outside, with a PIN ----------------------------------------------------------------------------------------

    def called(self, incoming: Incoming, caller: str, now: float) -> None:
        """Somebody calls the number for supervision: answer him, and let him prove who he is."""
        outside = FromOutside(self._desk, self._office(), self, incoming.identity.name, caller, now)
        if self._lockout.wait(outside.trunk, caller, now) > 0:
            reason = f"{caller or 'somebody'} has typed too many wrong PINs and must wait"
            self._tell_refusal(outside.wish, "PIN", reason, None)
            self._reject(incoming, 403, reason)
            return
        self._running[outside.id] = outside
        refused = outside.come(incoming, now)
        if refused is not None:
            self._tell_refusal(outside.wish, "PIN", refused, None)
            self._reject(incoming, 488, refused)

    def tried(self, outside: FromOutside, now: float) -> None:
        # A number can be forged: from the trunk as a whole only so many may fail, whatever numbers they show.
        self._lockout.tried(outside.trunk, outside.caller, now)

    def proved(self, outside: FromOutside) -> None:
        self._lockout.succeeded(outside.trunk, outside.caller)

    def admit(self, wish: Wish, now: float) -> Call:
        """Return where somebody who has proved who he is goes. Raises NoSuch, NotPermitted and NotPossible."""
        self._refuse_unless_known(wish, str(wish.mode))
        before = self.of(wish.supervisor)
        call = self._may_begin(wish, before)
        assert call is not None, "only who follows somebody waits for a call"
        if before is not None:
            before.stop(now, "moved on")
        return call

    def _reject(self, incoming: Incoming, status: int, why: str) -> None:
        text = "".join(letter if 32 <= ord(letter) < 127 and letter not in '"\\' else "'" for letter in why)
        warning = (("Warning", f'399 softswitch "{text}"'),)
        reason = Reason(protocol="SIP", cause=status, text=text)
        self._desk.command(incoming.session, Reject(status=status, reason=reason, headers=warning))

    # What calls tell -------------------------------------------------------------------------------------------------

    def answered(self, call: Call, now: float) -> None:
        """Two talk: whoever follows one of them goes there."""
        self._lately.remember(call)
        for supervision in self.running:
            leg = call.leg_of(supervision.wish.employee)
            wish = supervision.wish
            waits = wish.follow and supervision.call is None and leg is not None and leg in call.sides
            if waits and self.objection(wish, str(wish.mode), call) is None:
                supervision.move(call, wish.employee, now)

    def closed(self, owner: str, now: float) -> None:
        supervision = self._running.pop(owner, None)
        if supervision is not None and supervision.wish.supervisor:
            self._experts.busy(supervision.wish.supervisor, now)

    def over(self, call: Call, now: float) -> None:
        """A conversation is over."""
        if call.sides:
            self._lately.remember(call)
        for leg in call.sides:
            self._experts.busy(leg.name, now)

    def helps(self, colleague: str, now: float) -> None:
        self._experts.helped(colleague, now)

    # Policy ----------------------------------------------------------------------------------------------------------

    def objection(self, wish: Wish, action: str, call: Call | None) -> str | None:
        """Return why the supervisor may not do this, None if he may."""
        decision = self._decision(wish, action, call)
        if decision is None:
            return f"there is no {wish.supervisor} any more"
        return None if decision else permissions.reason(decision)

    def grounds(self, wish: Wish, action: str, call: Call | None) -> str:
        """Return why the supervisor may do this, in the words of ``permissions.Reason``."""
        decision = self._decision(wish, action, call)
        return str(decision.reason) if decision else ""

    def _decision(self, wish: Wish, action: str, call: Call | None) -> Decision | None:
        """Ask the policy; None if the supervisor has left the office."""
        office = self._office()
        actor = office.directory.people.get(wish.supervisor)
        if actor is None:
            return None
        talkers = {wish.employee}
        if call is not None:
            people = (leg for leg in (*call.sides, *call.places) if leg.party.startswith("person:"))
            # Who only sits in somebody's place has not made the conversation his own.
            talkers |= {leg.name for leg in people if leg.visitor is None or leg.name != wish.supervisor}
        return allowed(actor, ACTIONS[Mode(action)], Subject(frozenset(talkers)), office.directory)

    def next_call(self, supervision: Supervision) -> tuple[Call, str] | None:
        """Return the conversation after this one that the supervisor may listen to, and the employee in it."""
        calls = [call for call in self._calls() if call.talking]
        here = calls.index(supervision.call) if supervision.call in calls else -1
        for call in (*calls[here + 1 :], *calls[: max(here, 0)]):
            for leg in reversed(call.sides):
                wish = replace(supervision.wish, employee=leg.name)
                if leg.party.startswith("person:") and self.objection(wish, str(Mode.LISTEN), call) is None:
                    return call, leg.name
        return None

    # Small words -----------------------------------------------------------------------------------------------------

    def of(self, supervisor: str) -> Supervision | None:
        """Return what somebody supervises now; helping is no supervision."""
        return next((one for one in self.running if one.wish.supervisor == supervisor and not one.wish.helps), None)

    def helper_of(self, employee: str) -> Supervision | None:
        return next((one for one in self.running if one.wish.employee == employee and one.wish.helps), None)

    def _new(self, wish: Wish, now: float) -> Supervision:
        supervision = Supervision(self._desk, self._office(), self, wish, now)
        self._running[supervision.id] = supervision
        return supervision

    def _may_begin(self, wish: Wish, before: Supervision | None) -> Call | None:
        """Return the conversation to go to, None to wait for one. Raises NotPermitted and NotPossible."""
        call = self._call_of(wish.employee, wish.conversation)
        self._refuse_unless_permitted(wish, str(wish.mode), call)
        if call is None and (not wish.follow or before is not None or wish.conversation is not None):
            which = "no conversation" if wish.conversation is None else "another conversation"
            reason = f"{wish.employee} is in {which}"
            self._tell_refusal(wish, str(wish.mode), reason, None)
            raise NotPossible(reason)
        return call

    def _call_of(self, employee: str, conversation: ConversationId | None = None) -> Call | None:
        """Return where somebody talks, else where his call is on hold, else where it rings; the latest of several."""
        calls = [call for call in self._calls() if call.going_on and conversation in (None, call.id)]
        found = [(call, leg) for call in calls if (leg := call.leg_of(employee)) is not None]
        if not found:
            return None
        return max(found, key=lambda pair: (pair[0].talking, not pair[1].holds))[0]

    def _refuse_unless_known(self, wish: Wish, action: str) -> None:
        try:
            self._known(wish.supervisor, wish.employee)
        except NoSuch as error:
            self._tell_refusal(wish, action, str(error), None)
            raise

    def _refuse_unless_permitted(self, wish: Wish, action: str, call: Call | None) -> None:
        objection = self.objection(wish, action, call)
        if objection is not None:
            self._tell_refusal(wish, action, objection, call)
            raise NotPermitted(objection)

    def _attempt(self, supervision: Supervision, action: str, command: Callable[[], None]) -> None:
        """Do it; that it is not possible is told, and raised."""
        try:
            command()
        except NotPossible as error:
            self._tell_refusal(supervision.wish, action, str(error), supervision.call)
            raise

    def _tell_refusal(self, wish: Wish, action: str, reason: str, call: Call | None) -> None:
        refused = facts.SupervisionRefused(
            supervisor=wish.supervisor, employee=wish.employee, action=action, reason=reason
        )
        self._tell(refused, call)

    def _tell(self, event: facts.Event, call: Call | None) -> None:
        if call is not None:
            call.publish(event)
        else:
            self._desk.publish(event)

    def _known(self, *extensions: str) -> None:
        for extension in extensions:
            if extension not in self._office().directory.people:
                raise NoSuch("person", extension)

    def devices_of(self, person: Person) -> Sequence[Binding]:
        """Return where somebody can be rung now."""
        return [binding for binding in self._desk.bindings(person.extension) if binding.reachable]

    def free(self, person: Person) -> bool:
        """Whether somebody is neither in a call nor supervises one."""
        return not any(call.leg_of(person.extension) for call in self._calls()) and not any(
            one.wish.supervisor == person.extension for one in self.running
        )
