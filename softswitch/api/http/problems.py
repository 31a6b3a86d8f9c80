"""Every error of the API as a problem (RFC 9457): ``application/problem+json``, in the asker's language."""

from __future__ import annotations

import http
import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from softswitch.api.commands import failure
from softswitch.directory.login import Locked, NotNow, WrongPassword
from softswitch.directory.passwords import Busy
from softswitch.directory.permissions import Decision, reason
from softswitch.errors import NotPermitted, SwitchError
from softswitch.records.reasons import said

__all__ = ["PROBLEM", "Forbidden", "OtherSite", "Unauthorized", "add_handlers", "language_of", "problem"]

PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `detail` is a sentence for a person, `reason` a word for a program.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"at": {"type": "string"}, "message": {"type": "string"}},
                "required": ["at", "message"],
            },
        },
    },
    "required": ["type", "title", "status"],
}
"""The schema of all of them."""

_WORDS: dict[str, tuple[str, str]] = {
    "unauthorized": ("log in first", "сначала войдите"),
    "wrong": ("there is no such extension and password", "нет такого номера с таким паролем"),
    "locked": (
        "too many failed logins: try again in {wait} s",
        "слишком много неудачных попыток: повторите через {wait} с",
    ),
    "busy": ("too many logins at once: try again in a moment", "слишком много входов сразу: повторите чуть позже"),
    "away": ("the database is away: try again in a moment", "база данных недоступна: повторите чуть позже"),
    "other_site": ("this request comes from another site", "запрос пришёл с другого сайта"),
    "invalid": ("the request is not as described", "запрос не соответствует описанию"),
    "internal": ("the fault is ours and is in the log", "ошибка на нашей стороне, она в журнале"),
}


class Unauthorized(SwitchError):
    """Nobody, or nobody known, asks (HTTP 401)."""


class Forbidden(NotPermitted):
    """The policy says no (HTTP 403)."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(reason(decision))


class OtherSite(NotPermitted):
    """A browser sends what another site made it send (HTTP 403)."""


def problem(
    status: int,
    detail: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Response:
    """Return a problem as a response; ``members`` are added to it, None ones left out."""
    body: dict[str, object] = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status}
    if detail:
        body["detail"] = detail
    body |= {name: value for name, value in members.items() if value is not None}
    # ASCII: a name in it may hold what is no UTF-8.
    return Response(
        json.dumps(body), status_code=status, headers=dict(headers or {}), media_type="application/problem+json"
    )


def language_of(connection: HTTPConnection) -> str:
    """Return "ru" or "en": what the asker accepts first, the office's own language if he says nothing."""
    first = connection.headers.get("accept-language", "").strip().lower()
    if not first or first.startswith("*"):
        return str(connection.app.state.exchange.language)
    return "ru" if first.startswith("ru") else "en"


def of_error(error: Exception, language: str) -> Response:
    """Return the problem that an error of ours is."""

    def say(key: str, **values: object) -> str:
        return _WORDS[key][language == "ru"].format_map(values)

    match error:
        case Unauthorized():
            return problem(401, say("unauthorized"), headers={"WWW-Authenticate": "Bearer"}, reason="unauthorized")
        case WrongPassword():
            return problem(401, say("wrong"), headers={"WWW-Authenticate": "Bearer"}, reason="wrong password")
        case Locked():
            wait = max(1, round(error.wait))
            return problem(429, say("locked", wait=wait), headers={"Retry-After": str(wait)}, reason="locked")
        case Busy():
            return problem(429, say("busy"), headers={"Retry-After": "1"}, reason="busy")
        case NotNow():
            return problem(503, say("away"), headers={"Retry-After": "5"}, reason="database away")
        case Forbidden():
            return problem(403, reason(error.decision, language), reason=error.decision.reason.value)
        case OtherSite():
            return problem(403, say("other_site"), reason="other site")
    told = failure(error)
    if told.code == 500:
        return problem(500, say("internal"))
    message = said(told.message, language)
    return problem(told.code, message, errors=[{"at": "", "message": one} for one in told.problems] or None)


def add_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem."""

    async def ours(request: Request, error: Exception) -> Response:
        return of_error(error, language_of(request))

    async def unforeseen(request: Request, error: Exception) -> Response:
        app.state.log.error("request failed", method=request.method, path=request.url.path, error=repr(error))
        return of_error(error, language_of(request))

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = "" if error.detail == http.HTTPStatus(error.status_code).phrase else str(error.detail)
        return problem(error.status_code, detail, headers=error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [
            {"at": ".".join(str(part) for part in one["loc"]), "message": str(one["msg"])} for one in error.errors()
        ]
        return problem(422, _WORDS["invalid"][language_of(request) == "ru"], errors=errors[:20])

    app.add_exception_handler(SwitchError, ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unforeseen)
