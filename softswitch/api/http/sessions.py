"""Logging in and out, the own profile, and the own tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from softswitch.api import present
from softswitch.api.http.access import COOKIE, Access, GuardedRoute, needs, open_to_all, source_of
from softswitch.api.views import TokenRow
from softswitch.directory.grants import SESSION, Grant
from softswitch.directory.login import Login
from softswitch.directory.people import Person
from softswitch.directory.permissions import OFFICE, Action, headed, reach

__all__ = ["routes"]

routes = APIRouter(prefix="/api/v1", route_class=GuardedRoute)

Extension = Annotated[str, Field(pattern=r"^[0-9]{2,8}$", examples=["110"])]
Password = Annotated[str, Field(min_length=1, max_length=200)]


class Wish(BaseModel):
    """A request: a key that is not described is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid")


class LoginWish(Wish):
    extension: Extension
    password: Password


class PasswordWish(Wish):
    old: Password
    new: Annotated[str, Field(min_length=10, max_length=200)]


class Session(TypedDict):
    """``expires`` is when the login ends by itself."""

    extension: str
    name: str
    role: str
    expires: str | None


class Profile(TypedDict):
    """``heads`` are the groups that the person heads, ``reaches`` the extensions whose conversations may be seen."""

    extension: str
    name: str
    role: str
    groups: list[str]
    heads: list[str]
    reaches: list[str]
    monitored: bool
    expires: str | None


@routes.post(
    "/session",
    status_code=201,
    tags=["login"],
    responses={401: {"description": "No such extension and password."}, 429: {"description": "Too many tries."}},
)
async def log_in(
    wish: LoginWish,
    request: Request,
    response: Response,
    _: Annotated[None, open_to_all("whoever logs in is nobody yet")],
) -> Session:
    """Log in; the session is a cookie."""
    login: Login = request.app.state.login
    token, grant = await login.enter(wish.extension, wish.password, source_of(request))
    secure = request.url.scheme == "https" or (request.app.state.origin or "").startswith("https:")
    response.set_cookie(
        COOKIE,
        token,
        max_age=round(SESSION.total_seconds()),
        path=request.scope.get("root_path", "") or "/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    return _session(request.app.state.exchange.directory.people[grant.person], grant)


@routes.delete("/session", status_code=204, tags=["login"], response_class=Response)
async def log_out(request: Request, response: Response, access: Annotated[Access, needs(Action.SEE_SELF)]) -> None:
    """Log out: the cookie, or the token with which this was asked, opens nothing from now on."""
    access.require(OFFICE)
    await access.login.leave(access.grant)
    response.delete_cookie(COOKIE, path=request.scope.get("root_path", "") or "/", httponly=True, samesite="strict")


@routes.get("/me", tags=["login"])
async def profile(access: Annotated[Access, needs(Action.SEE_SELF)]) -> Profile:
    """Who asks, and whom he reaches."""
    access.require(OFFICE)
    person, directory = access.person, access.exchange.directory
    expires = access.grant.expires_at
    return Profile(
        extension=person.extension,
        name=person.name,
        role=person.role.value,
        groups=list(person.groups),
        heads=sorted(headed(person, directory)),
        reaches=sorted(reach(person, directory)),
        monitored=person.monitored,
        expires=None if expires is None else present.instant(expires),
    )


@routes.put(
    "/me/password",
    status_code=204,
    tags=["login"],
    response_class=Response,
    responses={
        401: {"description": "The old password is wrong."},
        409: {"description": "The new one is the old one."},
        429: {"description": "Too many tries."},
    },
)
async def change_password(wish: PasswordWish, access: Annotated[Access, needs(Action.SEE_SELF)]) -> None:
    """Change the own password; all other sessions end."""
    access.require(OFFICE)
    await access.login.change(access.grant, wish.old, wish.new, access.source)


@routes.get("/me/tokens", tags=["login"])
async def tokens(access: Annotated[Access, needs(Action.SEE_SELF)]) -> list[TokenRow]:
    """The tokens of programs that act as whoever asks; they are made by `softswitch token create`."""
    access.require(OFFICE)
    return [present.token_row(one) for one in access.login.grants.of(access.person.extension, "token")]


@routes.delete(
    "/me/tokens/{token}",
    status_code=204,
    tags=["login"],
    response_class=Response,
    responses={404: {"description": "There is no such token."}},
)
async def revoke_token(
    token: Annotated[str, Path(pattern=r"^[0-9a-z]{1,20}$", description="Its id.")],
    access: Annotated[Access, needs(Action.SEE_SELF)],
) -> None:
    """Revoke one of the own tokens."""
    access.require(OFFICE)
    await access.login.revoke_token(access.person.extension, token, by=access.person.extension)


def _session(person: Person, grant: Grant) -> Session:
    return Session(
        extension=person.extension,
        name=person.name,
        role=person.role.value,
        expires=None if grant.expires_at is None else present.instant(grant.expires_at),
    )
