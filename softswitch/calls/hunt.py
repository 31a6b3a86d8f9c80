"""Whom a caller is offered to: all devices of a person at once, or one trunk after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from softswitch.calls import offering
from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg
from softswitch.calls.office import Office
from softswitch.calls.outcome import NO_ANSWER, NO_LINE, NO_MEDIA, UNSUITABLE, Failure, best, of_status
from softswitch.dialplan.plan import ToTrunk
from softswitch.dialplan.routes import Trunk
from softswitch.mixer.roles import Role
from softswitch.sip.events import Cause, Ended, Incoming, Invite
from softswitch.sip.identity import ANONYMOUS
from softswitch.sip.uri import Uri

__all__ = ["Hunt", "Hunter"]

TRUNK_RING = 180.0
"""Seconds that a called number outside may ring: timer C of RFC 3261 section 16.6."""


class Hunter(Protocol):
    """The call for which somebody is sought."""

    @property
    def outgoing(self) -> Sequence[Leg]:
        """Whom it called and has not given up."""
        ...

    def offer(self, party: str, role: Role, remote: str, invite: Invite) -> bool:
        """Call one device or trunk; False when no port is left for it."""
        ...

    def come_to_nothing(self, failure: Failure) -> None:
        """Nobody takes the call."""
        ...

    def wake(self) -> None:
        """``Hunt.until`` has changed."""
        ...


class Hunt:
    """``until`` is when the ringing ends; ``caller`` the number under which the caller is shown to colleagues."""

    def __init__(self, hunter: Hunter, office: Office, desk: Desk, incoming: Incoming, caller: str) -> None:
        self.until: float | None = None
        self._hunter, self._office, self._desk = hunter, office, desk
        self._incoming, self._caller = incoming, caller
        self._failures: list[Failure] = []
        self._trunks: tuple[Trunk, ...] = ()
        self._number, self._shown = "", ANONYMOUS

    def begin(self) -> None:
        """Forget how earlier attempts failed."""
        self._failures.clear()

    def stop(self) -> None:
        """Ask nobody else; who rings goes on ringing."""
        self._trunks = ()
        self._ring_until(None)

    def person(self, extension: str, now: float) -> None:
        """Ring all devices of a colleague."""
        person, incoming = self._office.directory.people[extension], self._incoming
        # The telephone that calls is not called; but it may have accounts of several people.
        own = incoming.flow if incoming.identity.name == extension else None
        for binding in self._desk.bindings(extension):
            if binding.reachable and binding.flow != own:
                invite = offering.to_device(incoming, self._caller, binding, person, self._office.domain)
                self._offer(f"person:{extension}", Role.AGENT, binding.flow.remote[0], invite)
        if self._hunter.outgoing:
            self._ring_until(now + person.ring)
        else:
            self._hunter.come_to_nothing(best(self._failures))

    def number(self, route: ToTrunk, now: float) -> None:
        """Call a number outside through the first trunk that works."""
        self._trunks, self._number = self._desk.in_order(route.trunks), route.number
        self._shown = (self._incoming.caller[0], Uri(scheme="sip", user=route.caller or None, host=self._office.domain))
        self._next_trunk(now)

    def failed(self, leg: Leg, event: Ended, now: float) -> None:
        """One who was called does not take the call."""
        failure = UNSUITABLE if leg.ended_as is not None else of_status(event.status, event.cause)
        self._failures.append(failure)
        if leg.trunk is not None and event.cause is Cause.NO_RESPONSE:
            self._desk.trunk_failed(leg.trunk)
        if failure.status >= 600:
            # RFC 3261 section 21.6: nobody else needs to be asked.
            self._hunter.come_to_nothing(failure)
        elif not self._hunter.outgoing:
            decided = leg.trunk is not None and failure.result in ("busy", "declined", "no answer", "no such number")
            if decided:
                self._trunks = ()
            self._next_trunk(now)

    def rang_out(self) -> None:
        """It has rung for as long as it may."""
        self._failures.append(NO_ANSWER)
        self._hunter.come_to_nothing(best(self._failures))

    def _next_trunk(self, now: float) -> None:
        while self._trunks:
            trunk, self._trunks = self._trunks[0], self._trunks[1:]
            if not self._desk.free_lines(trunk):
                self._failures.append(NO_LINE)
                continue
            invite = offering.to_trunk(self._incoming, trunk, self._number, self._shown)
            if self._offer(f"trunk:{trunk.name}", Role.CUSTOMER, trunk.host, invite):
                self._ring_until(now + TRUNK_RING)
                return
        self._hunter.come_to_nothing(best(self._failures))

    def _offer(self, party: str, role: Role, remote: str, invite: Invite) -> bool:
        offered = self._hunter.offer(party, role, remote, invite)
        if not offered:
            self._failures.append(NO_MEDIA)
        return offered

    def _ring_until(self, at: float | None) -> None:
        self.until = at
        self._hunter.wake()
