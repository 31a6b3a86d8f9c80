"""The registrar: which contacts a person has, and over which flow each is reached (RFC 3261 section 10.3).

It is given requests whose sender is proved already, and is the one owner of
the bindings. Calls go to the flow that the REGISTER came from, so that a phone
behind a NAT is reached; its Contact is only the Request-URI.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from softswitch.clock import Deadlines
from softswitch.sip.events import Binding, Flow, Registered, Unregistered
from softswitch.sip.headers import NameAddr
from softswitch.sip.message import Request
from softswitch.sip.policy import Refusal
from softswitch.sip.settings import SipSettings
from softswitch.sip.uri import Uri, equivalent

__all__ = ["Accepted", "BindingChange", "Registrar", "malformed"]

BindingChange = Registered | Unregistered

_BindingKey = tuple[str, str]
"""Person and contact text."""

ONE_HOUR = 3600
LONGEST_PATH = 10


@dataclass(frozen=True, slots=True)
class Accepted:
    """A REGISTER was carried out: what changed, and the Contact values of the 200."""

    changes: tuple[BindingChange, ...]
    contacts: tuple[str, ...]


def malformed(request: Request) -> bool:
    """Whether a REGISTER names things that cannot be registered: it is answered 400, whoever sent it."""
    if request.to.uri.scheme not in ("sip", "sips") or not request.to.uri.user:
        return True
    if "Path" in request.headers and not _is_path(request.path):
        return True
    if request.contact_is_star:
        return False
    return any(not contact.uri.routable for contact in request.contacts)


class Registrar:
    """All bindings. Every request is carried out whole or not at all."""

    def __init__(self, settings: SipSettings) -> None:
        self._settings = settings
        self._people: dict[str, dict[str, Binding]] = {}
        self._flows: dict[Flow, dict[str, str]] = {}
        self._deadlines: Deadlines[_BindingKey] = Deadlines()

    def __len__(self) -> int:
        return sum(map(len, self._people.values()))

    @property
    def deadline(self) -> float | None:
        return self._deadlines.next

    def bindings(self, person: str) -> list[Binding]:
        """Return the bindings of a person, the one registered first first."""
        return list(self._people.get(person, {}).values())

    def all_bindings(self) -> list[Binding]:
        return [binding for contacts in self._people.values() for binding in contacts.values()]

    def find(self, person: str, contact: str) -> Binding | None:
        return self._people.get(person, {}).get(contact)

    def person_at(self, flow: Flow, contact: Uri) -> str | None:
        """Return who registered this contact over this flow."""
        return self._flows.get(flow, {}).get(str(contact))

    def healthy_at(self, host: str) -> bool:
        """Whether a device that answers is registered from this address."""
        return any(binding.reachable and binding.flow.remote[0] == host for binding in self.all_bindings())

    def describe(self) -> list[str]:
        return [
            f"{b.person} <{b.contact}> over {b.flow.transport} {b.flow.remote[0]}:{b.flow.remote[1]}"
            f" until {b.expires_at:.0f}{'' if b.reachable else ' unreachable'}"
            for b in self.all_bindings()
        ]

    # REGISTER -------------------------------------------------------------------------------------------------------

    def register(
        self, person: str, request: Request, flow: Flow, now: float, ours: Collection[tuple[str, int]]
    ) -> Accepted | Refusal:
        """Carry out an authenticated REGISTER; ``ours`` are addresses of this switch, which nobody may register."""
        if request.to.uri.user != person:
            return Refusal(403)  # RFC 3261 section 10.3 step 4: only one's own address of record
        if request.contact_is_star:
            return self._remove_all(person, request, now)
        wanted: list[tuple[NameAddr, Binding | None, int]] = []
        known = self._people.get(person, {})
        for contact in request.contacts:
            expires = self._expires(contact, request)
            if 0 < expires < min(self._settings.min_expires, ONE_HOUR):
                return Refusal(423, (("Min-Expires", str(self._settings.min_expires)),))
            binding = _same(known, contact.uri)
            if any(_clash(contact.uri, binding, other.uri, bound) for other, bound, _ in wanted):
                return Refusal(400)
            if binding is not None and not _newer(request, binding):
                return Refusal(500)
            if expires and not _reachable(contact.uri, flow, ours):
                return Refusal(403)
            wanted.append((contact, binding, expires))
        gone = {binding.contact for _, binding, expires in wanted if binding is not None and not expires}
        fresh = {str(contact.uri) for contact, binding, expires in wanted if binding is None and expires}
        # A phone that waits to reconnect takes no place: it will come back, perhaps from another port.
        living = sum(not binding.waiting for binding in known.values())
        if fresh and living - len(gone) + len(fresh) > self._settings.max_contacts:
            return Refusal(403)
        named = {binding.contact for _, binding, _ in wanted if binding is not None}
        returned = [
            binding
            for binding in list(known.values())
            if fresh and binding.waiting and binding.call_id == request.call_id and binding.contact not in named
        ]
        changes = [self._remove(binding, "replaced") for binding in returned]
        changes += [
            change
            for contact, binding, expires in wanted
            if (change := self._update(person, contact.uri, binding, expires, request, flow, now)) is not None
        ]
        return self._accepted(person, changes, now)

    def _expires(self, contact: NameAddr, request: Request) -> int:
        """Return seconds; a value that is no number counts as the default (RFC 3261 section 10.2.1.1)."""
        text = contact.param("expires")
        asked = int(text) if text and text.isascii() and text.isdigit() and len(text) <= 10 else None
        if asked is None:
            asked = request.expires
        return min(self._settings.default_expires if asked is None else asked, self._settings.max_expires)

    def _remove_all(self, person: str, request: Request, now: float) -> Accepted | Refusal:
        # Section 10.2.2: "*" only alone and with Expires 0.
        if request.expires != 0 or len(request.headers.all("Contact")) != 1:
            return Refusal(400)
        known = self.bindings(person)
        if not all(_newer(request, binding) for binding in known):
            return Refusal(500)
        changes = [self._remove(binding, "removed") for binding in known]
        return self._accepted(person, changes, now)

    def _accepted(self, person: str, changes: Iterable[BindingChange], now: float) -> Accepted:
        listed = tuple(
            f"<{binding.contact}>;expires={max(0, round(binding.expires_at - now))}"
            for binding in self.bindings(person)
        )
        return Accepted(tuple(changes), listed)

    def _update(
        self,
        person: str,
        contact: Uri,
        known: Binding | None,
        expires: int,
        request: Request,
        flow: Flow,
        now: float,
    ) -> BindingChange | None:
        if not expires:
            return None if known is None else self._remove(known, "removed")
        binding = Binding(
            person=person,
            contact=contact if known is None else known.contact,
            flow=flow,
            call_id=request.call_id,
            cseq=request.cseq.number,
            registered_at=now if known is None else known.registered_at,
            expires_at=now + expires,
            path=tuple(map(str, request.path)),
            user_agent=(request.headers.get("User-Agent") or "")[:120],
        )
        self._store(binding)
        return Registered(binding=binding, change="added" if known is None else "refreshed")

    # Time, flows, keep-alive ----------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[BindingChange]:
        """Remove what has expired."""
        changes: list[BindingChange] = []
        while (key := self._deadlines.due(now)) is not None:
            binding = self.find(*key)
            if binding is not None:
                changes.append(self._remove(binding, "expired"))
        return changes

    def flow_closed(self, flow: Flow) -> list[BindingChange]:
        """Remove the bindings of a stream connection that is gone: nothing can be sent over it any more."""
        return [
            self._remove(binding, "connection closed")
            for contact, person in list(self._flows.get(flow, {}).items())
            if (binding := self.find(person, contact)) is not None
        ]

    def remove_person(self, person: str) -> list[BindingChange]:
        """Drop all bindings of somebody whom the configuration no longer lets in."""
        return [self._remove(binding, "removed") for binding in self.bindings(person)]

    def use(self, settings: SipSettings) -> None:
        """Judge by other settings from now on; what is registered stays."""
        self._settings = settings

    def set_reachable(self, person: str, contact: str, reachable: bool) -> list[BindingChange]:
        """Note what keep-alive found out; return the change if it is one."""
        binding = self.find(person, contact)
        if binding is None or binding.reachable == reachable:
            return []
        changed = replace(binding, reachable=reachable)
        self._store(changed)
        return [Registered(binding=changed, change="reachable" if reachable else "unreachable")]

    def silent(self, person: str, flow: Flow) -> list[BindingChange]:
        """A call over this flow got no response at all: no device of this person there is reachable."""
        contacts = [contact for contact, who in self._flows.get(flow, {}).items() if who == person]
        return [change for contact in contacts for change in self.set_reachable(person, contact, False)]

    def restore(self, bindings: Iterable[Binding], now: float) -> list[Binding]:
        """Take back the bindings of the process before, the expired left out."""
        restored = [b for b in bindings if b.expires_at > now]
        for binding in restored:
            self._store(binding)
        return restored

    # Store ----------------------------------------------------------------------------------------------------------

    def _store(self, binding: Binding) -> None:
        key = (binding.person, str(binding.contact))
        contacts = self._people.setdefault(binding.person, {})
        old = contacts.get(key[1])
        if old is not None and old.flow != binding.flow:
            self._leave_flow(old.flow, key)
        contacts[key[1]] = binding
        self._flows.setdefault(binding.flow, {})[key[1]] = binding.person
        self._deadlines.set(key, binding.expires_at)

    def _remove(
        self, binding: Binding, why: Literal["removed", "expired", "replaced", "connection closed"]
    ) -> BindingChange:
        key = (binding.person, str(binding.contact))
        contacts = self._people[binding.person]
        del contacts[key[1]]
        if not contacts:
            del self._people[binding.person]
        self._leave_flow(binding.flow, key)
        self._deadlines.set(key, None)
        return Unregistered(binding=binding, why=why)

    def _leave_flow(self, flow: Flow, key: _BindingKey) -> None:
        contacts = self._flows.get(flow)
        if contacts is not None and contacts.get(key[1]) == key[0]:
            del contacts[key[1]]
            if not contacts:
                del self._flows[flow]


def _is_path(hops: Collection[NameAddr]) -> bool:
    return 0 < len(hops) <= LONGEST_PATH and all(hop.uri.routable for hop in hops)


def _same(known: dict[str, Binding], contact: Uri) -> Binding | None:
    """Return the binding of an equal URI (RFC 3261 section 19.1.4)."""
    binding = known.get(str(contact))
    if binding is not None:
        return binding
    return next((binding for binding in known.values() if equivalent(binding.contact, contact)), None)


def _clash(contact: Uri, binding: Binding | None, other: Uri, bound: Binding | None) -> bool:
    """Whether one request names the same contact twice: then it does not say what it wants."""
    return equivalent(contact, other) or (binding is not None and binding is bound)


def _newer(request: Request, binding: Binding) -> bool:
    """Section 10.3 step 7: within one Call-ID, CSeq must rise."""
    return request.call_id != binding.call_id or request.cseq.number > binding.cseq


def _reachable(contact: Uri, flow: Flow, ours: Collection[tuple[str, int]]) -> bool:
    """Refuse contacts that would make us call ourselves, a group, or the sender's own machine seen from here."""
    if (contact.host, contact.port or 5060) in ours:
        return False
    try:
        address = ipaddress.ip_address(contact.host)
        source = ipaddress.ip_address(flow.remote[0])
    except ValueError:
        return contact.host != "localhost"
    if address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
        return False
    return not address.is_loopback or source.is_loopback
