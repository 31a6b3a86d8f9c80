"""The commands that may be asked of a running switch, by name.

One table serves every edge: the control socket now, HTTP later. What a command
does is the switch's affair (``Commands``); here stands how it is called and
what is wrong with a bad call.
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from softswitch.api.views import (
    BanRow,
    CallRow,
    ConversationView,
    EventRow,
    LadderView,
    PasswordView,
    PersonRow,
    ReloadView,
    ReviewRow,
    ReviewView,
    StatusView,
    TokenRow,
    TokenView,
)
from softswitch.directory.login import NotNow
from softswitch.errors import ConfigError, NoSuch, NotPermitted, NotPossible, SwitchError

__all__ = ["COMMANDS", "BadRequest", "Command", "Commands", "Failure", "Parameter", "arguments", "failure"]


class Commands(Protocol):
    """What a switch can be asked. Failures are the errors of ``softswitch.errors``."""

    async def status(self) -> StatusView: ...

    async def metrics(self) -> str:
        """Return the switch's metrics in the text format of Prometheus."""
        ...

    async def people(self) -> list[PersonRow]: ...

    async def calls(self, finished: int) -> list[CallRow]:
        """Return the running calls, oldest first, then the latest ``finished`` ones that are over."""
        ...

    async def show(self, conversation: str, language: str) -> ConversationView:
        """Return one conversation with its timeline. Raises NoSuch."""
        ...

    async def trace(self, conversation: str) -> LadderView:
        """Return the SIP messages of one conversation. Raises NoSuch when they are gone from memory."""
        ...

    async def reload(self, path: str | None, language: str) -> ReloadView:
        """Read the configuration again and swap it in. Raises ConfigError; then the old one stays in force."""
        ...

    async def unban(self, source: str | None, account: str | None) -> list[BanRow]:
        """Lift the bans of a source, an account, or both; None is any. Return those that were in force."""
        ...

    async def stop(self) -> None:
        """Begin an orderly stop; returns at once."""
        ...

    async def password(self, extension: str) -> PasswordView:
        """Make a new password of the API for somebody. Raises NoSuch."""
        ...

    async def tokens(self, extension: str) -> list[TokenRow]: ...

    async def token_create(self, extension: str, name: str) -> TokenView:
        """Make a token for a program that acts as somebody. Raises NoSuch, and NotPossible if the name is taken."""
        ...

    async def token_revoke(self, extension: str, name: str) -> None:
        """End a token. Raises NoSuch."""
        ...

    async def supervise(
        self, employee: str, supervisor: str, mode: str, follow: bool, conversation: str | None
    ) -> None:
        """Ring the supervisor's telephones, or change the mode. Raises NoSuch, NotPermitted and NotPossible.

        ``conversation``: the beginning of the id of one of the employee's, None where he talks now.
        """
        ...

    async def take_over(self, employee: str, supervisor: str, park: bool) -> None:
        """Let the supervisor talk in the employee's place, who is released, or with ``park`` waits for it.

        Raises NoSuch, NotPermitted and NotPossible.
        """
        ...

    async def leave(self, supervisor: str) -> None:
        """End what somebody supervises. Raises NoSuch."""
        ...

    async def ask_help(self, employee: str, whom: str) -> None:
        """Ring "105", or of "group:sales" or with "skill:tariffs" who is free, as the employee's prompter.

        Raises as supervise.
        """
        ...

    async def end_help(self, employee: str) -> None:
        """End the help that an employee has. Raises NoSuch."""
        ...

    async def mask(self, conversation: str, masked: bool) -> None:
        """Keep a conversation out of its recording, or end that. Raises NoSuch and NotPossible."""
        ...

    async def reviews(self, closed: bool, last: int) -> list[ReviewRow]:
        """Return the ``last`` reviews that are open, with ``closed`` all, the oldest first."""
        ...

    async def review(self, conversation: str, employee: str | None) -> ReviewView:
        """Return one review; ``employee`` asked for it, None: there is only one. Raises NoSuch and NotPossible."""
        ...

    async def review_ask(self, conversation: str, employee: str, note: str) -> ReviewView:
        """Let an employee ask for a review of an own conversation. Raises NoSuch, NotPermitted and NotPossible."""
        ...

    async def review_comment(
        self, conversation: str, employee: str | None, by: str, text: str, position: float | None, recording: int
    ) -> ReviewView:
        """Comment on a place of a recording, or on the whole. Raises as ``review_ask``."""
        ...

    async def review_mark(self, conversation: str, employee: str | None, by: str, mark: int) -> ReviewView: ...

    async def review_close(self, conversation: str, employee: str | None, by: str) -> ReviewView: ...

    def events(self, since: int | None) -> AsyncIterator[EventRow]:
        """Yield events as they happen; with ``since``, first those of the journal with a higher number."""
        ...


