"""An office behind the API without telephones: its journal, bus, live view and records are the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import httpx
from argon2 import PasswordHasher

from softswitch.api.http.app import create_app
from softswitch.api.http.exchange import Mode, SupervisionRow
from softswitch.bus import Bus
from softswitch.clock import VirtualClock
from softswitch.directory.grants import Grants
from softswitch.directory.login import Login
from softswitch.directory.passwords import Passwords
from softswitch.directory.people import Directory, Group, Person, Role
from softswitch.errors import NoSuch, NotPossible
from softswitch.events import AccessGranted, AccessRefused, Event
from softswitch.ids import ConversationId, Ids, NodeId
from softswitch.records.journal import Journal
from softswitch.records.live import Live
from softswitch.records.query import Records
from tests.api.switchboard import Switchboard
from tests.records.story import call

__all__ = ["HERE", "PEOPLE", "ROLES", "Office", "office"]

HERE = "http://pbx.example"

PEOPLE = (
    Person(extension="100", name="Natalia", role=Role.DIRECTOR),
    Person(extension="101", name="Anna", groups=("sales",)),
    Person(extension="102", name="Viktor", groups=("sales",)),
    Person(extension="109", name="Root", role=Role.ADMIN),
    Person(extension="110", name="Boris", groups=("sales",), role=Role.HEAD),
    Person(extension="111", name="Olga", groups=("support",)),
    Person(extension="113", name="Elena", groups=("sales",), monitored=False),
    Person(extension="120", name="Sergey", groups=("support",), role=Role.HEAD, whisper_customer=True),
)

ROLES = {
    "employee": "101",
    "other employee": "111",
    "head": "110",
    "other head": "120",
    "director": "100",
    "admin": "109",
}
"""Somebody of each kind; the conversations of the tests are of 101 and 102."""


class Supervisors:
    """Supervising as the API sees it, told without telephones."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._rows: dict[str, SupervisionRow] = {}

    @property
    def supervisions(self) -> list[SupervisionRow]:
        return list(self._rows.values())

    def supervise(
        self,
        by: str,
        mode: Mode,
        *,
        person: str,
        follow: bool,
        park: bool = False,
        conversation: str | None = None,
    ) -> SupervisionRow:
        conversation = conversation or self._office.talking(person)
        if conversation is None and not follow:
            raise NotPossible(f"{person} is in no conversation")
        return self._add(by, mode, person, conversation, follow)

    def change(self, supervision: str, mode: Mode, *, park: bool = False) -> SupervisionRow:
        self._rows[supervision]["mode"] = mode
        return self._rows[supervision]

    def end(self, supervision: str) -> None:
        del self._rows[supervision]

    def invite_prompter(self, person: str, to: str, conversation: str | None = None) -> SupervisionRow:
        return self._add("", "prompt", person, self._office.talking(person), False)

    def _add(
        self, by: str, mode: Mode | Literal["prompt"], person: str, conversation: str | None, follow: bool
    ) -> SupervisionRow:
        row = SupervisionRow(
            id=f"supervision-{len(self._rows) + 1}",
            by=by,
            mode=mode,
            person=person,
            conversation=conversation,
            follow=follow,
            active=False,
        )
        self._rows[row["id"]] = row
        return row


class Office:
    """Implements ``Exchange``."""

    language = "en"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.people = {one.extension: one for one in PEOPLE}
        self.groups = {
            "sales": Group(key="sales", name="Sales", heads=("110",)),
            "support": Group(key="support", name="Support", heads=("120",)),
        }
        self.live = Live()
        self.reviewing = asyncio.Lock()
        self.commands = Switchboard()
        self.supervision: Any = Supervisors(self)
        self.recordings = folder / "recordings"
        self.alarms: list[str] = []
        self.hung_up: list[str] = []
        self.masked: list[tuple[str, bool, str]] = []
        self.told: list[Event] = []

    @property
    def directory(self) -> Directory:
        return Directory(people=MappingProxyType(self.people), groups=MappingProxyType(self.groups))

    def hang_up(self, conversation: ConversationId) -> None:
        if conversation not in self.live.conversations:
            raise NoSuch("conversation", conversation)
        self.hung_up.append(conversation)

    def mask(self, conversation: ConversationId, masked: bool, by: str) -> None:
        if conversation not in self.live.conversations:
            raise NoSuch("conversation", conversation)
        self.masked.append((conversation, masked, by))

    def scores(self, conversation: ConversationId) -> Mapping[str, float]:
        return {}

    def metrics(self) -> tuple[bytes, str] | None:
        return b"calls_total 1\n", "text/plain; version=0.0.4"

    def talking(self, person: str) -> str | None:
        """Return the conversation that somebody is in."""
        for name, fold in self.live.conversations.items():
            if f"person:{person}" in {leg.party for leg in fold.cdr().legs}:
                return name
        return None

    # For the tests ---------------------------------------------------------------------------------------------------

    def happen(self, events: Iterable[Event]) -> None:
        for event in events:
            self.bus.publish(event)

    def change(self, extension: str, **values: Any) -> None:
        self.people[extension] = replace(self.people[extension], **values)

    def refusals(self) -> list[AccessRefused]:
        return [event for event in self.told if isinstance(event, AccessRefused)]

    def uses(self) -> list[AccessGranted]:
        return [event for event in self.told if isinstance(event, AccessGranted)]

    async def token(self, extension: str) -> str:
        token, _ = await self.login.make_token(extension, f"test {len(self.told)}", by="console")
        return token

    async def client(self, extension: str | None = None) -> httpx.AsyncClient:
        """Return a client that acts as somebody, or as nobody."""
        client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app, raise_app_exceptions=False), base_url=HERE)
        if extension is not None:
            client.headers["Authorization"] = f"Bearer {await self.token(extension)}"
        return client


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Office]:
    """Open the office: c1 was between 101 and 102 and is over, "running" is between them too and goes on."""
    here = Office(folder)
    journal = Journal.open(folder, node=NodeId("n"), clock=here.clock)
    await journal.recover()
    here.records = Records.open(folder)
    here.bus = Bus(journal.append)
    here.bus.listen(here.live.apply)
    here.bus.listen(here.told.append)
    here.login = Login(
        Grants(journal_database(journal), Ids()),
        directory=lambda: here.directory,
        publish=here.bus.publish,
        clock=here.clock,
        ids=Ids(),
        passwords=Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)),
    )
    here.app = create_app(here, here.login)
    here.happen(call("c1"))
    here.happen(call("running", start=100.0)[:9])
    try:
        yield here
    finally:
        await here.records.close()
        await journal.close()


def journal_database(journal: Journal) -> Any:
    return journal._database
