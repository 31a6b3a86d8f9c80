"""The whole SIP stack as one sans-I/O machine: bytes and commands in, bytes and events out.

A request goes through the checks of ``policy``, then the proof of who sent it,
and only then is anything kept of it. ``Endpoint`` finds what a message belongs
to and leaves the rest to the sessions, the registrar and the keep-alive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from softswitch.clock import earliest
from softswitch.ids import Ids
from softswitch.sip.bans import Ban
from softswitch.sip.dialog import Dialog
from softswitch.sip.events import (
    Binding,
    Cause,
    Destination,
    DialogState,
    Ended,
    Flow,
    Identity,
    Incoming,
    Invite,
    Output,
    PutOnWire,
    Registered,
    SessionCommand,
    SessionId,
    Unregistered,
)
from softswitch.sip.farewell import Farewell, Withdrawal, refuse_invite
from softswitch.sip.gate import Gate
from softswitch.sip.grammar import ParseError
from softswitch.sip.identity import caller_of, is_withheld
from softswitch.sip.info import takes_keys
from softswitch.sip.keepalive import KeepAlive
from softswitch.sip.message import Request, Response
from softswitch.sip.overload import Overload
from softswitch.sip.parser import DEFAULT_LIMITS, METHODS, Limits, parse
from softswitch.sip.policy import ALLOW, BODY, SUPPORTED, Refusal, refusal
from softswitch.sip.registrar import Registrar, malformed
from softswitch.sip.sdp import SdpError
from softswitch.sip.session import Action, Peer, Session, Stack, description_of, plain_address
from softswitch.sip.sessions import Sessions
from softswitch.sip.settings import Authority, SipSettings
from softswitch.sip.timers4028 import SessionTimer
from softswitch.sip.transactions import (
    AckArrived,
    CancelArrived,
    Failed,
    Finished,
    RequestArrived,
    ResponseArrived,
    ServerTimedOut,
    StrayResponse,
    TransactionKey,
    TransactionLayer,
)
from softswitch.sip.trunks import TrunkState, TrunkWatch
from softswitch.sip.uac import Caller
from softswitch.sip.uas import Callee

__all__ = ["Endpoint"]


class Endpoint:
    """SIP user agent server, client and registrar in one. Nothing that a peer sends raises.

    Every call returns what is to be done, in order. Call ``tick`` when ``deadline``
    is reached; early and late calls are harmless.
    """

    def __init__(self, settings: SipSettings, ids: Ids, authority: Authority, limits: Limits = DEFAULT_LIMITS) -> None:
        self._settings, self._ids, self._authority, self._limits = settings, ids, authority, limits
        self.overload = Overload()
        """Tell it how long datagrams wait: new calls are answered 503 while that is too long."""
        self._layer = TransactionLayer(ids, settings.timers, settings.advertised, settings.server)
        self._stack = Stack(settings, ids, self._layer, authority)
        self._registrar = Registrar(settings)
        self._gate = Gate(settings, ids, authority, self._registrar)
        self._keepalive = KeepAlive(self._stack, self._registrar)
        self._trunks = TrunkWatch(self._stack)
        self._sessions = Sessions()
        self._hosts = settings.hosts | {settings.domain}

    # What the network brings ----------------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Output]:
        """Take one datagram."""
        return self.receive_message(parse(data, self._limits), flow, now)

    def receive_message(self, message: Request | Response | ParseError, flow: Flow, now: float) -> list[Output]:
        """Take one message of a stream, or what was wrong with it."""
        if isinstance(message, ParseError):
            self._stack.counters[f"parse error {message.status}"] += 1
            return [] if message.reply is None else [PutOnWire(flow, message.reply.encode())]
        return self._run(self._layer.receive(message, flow, now), now)

    def transport_failed(self, key: str, now: float) -> list[Output]:
        """The bytes of ``PutOnWire(key=...)`` could not be sent."""
        return self._run(self._layer.transport_failed(TransactionKey(key), now), now) if key else []

    def flow_closed(self, flow: Flow, now: float) -> list[Output]:
        """A stream connection is gone: its bindings go, its calls stay and are sought at their Contact."""
        changes = self._registrar.flow_closed(flow)
        self._sessions.lost(flow)
        self._note(changes, now)
        return [*changes]

    # What calls ask -------------------------------------------------------------------------------------------------

    def invite(self, invite: Invite, now: float) -> tuple[SessionId, list[Output]]:
        """Start a session as caller."""
        session = SessionId(self._ids.token(80))
        caller = Caller(self._stack, session, invite, self._peer_of(invite))
        self._sessions.adopt(caller)
        return session, self._settle(caller, caller.start(now), now)

    def command(self, session: SessionId, command: SessionCommand, now: float) -> list[Output]:
        """Carry out a command; it is void when the session has ended or the command comes too late."""
        found = self._sessions.get(session)
        return [] if found is None else self._settle(found, found.command(command, now), now)

    def release(self, state: DialogState, now: float) -> list[Output]:
        """Release the peer of a process that is gone, as the phase of the dialog demands, and forget it."""
        dialog = Dialog.of_state(state)
        if isinstance(dialog, ParseError) or self._sessions.get(state.session) is not None:
            return []
        if state.phase == "called":
            return self._run(refuse_invite(self._stack, state, dialog, now), now)
        farewell = (Withdrawal if state.phase == "calling" else Farewell)(self._stack, state, dialog)
        self._sessions.adopt(farewell)
        return self._settle(farewell, farewell.start(now), now)

    def dialog_state(self, session: SessionId) -> DialogState | None:
        """Return what ``release`` needs after a crash; None when the session is over."""
        found = self._sessions.get(session)
        return None if found is None else found.dialog_state()

    def call_id(self, session: SessionId) -> str:
        """Return the Call-ID of a session, "" once it is forgotten."""
        found = self._sessions.get(session)
        return "" if found is None else found.call_id

    # Registrations --------------------------------------------------------------------------------------------------

    def bindings(self, person: str) -> list[Binding]:
        return self._registrar.bindings(person)

    def all_bindings(self) -> list[Binding]:
        return self._registrar.all_bindings()

    def restore(self, bindings: Iterable[Binding], now: float) -> None:
        """Take back the bindings of the process before, ``expires_at`` being on this process's clock."""
        for binding in self._registrar.restore(bindings, now):
            if not binding.waiting:
                self._keepalive.watch(binding, now)

    def unregister(self, person: str) -> list[Output]:
        """Forget the bindings of somebody who may no longer register."""
        changes = self._registrar.remove_person(person)
        self._note(changes, 0.0)
        return [*changes]

    def use(self, settings: SipSettings) -> None:
        """Swap the settings in, but for ``domain``, ``realm`` and ``timers``; sessions keep theirs."""
        self._settings = self._stack.settings = settings
        self._registrar.use(settings)
        self._gate.use(settings)
        self._trunks.use()
        self._hosts = settings.hosts | {settings.domain}

    def bans(self, now: float) -> list[Ban]:
        """Who may not try a password any more, the oldest first."""
        return self._gate.bans.all(now)

    def restore_bans(self, bans: Iterable[Ban]) -> None:
        self._gate.bans.restore(bans)

    def unban(self, source: str | None, account: str | None, now: float) -> list[Ban]:
        """Lift the bans of a source, an account, or both; None is any. Return those that were in force."""
        return self._gate.bans.lift(source, account, now)

    # Trunks ---------------------------------------------------------------------------------------------------------

    @property
    def trunks(self) -> Mapping[str, TrunkState]:
        """The trunks of the settings, and what is known of them."""
        return self._trunks.states

    def trunk_failed(self, name: str, now: float) -> list[Output]:
        """A call got no response at all from this trunk."""
        return self._run(self._trunks.call_failed(name, now), now)

    # Time and sight -------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        return earliest(
            self._layer.deadline,
            self._sessions.deadline,
            self._keepalive.deadline,
            self._registrar.deadline,
            self._trunks.deadline,
        )

    def tick(self, now: float) -> list[Output]:
        out = self._run(self._layer.tick(now), now)
        for session_id in self._sessions.due(now):
            session = self._sessions.get(session_id)
            if session is not None:
                out += self._settle(session, session.tick(now), now)
        changes = self._registrar.tick(now)
        self._note(changes, now)
        out += changes
        out += self._run(self._keepalive.tick(now), now)
        out += self._run(self._trunks.tick(now), now)
        return out

    @property
    def counters(self) -> Counter[str]:
        """What was refused, dropped or strange, by kind."""
        return (
            self._stack.counters
            + self._gate.counters
            + self._layer.counters
            + Counter({"calls refused in overload": self.overload.refused})
        )

    @property
    def transactions(self) -> int:
        """How many transactions are in memory, those that only absorb retransmissions included."""
        return len(self._layer)

    @property
    def unsettled(self) -> bool:
        """Whether a request in some session waits for its answer, the BYE of an ended one for example."""
        keys = (key for session in self._sessions for key in session.open_requests)
        return any(self._layer.unanswered(key) for key in keys)

    def __len__(self) -> int:
        """How many sessions are kept, the ended ones with leftovers included."""
        return len(self._sessions)

    def describe(self) -> list[str]:
        """Return each session, binding and transaction in a line."""
        sessions = [session.describe() for session in self._sessions]
        return [*sessions, *self._registrar.describe(), *self._layer.describe()]

    # From actions to outputs ----------------------------------------------------------------------------------------

    def _run(self, actions: Iterable[Action], now: float) -> list[Output]:
        """Carry on with what the transaction layer says, and return the rest."""
        out: list[Output] = []
        for action in actions:
            match action:
                case PutOnWire():
                    out.append(action)
                case ResponseArrived(key=key, response=response, flow=flow):
                    owned = self._stack.owners.get(key)
                    if owned is not None:
                        owner, session = owned
                        out += self._settle(session, owner.on_response(key, response, flow, now), now)
                case Failed(key=key, why=why):
                    owned = self._stack.owners.get(key)
                    if owned is not None:
                        owner, session = owned
                        out += self._settle(session, owner.on_failed(key, why, now), now)
                case Finished(key=key):
                    owned = self._stack.owners.pop(key, None)
                    if owned is not None and (session := owned[1]) is not None:
                        session.open_requests.discard(key)
                        self._settle(session, (), now)
                case RequestArrived(request=request, flow=flow):
                    out += self._request(request, flow, now)
                case AckArrived(request=request, flow=flow):
                    out += self._ack(request, flow, now)
                case CancelArrived(key=key, request=request):
                    callee = self._sessions.of_invite(key) or self._sessions.of_request(request)
                    if callee is not None:
                        out += self._settle(callee, callee.cancelled(key, request, now), now)
                case StrayResponse(response=response):
                    session = self._sessions.of_response(response)
                    if session is not None:
                        out += self._settle(session, session.stray_accepted(response, now), now)
                case Ended(session=session_id, cause=Cause.NO_RESPONSE):
                    out.append(action)
                    out += self._silent(session_id)
                case ServerTimedOut():
                    self._stack.counters["final response never acknowledged"] += 1
                case _:
                    out.append(action)
        return out

    def _silent(self, session_id: SessionId) -> list[Output]:
        """A device that said nothing at all to a call is not there, until keep-alive hears from it."""
        session = self._sessions.get(session_id)
        if session is None or session.peer.person is None or not isinstance(session.peer.to, Flow):
            return []
        return [*self._registrar.silent(session.peer.person, session.peer.to)]

    def _settle(self, session: Session | None, actions: Iterable[Action], now: float) -> list[Output]:
        """Run the actions of a session, then note when it wants to be called again or that it is done."""
        out = self._run(actions, now)
        if session is None:
            return out
        if session.done:
            self._sessions.forget(session)
        elif session.ended and (rest := session.echo()) is not None:
            key, owner = rest
            self._stack.owners[key] = (owner, None)
            self._sessions.forget(session)
        else:
            self._sessions.expect(session)
        return out

    # Requests -------------------------------------------------------------------------------------------------------

    def _request(self, request: Request, flow: Flow, now: float) -> list[Output]:
        method, in_dialog = request.method, request.to.tag is not None
        refused = refusal(request, for_us=in_dialog or method == "REGISTER" or self._asks_us(request))
        if refused is not None:
            return self._refuse(request, refused, flow)
        if in_dialog and method != "REGISTER":
            return self._in_dialog(request, flow, now)
        match method:
            case "INVITE":
                return self._invite(request, flow, now)
            case "REGISTER":
                return self._register(request, flow, now)
            case "OPTIONS":
                return self._refuse(
                    request, Refusal(200, (("Allow", ALLOW), ("Accept", BODY), ("Supported", SUPPORTED))), flow
                )
        return self._refuse(request, Refusal(481), flow)

    def _asks_us(self, request: Request) -> bool:
        return request.method == "OPTIONS" and request.uri.user is None and request.uri.host in self._hosts

    def _refuse(self, request: Request, refused: Refusal, flow: Flow) -> list[Output]:
        """Answer and keep nothing (RFC 3261 section 8.2.7). No Server header: the answer must stay small."""
        # Peers choose their methods; they shall not choose how many counters we keep.
        method = request.method if request.method in METHODS else "other"
        self._stack.counters[f"{method} answered {refused.status}"] += 1
        response = request.reply(refused.status, to_tag=self._layer.stateless_tag(request))
        for name, value in refused.headers:
            response.headers.add(name, value)
        return self._run(self._layer.reply_stateless(request, response, flow), 0.0)

    def _answer(self, request: Request, flow: Flow, response: Response, now: float) -> list[Output]:
        """Answer in a transaction, for requests whose sender is proved: retransmissions are absorbed."""
        key, opened = self._stack.open(request, flow, now)
        return self._run([*opened, *self._layer.respond(key, response, now)], now)

    def _authenticate(self, request: Request, flow: Flow, now: float) -> str | list[Output]:
        """Return the person who sent the request, or the challenge."""
        verdict = self._gate.check(request, flow.remote[0], now)
        if isinstance(verdict, str):
            return verdict
        out = self._refuse(request, verdict.refusal, flow)
        return out if verdict.banned is None else [*out, verdict.banned]

    def _register(self, request: Request, flow: Flow, now: float) -> list[Output]:
        if malformed(request):
            return self._refuse(request, Refusal(400), flow)
        person = self._authenticate(request, flow, now)
        if not isinstance(person, str):
            return person
        before = {str(binding.contact): binding.flow for binding in self._registrar.bindings(person)}
        ours = {flow.local, self._settings.advertised(flow)}
        result = self._registrar.register(person, request, flow, now, ours)
        if isinstance(result, Refusal):
            self._stack.counters[f"REGISTER answered {result.status}"] += 1
            response = self._stack.response(request, result.status, headers=result.headers)
            return self._answer(request, flow, response, now)
        response = self._stack.response(request, 200, to_tag=self._ids.tag())
        for contact in result.contacts:
            response.headers.add("Contact", contact)
        for hop in request.path:
            response.headers.add("Path", str(hop))
        out = self._answer(request, flow, response, now)
        self._note(result.changes, now)
        for change in result.changes:
            if isinstance(change, Registered):
                self._sessions.follow(change.binding, before.get(str(change.binding.contact)))
        return [*out, *result.changes]

    def _note(self, changes: Iterable[Registered | Unregistered], now: float) -> None:
        """Watch what was registered, and no longer what is gone."""
        for change in changes:
            if isinstance(change, Unregistered):
                self._keepalive.unwatch(change.binding)
            elif change.change in ("added", "refreshed"):
                self._keepalive.watch(change.binding, now)

    def _invite(self, request: Request, flow: Flow, now: float) -> list[Output]:
        if self.overload.refuses(now):
            # Not all shall come again at once.
            return self._refuse(request, Refusal(503, (("Retry-After", str(1 + self._ids.below(5))),)), flow)
        trunk = self._authority.trunk_of(flow)
        if trunk is not None:
            identity = Identity(kind="trunk", name=trunk)
        else:
            person = self._authenticate(request, flow, now)
            if not isinstance(person, str):
                return person
            identity = Identity(kind="person", name=person)
        if self._layer.is_merged(request):
            return self._answer(request, flow, self._stack.response(request, 482), now)
        local_tag = self._ids.tag()
        dialog = Dialog.of_uas(request, local_tag, self._ids.below(1000))
        found = description_of(request)
        least = SessionTimer(self._settings.session_expires, self._settings.min_se).too_brief(request)
        refused = None
        if dialog is None:
            refused = Refusal(400, (("Warning", '399 softswitch "no usable Contact"'),))
        elif isinstance(found, SdpError):
            refused = Refusal(found.status, (("Warning", '399 softswitch "unreadable session description"'),))
        elif least is not None:
            refused = Refusal(422, (("Min-SE", str(least)),))
        if refused is not None or dialog is None or isinstance(found, SdpError):
            assert refused is not None
            self._stack.counters[f"INVITE answered {refused.status}"] += 1
            response = self._stack.response(request, refused.status, to_tag=local_tag, headers=refused.headers)
            return self._answer(request, flow, response, now)
        name = identity.name
        peer = Peer(flow, person=name) if identity.kind == "person" else Peer(flow, trunk=name)
        session = SessionId(self._ids.token(80))
        callee = Callee(self._stack, session, request, local_tag, peer, dialog, found)
        self._sessions.adopt(callee)
        actions = callee.start(flow, now)
        assert callee.key is not None
        self._sessions.began(callee, callee.key)
        display = self._authority.display(name) if identity.kind == "person" else ""
        actions.append(
            Incoming(
                session=session,
                identity=identity,
                request=request,
                flow=flow,
                caller=caller_of(request, identity, display, self._settings.domain),
                withheld=is_withheld(request),
                offer=found,
                takes_keys=takes_keys(request) is not None,
            )
        )
        return self._settle(callee, actions, now)

    def _in_dialog(self, request: Request, flow: Flow, now: float) -> list[Output]:
        session = self._sessions.of_request(request)
        if session is None:
            return self._refuse(request, Refusal(481), flow)
        peer = session.peer
        if not self._believes(session, flow):
            # Whoever knows the dialog's identifiers but sits elsewhere must prove to be the person.
            self._stack.counters["in-dialog request from elsewhere"] += 1
            if peer.person is None:
                return self._refuse(request, Refusal(403), flow)
            person = self._authenticate(request, flow, now)
            if not isinstance(person, str):
                return person
            if person != peer.person:
                return self._refuse(request, Refusal(403), flow)
        if peer.flow != flow and (peer.person is not None or peer.flow is None):
            peer.moved(flow)
        actions = session.request_arrived(request, flow, now)
        if actions is None:
            return self._refuse(request, Refusal(481), flow)
        return self._settle(session, actions, now)

    def _ack(self, request: Request, flow: Flow, now: float) -> list[Output]:
        session = self._sessions.of_request(request)
        if session is None or not self._believes(session, flow):
            self._stack.counters["stray ACK"] += 1
            return []
        return self._settle(session, session.ack_arrived(request, now), now)

    def _believes(self, session: Session, flow: Flow) -> bool:
        """Whether requests from this flow are the peer's without further proof."""
        peer, target = session.peer, session.target
        if peer.is_at(flow, self._authority.trunk_of(flow)):
            return True
        # A trunk's media gateway speaks for itself once the trunk has named it in Contact.
        if peer.person is not None or target is None:
            return False
        return plain_address(target.host) == plain_address(flow.remote[0])

    def _peer_of(self, invite: Invite) -> Peer:
        to = invite.to
        if isinstance(to, Destination):
            seen_as = Flow(to.transport, ("", 0), (to.host, to.port))
            return Peer(to, trunk=self._authority.trunk_of(seen_as))
        person = self._registrar.person_at(to, invite.target)
        return Peer(to, person=person, trunk=self._authority.trunk_of(to) if person is None else None)
