"""People and groups over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.http.office import PEOPLE, Office, office


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("101", {"101"}),
        ("110", {"101", "102", "110", "113"}),
        ("120", {"111", "120"}),
        ("100", {one.extension for one in PEOPLE}),
    ],
)
async def test_everybody_knows_the_names_and_some_know_more(here: Office, who: str, seen: set[str]):
    rows = (await (await here.client(who)).get("/api/v1/people")).json()
    assert [row["extension"] for row in rows] == sorted(one.extension for one in PEOPLE)
    assert {row["extension"] for row in rows if row["person"] is not None} == seen


async def test_one_person_is_shown_as_the_command_line_shows_him(here: Office):
    row = (await (await here.client("110")).get("/api/v1/people/101")).json()
    assert (row["name"], row["state"], row["devices"]) == ("Anna", "talking", [])
    assert (await (await here.client("101")).get("/api/v1/people/102")).status_code == 403
    assert (await (await here.client("101")).get("/api/v1/people/999")).status_code == 404


async def test_groups_with_their_heads_and_members(here: Office):
    rows = (await (await here.client("101")).get("/api/v1/groups")).json()
    assert rows[0] == {
        "key": "sales",
        "name": "Sales",
        "heads": ["110"],
        "members": ["101", "102", "110", "113"],
    }
