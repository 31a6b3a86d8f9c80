"""Supervising over HTTP: listen, whisper, join, take over, and help that an employee asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import Response

from softswitch.api.http.access import Access, GuardedRoute, needs
from softswitch.api.http.conversations import MISSING, Id, found
from softswitch.api.http.exchange import Mode, Supervision, SupervisionRow
from softswitch.api.http.people import Extension
from softswitch.api.http.sessions import Wish
from softswitch.api.http.sight import subject_of
from softswitch.directory.permissions import Action, Decision, Reason, Subject, shown
from softswitch.errors import NoSuch, NotPossible
from softswitch.records.cdr import Cdr

__all__ = ["routes"]

routes = APIRouter(prefix="/api/v1", route_class=GuardedRoute)

ACTIONS: Mapping[str, Action] = {
    "listen": Action.LISTEN,
    "whisper": Action.WHISPER,
    "whisper to customer": Action.WHISPER_TO_CUSTOMER,
    "barge": Action.BARGE,
    "take over": Action.TAKE_OVER,
}

SupervisionId = Annotated[str, Path(pattern=r"^[0-9a-z-]{1,60}$", description="Id of the supervision.")]
BUSY: dict[int | str, dict[str, Any]] = {409: {"description": "It is not possible now; the detail says why."}}
GONE: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such supervision."}}


class SuperviseWish(Wish):
    """``person``: beside whom, if more than one could be meant. ``follow``: go with him to his next conversations.

    ``park``, in mode "take over": he is not released but waits with music; any other mode gives him the
    conversation back.
    """

    mode: Mode = "listen"
    person: Annotated[str, Field(pattern=r"^[0-9]{2,8}$")] | None = None
    follow: bool = False
    park: bool = False


class PersonWish(Wish):
    """``follow`` also waits for the next conversation when there is none now."""

    mode: Literal["listen", "whisper", "whisper to customer", "barge"] = "listen"
    follow: bool = False


class ModeWish(Wish):
    """``park`` as at the beginning of a supervision."""

    mode: Mode
    park: bool = False


class PrompterWish(Wish):
    """``to``: whose help is wanted: "person:105", "person:Olga", or who is free of "group:support", "skill:tariffs"."""

    to: Annotated[str, Field(pattern=r"^(person:[\w .'-]{1,100}|(group|skill):[A-Za-z0-9][A-Za-z0-9_-]{0,39})$")]


@routes.get("/supervisions", tags=["supervision"])
async def supervisions(access: Annotated[Access, needs(Action.FOLLOW)]) -> list[SupervisionRow]:
    """Who supervises whom now: what whoever asks does himself, and what concerns people he heads."""
    me = access.person.extension
    supervising = access.exchange.supervision
    own = shown(access.person, access.exchange.directory)
    access.decided = True
    return [
        row
        for row in (supervising.supervisions if supervising is not None else ())
        if row["by"] == me
        or (row["person"] == me and (own or row["mode"] == "prompt"))
        or _heads(access, row["person"])
    ]


@routes.post(
    "/conversations/{conversation}/supervision", status_code=201, tags=["supervision"], responses={**MISSING, **BUSY}
)
async def supervise(
    conversation: Id, wish: SuperviseWish, access: Annotated[Access, needs(Action.LISTEN)]
) -> SupervisionRow:
    """Call the devices of whoever asks, and put him beside an employee of the conversation."""
    cdr = await found(access, conversation)
    subject = subject_of(cdr)
    access.require(subject, cdr.conversation, action=ACTIONS[wish.mode])
    if cdr.ended_at is not None:
        raise NotPossible("the conversation is over")
    person = _beside_whom(access, cdr, wish.person)
    return _supervising(access).supervise(
        access.person.extension,
        wish.mode,
        person=person,
        follow=wish.follow,
        park=wish.park,
        conversation=cdr.conversation,
    )


@routes.post(
    "/people/{extension}/supervision",
    status_code=201,
    tags=["supervision"],
    responses={404: {"description": "There is no such person."}, **BUSY},
)
async def supervise_person(
    extension: Extension, wish: PersonWish, access: Annotated[Access, needs(Action.LISTEN)]
) -> SupervisionRow:
    """The same beside somebody whatever he does: in his present conversation, or with `follow` in the next one."""
    if extension not in access.exchange.directory.people:
        access.decided = True
        raise NoSuch("person", extension)
    access.require(Subject.of(extension), action=ACTIONS[wish.mode])
    return _supervising(access).supervise(access.person.extension, wish.mode, person=extension, follow=wish.follow)


@routes.patch("/supervisions/{supervision}", tags=["supervision"], responses={**GONE, **BUSY})
async def change(
    supervision: SupervisionId, wish: ModeWish, access: Annotated[Access, needs(Action.LISTEN)]
) -> SupervisionRow:
    """Change the mode of one's own supervision, within 300 ms and without a new call."""
    row = _own(access, supervision)
    access.require(await _subject(access, row), action=ACTIONS[wish.mode])
    return _supervising(access).change(supervision, wish.mode, park=wish.park)


