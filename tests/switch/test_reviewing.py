"""A review of a real call from the wish to the mark: over the command line's socket, the API and a reload."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from softswitch.api.client import CommandFailed
from softswitch.events import AccessRefused, Event, RecordingFinished, RecordingStarted
from tests.switch.test_views import Front
from tests.switch.test_web import WEB, address

HEADS = """
[groups.sales]
name = "Sales"
head = "110"
[people.110]
name = "Boris"
role = "head"
password = "secret-110"
[people.120]
name = "Sergey"
role = "head"
password = "secret-120"
"""


def office(front: Front, folder: Path, group: str) -> None:
    """Put 101 into a group by a reload."""
    path = folder / "office.toml"
    text = path.read_text()
    anna = '[people.101]\nname = "Person 101"\n'
    rest = text.replace(f'{anna}group = "sales"\n', anna)
    path.write_text(rest.replace(anna, f'{anna}group = "{group}"\n') if group else rest)
    front.switch.reload()


async def test_a_review_of_a_real_call(tmp_path: Path) -> None:
    async with Front(tmp_path, WEB + HEADS) as front:
        told: list[Event] = []
        front.switch.bus.listen(told.append)

        def happened(kind: type[Event]) -> bool:
            return any(isinstance(event, kind) for event in told)

        office(front, tmp_path, "sales")
        conversation = await front.talk()
        await front.desk.until(lambda: happened(RecordingStarted))
        view = await front.asked("review_ask", conversation=conversation[:8], employee="101", note="the price")
        assert (view["review"]["state"], view["review"]["caller"]) == ("open", "101")
        with pytest.raises(CommandFailed, match="the recording is being written still"):
            await front.asked("review_comment", conversation=conversation, by="110", text="x", position=0.1)
        await front.end()
        await front.desk.until(lambda: happened(RecordingFinished))
        view = await front.asked("review_comment", conversation=conversation, by="110", text="too fast", position=0.01)
        assert [(one["position"], one["text"]) for one in view["comments"]] == [(0.01, "too fast")]
        await front.asked("review_mark", conversation=conversation, employee="101", by="110", mark=4)
        for by, why in (("120", "belongs to a group"), ("102", "only with their own"), ("101", "nobody reviews")):
            with pytest.raises(CommandFailed, match=why) as refused:
                await front.asked("review_mark", conversation=conversation, by=by, mark=1)
            assert refused.value.code == 403
        assert [event.by for event in told if isinstance(event, AccessRefused)] == ["120", "102", "101"]
        with pytest.raises(CommandFailed, match="no person '199'"):
            await front.asked("review_close", conversation=conversation, by="199")
        assert [row["mark"] for row in await front.asked("reviews")] == [4]

        token = (await front.commands.token_create("110", "player"))["token"]
        headers = {"Authorization": f"Bearer {token}", "Range": "bytes=0-3"}
        async with httpx.AsyncClient(base_url=address(front.switch), headers=headers) as boris:
            (task,) = (await boris.get("/api/v1/reviews", params={"state": "open"})).json()["reviews"]
            assert (task["conversation"], task["employee"]) == (conversation, "101")
            sound = await boris.get(f"/api/v1/conversations/{conversation}/recordings/1")
            assert (sound.status_code, sound.content) == (206, b"RIFF")
            office(front, tmp_path, "")
            assert (await boris.get("/api/v1/reviews")).json()["reviews"] == []
            path = f"/api/v1/conversations/{conversation}/reviews/101"
            assert (await boris.get(path)).status_code == 403
            office(front, tmp_path, "sales")
            assert (await boris.post(f"{path}/close")).json()["state"] == "closed"
        assert await front.asked("reviews") == []
        assert [row["closed_by"] for row in await front.asked("reviews", closed=True)] == ["110"]
