"""The app factory: routes, problems, and the refusal to be made while an endpoint declares no permission."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from softswitch.api.http import conversations, live, office, people, reviews, sessions, supervision
from softswitch.api.http.access import COOKIE, declared
from softswitch.api.http.envelope import Envelope
from softswitch.api.http.exchange import Exchange
from softswitch.api.http.problems import PROBLEM, add_handlers
from softswitch.directory.login import Login
from softswitch.errors import NotPossible
from softswitch.log import Log, make_logger

__all__ = ["bare_app", "check_declared", "create_app", "describe"]


def create_app(
    exchange: Exchange, login: Login, *, origin: str | None = None, version: str = "1", log: Log | None = None
) -> FastAPI:
    """Return the API of one switch as an ASGI app; a host program may mount it into its own.

    ``origin`` is what browsers call it when that differs from the Host that they
    send ("https://pbx.example"). Raises NotPossible when an endpoint declares no
    permission.
    """
    app = bare_app(version)
    app.state.exchange, app.state.login, app.state.origin = exchange, login, origin
    app.state.log = log or make_logger()
    app.state.audited = OrderedDict()
    app.state.feed = feed = live.Feed(exchange)
    login.grants.watch(feed.wake)
    add_handlers(app)
    app.add_middleware(Envelope)
    check_declared(app)
    return app


def bare_app(version: str = "1") -> FastAPI:
    """Return the routes without a switch behind them, which is enough to describe them."""
    app = FastAPI(title="Softswitch", version=version, openapi_url=None, docs_url=None, redoc_url=None)
    for room in (office, sessions, conversations, reviews, people, supervision, live):
        # As they are: a router that is included is wrapped, and hides the permissions of its routes.
        app.router.routes.extend(room.routes.routes)
    return app


def check_declared(app: FastAPI) -> None:
    """Raise NotPossible naming every endpoint that declares no permission."""
    open_ones = [
        f"{route.path} ({getattr(route, 'name', '')})"  # type: ignore[attr-defined]
        for route in app.routes
        if declared(route) is None
    ]
    if open_ones:
        raise NotPossible(f"no permission is declared for: {', '.join(open_ones)}")


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description; ``x-permission`` of an operation is the action that it needs."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    schema = get_openapi(title=app.title, version=app.version, routes=app.routes, description=_ABOUT)
    components = schema.setdefault("components", {})
    components["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        "token": {"type": "http", "scheme": "bearer"},
    }
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for route in app.routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                _describe(schema["paths"][route.path_format][method.lower()], route)
    app.openapi_schema = schema
    return schema


def _describe(operation: dict[str, Any], route: APIRoute) -> None:
    """Add what holds for all operations: permission, security, and the problems that may come."""
    permission = declared(route)
    assert permission is not None
    responses = operation["responses"]
    statuses = {"422": "The request is not as described."} if "422" in responses else {}
    if permission.action is not None:
        operation["x-permission"] = permission.action.value
        operation["security"] = [{"session": []}, {"token": []}]
        statuses |= {"401": "Nobody is logged in.", "403": "The policy says no; this is an event too."}
    else:
        operation["x-open"] = permission.why
        if "requestBody" in operation:
            statuses |= {"403": "The request comes from another site."}
    if "requestBody" in operation:
        statuses |= {"400": "The body is not JSON.", "413": "The body is too long."}
    if permission.action is not None or "requestBody" in operation:
        statuses |= {"503": "The database is away."}
    statuses |= {str(status): about["description"] for status, about in route.responses.items() if "model" not in about}
    for status, about in statuses.items():
        if int(status) >= 400:
            responses[status] = {
                "description": about,
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }


_ABOUT = """\
A person logs in with `POST /api/v1/session` and is known by a cookie, a program sends `Authorization: Bearer TOKEN`.
Every operation names the permission it needs (`x-permission`); a refusal is a 403 with a reason, and an event.
Errors are `application/problem+json` (RFC 9457). Instants are ISO 8601 in UTC, durations are seconds. New keys may be
added to answers, none changes its meaning.
"""
