"""After a talk an employee asks his head to listen and to advise; nobody else learns of it.

In the stories Anna (101) asks; her conversation c1 is with Viktor (102) of the same group, which Boris (110) heads.
Olga (111) and her head Sergey (120) are of another group, Natalia (100) is the director.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from softswitch.api import reviews
from softswitch.directory.people import Group
from softswitch.events import (
    ConversationEnded,
    RecordingDeleted,
    RecordingFinished,
    RecordingStarted,
    ReviewAsked,
    ReviewClosed,
    ReviewCommented,
    ReviewMarked,
)
from softswitch.ids import ConversationId
from tests.api.http.office import Office, office
from tests.records.story import at, call

ASK = "/api/v1/conversations/c1/reviews"
ONE = f"{ASK}/101"
SOUND = b"RIFF" * 100


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        opened.recordings.mkdir()
        (opened.recordings / "c1.wav").write_bytes(SOUND)
        yield opened


@pytest.fixture
async def anna(here: Office) -> httpx.AsyncClient:
    return await here.client("101")


@pytest.fixture
async def boris(here: Office) -> httpx.AsyncClient:
    return await here.client("110")


async def tasks(client: httpx.AsyncClient, **params: Any) -> list[tuple[str, str]]:
    answer = await client.get("/api/v1/reviews", params=params)
    assert answer.status_code == 200, answer.text
    return [(row["conversation"], row["employee"]) for row in answer.json()["reviews"]]


async def detail(client: httpx.AsyncClient, path: str = ONE) -> dict[str, Any]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


# "After a talk the novice asks the head to listen and advise" -------------------------------------------------------


async def test_an_employee_asks_for_a_review_of_an_own_conversation(here: Office, anna: httpx.AsyncClient) -> None:
    answer = await anna.post(ASK, json={"note": " was the price right? "})
    assert answer.status_code == 201
    row = answer.json()
    assert (row["employee"], row["note"], row["state"]) == ("101", "was the price right?", "open")
    assert (row["caller"], row["called"], row["started"]) == ("101", "102", "2026-11-23T09:00:00.000Z")
    assert (row["mark"], row["closed"], row["comments"]) == (None, None, 0)
    assert [(event.employee, event.via) for event in here.told if isinstance(event, ReviewAsked)] == [("101", "api")]


async def test_it_may_be_asked_for_while_the_conversation_goes_on(anna: httpx.AsyncClient, boris: httpx.AsyncClient):
    path = "/api/v1/conversations/running/reviews"
    assert (await anna.post(path, json={})).status_code == 201
    assert await tasks(boris) == [("running", "101")]
    told = await boris.post(f"{path}/101/comments", json={"text": "calm down", "position": 1.0})
    assert (told.status_code, told.json()["detail"]) == (409, "the recording is being written still")
    assert (await boris.post(f"{path}/101/comments", json={"text": "calm down"})).status_code == 201


async def test_a_conversation_that_ended_meanwhile_is_reviewed_as_it_was_asked_for(
    here: Office, anna: httpx.AsyncClient, boris: httpx.AsyncClient
) -> None:
    await anna.post("/api/v1/conversations/running/reviews", json={"note": "listen"})
    here.happen(call("running", start=100.0)[9:])
    view = await detail(boris, "/api/v1/conversations/running/reviews/101")
    assert (view["review"]["note"], view["recordings"][0]["duration"]) == ("listen", 55.0)


async def test_nobody_asks_for_a_review_of_what_is_not_his(here: Office) -> None:
    for who in ("111", "110", "120", "100", "109"):
        answer = await (await here.client(who)).post(ASK, json={})
        assert (answer.status_code, answer.json()["reason"]) == (403, "own only")
    assert [(event.by, event.action) for event in here.refusals()] == [
        (who, "ask for review") for who in ("111", "110", "120", "100", "109")
    ]


async def test_it_is_asked_for_once_and_again_only_after_its_end(here: Office, anna: httpx.AsyncClient) -> None:
    boris = await here.client("110")
    assert (await anna.post(ASK, json={"note": "one"})).status_code == 201
    again = await anna.post(ASK, json={"note": "two"})
    assert (again.status_code, again.json()["detail"]) == (409, "the review has been asked for already")
    await boris.put(f"{ONE}/mark", json={"mark": 3})
    await boris.post(f"{ONE}/close")
    assert "ask for review" in (await detail(anna))["may"]
    row = (await anna.post(ASK, json={"note": "two"})).json()
    assert (row["state"], row["note"], row["mark"]) == ("open", "two", 3)


async def test_each_of_two_colleagues_has_a_review_of_his_own(here: Office, anna: httpx.AsyncClient) -> None:
    viktor = await here.client("102")
    await anna.post(ASK, json={"note": "mine"})
    await viktor.post(ASK, json={"note": "his"})
    assert await tasks(anna) == [("c1", "101")]
    assert await tasks(viktor) == [("c1", "102")]
    assert sorted(await tasks(await here.client("110"))) == [("c1", "101"), ("c1", "102")]


# "The head gets a task with player" ---------------------------------------------------------------------------------


async def test_the_head_finds_the_task_and_hears_the_recording_in_parts(
    anna: httpx.AsyncClient, boris: httpx.AsyncClient
) -> None:
    await anna.post(ASK, json={})
    assert await tasks(boris, state="open") == [("c1", "101")]
    view = await detail(boris)
    assert view["may"] == ["download recording", "review", "close review"]
    assert [(one["number"], one["duration"], one["deleted"]) for one in view["recordings"]] == [(1, 55.0, False)]
    part = await boris.get("/api/v1/conversations/c1/recordings/1", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"RIFF")


async def test_a_director_has_the_tasks_of_everybody(here: Office, anna: httpx.AsyncClient) -> None:
    await anna.post(ASK, json={})
    assert await tasks(await here.client("100"), state="open", person="101") == [("c1", "101")]
    assert await tasks(await here.client("100"), person="102") == []


async def test_a_closed_task_is_no_task(here: Office, anna: httpx.AsyncClient, boris: httpx.AsyncClient) -> None:
    await anna.post(ASK, json={})
    row = (await boris.post(f"{ONE}/close")).json()
    assert (row["state"], row["closed_by"]) == ("closed", "110")
    assert await tasks(boris, state="open") == []
    assert await tasks(boris, state="closed") == await tasks(anna) == [("c1", "101")]
    for answer in (
        await boris.post(f"{ONE}/comments", json={"text": "late"}),
        await boris.put(f"{ONE}/mark", json={"mark": 5}),
        await boris.post(f"{ONE}/close"),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (409, "the review is closed")


async def test_whoever_asked_may_withdraw_it(anna: httpx.AsyncClient, boris: httpx.AsyncClient) -> None:
    await anna.post(ASK, json={})
    assert (await anna.post(f"{ONE}/close")).json()["closed_by"] == "101"
    assert await tasks(boris, state="open") == []


async def test_a_long_list_comes_in_pages(here: Office) -> None:
    for number in range(5):
        here.happen(call(f"d{number}", start=200.0 + number))
        asked = ReviewAsked(conversation=ConversationId(f"d{number}"), employee="101", note="", via="api")
        here.happen([replace(asked, at=at(900.0 + number))])
    boris, found, cursor = await here.client("110"), [], None
    for size in (2, 2, 1):
        params = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = (await boris.get("/api/v1/reviews", params=params)).json()
        assert len(page["reviews"]) == size
        found, cursor = found + [row["conversation"] for row in page["reviews"]], page["next"]
    assert (found, cursor) == (["d4", "d3", "d2", "d1", "d0"], None)
    assert (await boris.get("/api/v1/reviews", params={"cursor": "none"})).status_code == 404


async def test_the_conversation_tells_of_its_review_whom_that_concerns(here: Office, anna: httpx.AsyncClient) -> None:
    await anna.post(ASK, json={"note": "listen"})
    found = {}
    for who in ("101", "102", "110", "100"):
        view = (await (await here.client(who)).get("/api/v1/conversations/c1")).json()
        found[who] = [one["note"] for one in view["reviews"]], "ask for review" in view["may"]
    assert found == {
        "101": (["listen"], True),
        "102": ([], True),
        "110": (["listen"], False),
        "100": (["listen"], False),
    }


# "May leave time-stamped comments and a mark; the agent sees them" --------------------------------------------------


async def test_comments_stand_at_places_of_the_recording_and_the_employee_sees_them(
    here: Office, anna: httpx.AsyncClient, boris: httpx.AsyncClient
) -> None:
    await anna.post(ASK, json={})
    await boris.post(f"{ONE}/comments", json={"text": " too fast ", "position": 41.5})
    await boris.post(f"{ONE}/comments", json={"text": "a good greeting", "position": 0})
    await boris.post(f"{ONE}/comments", json={"text": "well done"})
    await boris.put(f"{ONE}/mark", json={"mark": 4})
    view = await detail(anna)
    assert [(one["position"], one["recording"], one["by"], one["text"]) for one in view["comments"]] == [
        (None, 0, "110", "well done"),
        (0.0, 1, "110", "a good greeting"),
        (41.5, 1, "110", "too fast"),
    ]
    assert (view["review"]["mark"], view["review"]["marked_by"], view["review"]["comments"]) == (4, "110", 3)
    assert view["may"] == ["download recording", "close review"]
    kinds = [type(event) for event in here.told if isinstance(event, ReviewCommented | ReviewMarked | ReviewClosed)]
    assert kinds == [ReviewCommented] * 3 + [ReviewMarked]


async def test_the_last_mark_counts(anna: httpx.AsyncClient, boris: httpx.AsyncClient) -> None:
    await anna.post(ASK, json={})
    for value in (2, 5):
        await boris.put(f"{ONE}/mark", json={"mark": value})
    assert (await detail(anna))["review"]["mark"] == 5
    for value in (0, 6, -1, "four", None, 3.5):
        assert (await boris.put(f"{ONE}/mark", json={"mark": value})).status_code == 422


async def test_nobody_reviews_himself(here: Office, anna: httpx.AsyncClient) -> None:
    await anna.post(ASK, json={})
    for answer in (
        await anna.post(f"{ONE}/comments", json={"text": "splendid"}),
        await anna.put(f"{ONE}/mark", json={"mark": 5}),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (403, "own review")
    assert (await detail(anna))["review"]["comments"] == 0


@pytest.mark.parametrize(
    ("wish", "status", "told"),
    [
        ({"text": "x", "position": 55.0}, 201, ""),
        ({"text": "x", "position": 55.1}, 409, "the recording lasts 55.0 s"),
        ({"text": "x", "position": 1.0, "recording": 2}, 404, "no recording 'c1/2'"),
        ({"text": "x", "position": -0.1}, 422, ""),
        ({"text": "x", "position": 1e300}, 422, ""),
        ({"text": "x", "position": 1.0, "recording": 0}, 422, ""),
        ({"text": " \n"}, 422, ""),
        ({"text": "x" * 2000}, 201, ""),
        ({"text": "x" * 2001}, 422, ""),
        ({}, 422, ""),
        ({"text": "x", "at": 1.0}, 422, ""),
    ],
)
async def test_a_comment_fits_the_recording(
    anna: httpx.AsyncClient, boris: httpx.AsyncClient, wish: dict[str, Any], status: int, told: str
) -> None:
    await anna.post(ASK, json={})
    answer = await boris.post(f"{ONE}/comments", json=wish)
    assert answer.status_code == status, answer.text
    assert told in answer.text


async def test_a_review_takes_so_many_comments(
    anna: httpx.AsyncClient, boris: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "MOST_COMMENTS", 2)
    await anna.post(ASK, json={})
    answers = [await boris.post(f"{ONE}/comments", json={"text": "more"}) for _ in range(3)]
    assert [one.status_code for one in answers] == [201, 201, 409]
    assert answers[2].json()["detail"] == "a review takes 2 comments, and this one has them"


# "Nothing visible to other employees" -------------------------------------------------------------------------------


async def test_whoever_is_not_concerned_is_refused_alike_whether_there_is_a_review_or_not(
    here: Office, anna: httpx.AsyncClient
) -> None:
    others = {who: await here.client(who) for who in ("102", "111", "120")}

    async def answers() -> list[tuple[int, str]]:
        told = []
        for client in others.values():
            for answer in (
                await client.get(ONE),
                await client.post(f"{ONE}/comments", json={"text": "x"}),
                await client.put(f"{ONE}/mark", json={"mark": 1}),
                await client.post(f"{ONE}/close"),
            ):
                told.append((answer.status_code, answer.text))
        return told

    before = await answers()
    await anna.post(ASK, json={})
    assert await answers() == before
    assert {status for status, _ in before} == {403}
    assert len(here.refusals()) == 2 * len(before)


async def test_the_colleague_in_the_conversation_learns_nothing_of_it(
    here: Office, anna: httpx.AsyncClient, boris: httpx.AsyncClient
) -> None:
    viktor, timeline = await here.client("102"), "/api/v1/conversations/c1/timeline"
    before = ((await viktor.get(timeline)).json(), (await viktor.get("/api/v1/conversations/c1")).json())
    await anna.post(ASK, json={"note": "secret"})
    await boris.post(f"{ONE}/comments", json={"text": "secret"})
    await boris.put(f"{ONE}/mark", json={"mark": 2})
    await boris.post(f"{ONE}/close")
    assert ((await viktor.get(timeline)).json(), (await viktor.get("/api/v1/conversations/c1")).json()) == before
    assert await tasks(viktor) == []
    for client in (anna, boris):
        kinds = [line["kind"] for line in (await client.get(timeline)).json()]
        assert kinds[-4:] == ["ReviewAsked", "ReviewCommented", "ReviewMarked", "ReviewClosed"]


async def test_a_head_of_another_group_learns_nothing_of_it_though_he_sees_the_conversation(here: Office) -> None:
    here.change("102", groups=("support",))  # Sergey's, who therefore sees c1
    await (await here.client("101")).post(ASK, json={"note": "secret"})
    sergey = await here.client("120")
    assert (await sergey.get("/api/v1/conversations/c1")).status_code == 200
    assert (await sergey.get(ONE)).json()["reason"] == "other group"
    assert await tasks(sergey) == []
    assert "secret" not in (await sergey.get("/api/v1/conversations/c1/timeline")).text


async def test_who_is_moved_to_another_group_takes_his_reviews_along(here: Office, anna: httpx.AsyncClient) -> None:
    boris, sergey = await here.client("110"), await here.client("120")
    await anna.post(ASK, json={})
    await boris.post(f"{ONE}/comments", json={"text": "too fast", "position": 3})
    here.change("101", groups=("support",))
    assert (await tasks(boris), await tasks(sergey)) == ([], [("c1", "101")])
    assert (await boris.get(ONE)).status_code == 403
    assert (await boris.post(f"{ONE}/close")).status_code == 403
    assert [one["by"] for one in (await detail(sergey))["comments"]] == ["110"]
    here.groups["support"] = Group(key="support", name="Support", heads=())
    assert await tasks(sergey) == []


async def test_who_has_left_the_office_is_reviewed_by_directors_alone(here: Office, anna: httpx.AsyncClient) -> None:
    boris, natalia = await here.client("110"), await here.client("100")
    await anna.post(ASK, json={})
    del here.people["101"]
    assert (await tasks(boris), await tasks(natalia)) == ([], [("c1", "101")])
    assert (await natalia.post(f"{ONE}/close")).status_code == 200


# What cannot be heard -----------------------------------------------------------------------------------------------


async def test_a_conversation_without_a_recording_says_so(here: Office, anna: httpx.AsyncClient) -> None:
    unrecorded = [one for one in call("bare") if not isinstance(one, RecordingStarted | RecordingFinished)]
    here.happen(unrecorded)
    answer = await anna.post("/api/v1/conversations/bare/reviews", json={})
    assert (answer.status_code, answer.json()["detail"]) == (409, "nothing of the conversation is recorded")
    russian = await anna.post("/api/v1/conversations/bare/reviews", json={}, headers={"Accept-Language": "ru"})
    assert russian.json()["detail"] == "разговор не записан"


async def test_a_conversation_that_rings_still_says_so(here: Office, anna: httpx.AsyncClient) -> None:
    here.happen(call("early")[:5])
    answer = await anna.post("/api/v1/conversations/early/reviews", json={})
    assert (answer.status_code, answer.json()["detail"]) == (409, "nobody has answered yet")
    here.happen([ConversationEnded(conversation=ConversationId("early"), result="abandoned", cause="cancelled")])
    answer = await anna.post("/api/v1/conversations/early/reviews", json={})
    assert answer.json()["detail"] == "nothing of the conversation is recorded"


async def test_what_is_deleted_cannot_be_reviewed_but_a_review_outlives_it(
    here: Office, anna: httpx.AsyncClient, boris: httpx.AsyncClient
) -> None:
    await anna.post(ASK, json={})
    here.happen([RecordingDeleted(conversation=ConversationId("c1"), path="c1.wav", kept=86400.0)])
    view = await detail(boris)
    assert [one["deleted"] for one in view["recordings"]] == [True]
    assert (await boris.post(f"{ONE}/comments", json={"text": "as I remember", "position": 9})).status_code == 201
    viktor = await here.client("102")
    answer = await viktor.post(ASK, json={})
    assert (answer.status_code, answer.json()["detail"]) == (409, "the recording is deleted")


async def test_whom_nobody_may_hear_is_not_reviewed(here: Office, anna: httpx.AsyncClient) -> None:
    boris = await here.client("110")
    await anna.post(ASK, json={})
    here.change("102", monitored=False)
    answer = await boris.post(f"{ONE}/comments", json={"text": "x"})
    assert (answer.status_code, answer.json()["reason"]) == (403, "not monitored")
    assert (await detail(boris))["may"] == ["close review"]
    answer = await (await here.client("102")).post(ASK, json={})
    assert (answer.status_code, answer.json()["detail"]) == (409, "somebody in it is not to be monitored")


async def test_there_is_no_review_of_what_nobody_asked_for(here: Office, boris: httpx.AsyncClient) -> None:
    for path in (ONE, "/api/v1/conversations/none/reviews/101"):
        assert (await boris.get(path)).status_code == 404
        assert (await boris.put(f"{path}/mark", json={"mark": 1})).status_code == 404
    natalia = await here.client("100")
    assert (await natalia.get(f"{ASK}/999")).status_code == 404
    assert (await boris.get(f"{ASK}/999")).status_code == 403
