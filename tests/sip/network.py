"""Endpoints and scripted peers joined by a datagram network under virtual time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from softswitch.ids import Ids
from softswitch.sip.auth import DigestClient, ha1
from softswitch.sip.endpoint import Endpoint
from softswitch.sip.events import (
    Accept,
    Answered,
    AnswerOffer,
    Destination,
    Ended,
    Flow,
    Incoming,
    Invite,
    Output,
    PutOnWire,
    RemoteOffer,
    SessionCommand,
    SessionId,
)
from softswitch.sip.grammar import ParseError
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import parse
from softswitch.sip.sdp import SessionDescription
from softswitch.sip.sdp import parse as parse_description
from softswitch.sip.settings import SipSettings
from softswitch.sip.uri import Uri, parse_uri

Address = tuple[str, int]
E = TypeVar("E")

REALM = "office.example"


def uri(text: str) -> Uri:
    parsed = parse_uri(text)
    assert isinstance(parsed, Uri)
    return parsed


def sdp(host: str, port: int, *, version: int = 1, direction: str = "sendrecv") -> SessionDescription:
    """A PCMA description; two of them are equal exactly when all arguments are."""
    body = (
        f"v=0\r\no=- 7 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8\r\na={direction}\r\n"
    )
    parsed = parse_description(body.encode())
    assert isinstance(parsed, SessionDescription)
    return parsed


def port_of(description: SessionDescription | None) -> int | None:
    """What tests compare descriptions by: version numbers are the session's own business."""
    return None if description is None else description.media[0].port


@dataclass
class Rights:
    """An ``Authority`` from plain dictionaries."""

    passwords: dict[str, str] = field(default_factory=dict)
    trunks: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, DigestClient] = field(default_factory=dict)

    def credentials(self, user: str) -> Mapping[str, str] | None:
        password = self.passwords.get(user)
        if password is None:
            return None
        return {algorithm: ha1(algorithm, user, REALM, password) for algorithm in ("MD5", "SHA-256")}

    def trunk_of(self, flow: Flow) -> str | None:
        return self.trunks.get(flow.remote[0])

    def account(self, name: str) -> DigestClient | None:
        return self.accounts.get(name)

    def display(self, person: str) -> str:
        return f"Person {person}"


class Network:
    """Carries datagrams with a delay, and loses, doubles and reorders them on demand; time moves only here."""

    def __init__(
        self, *, seed: int = 1, delay: float = 0.01, loss: float = 0.0, double: float = 0.0, jitter: float = 0.0
    ):
        self.now = 1000.0
        self.delay, self.loss, self.double, self.jitter = delay, loss, double, jitter
        self.random = random.Random(seed)
        self.hosts: dict[Address, Host] = {}
        self.dropped: Callable[[bytes], bool] = lambda data: False
        self.log: list[tuple[float, Address, Address, str]] = []
        self._order = itertools.count()
        self._wire: list[tuple[float, int, Address, Address, bytes]] = []

    def send(self, source: Address, target: Address, data: bytes) -> None:
        self.log.append((self.now, source, target, data.split(b"\r\n", 1)[0].decode("utf-8", "replace")))
        if self.dropped(data) or self.random.random() < self.loss:
            return
        for _ in range(2 if self.random.random() < self.double else 1):
            at = self.now + self.delay + self.random.random() * self.jitter
            heapq.heappush(self._wire, (at, next(self._order), source, target, data))

    def run(self, seconds: float = 5.0) -> None:
        """Let time pass, and all that happens in it happen."""
        end = self.now + seconds
        while True:
            due = [(at, 1, host) for host in self.hosts.values() if (at := host.deadline) is not None]
            first = min((at for at, _, _ in due), default=end + 1)
            if self._wire and self._wire[0][0] <= min(first, end):
                at, _, source, target, data = heapq.heappop(self._wire)
                self.now = max(self.now, at)
                if target in self.hosts:
                    self.hosts[target].arrived(data, source)
            elif first <= end:
                self.now = max(self.now, first)
                min(due, key=lambda entry: entry[0])[2].wake()
            else:
                self.now = end
                return

    def lines(self, source: Host | None = None) -> list[str]:
        """The first lines of everything sent (by ``source``), in order."""
        return [line for _, sender, _, line in self.log if source is None or sender == source.address]


