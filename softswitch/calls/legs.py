"""The legs of one conversation: by their SIP session, by their media port, and what is told of each."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

from softswitch import events as facts
from softswitch.calls.desk import Desk
from softswitch.calls.leg import DigitsWord, Leg, LegState, Media
from softswitch.calls.office import Office
from softswitch.events import Event
from softswitch.media.engine import PortId, PortStats, RoomId
from softswitch.sip.events import Hangup, Reason, SessionId

__all__ = ["Legs"]


class Legs:
    """``own`` is told of each port that is opened; ``publish`` adds the conversation to an event.

    A leg that we end counts as gone at once (``ended_as``), though its ``Ended`` comes a moment later.
    """

    def __init__(
        self, desk: Desk, office: Office, room: RoomId, own: Callable[[PortId], None], publish: Callable[[Event], None]
    ) -> None:
        self._desk, self._office, self._room = desk, office, room
        self._own, self._publish = own, publish
        self._by_session: dict[SessionId, Leg] = {}
        self._by_port: dict[PortId, Leg] = {}

    def __iter__(self) -> Iterator[Leg]:
        return iter(self._by_session.values())

    def add(self, leg: Leg) -> None:
        """Take up a leg whose session is known by now."""
        self._by_session[leg.session] = leg

    def remove(self, leg: Leg) -> None:
        """Its session is another's from now on; its port stays here."""
        del self._by_session[leg.session]

    def of_session(self, session: SessionId) -> Leg | None:
        return self._by_session.get(session)

    def of_port(self, port: PortId) -> Leg | None:
        return self._by_port.get(port)

    @property
    def over(self) -> bool:
        """Whether the session of each leg has ended."""
        return all(leg.state is LegState.ENDED for leg in self._by_session.values())

    @property
    def open_ports(self) -> list[PortId]:
        """Ports whose last news has not come yet."""
        return list(self._by_port)

    def open_media(self, leg: Leg, remote: str) -> Media:
        """Open a port towards a peer at the address ``remote``. Raises NotPossible when there is none.

        The keys of a visitor's telephone are his commands to us.
        """
        leg.remote = remote
        bind, advertised = self._desk.media_address(remote)
        opened = Media(
            self._desk.engine,
            self._room,
            bind=bind,
            advertised=advertised,
            timeout=self._office.media_timeout,
            keys=leg.visitor is not None,
            signaller=_numeric(remote),
            digits=self._digits(leg),
        )
        self._by_port[opened.port] = leg
        self._own(opened.port)
        return opened

    def _digits(self, leg: Leg) -> DigitsWord:
        """In which form the office wants digits sent to whoever this is."""
        trunk = self._office.plan.trunks.get(leg.trunk) if leg.trunk is not None else None
        person = self._office.directory.people.get(leg.name) if leg.trunk is None else None
        found = trunk or person
        return "auto" if found is None else found.digits

    def port_closed(self, port: PortId, stats: PortStats) -> None:
        """Forget a port, and tell how its leg fared over its whole life."""
        leg = self._by_port.pop(port)
        self._desk.released(port)
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
                mos=round(leg.scores / leg.scored, 2) if leg.scored else None,
            )
        )

    def release(self, leg: Leg, cause: str, reason: Reason | None) -> None:
        """End a leg; harmless when that is done."""
        if leg.state is not LegState.ENDED and leg.ended_as is None:
            leg.ended_as = str(cause)
            self._desk.command(leg.session, Hangup(reason=reason))

    def publish_dialog(self, leg: Leg) -> None:
        """Tell what a new process would need to release the peer, if it has changed."""
        state = self.new_dialog(leg)
        if state:
            self._publish(facts.LegDialog(leg=leg.id, state=state))

    def new_dialog(self, leg: Leg) -> str:
        """Return the same for whoever tells it with something else; "" if it has not changed."""
        state = self._desk.dialog(leg.session)
        if state is None or state == leg.dialog:
            return ""
        leg.dialog = state
        return state


def _numeric(host: str) -> str | None:
    """Return an address without its %interface, None for a name."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None
