"""Supervising over HTTP, as far as the API decides it: who, beside whom, and what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.api.http.office import Office, office

RUNNING = "/api/v1/conversations/running"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


async def listen(here: Office, who: str = "110", **wish: Any) -> dict[str, Any]:
    answer = await (await here.client(who)).post(f"{RUNNING}/supervision", json=wish)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_a_head_listens_to_whoever_of_his_came_last(here: Office):
    row = await listen(here)
    assert (row["by"], row["mode"], row["person"], row["follow"]) == ("110", "listen", "102", False)
    (use,) = here.uses()
    assert (use.by, use.action, use.conversation) == ("110", "listen", "running")


async def test_a_head_names_beside_whom_he_wants_to_be(here: Office):
    assert (await listen(here, person="101", mode="whisper", follow=True))["person"] == "101"
    client = await here.client("110")
    assert (await client.post(f"{RUNNING}/supervision", json={"person": "111"})).status_code == 404


@pytest.mark.parametrize("mode", ["listen", "whisper", "barge", "take over"])
@pytest.mark.parametrize(("who", "reason"), [("101", "own conversation"), ("111", "not own"), ("120", "other group")])
async def test_whoever_may_not_is_told_why_and_nothing_happens(here: Office, mode: str, who: str, reason: str):
    answer = await (await here.client(who)).post(f"{RUNNING}/supervision", json={"mode": mode})
    assert (answer.status_code, answer.json()["reason"]) == (403, reason)
    (event,) = here.refusals()
    assert (event.by, event.action, event.reason, event.about) == (who, mode, reason, ("101", "102"))
    assert here.supervision.supervisions == []


async def test_whispering_to_the_customer_needs_its_own_permission_at_the_start_and_in_between(here: Office):
    row = await listen(here)
    client = await here.client("110")
    for answer in (
        await client.post(f"{RUNNING}/supervision", json={"mode": "whisper to customer"}),
        await client.patch(f"/api/v1/supervisions/{row['id']}", json={"mode": "whisper to customer"}),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (403, "no customer whisper")
    here.change("110", whisper_customer=True)
    answer = await client.patch(f"/api/v1/supervisions/{row['id']}", json={"mode": "whisper to customer"})
    assert answer.json()["mode"] == "whisper to customer"


async def test_nobody_changes_or_ends_what_another_does(here: Office):
    row = await listen(here)
    for who in ("101", "120", "100"):
        client = await here.client(who)
        path = f"/api/v1/supervisions/{row['id']}"
        assert (await client.patch(path, json={"mode": "barge"})).status_code == 403
        assert (await client.delete(path)).status_code == 403
    assert len(here.refusals()) == 6
    mine = await here.client("110")
    assert (await mine.delete(f"/api/v1/supervisions/{row['id']}")).status_code == 204
    assert (await mine.delete(f"/api/v1/supervisions/{row['id']}")).status_code == 404


async def test_the_rights_are_asked_again_at_each_change(here: Office):
    row = await listen(here)
    here.groups.clear()
    answer = await (await here.client("110")).patch(f"/api/v1/supervisions/{row['id']}", json={"mode": "barge"})
    assert answer.status_code == 403


async def test_whoever_is_listened_to_does_not_see_it_and_the_other_heads_do(here: Office):
    row = await listen(here)
    seen = {}
    for who in ("102", "110", "100", "120"):
        seen[who] = (await (await here.client(who)).get("/api/v1/supervisions")).json()
    assert seen == {"102": [], "110": [row], "100": [row], "120": []}
    here.groups["sales"] = replace(here.groups["sales"], shown=True)
    assert (await (await here.client("102")).get("/api/v1/supervisions")).json() == [row]
    assert (await (await here.client("101")).get("/api/v1/supervisions")).json() == []


async def test_an_employee_who_is_free_is_waited_for(here: Office):
    client = await here.client("120")
    assert (await client.post("/api/v1/people/111/supervision", json={})).status_code == 409
    answer = await client.post("/api/v1/people/111/supervision", json={"follow": True})
    assert (answer.status_code, answer.json()["conversation"]) == (201, None)
    assert (await client.post("/api/v1/people/999/supervision", json={})).status_code == 404
    assert (await client.post("/api/v1/people/101/supervision", json={"follow": True})).status_code == 403


async def test_an_employee_asks_for_help_in_his_own_conversation(here: Office):
    client = await here.client("101")
    answer = await client.post(f"{RUNNING}/prompter", json={"to": "person:111"})
    assert (answer.status_code, answer.json()["person"], answer.json()["mode"]) == (201, "101", "prompt")
    assert (await client.get("/api/v1/supervisions")).json() == [answer.json()]
    assert (await client.delete(f"/api/v1/supervisions/{answer.json()['id']}")).status_code == 204
    assert (await client.post(f"{RUNNING}/prompter", json={"to": "group:support"})).status_code == 201
    assert (await client.post(f"{RUNNING}/prompter", json={"to": "queue:x"})).status_code == 422
    other = await here.client("111")
    assert (await other.post(f"{RUNNING}/prompter", json={"to": "person:111"})).status_code == 403


async def test_a_conversation_that_is_over_is_supervised_by_nobody(here: Office):
    client = await here.client("110")
    assert (await client.post("/api/v1/conversations/c1/supervision", json={})).status_code == 409
    assert (await client.post("/api/v1/conversations/zzz/supervision", json={})).status_code == 404


async def test_a_switch_that_cannot_supervise_says_so(here: Office):
    here.supervision = None
    client = await here.client("110")
    answer = await client.post(f"{RUNNING}/supervision", json={})
    assert (answer.status_code, answer.json()["detail"]) == (409, "this switch cannot supervise")
    assert (await client.get("/api/v1/supervisions")).json() == []


async def test_the_conversation_that_is_named_is_the_one(here: Office):
    row = await listen(here, person="101")
    assert (row["person"], row["conversation"]) == ("101", "running")