class Host:
    """Something with an address on the network."""

    def __init__(self, network: Network, address: Address) -> None:
        self.network, self.address = network, address
        network.hosts[address] = self

    deadline: float | None = None

    def arrived(self, data: bytes, source: Address) -> None:
        raise NotImplementedError

    def wake(self) -> None:
        raise NotImplementedError


class Switch(Host):
    """An ``Endpoint`` on the network. ``react`` may answer each event with a command at once."""

    def __init__(
        self, network: Network, address: Address, rights: Rights | None = None, seed: int = 1, **settings: object
    ):
        super().__init__(network, address)
        self.rights = rights or Rights()
        defaults: dict[str, object] = {"domain": REALM, "server": "softswitch", "keepalive_interval": 1e9}
        self.endpoint = Endpoint(
            SipSettings(advertised=lambda way: address, **{**defaults, **settings}),
            Ids(seed),
            self.rights,
        )
        self.events: list[Output] = []
        self.calls: list[SessionId] = []
        self.react: Callable[[Output], SessionCommand | None] = lambda event: None

    @property
    def deadline(self) -> float | None:
        return self.endpoint.deadline

    def arrived(self, data: bytes, source: Address) -> None:
        self.carry(self.endpoint.receive(data, Flow("udp", self.address, source), self.network.now))

    def wake(self) -> None:
        before = self.endpoint.deadline
        self.carry(self.endpoint.tick(self.network.now))
        after = self.endpoint.deadline
        assert before is None or after != before, f"a timer stands still at {before}: {self.endpoint.describe()}"

    def carry(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, PutOnWire):
                to = output.to
                self.network.send(self.address, to.remote if isinstance(to, Flow) else (to.host, to.port), output.data)
                continue
            self.events.append(output)
            command = self.react(output)
            if command is not None:
                self.command(output.session, command)

    def command(self, session: SessionId, command: SessionCommand) -> None:
        self.carry(self.endpoint.command(session, command, self.network.now))

    def call(self, callee: Host, /, offer: SessionDescription | None = None, **more: object) -> SessionId:
        host, port = callee.address
        invite = Invite(
            **{
                "target": Uri("sip", "bob", host=host, port=port),
                "to": Destination("udp", host, port),
                "caller": ("Alice", uri("sip:alice@office.example")),
                "callee": ("", uri("sip:bob@office.example")),
                "offer": offer,
                **more,
            }
        )
        session, outputs = self.endpoint.invite(invite, self.network.now)
        self.calls.append(session)
        self.carry(outputs)
        return session

    def told(self, kind: type[E]) -> list[E]:
        """All events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def last(self, kind: type[E]) -> E:
        return self.told(kind)[-1]

    @property
    def session(self) -> SessionId:
        """The session of the latest incoming call."""
        return self.last(Incoming).session

    @property
    def causes(self) -> list[str]:
        return [event.cause.value for event in self.told(Ended)]


class Script(Host):
    """A peer that says exactly what the test says, and keeps what it hears."""

    def __init__(self, network: Network, address: Address) -> None:
        super().__init__(network, address)
        self.heard: list[Request | Response] = []
        self.lenient = False
        self.answering: Callable[[Request | Response], Request | Response | list[Request | Response] | None] = (
            lambda m: None
        )

    def arrived(self, data: bytes, source: Address) -> None:
        message = parse(data)
        if self.lenient and isinstance(message, ParseError):
            return
        assert isinstance(message, Request | Response), f"the switch sent what it cannot read: {message}"
        self.heard.append(message)
        answer = self.answering(message)
        for one in answer if isinstance(answer, list) else [answer]:
            if one is not None:
                self.say(one, source)

    def say(self, message: Request | Response | bytes, to: Address | Host) -> None:
        target = to.address if isinstance(to, Host) else to
        self.network.send(self.address, target, message if isinstance(message, bytes) else message.encode())

    def request(
        self, method: str, to: Host, cseq: int = 1, *, call_id: str = "script", branch: str = "", **more: str
    ) -> Request:
        """A request of a dialog-less phone; ``more`` has header lines, ``body`` excepted, with "_" for "-"."""
        host, port = self.address
        body = more.pop("body", "")
        target = uri(more.pop("uri", f"sip:bob@{REALM}"))
        headers = Headers()
        headers.add("Via", f"SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{branch or f'{method}{cseq}{call_id}'}")
        headers.add("From", more.pop("From", f"<sip:alice@{REALM}>;tag=script"))
        headers.add("To", more.pop("To", f"<sip:bob@{REALM}>"))
        headers.add("Call-ID", call_id)
        headers.add("CSeq", f"{cseq} {method}")
        headers.add("Max-Forwards", "70")
        if method in ("INVITE", "UPDATE"):
            headers.add("Contact", more.pop("Contact", f"<sip:alice@{host}:{port}>"))
        if body:
            headers.add("Content-Type", "application/sdp")
        for name, value in more.items():
            headers.add(name.replace("_", "-"), value)
        return Request(method, target, headers, body.encode())

    def inside(self, response: Response, method: str, cseq: int, **more: str) -> Request:
        """A request in the dialog that a response of the switch opened."""
        contact = str(response.contacts[0].uri) if response.contacts else f"sip:bob@{REALM}"
        return self.request(
            method,
            self,
            cseq,
            call_id=response.call_id,
            uri=contact,
            From=str(response.headers.get("From")),
            To=str(response.headers.get("To")),
            **more,
        )

    def back(self, request: Request, method: str, cseq: int, tag: str, **more: str) -> Request:
        """A request in the dialog that the switch's INVITE and our response with ``tag`` opened."""
        return self.request(
            method,
            self,
            cseq,
            call_id=request.call_id,
            uri=str(request.contacts[0].uri),
            From=f"{request.headers.get('To')};tag={tag}",
            To=str(request.headers.get("From")),
            **more,
        )

    def reply(self, request: Request, status: int, tag: str = "bob", body: str = "", **more: str) -> Response:
        response = request.reply(status, to_tag=tag or None)
        host, port = self.address
        if "Contact" not in more and 100 < status < 300:
            response.headers.add("Contact", f"<sip:bob@{host}:{port}>")
        if body:
            response.headers.add("Content-Type", "application/sdp")
        for name, value in more.items():
            response.headers.add(name.replace("_", "-"), value)
        return Response(status, None, response.headers, body.encode())

    def requests(self, method: str) -> list[Request]:
        return [m for m in self.heard if isinstance(m, Request) and m.method == method]

    def responses(self, status: int | None = None) -> list[Response]:
        return [m for m in self.heard if isinstance(m, Response) and status in (None, m.status)]

    def statuses(self, method: str | None = None) -> list[int]:
        return [m.status for m in self.heard if isinstance(m, Response) and method in (None, m.cseq.method)]