@dataclass(frozen=True, slots=True)
class Parameter:
    """``default`` None of a ``required`` parameter is never used."""

    kind: type
    about: str
    default: object = None
    required: bool = False
    bounds: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """``call`` answers once; ``stream`` yields until the asker leaves. Exactly one of them is there."""

    about: str
    parameters: Mapping[str, Parameter]
    call: Callable[..., Awaitable[Any]] | None = None
    stream: Callable[..., AsyncIterator[Any]] | None = None


class BadRequest(SwitchError):
    """The request itself is wrong (HTTP 400)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is told: an HTTP status, a sentence, and the lines of a refused configuration."""

    code: int
    message: str
    problems: tuple[str, ...] = ()


_LANGUAGE = Parameter(str, 'language of the sentences: "en" or "ru"', "en")
_EMPLOYEE = Parameter(str, "extension of whose conversation it is about", required=True)
_SUPERVISOR = Parameter(str, "extension of the supervisor", required=True)
_CONVERSATION = Parameter(str, "id of the conversation, or its beginning", required=True)
_EXTENSION = Parameter(str, "extension of the person", required=True)
_ASKED = Parameter(str, "extension of who asked for the review; needed where several did")
_REVIEWER = Parameter(str, "extension of who does it", required=True)
_TOKEN = Parameter(str, "name of the token", required=True)

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "status": Command("how the switch is", {}, call=lambda on: on.status()),
        "metrics": Command("figures for a monitoring system", {}, call=lambda on: on.metrics()),
        "people": Command("who is registered, from where, since when", {}, call=lambda on: on.people()),
        "calls": Command(
            "running calls",
            {"finished": Parameter(int, "how many finished calls to add", 0, bounds=(0, 10_000))},
            call=lambda on, finished: on.calls(finished),
        ),
        "show": Command(
            "the timeline of one conversation",
            {"conversation": _CONVERSATION, "language": _LANGUAGE},
            call=lambda on, conversation, language: on.show(conversation, language),
        ),
        "trace": Command(
            "the SIP messages of one conversation",
            {"conversation": _CONVERSATION},
            call=lambda on, conversation: on.trace(conversation),
        ),
        "reload": Command(
            "read the configuration again",
            {"path": Parameter(str, "another file than the one in force"), "language": _LANGUAGE},
            call=lambda on, path, language: on.reload(path, language),
        ),
        "unban": Command(
            "let somebody try passwords again",
            {
                "source": Parameter(str, "the address that was banned; any without it"),
                "account": Parameter(str, "the account that was guessed at; any without it"),
            },
            call=lambda on, source, account: on.unban(source, account),
        ),
        "password": Command(
            "a new password of the API for a person",
            {"extension": _EXTENSION},
            call=lambda on, extension: on.password(extension),
        ),
        "tokens": Command(
            "the tokens of a person", {"extension": _EXTENSION}, call=lambda on, extension: on.tokens(extension)
        ),
        "token_create": Command(
            "a token for a program that acts as a person",
            {"extension": _EXTENSION, "name": _TOKEN},
            call=lambda on, extension, name: on.token_create(extension, name),
        ),
        "token_revoke": Command(
            "end a token",
            {"extension": _EXTENSION, "name": _TOKEN},
            call=lambda on, extension, name: on.token_revoke(extension, name),
        ),
        "supervise": Command(
            "stand beside somebody's conversation",
            {
                "employee": _EMPLOYEE,
                "supervisor": _SUPERVISOR,
                "mode": Parameter(str, '"listen", "whisper", "whisper to customer" or "barge"', "listen"),
                "follow": Parameter(bool, "stay for the employee's next conversations", False),
                "conversation": Parameter(str, "in which of the employee's conversations; where he talks without it"),
            },
            call=lambda on, employee, supervisor, mode, follow, conversation: on.supervise(
                employee, supervisor, mode, follow, conversation
            ),
        ),
        "take_over": Command(
            "talk in somebody's place",
            {
                "employee": _EMPLOYEE,
                "supervisor": _SUPERVISOR,
                "park": Parameter(bool, "let the employee wait with music until it is given back", False),
            },
            call=lambda on, employee, supervisor, park: on.take_over(employee, supervisor, park),
        ),
        "leave": Command(
            "end what somebody supervises",
            {"supervisor": _SUPERVISOR},
            call=lambda on, supervisor: on.leave(supervisor),
        ),
        "ask_help": Command(
            "ask a colleague to prompt",
            {
                "employee": _EMPLOYEE,
                "whom": Parameter(
                    str, 'extension or name of the colleague, or "group:sales", or "skill:tariffs"', required=True
                ),
            },
            call=lambda on, employee, whom: on.ask_help(employee, whom),
        ),
        "end_help": Command(
            "end somebody's help", {"employee": _EMPLOYEE}, call=lambda on, employee: on.end_help(employee)
        ),
        "mask": Command(
            "keep what is said from now on out of the recording, or end that",
            {"conversation": _CONVERSATION, "masked": Parameter(bool, "false ends it", True)},
            call=lambda on, conversation, masked: on.mask(conversation, masked),
        ),
        "reviews": Command(
            "the reviews that employees asked for",
            {
                "closed": Parameter(bool, "the closed ones too", False),
                "last": Parameter(int, "how many of the latest", 50, bounds=(1, 10_000)),
            },
            call=lambda on, closed, last: on.reviews(closed, last),
        ),
        "review": Command(
            "one review with its comments",
            {"conversation": _CONVERSATION, "employee": _ASKED},
            call=lambda on, conversation, employee: on.review(conversation, employee),
        ),
        "review_ask": Command(
            "ask for a review of an own conversation",
            {
                "conversation": _CONVERSATION,
                "employee": _EMPLOYEE,
                "note": Parameter(str, "what is to be listened to", ""),
            },
            call=lambda on, conversation, employee, note: on.review_ask(conversation, employee, note),
        ),
        "review_comment": Command(
            "comment on a conversation under review",
            {
                "conversation": _CONVERSATION,
                "employee": _ASKED,
                "by": _REVIEWER,
                "text": Parameter(str, "the comment", required=True),
                "position": Parameter(float, "seconds of the recording; on the whole without it"),
                "recording": Parameter(int, "number of the recording", 1, bounds=(1, 1000)),
            },
            call=lambda on, conversation, employee, by, text, position, recording: on.review_comment(
                conversation, employee, by, text, position, recording
            ),
        ),
        "review_mark": Command(
            "mark a conversation under review",
            {
                "conversation": _CONVERSATION,
                "employee": _ASKED,
                "by": _REVIEWER,
                "mark": Parameter(int, "1 to 5, the best", required=True, bounds=(1, 5)),
            },
            call=lambda on, conversation, employee, by, mark: on.review_mark(conversation, employee, by, mark),
        ),
        "review_close": Command(
            "close or withdraw a review",
            {"conversation": _CONVERSATION, "employee": _ASKED, "by": _REVIEWER},
            call=lambda on, conversation, employee, by: on.review_close(conversation, employee, by),
        ),
        "stop": Command("stop in an orderly way", {}, call=lambda on: on.stop()),
        "events": Command(
            "events as they happen",
            {"since": Parameter(int, "number of the last event known", bounds=(0, 2**63 - 1))},
            stream=lambda on, since: on.events(since),
        ),
    }
)


