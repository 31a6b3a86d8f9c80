"""People and groups: everybody sees who is there, and how they are only whom that concerns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from typing_extensions import TypedDict

from softswitch.api import present
from softswitch.api.http.access import Access, GuardedRoute, needs
from softswitch.api.views import PersonRow
from softswitch.directory.permissions import OFFICE, Action, Subject
from softswitch.errors import NoSuch

__all__ = ["Extension", "routes"]

routes = APIRouter(prefix="/api/v1", route_class=GuardedRoute)

Extension = Annotated[str, Path(pattern=r"^[0-9]{2,8}$", description="Extension of the person.")]


class Colleague(TypedDict):
    """``person`` has the state and the devices; null unless it is oneself or somebody one heads."""

    extension: str
    name: str
    role: str
    groups: list[str]
    person: PersonRow | None


class GroupRow(TypedDict):
    """``heads`` and ``members`` are extensions."""

    key: str
    name: str
    heads: list[str]
    members: list[str]


@routes.get("/people", tags=["people"])
async def people(access: Annotated[Access, needs(Action.SEE_COLLEAGUES)]) -> list[Colleague]:
    """Everybody in the office; how they are, of those whom one may see."""
    access.require(OFFICE)
    exchange = access.exchange
    rows = {row["extension"]: row for row in present.people(exchange.directory, exchange.live, exchange.clock.utc())}
    return [
        Colleague(
            extension=extension,
            name=person.name,
            role=person.role.value,
            groups=list(person.groups),
            person=rows[extension] if access.decide(Subject.of(extension), Action.SEE_PERSON) else None,
        )
        for extension, person in sorted(exchange.directory.people.items())
    ]


@routes.get("/people/{extension}", tags=["people"], responses={404: {"description": "There is no such person."}})
async def person(extension: Extension, access: Annotated[Access, needs(Action.SEE_PERSON)]) -> PersonRow:
    """One person: talking, ringing or not, and the registered devices."""
    exchange = access.exchange
    if extension not in exchange.directory.people:
        access.require(OFFICE, action=Action.SEE_COLLEAGUES)
        raise NoSuch("person", extension)
    access.require(Subject.of(extension))
    (row,) = present.people(exchange.directory, exchange.live, exchange.clock.utc(), only=frozenset({extension}))
    return row


@routes.get("/groups", tags=["people"])
async def groups(access: Annotated[Access, needs(Action.SEE_COLLEAGUES)]) -> list[GroupRow]:
    """All groups, their heads and their members."""
    access.require(OFFICE)
    directory = access.exchange.directory
    return [
        GroupRow(
            key=key,
            name=group.name,
            heads=list(group.heads),
            members=sorted(one.extension for one in directory.people.values() if key in one.groups),
        )
        for key, group in sorted(directory.groups.items())
    ]
