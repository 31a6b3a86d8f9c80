"""What holds for the whole API: declared permissions, problems, headers, bounds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import APIRouter

from softswitch.api.http import reference
from softswitch.api.http.access import Access, GuardedRoute, needs
from softswitch.api.http.app import bare_app, check_declared, describe
from softswitch.directory.permissions import Action
from softswitch.errors import NotPossible
from tests.api.http.office import Office, office


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


async def test_an_endpoint_that_declares_no_permission_keeps_the_switch_from_starting(here: Office):
    @here.app.get("/api/v1/secrets")
    async def secrets() -> str:
        return "canary"

    with pytest.raises(NotPossible, match=r"no permission is declared for: /api/v1/secrets \(secrets\)"):
        check_declared(here.app)


async def test_an_endpoint_that_forgets_to_ask_gets_no_answer_out(here: Office):
    routes = APIRouter(route_class=GuardedRoute)

    @routes.get("/api/v1/secrets")
    async def secrets(access: Access = needs(Action.SEE_STATUS)) -> str:  # noqa: B008
        return "canary"

    here.app.router.routes.extend(routes.routes)
    answer = await (await here.client("101")).get("/api/v1/secrets")
    assert answer.status_code == 500
    assert "canary" not in answer.text


async def test_everybody_may_ask_whether_it_is_well(here: Office):
    client = await here.client()
    assert (await client.get("/api/v1/health")).json() == {"status": "ok"}
    here.alarms.append("the disk is full")
    answer = await client.get("/api/v1/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "alarm"})


async def test_whoever_has_not_logged_in_is_told_so_as_a_problem(here: Office):
    answer = await (await here.client()).get("/api/v1/status", headers={"Accept-Language": "ru"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "сначала войдите",
        "reason": "unauthorized",
    }


async def test_what_is_missing_is_said_in_the_language_asked_for(here: Office):
    client = await here.client("100")
    for language, detail in (("en", "no conversation 'zzz'"), ("ru", "нет разговора zzz")):
        answer = await client.get("/api/v1/conversations/zzz", headers={"Accept-Language": language})
        assert answer.json()["detail"] == detail


async def test_a_refusal_says_why_and_is_an_event(here: Office):
    answer = await (await here.client("101")).get("/api/v1/status")
    assert answer.status_code == 403
    assert answer.json()["detail"] == "only directors and administrators may do this"
    assert answer.json()["reason"] == "office only"
    (event,) = here.refusals()
    assert (event.by, event.action, event.reason) == ("101", "see status", "office only")


async def test_a_director_sees_the_status_and_the_metrics(here: Office):
    client = await here.client("100")
    assert (await client.get("/api/v1/status")).json()["version"] == "0.1.0"
    answer = await client.get("/metrics")
    assert (answer.text, answer.headers["content-type"]) == ("calls_total 1\n", "text/plain; version=0.0.4")


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/api/v1/nowhere", 404), ("/docs", 404)])
async def test_what_is_not_there_is_a_problem_too(here: Office, path: str, status: int):
    answer = await (await here.client()).get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await (await here.client()).delete("/api/v1/health")).status_code == 405


async def test_a_fault_of_ours_tells_nothing_of_itself(here: Office):
    async def broken() -> object:
        raise RuntimeError("canary")

    here.commands.status = broken  # type: ignore[assignment, method-assign]
    answer = await (await here.client("100")).get("/api/v1/status")
    assert (answer.status_code, answer.json()["detail"]) == (500, "the fault is ours and is in the log")
    assert "canary" not in answer.text


async def test_every_answer_keeps_browsers_in_check(here: Office):
    client = await here.client()
    for path in ("/api/v1/health", "/nowhere", "/api/v1/status"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


async def test_a_request_that_is_too_long_is_not_read_to_its_end(here: Office):
    answer = await (await here.client()).post("/api/v1/session", content=b"x" * 70_000)
    assert answer.status_code == 413
    assert answer.json()["detail"] == "a request has at most 65536 bytes"


async def test_a_request_that_is_not_as_described_says_what_is_wrong(here: Office):
    answer = await (await here.client()).post("/api/v1/session", json={"extension": "x", "pasword": "y"})
    assert answer.status_code == 422
    assert [error["at"] for error in answer.json()["errors"]] == ["body.extension", "body.password", "body.pasword"]


async def test_the_description_names_the_permission_of_every_operation(here: Office):
    description = (await (await here.client()).get("/api/v1/openapi.json")).json()
    assert description == json.loads(json.dumps(describe(here.app)))
    for path, operations in description["paths"].items():
        for operation in operations.values():
            assert ("x-permission" in operation) != ("x-open" in operation), path
            assert "200" in operation["responses"] or "201" in operation["responses"] or "204" in operation["responses"]


def test_the_manual_has_every_operation_and_every_object():
    page, description = reference.markdown(), describe(bare_app())
    for path, operations in description["paths"].items():
        for method in operations:
            assert f"### `{method.upper()} {path}`" in page
    for name in description["components"]["schemas"]:
        assert f"### {name}\n" in page
    assert "### `GET /api/v1/live` (WebSocket)" in page
