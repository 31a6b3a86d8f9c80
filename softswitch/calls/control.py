"""Call control: between the SIP stack, the media core and the journal, with the calls in the middle.

One machine without I/O: bytes, media events and time go in, bytes to send come
out. The shell that owns the sockets gives it what arrives and carries out what
it returns; a simulation does the same under virtual time.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from softswitch import events as facts
from softswitch.calls.call import Call
from softswitch.calls.desk import Attendant, Owner
from softswitch.calls.office import MediaAddress, Office
from softswitch.calls.outcome import NO_LINE, STOPPING
from softswitch.calls.supervision import Supervision, Wish
from softswitch.calls.supervisors import Supervisors
from softswitch.clock import Clock, Deadlines, earliest
from softswitch.dialplan import codes, numbers, plan
from softswitch.dialplan.routes import Trunk
from softswitch.errors import NoSuch, NotPossible
from softswitch.events import Event
from softswitch.ids import ConversationId, Ids
from softswitch.media.engine import (
    MediaEngine,
    MediaEvent,
    PlayEnded,
    PortId,
    RecordingEnded,
    RecordingId,
    SourceId,
)
from softswitch.sip.bans import Ban
from softswitch.sip.endpoint import Endpoint
from softswitch.sip.events import (
    Banned,
    Binding,
    DialogState,
    Ended,
    Flow,
    Incoming,
    Invite,
    Output,
    PutOnWire,
    Reason,
    Registered,
    Reject,
    SessionCommand,
    SessionId,
    TrunkReachability,
    Unregistered,
)
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import ParseError

__all__ = ["Control"]

# ``json.dumps`` makes an encoder for each call that wants no spaces.
_encode = json.JSONEncoder(separators=(",", ":")).encode
_plain = attrgetter(*DialogState.__slots__)

SHUTDOWN = Reason(protocol="SIP", cause=503, text="Switch is stopping")


class Control:
    """The B2BUA. ``publish`` must have written an event where it survives before it returns.

    Implements ``calls.call.Desk`` for its calls. Configuration is swapped by
    assigning ``office``; running calls keep the one they began with.
    """

    def __init__(
        self,
        *,
        office: Office,
        endpoint: Endpoint,
        engine: MediaEngine,
        publish: Callable[[Event], object],
        media_address: MediaAddress,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self.office = office
        self.engine = engine
        self.ids = ids
        self.endpoint = endpoint
        self._publish = publish
        self._media_address = media_address
        self._clock = clock
        self._calls: dict[ConversationId, Call] = {}
        self._by_session: dict[SessionId, Owner] = {}
        self._by_source: dict[SourceId, Owner] = {}
        self._by_recording: dict[RecordingId, Owner] = {}
        self._supervisors = Supervisors(self, lambda: self.office, lambda: self.calls)
        self._attendants: dict[str, Callable[[], Attendant]] = {}
        self._wakes: Deadlines[str] = Deadlines()
        self._woken: dict[str, Owner] = {}
        self._pending: deque[Output] = deque()
        self._draining = False
        self._now = clock.now()

    # Inputs ----------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow, now: float) -> list[PutOnWire]:
        """Take a datagram."""
        return self._run(self.endpoint.receive(data, flow, now), now)

    def receive_message(self, message: Request | Response | ParseError, flow: Flow, now: float) -> list[PutOnWire]:
        """Take one framed message of a stream."""
        return self._run(self.endpoint.receive_message(message, flow, now), now)

    def transport_failed(self, key: str, now: float) -> list[PutOnWire]:
        return self._run(self.endpoint.transport_failed(key, now), now)

    def flow_closed(self, flow: Flow, now: float) -> list[PutOnWire]:
        return self._run(self.endpoint.flow_closed(flow, now), now)

    def media(self, events: Sequence[MediaEvent], now: float) -> list[PutOnWire]:
        """Take what the media core told."""
        self._now = now
        for event in events:
            match event:
                case RecordingEnded(recording=recording):
                    owner = self._by_recording.pop(recording, None)
                case PlayEnded(source=source):
                    owner = self._by_source.pop(source, None)
                case _:
                    owner = self._by_source.get(event.port)
            if owner is not None:
                owner.receive_media(event, now)
        return self._run([], now)

    def tick(self, now: float) -> list[PutOnWire]:
        wire = self._run(self.endpoint.tick(now), now)
        while (owner_id := self._wakes.due(now)) is not None:
            owner = self._woken.pop(owner_id, None)
            if owner is not None:
                owner.tick(now)
                wire += self._run([], now)
        return wire

    @property
    def deadline(self) -> float | None:
        """When ``tick`` is wanted next, in monotonic seconds."""
        return earliest(self.endpoint.deadline, self._wakes.next)

    # Requests of people and programs ---------------------------------------------------------------------------------

    def hang_up(self, conversation: ConversationId, now: float, reason: Reason | None = None) -> list[PutOnWire]:
        """End a conversation. Raises ``NoSuch``."""
        call = self._calls.get(conversation)
        if call is None:
            raise NoSuch("conversation", conversation)
        self._now = now
        call.hang_up(now, reason)
        return self._run([], now)

    def mask(self, conversation: ConversationId, masked: bool, by: str, via: str, now: float) -> list[PutOnWire]:
        """Keep a conversation out of its recording from now on, or end that. Raises NoSuch and NotPossible."""
        call = self._calls.get(conversation)
        if call is None:
            raise NoSuch("conversation", conversation)
        return self.act(lambda: call.mask_all(masked, by, via), now)

    def scores(self, conversation: ConversationId) -> dict[str, float]:
        """What listeners would have said so far of the sound of each leg, by the leg's id, from 1 to 4.5."""
        call = self._calls.get(conversation)
        return {} if call is None else {leg.id: leg.scores / leg.scored for leg in call.legs if leg.scored}

    # Supervision. All raise NoSuch, NotPermitted and NotPossible, and change nothing then.

    @property
    def supervisions(self) -> Sequence[Supervision]:
        """Who supervises or helps whom now."""
        return self._supervisors.running

    def supervise(self, wish: Wish, now: float) -> list[PutOnWire]:
        """Ring the supervisor's telephones, or change the mode of a supervision that runs."""
        return self.act(lambda: self._supervisors.supervise(wish, now), now)

    def take_over(self, supervisor: str, employee: str, now: float, *, park: bool = False) -> list[PutOnWire]:
        """Let whoever supervises the employee talk in his place; with ``park`` the employee waits for it."""
        return self.act(lambda: self._supervisors.take_over(supervisor, employee, now, park=park), now)

    def stop_supervising(self, supervisor: str, now: float) -> list[PutOnWire]:
        return self.act(lambda: self._supervisors.stop(supervisor, now), now)

    def ask_help(
        self, employee: str, whom: str, via: str, now: float, conversation: ConversationId | None = None
    ) -> list[PutOnWire]:
        """Ring "105", or whoever is free of "group:sales" or has "skill:tariffs", as the employee's prompter."""
        return self.act(lambda: self._supervisors.ask_help(employee, whom, via, now, conversation), now)

    def end_help(self, employee: str, now: float) -> list[PutOnWire]:
        return self.act(lambda: self._supervisors.end_help(employee, now), now)

    def attend(self, number: str, attendant: Callable[[], Attendant]) -> None:
        """Give each call to ``number`` to a program of its own, before the dial plan is asked.

        ``number`` is as people dial it, or E.164.
        """
        self._attendants[number] = attendant

    def act(self, action: Callable[[], object], now: float) -> list[PutOnWire]:
        """Do something with a call outside of any input, an attendant's command say. Raises what ``action`` raises."""
        self._now = now
        action()
        return self._run([], now)

    def release(self, dialog: DialogState, now: float) -> list[PutOnWire]:
        """Send BYE in a dialog of a process that died."""
        return self._run(self.endpoint.release(dialog, now), now)

    def unban(self, source: str | None, account: str | None, now: float) -> list[Ban]:
        """Lift bans, see ``Endpoint.unban``."""
        lifted = self.endpoint.unban(source, account, now)
        for ban in lifted:
            self.publish(facts.BanLifted(source=ban.source, account=ban.account))
        return lifted

    def unregister(self, person: str, now: float) -> list[PutOnWire]:
        """Forget the devices of somebody who may no longer register; running calls go on."""
        return self._run(self.endpoint.unregister(person), now)

    def drain(self, now: float, *, end_calls: bool) -> list[PutOnWire]:
        """Take no new calls; with ``end_calls`` release the running ones too."""
        self._now = now
        self._draining = True
        if end_calls:
            for supervision in self._supervisors.everybody:
                supervision.stop(now)
            for call in list(self._calls.values()):
                call.hang_up(now, SHUTDOWN)
        return self._run([], now)

    @property
    def at_rest(self) -> bool:
        """Whether nothing of any call is left here."""
        kept = (self._calls, self._by_session, self._by_source, self._by_recording, self._pending)
        return not any(kept) and self._wakes.next is None

    @property
    def calls(self) -> Sequence[Call]:
        return list(self._calls.values())

    # Outputs of the SIP stack ----------------------------------------------------------------------------------------

    def _run(self, outputs: Sequence[Output], now: float) -> list[PutOnWire]:
        """Carry out outputs, and what follows from them, until only bytes for the wire are left."""
        self._now = now
        self._pending.extend(outputs)
        wire: list[PutOnWire] = []
        while self._pending:
            output = self._pending.popleft()
            match output:
                case PutOnWire():
                    wire.append(output)
                case Incoming():
                    self._incoming(output, now)
                case Registered() | Unregistered():
                    self._registration(output, now)
                case Banned(source=source, account=account, seconds=seconds):
                    self.publish(facts.AccountBanned(source=source, account=account, seconds=seconds))
                case TrunkReachability(trunk=name, reachable=reachable, why=why):
                    self.publish(facts.TrunkReachability(trunk=name, reachable=reachable, why=why))
                case _:
                    owner = self._by_session.get(output.session)
                    if isinstance(output, Ended):
                        self._by_session.pop(output.session, None)
                    if owner is not None:
                        owner.receive(output, now)
        return wire

    def _incoming(self, incoming: Incoming, now: float) -> None:
        trunk = self.office.plan.trunks.get(incoming.identity.name) if incoming.identity.kind == "trunk" else None
        full = trunk is not None and not self.free_lines(trunk)
        feature = self._feature(incoming)
        if feature is not None and not self._draining:
            self._supervisors.dialled(feature, incoming, now)
            return
        if trunk is not None and not full and not self._draining and self._supervises(trunk, incoming):
            self._supervisors.called(incoming, self._number_of(incoming), now)
            return
        try:
            call = Call(self.ids.conversation(), self.office, self, incoming, self._number_of(incoming), now)
        except NotPossible:
            self.command(incoming.session, Reject(status=503, headers=(("Retry-After", "10"),)))
            return
        self._calls[call.id] = call
        self._by_session[incoming.session] = call
        dialled = incoming.request.uri.user or ""
        name = next((number for number in (dialled, self._e164(dialled)) if number in self._attendants), None)
        if self._draining or full:
            call.turn_away(STOPPING if self._draining else NO_LINE)
        elif name is not None:
            call.attend(self._attendants[name](), name)
        else:
            call.follow(now)

    def _supervises(self, trunk: Trunk, incoming: Incoming) -> bool:
        """Whether this is the number for supervision. Programs that attend to a number come first."""
        dialled = incoming.request.uri.user or ""
        attended = dialled in self._attendants or self._e164(dialled) in self._attendants
        return not attended and plan.supervises(self.office.plan, trunk.name, dialled)

    def _feature(self, incoming: Incoming) -> codes.Feature | None:
        """Return the feature code that a person dialled. Programs that attend to a number come first."""
        dialled = numbers.clean(incoming.request.uri.user or "")
        if incoming.identity.kind != "person" or dialled in self._attendants:
            return None
        return codes.read(self.office.codes, dialled, self.office.directory.people)

    def _number_of(self, incoming: Incoming) -> str:
        """The caller as recorded: a person's extension, or the trunk's number in E.164 as far as it can be read."""
        if incoming.identity.kind == "person":
            return incoming.identity.name
        user = incoming.caller[1].user or ""
        return self._e164(user) or user

    def _e164(self, number: str) -> str | None:
        return numbers.e164(number, self.office.plan.country, self.office.plan.area)

    def _registration(self, output: Registered | Unregistered, now: float) -> None:
        binding = output.binding
        contact = str(binding.contact)
        if isinstance(output, Unregistered):
            self.publish(facts.DeviceUnbound(person=binding.person, contact=contact, why=output.why))
        elif output.change in ("reachable", "unreachable"):
            self.publish(
                facts.DeviceReachability(person=binding.person, contact=contact, reachable=output.change == "reachable")
            )
        else:
            self.publish(
                facts.DeviceBound(
                    person=binding.person,
                    contact=contact,
                    transport=binding.flow.transport,
                    remote_host=binding.flow.remote[0],
                    remote_port=binding.flow.remote[1],
                    local_host=binding.flow.local[0],
                    local_port=binding.flow.local[1],
                    call_id=binding.call_id,
                    cseq=binding.cseq,
                    expires_at=self._civil(binding.expires_at, now),
                    registered_at=self._civil(binding.registered_at, now),
                    user_agent=binding.user_agent,
                    path=binding.path,
                    refreshed=output.change == "refreshed",
                )
            )

    def _civil(self, at: float, now: float) -> datetime:
        return self._clock.utc() + timedelta(seconds=at - now)

    # The desk: what calls need ---------------------------------------------------------------------------------------

    def publish(self, event: Event) -> None:
        self._publish(event)

    def utc(self) -> datetime:
        return self._clock.utc()

    def invite(self, owner: Owner, invite: Invite) -> SessionId:
        session, outputs = self.endpoint.invite(invite, self._now)
        self._by_session[session] = owner
        self._pending.extend(outputs)
        return session

    def adopt(self, owner: Owner, session: SessionId) -> None:
        self._by_session[session] = owner

    def command(self, session: SessionId, command: SessionCommand) -> None:
        self._pending.extend(self.endpoint.command(session, command, self._now))

    def call_id(self, session: SessionId) -> str:
        return self.endpoint.call_id(session)

    def dialog(self, session: SessionId) -> str | None:
        state = self.endpoint.dialog_state(session)
        if state is None:
            return None
        # All its fields are plain: ``asdict`` would copy them one by one, a tenth of a call's cost.
        return _encode(dict(zip(DialogState.__slots__, _plain(state), strict=True)))

    def bindings(self, person: str) -> Sequence[Binding]:
        return self.endpoint.bindings(person)

    def free_lines(self, trunk: Trunk) -> bool:
        """Whether one more call may go through the trunk."""
        if trunk.calls is None:
            return True
        held = sum(call.uses(trunk.name) for call in self._calls.values()) + self._supervisors.lines(trunk.name)
        return held < trunk.calls

    def in_order(self, trunks: Sequence[Trunk]) -> tuple[Trunk, ...]:
        """The trunks that are down come last: they are better than nothing."""
        states = self.endpoint.trunks
        return tuple(sorted(trunks, key=lambda trunk: states.get(trunk.name) == "down"))

    def trunk_failed(self, name: str) -> None:
        self._pending.extend(self.endpoint.trunk_failed(name, self._now))

    def media_address(self, remote: str) -> tuple[str, str]:
        return self._media_address(remote)

    def owns_port(self, owner: Owner, port: PortId) -> None:
        self._by_source[port] = owner

    def owns_source(self, owner: Owner, source: SourceId) -> None:
        self._by_source[source] = owner

    def owns_recording(self, owner: Owner, recording: RecordingId) -> None:
        self._by_recording[recording] = owner

    def released(self, media: SourceId) -> None:
        self._by_source.pop(media, None)

    def wake(self, owner: Owner, at: float | None) -> None:
        self._wakes.set(owner.id, at)
        if at is None:
            self._woken.pop(owner.id, None)
        else:
            self._woken[owner.id] = owner

    def answered(self, call: Call, now: float) -> None:
        self._supervisors.answered(call, now)

    def closed(self, owner: Owner) -> None:
        call = self._calls.pop(ConversationId(owner.id), None)
        if call is not None:
            self._supervisors.over(call, self._now)
        self._supervisors.closed(owner.id, self._now)
        self.wake(owner, None)
