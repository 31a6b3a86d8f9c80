"""Logging in over HTTP: cookies, tokens, other sites, lock-out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.api.http.office import HERE, Office, office


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


async def logged_in(here: Office, extension: str = "110") -> httpx.AsyncClient:
    password = await here.login.make_password(extension, by="console")
    client = await here.client()
    answer = await client.post("/api/v1/session", json={"extension": extension, "password": password})
    assert answer.status_code == 201
    return client


async def test_a_login_gives_a_cookie_that_no_script_and_no_other_site_can_use(here: Office):
    password = await here.login.make_password("110", by="console")
    answer = await (await here.client()).post("/api/v1/session", json={"extension": "110", "password": password})
    assert answer.json() == {
        "extension": "110",
        "name": "Boris",
        "role": "head",
        "expires": "2026-11-23T21:00:00.000Z",
    }
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"))
    assert "Secure" not in cookie
    assert password not in answer.text


async def test_behind_a_proxy_with_tls_the_cookie_stays_inside_tls(here: Office):
    here.app.state.origin = "https://pbx.example"
    password = await here.login.make_password("110", by="console")
    answer = await (await here.client()).post(
        "/api/v1/session", json={"extension": "110", "password": password}, headers={"Origin": "https://pbx.example"}
    )
    assert "Secure" in answer.headers["set-cookie"]


async def test_a_logout_closes_the_session_for_good(here: Office):
    client = await logged_in(here)
    assert (await client.get("/api/v1/me")).json()["heads"] == ["sales"]
    cookie = client.cookies["softswitch_session"]
    assert (await client.delete("/api/v1/session", headers={"Origin": HERE})).status_code == 204
    assert "softswitch_session" not in client.cookies
    replay = await (await here.client()).get("/api/v1/me", headers={"Cookie": f"softswitch_session={cookie}"})
    assert replay.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://pbx.example:8081"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
async def test_another_site_changes_nothing_with_a_cookie(here: Office, headers: dict[str, str]):
    client = await logged_in(here)
    answer = await client.delete("/api/v1/session", headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (403, "other site")
    assert [event.reason for event in here.refusals()] == ["other site"]
    assert (await client.get("/api/v1/me")).status_code == 200


async def test_another_site_logs_nobody_in(here: Office):
    password = await here.login.make_password("110", by="console")
    answer = await (await here.client()).post(
        "/api/v1/session",
        json={"extension": "110", "password": password},
        headers={"Origin": "http://evil.example"},
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_program_with_a_token_needs_no_origin(here: Office):
    client = await here.client("110")
    (row,) = (await client.get("/api/v1/me/tokens")).json()
    assert (await client.delete("/api/v1/me/tokens/nothing")).status_code == 404
    assert (await client.delete(f"/api/v1/me/tokens/{row['id']}")).status_code == 204
    assert (await client.get("/api/v1/me")).status_code == 401


async def test_nobody_sees_or_revokes_the_tokens_of_another(here: Office):
    theirs = await here.client("101")
    (row,) = (await theirs.get("/api/v1/me/tokens")).json()
    mine = await here.client("110")
    assert row["id"] not in str((await mine.get("/api/v1/me/tokens")).json())
    assert (await mine.delete(f"/api/v1/me/tokens/{row['id']}")).status_code == 404
    assert (await theirs.get("/api/v1/me")).status_code == 200


@pytest.mark.parametrize("token", ["Bearer ", "Bearer x", "Bearer " + "0" * 5000, "Basic MTEwOng=", "Bearer \x80"])
async def test_a_token_that_is_none_opens_nothing(here: Office, token: str):
    answer = await (await here.client()).get("/api/v1/me", headers={"Authorization": token.encode("latin-1")})
    assert answer.status_code == 401


async def test_the_sixth_wrong_password_must_wait(here: Office):
    client = await here.client()
    wish = {"extension": "110", "password": "wrong"}
    answers = [await client.post("/api/v1/session", json=wish) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "30"
    assert {answer.text for answer in answers[:5]} == {answers[0].text}
    unknown = await client.post("/api/v1/session", json={"extension": "999", "password": "wrong"})
    assert (unknown.status_code, unknown.text) == (401, answers[0].text)


async def test_the_own_password_is_changed_with_the_old_one(here: Office):
    client = await logged_in(here)
    at = {"Origin": HERE}
    wrong = {"old": "wrong", "new": "correct horse"}
    assert (await client.put("/api/v1/me/password", json=wrong, headers=at)).status_code == 401
    short = {"old": "wrong", "new": "short"}
    assert (await client.put("/api/v1/me/password", json=short, headers=at)).status_code == 422
    old = await here.login.make_password("101", by="console")
    anna = await here.client("101")
    assert (await anna.put("/api/v1/me/password", json={"old": old, "new": old})).status_code == 409
    assert (await anna.put("/api/v1/me/password", json={"old": old, "new": "correct horse"})).status_code == 204


async def test_whoever_leaves_the_office_is_out_at_once(here: Office):
    client = await logged_in(here)
    del here.people["110"]
    assert (await client.get("/api/v1/me")).status_code == 401


async def test_a_role_that_changes_counts_from_the_next_request_on(here: Office):
    client = await logged_in(here)
    assert "101" in (await client.get("/api/v1/me")).json()["reaches"]
    here.change("101", groups=("support",))
    assert "101" not in (await client.get("/api/v1/me")).json()["reaches"]
