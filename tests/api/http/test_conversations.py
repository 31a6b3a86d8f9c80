"""Conversations over HTTP: who sees which, page by page, timelines, recordings, and the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from softswitch.events import NO_TIME, Event, LegAnswered, LegEnded, LegOffered
from softswitch.ids import ConversationId, LegId
from tests.api.http.office import Office, office
from tests.records.story import at, call


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


def between(caller: str, called: str, conversation: str, start: float) -> list[Event]:
    """The story of an ordinary call, of other people."""
    told = []
    for event in call(conversation, start=start):
        values = {}
        for name, value in (("origin", f"person:{caller}"), ("caller", caller), ("called", called)):
            if hasattr(event, name):
                values[name] = value
        if hasattr(event, "party"):
            values["party"] = f"person:{called}"
        told.append(replace(event, **values))
    return told


async def ids(here: Office, who: str, **wanted: object) -> list[str]:
    answer = await (await here.client(who)).get("/api/v1/conversations", params=wanted)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["conversations"]]


async def test_each_sees_his_own_and_those_of_the_groups_he_heads(here: Office):
    here.happen(between("111", "120", "support", start=200.0))
    assert await ids(here, "100") == ["support", "running", "c1"]
    assert await ids(here, "109") == ["support", "running", "c1"]
    assert await ids(here, "110") == ["running", "c1"]
    assert await ids(here, "120") == ["support"]
    assert await ids(here, "101") == ["running", "c1"]
    assert await ids(here, "111") == ["support"]
    assert await ids(here, "113") == []


async def test_a_change_of_groups_moves_what_is_seen_from_the_next_request_on(here: Office):
    assert await ids(here, "120") == []
    here.change("101", groups=("support",))
    assert await ids(here, "120") == ["running", "c1"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"state": "running"}, ["running"]),
        ({"state": "ended"}, ["c1"]),
        ({"person": "102"}, ["running", "c1"]),
        ({"person": "111"}, []),
        ({"number": "10"}, ["running", "c1"]),
        ({"number": "99"}, []),
        ({"result": "answered"}, ["c1"]),
        ({"result": "busy"}, []),
        ({"since": "2026-11-23T09:01:00Z"}, ["running"]),
        ({"until": "2026-11-23T09:01:00Z"}, ["c1"]),
        ({"since": "2026-11-23T12:01:00+03:00"}, ["running"]),
        ({"limit": 1}, ["running"]),
    ],
)
async def test_a_search_narrows_the_list(here: Office, wanted: dict[str, object], found: list[str]):
    assert await ids(here, "100", **wanted) == found


async def test_pages_follow_each_other_without_gap_or_repetition_while_calls_come(here: Office):
    for number in range(7):
        here.happen(call(f"p{number}", start=300.0 + number // 2))  # two begin at one instant
    client, seen, cursor = await here.client("100"), [], None
    while True:
        wanted = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/v1/conversations", params=wanted)).json()
        seen += [row["id"] for row in page["conversations"]]
        here.happen(call(f"later{len(seen)}", start=900.0 + len(seen)))
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["p6", "p5", "p4", "p3", "p2", "p1", "p0", "running", "c1"]


@pytest.mark.parametrize(
    ("cursor", "status"),
    [("x", 404), ("MjAyNg", 404), ("MjAyNi0xMS0yM1QwOTowMDowMCBjMQ", 404), ("====", 422), ("é", 422)],
)
async def test_a_cursor_that_no_page_gave_out_is_refused(here: Office, cursor: str, status: int):
    answer = await (await here.client("100")).get("/api/v1/conversations", params={"cursor": cursor})
    assert answer.status_code == status


@pytest.mark.parametrize("number", ["%", "_", "' OR 1=1 --", "10;DROP TABLE legs"])
async def test_no_number_is_read_as_anything_but_a_number(here: Office, number: str):
    answer = await (await here.client("100")).get("/api/v1/conversations", params={"number": number})
    assert answer.status_code == 422


async def test_one_conversation_with_its_legs_recordings_and_what_may_be_done(here: Office):
    view = (await (await here.client("110")).get("/api/v1/conversations/c1")).json()
    assert (view["call"]["result"], view["call"]["talk"]) == ("answered", 40.0)
    assert [leg["party"] for leg in view["call"]["legs"]] == ["person:101", "person:102"]
    assert view["recordings"] == [
        {
            "number": 1,
            "started": "2026-11-23T09:00:05.000Z",
            "finished": "2026-11-23T09:01:00.500Z",
            "duration": 55.0,
            "error": "",
            "deleted": False,
        }
    ]
    assert view["may"] == ["read timeline", "download recording"]
    running = (await (await here.client("110")).get("/api/v1/conversations/running")).json()
    assert set(running["may"]) > {"hang up", "listen", "whisper", "barge", "take over"}
    assert "whisper to customer" not in running["may"]
    own = (await (await here.client("101")).get("/api/v1/conversations/running")).json()
    assert own["may"][:3] == ["read timeline", "download recording", "ask for review"]
    assert own["may"][3:] == ["hang up", "mask recording", "invite prompter"]


async def test_how_long_a_call_lasts_does_not_jump_with_the_civil_clock(here: Office, monkeypatch: pytest.MonkeyPatch):
    events = [replace(event, conversation=ConversationId("new"), at=NO_TIME) for event in call()[:9]]
    here.happen(events)
    here.clock.advance_to(here.clock.now() + 75.0)
    right = here.clock.utc()
    client = await here.client("110")
    for wrong in (timedelta(hours=3), timedelta(hours=-3)):
        monkeypatch.setattr(here.clock, "utc", lambda wrong=wrong: right + wrong)
        one = (await client.get("/api/v1/conversations/new")).json()["call"]
        assert (one["duration"], one["started"]) == (75.0, "2026-11-23T09:00:00.000Z")


async def test_a_conversation_that_never_was_is_not_found(here: Office):
    assert (await (await here.client("100")).get("/api/v1/conversations/zzz")).status_code == 404


async def test_a_timeline_is_told_in_the_language_asked_for(here: Office):
    client = await here.client("110")
    english = (await client.get("/api/v1/conversations/c1/timeline")).json()
    assert english[0]["text"] == "Anna (101) calls 102"
    russian = (await client.get("/api/v1/conversations/c1/timeline", headers={"Accept-Language": "ru-RU"})).json()
    assert russian[0]["text"] == "Anna (101) звонит на 102"


async def test_whoever_was_only_rung_sees_the_call_and_not_what_was_said(here: Office):
    offered = LegOffered(
        conversation=ConversationId("c9"), at=at(301), leg=LegId("x"), party="person:111", target="sip:x", call_id="x"
    )
    story = call("c9", start=300.0)
    here.happen([*story[:3], offered, *story[3:]])
    client = await here.client("111")
    assert (await client.get("/api/v1/conversations/c9")).status_code == 200
    assert (await client.get("/api/v1/conversations/c9/timeline")).status_code == 403
    assert (await client.get("/api/v1/conversations/c9/recordings/1")).status_code == 403


async def test_who_listens_is_not_told_to_those_who_are_listened_to(here: Office):
    conversation = ConversationId("running")
    leg = {"conversation": conversation, "leg": LegId("s")}
    here.happen(
        [
            LegOffered(**leg, at=at(110), party="person:110", target="sip:110@x", call_id="s", purpose="supervise"),
            LegAnswered(**leg, at=at(111), codec="PCMA"),
        ]
    )
    assert (await (await here.client("110")).post("/api/v1/conversations/running/hang-up")).status_code == 204
    seen = {}
    for who in ("100", "101"):
        client = await here.client(who)
        legs = (await client.get("/api/v1/conversations/running")).json()["call"]["legs"]
        lines = (await client.get("/api/v1/conversations/running/timeline")).json()
        seen[who] = ({one["party"] for one in legs}, {line["who"] for line in lines}, {line["kind"] for line in lines})
    assert "person:110" in seen["100"][0] & seen["100"][1]
    assert "AccessGranted" in seen["100"][2]
    assert "person:110" not in seen["101"][0] | seen["101"][1]
    assert "AccessGranted" not in seen["101"][2]
    here.groups["sales"] = replace(here.groups["sales"], shown=True)
    anna = await here.client("101")
    legs = (await anna.get("/api/v1/conversations/running")).json()["call"]["legs"]
    assert "person:110" in {one["party"] for one in legs}
    assert "AccessGranted" in {
        line["kind"] for line in (await anna.get("/api/v1/conversations/running/timeline")).json()
    }
    # And being beside a conversation makes it nobody's own.
    here.change("110", groups=(), role="employee")
    assert (await (await here.client("110")).get("/api/v1/conversations/running")).status_code == 403


async def test_names_that_are_no_text_are_shown_all_the_same(here: Office):
    story = call("odd", start=400.0)
    here.happen([replace(story[0], caller_name="\udcff\x00<script>"), *story[1:]])
    client = await here.client("100")
    assert (await client.get("/api/v1/conversations/odd")).status_code == 200
    assert (await client.get("/api/v1/conversations")).status_code == 200
    assert (await client.get("/api/v1/conversations/odd/timeline")).status_code == 200


async def test_a_conversation_is_ended_once(here: Office):
    client = await here.client("101")
    assert (await client.post("/api/v1/conversations/running/hang-up")).status_code == 204
    assert here.hung_up == ["running"]
    assert (await client.post("/api/v1/conversations/c1/hang-up")).status_code == 409
    (use, again) = here.uses()
    assert (use.by, use.action, use.about, use.conversation) == ("101", "hang up", ("101", "102"), "running")
    assert again.conversation == "c1"


async def test_a_conversation_is_masked_and_unmasked_by_who_talks_in_it(here: Office):
    client = await here.client("101")
    assert (await client.put("/api/v1/conversations/running/mask")).status_code == 204
    assert (await client.delete("/api/v1/conversations/running/mask")).status_code == 204
    assert here.masked == [("running", True, "101"), ("running", False, "101")]
    assert (await client.put("/api/v1/conversations/c1/mask")).status_code == 409
    assert {use.action for use in here.uses()} == {"mask recording"}


async def test_a_call_that_runs_is_shown_as_it_is_now(here: Office):
    here.happen([LegEnded(conversation=ConversationId("running"), at=at(150), leg=LegId("b"), cause="hung up")])
    here.clock.advance_to(here.clock.now() + 160.0)
    (row,) = (await (await here.client("101")).get("/api/v1/conversations", params={"state": "running"})).json()[
        "conversations"
    ]
    assert (row["state"], row["duration"]) == ("talking", 60.0)
