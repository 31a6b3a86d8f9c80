"""Supervision from any telephone, through a number of the office: the caller proves by keys who he is."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg
from softswitch.calls.modes import Mode
from softswitch.calls.office import Office
from softswitch.calls.policy import Policy
from softswitch.calls.supervision import Supervision, Wish
from softswitch.directory.people import Person
from softswitch.errors import NoSuch, NotPermitted, NotPossible
from softswitch.media import engine as media
from softswitch.media.engine import SourceId, Tone
from softswitch.sip.events import Incoming
from softswitch.sip.sdp import Direction

if TYPE_CHECKING:
    from softswitch.calls.call import Call

__all__ = ["Door", "FromOutside", "proved"]

TRIES = 3
"""Wrong extensions and PINs, and then wrong persons to listen to, after which the caller is hung up on."""

PATIENCE = 30.0
"""Seconds without a key after which he is hung up on."""

LONGEST = 24
"""Digits that are kept; an extension has 8 at most, a PIN 12."""

ASK = Tone((800.0,), level=-20.0, cadence=(0.4, 0.2), repeat=1)
WRONG = Tone((400.0,), level=-20.0, cadence=(0.2, 0.1), repeat=3)


class Door(Policy, Protocol):
    """Who may come in, and what is remembered of who could not; ``Supervisors`` implements it."""

    def tried(self, outside: FromOutside, now: float) -> None:
        """Count a try as a failure until ``proved``."""
        ...

    def proved(self, outside: FromOutside) -> None: ...

    def admit(self, wish: Wish, now: float) -> Call:
        """Return where to go. Raises NoSuch, NotPermitted and NotPossible, once that is told."""
        ...


def proved(typed: str, people: Mapping[str, Person]) -> str:
    """Return the extension that stands before its own PIN in ``typed``, "" if nobody's does.

    Everybody's is compared, in constant time: how long it takes tells nothing.
    """
    found = ""
    for person in people.values():
        if person.pin and hmac.compare_digest((person.extension + person.pin).encode(), typed.encode()):
            found = person.extension
    return found


class FromOutside(Supervision):
    """Begins with ``come``: a tone asks for extension and PIN, another for whom to listen to, each ended by ``#``.

    ``*`` begins anew. From then on it is a supervision like any other. The session
    stays sendrecv while he only listens, since a provider that is asked to send nothing sends
    no keys; what he says is in nobody's row all the same.
    """

    def __init__(self, desk: Desk, office: Office, door: Door, trunk: str, caller: str, now: float) -> None:
        wish = Wish(supervisor="", employee="", mode=Mode.LISTEN, via="mobile")
        super().__init__(desk, office, door, wish, now)
        self.trunk, self.caller = trunk, caller
        self._door = door
        self._typed, self._tries = "", TRIES
        self._until: float | None = None
        self._player: SourceId | None = None

    def come(self, incoming: Incoming, now: float) -> str | None:
        """Answer the caller; return why he cannot be answered, None if he is."""
        refused = self.welcome(None, incoming, now)
        if refused is None:
            self._play(ASK)
            self._wait(now + PATIENCE)
        return refused

    @property
    def apart(self) -> bool:
        """Whether his leg is ours: what a call owns it counts itself."""
        return not self.over_for_good and not self._holds_place

    @property
    def _direction(self) -> Direction:
        return Direction.SENDRECV

    def _new_leg(self, party: str) -> Leg:
        leg = super()._new_leg(party)
        leg.line = self.trunk
        return leg

    # What he types ---------------------------------------------------------------------------------------------------

    def pressed(self, digit: str, now: float) -> None:
        if self.wish.employee:
            super().pressed(digit, now)
            return
        self._wait(now + PATIENCE)
        match digit:
            case "#" if self.wish.supervisor:
                self._choose(now)
            case "#":
                self._prove(now)
            case "*":
                self._typed = ""
            case _:
                self._typed = (self._typed + digit)[:LONGEST]

    def _prove(self, now: float) -> None:
        typed, self._typed = self._typed, ""
        self._door.tried(self, now)
        supervisor = proved(typed, self._office.directory.people)
        if not supervisor:
            self._refuse(f"{self.caller or 'somebody'} typed no extension with its PIN", "PIN")
            self._wrong(now)
            return
        self._door.proved(self)
        self.wish = replace(self.wish, supervisor=supervisor)
        self._tries = TRIES
        self._play(ASK)

    def _choose(self, now: float) -> None:
        typed, self._typed = self._typed, ""
        wish = replace(self.wish, employee=typed)
        try:
            call = self._door.admit(wish, now)
        except (NoSuch, NotPermitted, NotPossible):
            self._wrong(now)
            return
        assert self.leg is not None
        self._quiet()
        self._wait(None)
        self.wish = wish
        self.leg.party = f"person:{wish.supervisor}"
        self._attach(call)
        self._settle()

    def _wrong(self, now: float) -> None:
        self._tries -= 1
        if self._tries:
            self._play(WRONG)
        else:
            self.stop(now, "refused")

    # What he hears ---------------------------------------------------------------------------------------------------

    def _play(self, tone: Tone) -> None:
        self._quiet()
        if self.leg is None or self._room is None:
            return
        try:
            self._player = self._desk.engine.play(self._room, tone)
        except NotPossible:
            return  # no player left: he may type without being asked
        self._desk.owns_source(self, self._player)
        self._desk.engine.hear(self.leg.port, {self._player: 1.0})

    def _quiet(self) -> None:
        if self._player is None or self.leg is None:
            return
        self._desk.engine.hear(self.leg.port, {})
        self._desk.engine.stop(self._player)
        self._desk.released(self._player)
        self._player = None

    def receive_media(self, event: media.MediaEvent, now: float) -> None:
        match event:
            case media.PlayEnded(source=source):
                if source == self._player and self.leg is not None:
                    self._player = None
                    self._desk.engine.hear(self.leg.port, {})
            case _:
                super().receive_media(event, now)

    # Time ------------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        if self._until is not None and now >= self._until:
            self._refuse(f"{self.caller or 'somebody'} typed nothing more", "PIN")
            self.stop(now, "refused")
            return
        super().tick(now)

    def _wait(self, until: float | None) -> None:
        self._until = until
        self._desk.wake(self, until)

    def _close(self) -> None:
        self._quiet()
        self._until = None
        super()._close()