ALICE: Address = ("192.0.2.1", 5060)
BOB: Address = ("192.0.2.2", 5060)
OFFER, ANSWER = sdp("192.0.2.1", 4000), sdp("192.0.2.2", 5000)


def pair(**network: float) -> tuple[Network, Switch, Switch]:
    """Two switches that trust each other as trunks."""
    net = Network(**network)
    alice = Switch(net, ALICE, Rights(trunks={BOB[0]: "bob"}), seed=11)
    bob = Switch(net, BOB, Rights(trunks={ALICE[0]: "alice"}), seed=22)
    return net, alice, bob


def answering(event: Output) -> SessionCommand | None:
    """Answer every call at once, and every offer with the same description."""
    match event:
        case Incoming():
            return Accept(description=ANSWER)
        case RemoteOffer():
            return AnswerOffer(description=ANSWER)
    return None


def call_up(**network: float) -> tuple[Network, Switch, Switch, SessionId, SessionId]:
    """Two switches in a call, answered and acknowledged."""
    net, alice, bob = pair(**network)
    bob.react = answering
    caller = alice.call(bob, OFFER)
    net.run(1)
    assert alice.told(Answered)
    bob.react = lambda event: None
    return net, alice, bob, caller, bob.session


def scripted(**settings: object) -> tuple[Network, Switch, Script]:
    """A switch and a scripted peer that it takes for the trunk "script"."""
    net = Network()
    alice = Switch(net, ALICE, Rights(trunks={BOB[0]: "script"}), seed=11, **settings)
    return net, alice, Script(net, BOB)
