"""Roles x endpoints, generated from the API's own description: every refusal is a 403 with a reason and an event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from softswitch.api.http.app import bare_app, describe
from softswitch.api.http.live import routes as live_routes
from softswitch.directory.permissions import Action
from tests.api.http.office import ROLES, Office, office

ALL = frozenset(ROLES)
HEADED = frozenset({"head", "director", "admin"})
OWN = HEADED | {"employee"}
ANYWHERE = frozenset({"director", "admin"})

RUNNING = {"conversation": "running", "number": 1, "extension": "101", "token": "none", "supervision": "none"}
"""What the paths are filled with: the conversation is of 101 and 102, both of the group that "head" heads."""

BODIES: dict[str, Any] = {
    "POST /api/v1/session": {"extension": "101", "password": "wrong"},
    "PUT /api/v1/me/password": {"old": "wrong", "new": "long enough"},
    "POST /api/v1/conversations/{conversation}/supervision": {"mode": "listen"},
    "POST /api/v1/people/{extension}/supervision": {"mode": "listen"},
    "PATCH /api/v1/supervisions/{supervision}": {"mode": "barge"},
    "POST /api/v1/conversations/{conversation}/prompter": {"to": "person:111"},
    "POST /api/v1/conversations/{conversation}/reviews": {"note": "the price"},
    "POST /api/v1/conversations/{conversation}/reviews/{extension}/comments": {"text": "well done"},
    "PUT /api/v1/conversations/{conversation}/reviews/{extension}/mark": {"mark": 4},
}

ALLOWED = {
    Action.SEE_SELF: ALL,
    Action.SEE_COLLEAGUES: ALL,
    Action.FOLLOW: ALL,
    Action.SEE_PERSON: OWN,
    Action.SEE_CONVERSATION: OWN,
    Action.READ_TIMELINE: OWN,
    Action.DOWNLOAD_RECORDING: OWN,
    Action.HANG_UP: OWN,
    Action.MASK: OWN,
    Action.INVITE_PROMPTER: OWN,
    Action.LISTEN: HEADED,
    Action.ASK_REVIEW: frozenset({"employee"}),
    Action.SEE_REVIEW: OWN,
    Action.REVIEW: HEADED,
    Action.CLOSE_REVIEW: OWN,
    Action.SEE_STATUS: ANYWHERE,
}
"""By the permission that an operation declares: which roles it lets through."""

FILTERED = {"GET /api/v1/conversations", "GET /api/v1/reviews"}
"""What gives everybody an answer, of what he may see."""

ELSEWHERE = {
    "PATCH /api/v1/supervisions/{supervision}",
    "DELETE /api/v1/supervisions/{supervision}",
}
"""What is about something of one's own, which is not there: 404 for everybody. ``test_supervision`` has those."""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        opened.recordings.mkdir()
        (opened.recordings / "c1.wav").write_bytes(b"RIFF")
        yield opened


def operations(here: Office) -> list[tuple[str, str, dict[str, Any]]]:
    paths = describe(here.app)["paths"]
    return [(method.upper(), path, one) for path, methods in paths.items() for method, one in methods.items()]


async def ask(here: Office, who: str | None, method: str, path: str) -> Any:
    values = RUNNING | ({"conversation": "c1"} if "recordings" in path else {})
    client = await here.client(who)
    return await client.request(method, path.format_map(values), json=BODIES.get(f"{method} {path}"))


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_each_role_gets_what_the_policy_says_and_each_refusal_is_told(here: Office, role: str):
    for method, path, operation in operations(here):
        name, who = f"{method} {path}", ROLES[role]
        if "x-permission" not in operation or name in ELSEWHERE:
            continue
        told = len(here.refusals())
        answer = await ask(here, who, method, path)
        refusals = here.refusals()[told:]
        if role in ALLOWED[Action(operation["x-permission"])] or name in FILTERED:
            assert answer.status_code != 403, (name, role, answer.text)
            assert refusals == [], (name, role)
        else:
            assert answer.status_code == 403, (name, role, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["reason"]
            assert [(event.by, event.reason) for event in refusals] == [(who, answer.json()["reason"])], (name, role)
        assert answer.status_code < 500, (name, role, answer.text)


async def test_nobody_gets_anything_that_is_not_open_to_all(here: Office):
    for method, path, operation in operations(here):
        answer = await ask(here, None, method, path)
        if "x-permission" in operation:
            assert answer.status_code == 401, (method, path)
            assert answer.json()["reason"] == "unauthorized"
        else:
            assert (answer.status_code, method) in ((200, "GET"), (401, "POST")), (method, path)


def test_every_permission_of_the_description_has_its_line_in_the_matrix():
    every = [one for path in describe(bare_app())["paths"].values() for one in path.values()]
    declared = {one["x-permission"] for one in every if "x-permission" in one}
    assert declared <= {action.value for action in ALLOWED}
    assert [route.path for route in live_routes.routes] == ["/api/v1/live"]  # type: ignore[attr-defined]
