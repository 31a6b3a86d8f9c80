"""Who asks, and whether he may: every endpoint declares its permission here, or the app is not made.

    @routes.get("/people")
    async def people(access: Annotated[Access, needs(Action.SEE_COLLEAGUES)]) -> ...:
        access.require(OFFICE)

``needs`` finds out who asks; the endpoint then tells ``require`` whom it is
about. One that answers without having asked is our mistake, and gets no answer
out (``GuardedRoute``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.responses import Response

from softswitch import events as facts
from softswitch.api.http.exchange import Exchange
from softswitch.api.http.problems import Forbidden, OtherSite, Unauthorized
from softswitch.directory.grants import Grant
from softswitch.directory.login import Login
from softswitch.directory.people import Person
from softswitch.directory.permissions import AUDITED, Action, Decision, Subject, allowed
from softswitch.ids import ConversationId

__all__ = [
    "COOKIE",
    "Access",
    "GuardedRoute",
    "Permission",
    "admit",
    "declared",
    "follows",
    "needs",
    "open_to_all",
    "source_of",
]

COOKIE = "softswitch_session"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_AGAIN = 60.0
"""Seconds within which the same use of the same thing is one event: a player asks for a recording in many pieces."""
_MOST_KEPT = 1000


class Access:
    """One request of one person. ``decided`` is set by whatever asks the policy."""

    def __init__(self, connection: HTTPConnection, person: Person, action: Action, grant: Grant) -> None:
        self.person, self.action, self.grant = person, action, grant
        self.exchange: Exchange = connection.app.state.exchange
        self.login: Login = connection.app.state.login
        self.source = source_of(connection)
        self.decided = False
        self._audited: OrderedDict[tuple[object, ...], float] = connection.app.state.audited

    def decide(self, subject: Subject, action: Action | None = None) -> Decision:
        """Ask the policy, for a filter: nobody is told."""
        self.decided = True
        return allowed(self.person, action or self.action, subject, self.exchange.directory)

    def require(
        self,
        subject: Subject,
        conversation: ConversationId | None = None,
        *,
        action: Action | None = None,
        thing: str = "",
    ) -> None:
        """Ask the policy; a refusal is an event and raises Forbidden, a use of what is audited is an event too.

        ``thing`` tells apart what is used in pieces, a recording say.
        """
        action = action or self.action
        decision = self.decide(subject, action)
        if not decision:
            self.refuse(decision, subject, conversation, action=action)
        about, by = tuple(sorted(subject.talkers)), self.person.extension
        if action in AUDITED and self._first((by, action, conversation, about, thing)):
            self.exchange.bus.publish(facts.AccessGranted(conversation=conversation, by=by, action=action, about=about))

    def refuse(
        self,
        decision: Decision,
        subject: Subject,
        conversation: ConversationId | None = None,
        *,
        action: Action | None = None,
    ) -> NoReturn:
        """Tell a refusal, and raise Forbidden."""
        self.exchange.bus.publish(
            facts.AccessRefused(
                conversation=conversation,
                by=self.person.extension,
                action=action or self.action,
                about=tuple(sorted(subject.talkers)),
                reason=decision.reason,
            )
        )
        raise Forbidden(decision)

    def _first(self, use: tuple[object, ...]) -> bool:
        now = self.exchange.clock.now()
        before = self._audited.get(use)
        self._audited[use] = now
        self._audited.move_to_end(use)
        if len(self._audited) > _MOST_KEPT:
            self._audited.popitem(last=False)
        return before is None or now - before > _AGAIN


class Permission:
    """A dependency that lets nobody in but those with a session or a token; ``action`` None lets everybody in."""

    def __init__(self, action: Action | None, why: str = "") -> None:
        self.action, self.why = action, why

    async def __call__(self, connection: HTTPConnection) -> Access | None:
        if self.action is None:
            check_origin(connection)
            return None
        access = await admit(connection, self.action)
        connection.state.access = access
        return access


class _Declared(Permission):
    """For a WebSocket, which must be accepted before it can be told why not: the endpoint asks ``admit`` itself."""

    async def __call__(self, connection: HTTPConnection) -> Access | None:
        return None


def follows(action: Action) -> Any:
    """Declare what a WebSocket does; its endpoint calls ``admit``."""
    return Depends(_Declared(action))


def needs(action: Action) -> Any:
    """Declare what an endpoint does; it is given the ``Access`` of whoever asks."""
    return Depends(Permission(action))


def open_to_all(why: str) -> Any:
    """Declare that an endpoint is for everybody, and why that is right."""
    return Depends(Permission(None, why))


def declared(route: Any) -> Permission | None:
    """Return the permission that a route declares."""
    dependant = getattr(route, "dependant", None)
    found = [one.call for one in dependant.dependencies if isinstance(one.call, Permission)] if dependant else []
    return found[0] if len(found) == 1 else None


async def admit(connection: HTTPConnection, action: Action) -> Access:
    """Return the access of whoever asks. Raises Unauthorized, and OtherSite if a browser is abused."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    bearer = scheme.lower() == "bearer"
    token = token.strip() if bearer else connection.cookies.get(COOKIE, "")
    login: Login = connection.app.state.login
    if token:
        await login.ready()
    grant = login.grant(token) if token else None
    if grant is None:
        raise Unauthorized("log in first")
    person = connection.app.state.exchange.directory.people[grant.person]
    if not bearer:
        # What a cookie opens, another site could have asked for (RFC 6265bis section 8.8.2).
        try:
            check_origin(connection)
        except OtherSite:
            connection.app.state.exchange.bus.publish(
                facts.AccessRefused(by=person.extension, action=action, reason="other site")
            )
            raise
    return Access(connection, person, action, grant)


def check_origin(connection: HTTPConnection) -> None:
    """Raise OtherSite where a browser says that another site than ours makes it ask to change something."""
    method = connection.scope.get("method", "GET")
    if connection.scope["type"] == "http" and method in _SAFE:
        return
    origin = connection.headers.get("origin")
    if origin is None:
        site = connection.headers.get("sec-fetch-site")
        if site not in (None, "same-origin", "none") or (site is None and COOKIE in connection.cookies):
            raise OtherSite("this request comes from another site")
        return
    scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
    ours = connection.app.state.origin or f"{scheme}://{connection.headers.get('host', '')}"
    if origin.lower() != ours.lower():
        raise OtherSite("this request comes from another site")


def source_of(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client is not None else ""


class GuardedRoute(APIRoute):
    """A route whose answer is held back if nobody was asked whether it may be given."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            response = await answer(request)
            access: Access | None = getattr(request.state, "access", None)
            assert access is None or access.decided, f"{self.path} answers without having asked the policy"
            return response

        return guarded