def arguments(command: Command, given: object) -> dict[str, object]:
    """Return all arguments of a call with defaults filled in. Raises BadRequest saying what is wrong."""
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise BadRequest("params must be an object")
    for name in given:
        if name not in command.parameters:
            near = difflib.get_close_matches(str(name), command.parameters, n=1)
            raise BadRequest(f"unknown parameter {name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    filled: dict[str, object] = {}
    for name, parameter in command.parameters.items():
        value = given.get(name)
        if value is None:
            if parameter.required:
                raise BadRequest(f"parameter {name!r} is missing: {parameter.about}")
            filled[name] = parameter.default
            continue
        # bool is an int to Python but not to the person who asks.
        if type(value) is not parameter.kind:
            raise BadRequest(f"parameter {name!r} must be of type {parameter.kind.__name__}")
        if parameter.bounds and isinstance(value, int) and not parameter.bounds[0] <= value <= parameter.bounds[1]:
            raise BadRequest(f"parameter {name!r} must be from {parameter.bounds[0]} to {parameter.bounds[1]}")
        filled[name] = value
    return filled


def failure(error: Exception) -> Failure:
    """Return an error as the asker is told; anything unforeseen is 500 and says no more than its kind."""
    match error:
        case BadRequest():
            return Failure(400, str(error))
        case NotPermitted():
            return Failure(403, str(error))
        case NoSuch():
            return Failure(404, str(error))
        case NotPossible():
            return Failure(409, str(error))
        case NotNow():
            return Failure(503, str(error))
        case ConfigError():
            return Failure(422, "the configuration was refused", tuple(str(one) for one in error.problems))
        case _:
            return Failure(500, f"internal error: {type(error).__name__}")
