"""The office as a whole: is it well, what is it doing, and what does this API look like."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from softswitch.api.http.access import Access, GuardedRoute, needs, open_to_all
from softswitch.api.views import StatusView
from softswitch.directory.permissions import OFFICE, Action
from softswitch.errors import NotPossible

__all__ = ["routes"]

routes = APIRouter(route_class=GuardedRoute)


class Health(TypedDict):
    """``status`` "alarm": it works, but somebody should look."""

    status: Literal["ok", "alarm"]


@routes.get("/api/v1/health", tags=["office"])
async def health(
    request: Request, _: Annotated[None, open_to_all("a monitor asks without a secret, and learns one word")]
) -> Health:
    """Say whether the switch is well; that there is an answer at all is most of it."""
    return Health(status="alarm" if request.app.state.exchange.alarms else "ok")


@routes.get("/api/v1/status", tags=["office"])
async def status(access: Annotated[Access, needs(Action.SEE_STATUS)]) -> StatusView:
    """Say how the switch is: as `softswitch status`."""
    access.require(OFFICE)
    return await access.exchange.commands.status()


@routes.get(
    "/metrics",
    tags=["office"],
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}, "description": "Prometheus exposition"},
        409: {"description": "None."},
    },
)
async def metrics(access: Annotated[Access, needs(Action.SEE_STATUS)]) -> Response:
    """Counters for Prometheus, which sends a token of its own (`authorization: credentials`)."""
    access.require(OFFICE)
    found = access.exchange.metrics()
    if found is None:
        raise NotPossible("this switch has no metrics")
    return Response(found[0], headers={"Content-Type": found[1]})


@routes.get("/api/v1/openapi.json", tags=["office"], response_class=JSONResponse)
async def openapi(
    request: Request, _: Annotated[None, open_to_all("the description holds nothing of the office")]
) -> dict[str, Any]:
    """The description of this API (OpenAPI 3.1)."""
    from softswitch.api.http.app import describe

    return describe(request.app)