@routes.delete(
    "/supervisions/{supervision}", status_code=204, tags=["supervision"], response_class=Response, responses=GONE
)
async def end(supervision: SupervisionId, access: Annotated[Access, needs(Action.FOLLOW)]) -> None:
    """End what one does oneself: a supervision, or help that is given or received. The conversation goes on."""
    _own(access, supervision)
    _supervising(access).end(supervision)


@routes.post(
    "/conversations/{conversation}/prompter", status_code=201, tags=["supervision"], responses={**MISSING, **BUSY}
)
async def invite_prompter(
    conversation: Id, wish: PrompterWish, access: Annotated[Access, needs(Action.INVITE_PROMPTER)]
) -> SupervisionRow:
    """Call a colleague who hears both and is heard by the employee only."""
    cdr = await found(access, conversation)
    subject = subject_of(cdr)
    access.require(subject, cdr.conversation)
    if cdr.ended_at is not None:
        raise NotPossible("the conversation is over")
    me = access.person.extension
    employee = me if me in subject.talkers else _beside_whom(access, cdr, None)
    return _supervising(access).invite_prompter(employee, wish.to, cdr.conversation)


def _supervising(access: Access) -> Supervision:
    found = access.exchange.supervision
    if found is None:
        raise NotPossible("this switch cannot supervise")
    return found


def _own(access: Access, supervision: str) -> SupervisionRow:
    """Return a supervision of whoever asks. Raises NoSuch, and Forbidden if it is another's."""
    access.decided = True
    running = access.exchange.supervision
    row = next((one for one in (running.supervisions if running else ()) if one["id"] == supervision), None)
    if row is None:
        raise NoSuch("supervision", supervision)
    me = access.person.extension
    if row["by"] != me and not (row["person"] == me and row["mode"] == "prompt"):
        access.refuse(Decision(False, Reason.NOT_OWN), Subject.of(row["person"]))
    return row


async def _subject(access: Access, row: SupervisionRow) -> Subject:
    if row["conversation"] is None:
        return Subject.of(row["person"])
    subject = subject_of(await found(access, row["conversation"]))
    # Who talks in the place of somebody who waits for it has not made the conversation his own.
    return replace(subject, talkers=subject.talkers - {row["by"]}) if row["mode"] == "take over" else subject


def _heads(access: Access, person: str) -> bool:
    decision = access.decide(Subject.of(person), Action.SEE_CONVERSATION)
    return bool(decision) and decision.reason is not Reason.OWN


def _beside_whom(access: Access, cdr: Cdr, wanted: str | None) -> str:
    """Return the employee that is meant: the one named, else the one of one's own people who came last."""
    present = [leg.party.partition(":")[2] for leg in reversed(cdr.legs) if leg.ended_at is None]
    people = [one for one in present if one in access.exchange.directory.people and one != access.person.extension]
    if wanted is not None:
        if wanted not in people:
            raise NoSuch("person in this conversation", wanted)
        return wanted
    mine = [one for one in people if access.decide(Subject.of(one), Action.SEE_CONVERSATION)]
    if not mine:
        raise NotPossible("no employee is in the conversation")
    return mine[0]
