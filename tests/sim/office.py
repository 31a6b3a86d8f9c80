"""A whole office under virtual time: the real switch without sockets, and telephones around it.

    office = VirtualOffice()
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(5)

The switch is ``calls.control.Control`` with the real SIP endpoint and the real
native media core; only the clock, the network and the journal's disk are ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from softswitch.calls.control import Control
from softswitch.calls.office import Office
from softswitch.clock import VirtualClock
from softswitch.dialplan.routes import Inbound, Outbound, Plan, Trunk
from softswitch.directory.people import Directory, Group, Person
from softswitch.events import ConversationEnded, Event, LegEnded
from softswitch.ids import Ids
from softswitch.media.engine import Codec
from softswitch.sip.auth import DigestClient
from softswitch.sip.endpoint import Endpoint
from softswitch.sip.events import Destination, Flow, PutOnWire
from softswitch.sip.settings import SipSettings, TrunkPeer
from tests.sim.media import SilentEngine, SoundEngine
from tests.sim.network import Address, Link, Network
from tests.sim.phone import Phone

DOMAIN = "office.example"
SWITCH = ("10.0.0.1", 5060)
PROVIDER = "10.0.1.1"
BACKUP = "10.0.1.2"
SECOND_LINE = "10.0.1.3"
"""Another address from which the provider calls."""


def person(extension: str, **changes: object) -> Person:
    password = f"secret-{extension}"
    ha1 = {
        "MD5": hashlib.md5(f"{extension}:{DOMAIN}:{password}".encode()).hexdigest(),
        "SHA-256": hashlib.sha256(f"{extension}:{DOMAIN}:{password}".encode()).hexdigest(),
    }
    found = Person(extension=extension, name=f"Person {extension}", ha1=MappingProxyType(ha1))
    return replace(found, **changes)  # type: ignore[arg-type]


class VirtualOffice:
    """Extensions 101 to 105; trunk "provider" and "backup"; +74951234567 rings 101; anything +7... goes out."""

    domain = DOMAIN
    sip_address: Address = SWITCH
    glance = 0.005
    """Seconds from one look at the media core to the next while somebody talks; it ticks each millisecond."""

    def __init__(
        self,
        *,
        seed: int = 1,
        link: Link | None = None,
        sound: bool = False,
        people: tuple[Person, ...] = (),
        codecs: tuple[Codec, ...] = (Codec.PCMA, Codec.PCMU),
        trunk_calls: int | None = None,
        recordings: Path = Path("/nonexistent"),
        media_timeout: float = 30.0,
        sip: SipSettings | None = None,
        engine: SilentEngine | None = None,
        inbound: tuple[Inbound, ...] = (Inbound(number="+74951234567", to="person:101"),),
        groups: Mapping[str, Group] = MappingProxyType({}),
    ) -> None:
        self.clock = VirtualClock()
        self.ids = Ids(seed)
        self.network = Network(seed, link)
        self.events: list[Event] = []
        self.trace: list[tuple[float, str]] = []
        self.phones: dict[str, Phone] = {}
        self.asked_for: list[str] = []
        """The addresses towards which media was to be opened."""
        self.engine: SilentEngine | SoundEngine = (
            SoundEngine(self.ids, SWITCH[0]) if sound else engine or SilentEngine()
        )
        everybody = {p.extension: p for p in (*(person(str(n)) for n in range(101, 106)), *people)}
        trunks = {
            "provider": Trunk(
                name="provider", host=PROVIDER, addresses=(PROVIDER, SECOND_LINE), user="7495", calls=trunk_calls
            ),
            "backup": Trunk(name="backup", host=BACKUP, addresses=(BACKUP,)),
        }
        self.office = Office(
            domain=DOMAIN,
            directory=Directory(people=everybody, groups=groups),
            plan=Plan(
                inbound=inbound,
                outbound=(Outbound(number="+7XXXXXXXXXX", trunks=("provider", "backup"), caller="+74951234567"),),
                trunks=trunks,
            ),
            codecs=codecs,
            recordings=recordings,
            media_timeout=media_timeout,
        )
        watched = tuple(
            TrunkPeer(name=one.name, to=Destination("udp", one.host, one.port), keep_alive=one.keep_alive)
            for one in trunks.values()
        )
        settings = sip or SipSettings(domain=DOMAIN, advertised=lambda _: SWITCH, trunks=watched)
        self.endpoint = self._endpoint(settings)
        self.control = self._control()

    def _endpoint(self, settings: SipSettings) -> Endpoint:
        return Endpoint(settings, self.ids, self)

    def _control(self) -> Control:
        return Control(
            office=self.office,
            endpoint=self.endpoint,
            engine=self.engine,
            publish=self._publish,
            media_address=self._media_address,
            ids=self.ids,
            clock=self.clock,
        )

    def _media_address(self, remote: str) -> tuple[str, str]:
        self.asked_for.append(remote)
        return (SWITCH[0], SWITCH[0])

    # Authority of the SIP endpoint -----------------------------------------------------------------------------------

    def credentials(self, user: str) -> MappingProxyType[str, str] | None:
        found = self.office.directory.people.get(user)
        return found.ha1 if found else None  # type: ignore[return-value]

    def trunk_of(self, flow: Flow) -> str | None:
        for trunk in self.office.plan.trunks.values():
            if flow.remote[0] in trunk.addresses:
                return trunk.name
        return None

    def account(self, name: str) -> DigestClient | None:
        return DigestClient("7495", password="trunk-secret") if name == "provider" else None

    def display(self, person: str) -> str:
        return self.office.directory.people[person].name if person in self.office.directory.people else ""

    # Story -----------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.clock.now()

    def phone(self, name: str, *, host: str | None = None, registered: bool = True, **behaviour: object) -> Phone:
        """Put a telephone on a desk; it registers at once unless told not to."""
        address = host or f"10.0.2.{len(self.phones) + 1}"
        made = Phone(self, name, address, **behaviour)  # type: ignore[arg-type]
        self.phones[address] = made
        if registered:
            made.register()
            self.run(0.2)
            assert made.status == 200, made.log
            made.status = None
        return made

    def provider(self, *, host: str = PROVIDER, name: str = "7495", **behaviour: object) -> Phone:
        """The far end of a trunk: it calls from, and is called at, the trunk's address without registering."""
        return self.phone(name, host=host, registered=False, **behaviour)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while (at := self._next()) is not None and at <= until:
            self._step(at)
        self.clock.advance_to(until)
        self._media(until)

    def reload(self, **changes: object) -> None:
        """Swap the configuration in force; calls keep the one they began with."""
        self.office = replace(self.office, **changes)  # type: ignore[arg-type]
        self.control.office = self.office

    def move(self, phone: Phone, host: str) -> None:
        """Give a telephone another address, as a NAT does that forgot it."""
        del self.phones[phone.host]
        phone.host, phone.sip, phone.rtp = host, (host, 5060), (host, 4000)
        self.phones[host] = phone

    def run_until(self, condition: object, limit: float = 100.0) -> None:
        until = self.now + limit
        while not condition():  # type: ignore[operator]
            at = self._next()
            assert at is not None, "nothing will ever happen again"
            assert at <= until, f"did not happen within {limit} s"
            self._step(at)

    def _next(self) -> float | None:
        times = [self.control.deadline, self.network.next, self.engine_next(), *(p.next for p in self.phones.values())]
        return min((max(t, self.now) for t in times if t is not None), default=None)

    def engine_next(self) -> float | None:
        return self.engine.next if isinstance(self.engine, SilentEngine) else self._media_next()

    def _media_next(self) -> float | None:
        return self.now + self.glance if any(p.dialog for p in self.phones.values()) or self.control.calls else None

    def _step(self, at: float) -> None:
        self.clock.advance_to(at)
        while (datagram := self.network.arrived(at)) is not None:
            if datagram.destination[0] != SWITCH[0]:
                phone = self.phones.get(datagram.destination[0])
                if phone is not None:
                    phone.receive(datagram.data, datagram.source, datagram.destination[1])
            elif datagram.destination == SWITCH:
                flow = Flow("udp", SWITCH, datagram.source)
                self.trace.append((at, "> " + datagram.data.split(b"\r\n", 1)[0].decode()))
                self._put(self.control.receive(datagram.data, flow, at))
            else:
                self.engine.arrive(datagram.destination, datagram.data, datagram.source, at)
        for phone in list(self.phones.values()):
            if phone.next is not None and phone.next <= at:
                phone.tick()
        deadline = self.control.deadline
        if deadline is not None and deadline <= at:
            self._put(self.control.tick(at))
        self._media(at)

    def _media(self, now: float) -> None:
        for local, remote, data in self.engine.leave(now):
            self.network.send(local, remote, data, now)
        events = self.engine.events()
        if events:
            self._put(self.control.media(events, now))

    def _put(self, wire: list[PutOnWire]) -> None:
        for put in wire:
            to = put.to.remote if isinstance(put.to, Flow) else (put.to.host, put.to.port)
            self.trace.append((self.now, "< " + put.data.split(b"\r\n", 1)[0].decode()))
            self.network.send(SWITCH, to, put.data, self.now)

    def _publish(self, event: Event) -> None:
        numbered = replace(event, seq=len(self.events) + 1, at=self.clock.utc())
        self.events.append(numbered)

    # What the journal says -------------------------------------------------------------------------------------------

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if type(event) is kind]

    @property
    def results(self) -> list[str]:
        """The result of each conversation, in the order they ended."""
        return [event.result for event in self.told(ConversationEnded)]  # type: ignore[attr-defined]

    @property
    def causes(self) -> list[tuple[str, int]]:
        return [(event.cause, event.status) for event in self.told(LegEnded)]  # type: ignore[attr-defined]

    def timeline(self) -> str:
        return "\n".join(
            f"{e.at:%H:%M:%S.%f} {type(e).__name__} " + json.dumps({s: str(getattr(e, s, "")) for s in e.__slots__})
            for e in self.events
        )

    def settled(self) -> bool:
        """Whether nothing of any call is left: no call, no wake-up, no port, player or recording."""
        idle = not self.engine.open_ports and self.control.at_rest
        return idle and not (isinstance(self.engine, SilentEngine) and (self.engine.players or self.engine.recordings))

    @property
    def forgotten(self) -> bool:
        """Whether SIP has forgotten all calls too: no session, no transaction of an INVITE or BYE."""
        return len(self.endpoint) == 0
