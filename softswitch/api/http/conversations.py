"""Conversations live and past: lists by page, one with its timeline, its recordings, and its end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime
from starlette.responses import Response as AnyResponse
from typing_extensions import TypedDict

from softswitch.api import present
from softswitch.api.http import recordings
from softswitch.api.http.access import Access, GuardedRoute, needs
from softswitch.api.http.exchange import present_of
from softswitch.api.http.problems import language_of
from softswitch.api.http.sight import OF_REVIEWS, discreet, discreet_lines, kept_from, subject_of
from softswitch.api.views import CallRow, RecordingRow, ReviewRow, TimelineLine
from softswitch.directory.people import Role
from softswitch.directory.permissions import SUPERVISING, Action, Subject, reach
from softswitch.errors import NoSuch, NotPossible
from softswitch.events import Result
from softswitch.ids import ConversationId
from softswitch.records.cdr import Cdr
from softswitch.records.journey import Line
from softswitch.records.search import Search, place, place_of

__all__ = ["Id", "found", "routes"]

routes = APIRouter(prefix="/api/v1", route_class=GuardedRoute)

Id = Annotated[str, Path(pattern=r"^[0-9a-z]{1,20}$", description="Id of the conversation.")]
MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such conversation."}}


class Page(TypedDict):
    """``next`` is the cursor of the next page, null on the last one."""

    conversations: list[CallRow]
    next: str | None


class Conversation(TypedDict):
    """``may`` are the actions that whoever asks may do to it now; ``reviews`` those that concern him."""

    call: CallRow
    recordings: list[RecordingRow]
    reviews: list[ReviewRow]
    may: list[str]


@routes.get("/conversations", tags=["conversations"], responses={404: {"description": "No page gave out this cursor."}})
async def conversations(
    access: Annotated[Access, needs(Action.SEE_CONVERSATION)],
    state: Annotated[Literal["running", "ended"] | None, Query(description="Only these.")] = None,
    person: Annotated[str | None, Query(pattern=r"^[0-9]{2,8}$", description="Of this extension.")] = None,
    number: Annotated[str, Query(pattern=r"^\+?[0-9*#]{0,20}$", description="Part of the number of either side.")] = "",
    result: Annotated[Result | None, Query(description="How they ended.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Begun then or later.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Begun before.")] = None,
    cursor: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,200}$", description="`next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page:
    """List the conversations that whoever asks may see, the latest first."""
    after = None if cursor is None else place(cursor)
    if cursor is not None and after is None:
        raise NoSuch("page", cursor)
    everybody = access.person.role in (Role.DIRECTOR, Role.ADMIN)
    access.decided = True  # what may be seen is part of the search, and asked again of each one found
    search = Search(
        people=None if everybody else reach(access.person, access.exchange.directory),
        person=person,
        number=number,
        result=result,
        running=None if state is None else state == "running",
        since=since,
        until=until,
        after=after,
        limit=limit + 1,
    )
    cdrs = await access.exchange.records.search(search)
    rows = [_row(access, cdr) for cdr in cdrs[:limit] if access.decide(subject_of(cdr))]
    return Page(conversations=rows, next=place_of(cdrs[limit - 1]) if len(cdrs) > limit else None)


@routes.get("/conversations/{conversation}", tags=["conversations"], responses=MISSING)
async def conversation(conversation: Id, access: Annotated[Access, needs(Action.SEE_CONVERSATION)]) -> Conversation:
    """One conversation, its legs and its recordings."""
    cdr = await found(access, conversation)
    subject = subject_of(cdr)
    access.require(subject, cdr.conversation)
    live = cdr.ended_at is None
    at_any_time = (Action.READ_TIMELINE, Action.DOWNLOAD_RECORDING, Action.ASK_REVIEW)
    while_it_runs = (Action.HANG_UP, Action.MASK, Action.INVITE_PROMPTER, *sorted(SUPERVISING))
    actions = (*at_any_time, *while_it_runs) if live else at_any_time
    return Conversation(
        call=_row(access, cdr),
        recordings=present.recording_rows(cdr),
        reviews=[
            present.review_row(one, cdr)
            for one in cdr.reviews
            if access.decide(Subject.of(one.employee), Action.SEE_REVIEW)
        ],
        may=[action.value for action in actions if access.decide(subject, action)],
    )


@routes.get("/conversations/{conversation}/timeline", tags=["conversations"], responses=MISSING)
async def timeline(
    conversation: Id, request: Request, access: Annotated[Access, needs(Action.READ_TIMELINE)]
) -> list[TimelineLine]:
    """What happened in it, a sentence each, in the language of `Accept-Language` (en or ru)."""
    cdr = await found(access, conversation)
    subject = subject_of(cdr)
    access.require(subject, cdr.conversation)
    names = {extension: person.name for extension, person in access.exchange.directory.people.items()}
    lines = [line for line in await access.exchange.records.timeline(cdr.conversation) if concerns(access, line)]
    view = present.conversation_view(cdr, lines, language_of(request), names)
    if kept_from(access.person, cdr, access.exchange.directory):
        return discreet_lines(view["lines"], cdr)
    return view["lines"]


@routes.get(
    "/conversations/{conversation}/recordings/{number}",
    tags=["conversations"],
    response_class=AnyResponse,
    responses={
        200: {"content": {"audio/wav": {}}, "description": "The recording, stereo: customer left, employee right."},
        206: {"content": {"audio/wav": {}}, "description": "The part that `Range` asks for."},
        404: {"description": "There is no such recording."},
        409: {"description": "It is being written still."},
        416: {"description": "There is nothing in this range."},
    },
)
async def recording(
    conversation: Id,
    number: Annotated[int, Path(ge=1, le=1000, description="Its number within the conversation.")],
    request: Request,
    access: Annotated[Access, needs(Action.DOWNLOAD_RECORDING)],
) -> Response:
    """Download a recording, whole or by range; each download is an event.

    The track of what supervisors and prompters said is in it for heads and directors, not for those who talked.
    """
    cdr = await found(access, conversation)
    access.require(subject_of(cdr), cdr.conversation, thing=str(number))
    if number > len(cdr.recordings):
        raise NoSuch("recording", f"{conversation}/{number}")
    record = cdr.recordings[number - 1]
    if record.finished_at is None and not record.error:
        raise NotPossible("the recording is being written still")
    whisper = bool(access.decide(subject_of(cdr), Action.HEAR_WHISPER))
    return await recordings.download(access.exchange.recordings, record.path, request.headers, whisper=whisper)


@routes.post(
    "/conversations/{conversation}/hang-up",
    status_code=204,
    tags=["conversations"],
    response_class=AnyResponse,
    responses={**MISSING, 409: {"description": "It is over."}},
)
async def hang_up(conversation: Id, access: Annotated[Access, needs(Action.HANG_UP)]) -> None:
    """End a conversation, for everybody in it."""
    cdr = await found(access, conversation)
    access.require(subject_of(cdr), cdr.conversation)
    if cdr.ended_at is not None:
        raise NotPossible("the conversation is over")
    access.exchange.hang_up(cdr.conversation)


_MASKING: dict[int | str, dict[str, Any]] = {**MISSING, 409: {"description": "Nobody talks, or it is so already."}}


@routes.put(
    "/conversations/{conversation}/mask",
    status_code=204,
    tags=["conversations"],
    response_class=AnyResponse,
    responses=_MASKING,
)
async def mask(conversation: Id, access: Annotated[Access, needs(Action.MASK)]) -> None:
    """Keep what is said and pressed from now on out of the recording and the timeline."""
    await _mask(conversation, access, masked=True)


@routes.delete(
    "/conversations/{conversation}/mask",
    status_code=204,
    tags=["conversations"],
    response_class=AnyResponse,
    responses=_MASKING,
)
async def unmask(conversation: Id, access: Annotated[Access, needs(Action.MASK)]) -> None:
    """Let the recording go on."""
    await _mask(conversation, access, masked=False)


async def _mask(conversation: str, access: Access, *, masked: bool) -> None:
    cdr = await found(access, conversation)
    access.require(subject_of(cdr), cdr.conversation)
    if cdr.ended_at is not None:
        raise NotPossible("the conversation is over")
    access.exchange.mask(cdr.conversation, masked, access.person.extension)


async def found(access: Access, conversation: str) -> Cdr:
    """Return a conversation, from memory if it runs. Raises NoSuch."""
    fold = access.exchange.live.conversations.get(ConversationId(conversation))
    return fold.cdr() if fold is not None else await access.exchange.records.cdr(conversation)


def concerns(access: Access, line: Line) -> bool:
    """Tell whether a line of the timeline is for whoever asks: a review is its employee's and his heads' alone."""
    if line.kind not in OF_REVIEWS:
        return True
    return bool(access.decide(Subject.of(str(line.data["employee"])), Action.SEE_REVIEW))


def _row(access: Access, cdr: Cdr) -> CallRow:
    fold = access.exchange.live.conversations.get(cdr.conversation)
    row = present.call_row(
        cdr,
        present_of(access.exchange, cdr.conversation),
        None if fold is None else fold.state,
        access.exchange.scores(cdr.conversation),
    )
    return discreet(row) if kept_from(access.person, cdr, access.exchange.directory) else row
