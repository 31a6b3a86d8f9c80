"""The live WebSocket: snapshot, numbered deltas, coming back, who sees what, and slow readers; over a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from softswitch.api.http import live as module
from softswitch.api.http.access import admit
from softswitch.api.http.live import Feed
from softswitch.api.http.server import WebServer
from softswitch.directory.permissions import Action
from softswitch.events import (
    AccessGranted,
    CallArrived,
    ConfigReloaded,
    DigitPressed,
    Event,
    LegAnswered,
    LegDialog,
    LegOffered,
    ReviewAsked,
    ReviewClosed,
    ReviewMarked,
)
from softswitch.ids import ConversationId, LegId
from tests.api.http.office import Office, office
from tests.records.story import at, call


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        server = WebServer(opened.app, "127.0.0.1", 0)
        await server.start()
        opened.address = "ws://{}:{}/api/v1/live".format(*server.address)  # type: ignore[attr-defined]
        yield opened
        await server.close()


class Reader:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return json.loads(await self.socket.recv())  # type: ignore[no-any-return]

    async def until(self, seq: int) -> list[dict[str, Any]]:
        """Return the messages up to this number."""
        told = [await self.next()]
        while told[-1]["seq"] < seq:
            told.append(await self.next())
        return told

    async def code(self) -> int:
        """Return the code with which the connection ends."""
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionClosed):
                async for _ in self.socket:
                    pass
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code


@asynccontextmanager
async def reading(here: Office, who: str | None, since: int | None = None, **headers: str) -> AsyncIterator[Reader]:
    address = here.address + ("" if since is None else f"?since={since}")  # type: ignore[attr-defined]
    if who is not None:
        headers["Authorization"] = f"Bearer {await here.token(who)}"
    async with connect(address, additional_headers=headers) as socket:
        yield Reader(socket)


def last(here: Office) -> int:
    return here.told[-1].seq


def digit(conversation: str = "running", number: str = "1") -> Event:
    return DigitPressed(conversation=ConversationId(conversation), leg=LegId("a"), digit=number, at=at(120))


async def test_first_comes_the_present_and_then_each_change_under_its_number(here: Office):
    async with reading(here, "110") as reader:
        snapshot = await reader.next()
        assert snapshot["type"] == "snapshot"
        assert [row["id"] for row in snapshot["conversations"]] == ["running"]
        assert {row["extension"]: row["state"] for row in snapshot["people"]} == {
            "101": "talking",
            "102": "talking",
            "110": "offline",
            "113": "offline",
        }
        told = len(here.told)
        here.happen(call("new", start=300.0))
        numbers = [event.seq for event in here.told[told:] if not isinstance(event, LegDialog)]
        deltas = await reader.until(last(here))
        assert [delta["seq"] for delta in deltas] == numbers
        assert [delta["event"] for delta in deltas][:3] == ["CallArrived", "CallRouted", "LegOffered"]
        ended = next(delta for delta in deltas if delta["event"] == "ConversationEnded")
        assert (ended["conversation"]["state"], ended["conversation"]["result"]) == ("ended", "answered")


async def test_who_comes_back_is_told_what_he_missed_and_nothing_twice(here: Office):
    async with reading(here, "110") as reader:
        seen = (await reader.next())["seq"]
    here.happen(digit(number=number) for number in "123")
    async with reading(here, "110", since=seen) as reader:
        deltas = await reader.until(last(here) - 0 if here.told[-1].conversation is not None else last(here) - 1)
        assert [delta["type"] for delta in deltas] == ["delta"] * 3
        assert [delta["seq"] for delta in deltas] == sorted({delta["seq"] for delta in deltas})


@pytest.mark.parametrize("since", [0, 10**12])
async def test_who_was_away_too_long_or_counts_otherwise_gets_the_present_anew(here: Office, since: int):
    here.app.state.feed.floor = 1
    async with reading(here, "110", since=since) as reader:
        assert (await reader.next())["type"] == "snapshot"


async def test_each_is_told_what_he_may_see_and_no_more(here: Office):
    async with reading(here, "100") as director, reading(here, "120") as head, reading(here, "101") as employee:
        assert len((await director.next())["people"]) == len(here.people)
        snapshot = await head.next()
        assert snapshot["conversations"] == []
        assert {row["extension"] for row in snapshot["people"]} == {"111", "120"}
        mine = await employee.next()
        assert {row["extension"] for row in mine["people"]} == {"101"}
        support = [
            CallArrived(
                conversation=ConversationId("s1"),
                at=at(300),
                leg=LegId("a"),
                origin="trunk:provider",
                caller="+79160000000",
                caller_name="",
                called="+74951234567",
                call_id="x",
            ),
            LegOffered(
                conversation=ConversationId("s1"),
                at=at(301),
                leg=LegId("b"),
                party="person:111",
                target="sip:111@x",
                call_id="y",
            ),
        ]
        told = []
        for event in (*support, digit()):
            here.happen([event])
            told += await director.until(last(here))
        assert [delta["event"] for delta in told] == ["CallArrived", "LegOffered", "DigitPressed"]
        # A call that has come to nobody yet is nobody's; with the first telephone of his the head sees all of it.
        delta = await head.next()
        assert (delta["event"], delta["conversation"]["caller"]) == ("LegOffered", "+79160000000")
        assert [row["extension"] for row in delta["people"]] == ["111"]
        assert (await employee.next())["event"] == "DigitPressed"


async def test_a_reload_sends_the_present_anew_under_the_new_rights(here: Office):
    async with reading(here, "120") as reader:
        assert (await reader.next())["conversations"] == []
        here.change("101", groups=("support",))
        here.happen([ConfigReloaded(changes=("people.101.group: sales -> support",))])
        snapshot = await reader.next()
        assert (snapshot["type"], [row["id"] for row in snapshot["conversations"]]) == ("snapshot", ["running"])


async def test_who_listens_is_not_told_to_those_who_are_listened_to(here: Office):
    leg = {"conversation": ConversationId("running"), "leg": LegId("s"), "at": at(130)}
    async with reading(here, "101") as anna, reading(here, "110") as head:
        await anna.next(), await head.next()
        here.happen(
            [
                AccessGranted(conversation=ConversationId("running"), by="110", action="listen", about=("101",)),
                LegOffered(**leg, party="person:110", target="sip:110@x", call_id="s", purpose="supervise"),
                LegAnswered(**leg, codec="PCMA"),
                digit(),
            ]
        )
        assert [delta["event"] for delta in await head.until(last(here))][:3] == [
            "AccessGranted",
            "LegOffered",
            "LegAnswered",
        ]
        delta = await anna.next()
        assert delta["event"] == "DigitPressed"
        assert {one["party"] for one in delta["conversation"]["legs"]} == {"person:101", "person:102"}


async def test_a_review_is_told_to_whoever_asked_to_his_heads_and_to_directors_alone(here: Office):
    c1 = ConversationId("c1")
    here.change("102", groups=("support",))  # whose head sees the conversation for Viktor's sake
    here.happen([ReviewAsked(conversation=c1, at=at(200), employee="101", note="the price", via="api")])
    concerned, others = ("101", "110", "100"), ("102", "111", "120")
    for who in (*concerned, *others):
        async with reading(here, who) as reader:
            open_ones = [(one["employee"], one["note"]) for one in (await reader.next())["reviews"]]
            assert open_ones == ([("101", "the price")] if who in concerned else []), who
            here.happen([ReviewMarked(conversation=c1, at=at(210), employee="101", by="110", mark=4), digit()])
            if who == "111":
                continue  # Olga has no part in the conversation that the key was pressed in either
            delta = await reader.next()
            if who in concerned:
                assert (delta["event"], delta["review"]["mark"]) == ("ReviewMarked", 4), who
                assert (delta["conversation"], delta["people"]) == (None, [])
            else:
                assert delta["event"] == "DigitPressed", who


async def test_a_review_that_is_closed_is_told_as_closed_and_is_in_no_snapshot(here: Office):
    c1 = ConversationId("c1")
    async with reading(here, "110") as reader:
        assert (await reader.next())["reviews"] == []
        here.happen([ReviewAsked(conversation=c1, at=at(200), employee="101", note="", via="api")])
        here.happen([ReviewClosed(conversation=c1, at=at(201), employee="101", by="101")])
        deltas = await reader.until(last(here))
        assert [delta["event"] for delta in deltas] == ["ReviewAsked", "ReviewClosed"]
        assert deltas[-1]["review"]["state"] == "closed"
    async with reading(here, "110") as reader:
        assert (await reader.next())["reviews"] == []


async def test_who_comes_while_the_database_is_away_gets_the_present_without_reviews(
    here: Office, monkeypatch: pytest.MonkeyPatch
):
    async def away(_: object) -> None:
        raise OSError("no route to the database")

    monkeypatch.setattr(here.records, "reviews", away)
    async with reading(here, "110") as reader:
        snapshot = await reader.next()
    assert (len(snapshot["conversations"]), snapshot["reviews"]) == (1, None)


async def test_who_listens_is_told_to_those_who_are_listened_to_where_their_group_says_so(here: Office):
    here.groups["sales"] = replace(here.groups["sales"], shown=True)
    leg = {"conversation": ConversationId("running"), "leg": LegId("s"), "at": at(130)}
    async with reading(here, "101") as anna:
        await anna.next()
        here.happen(
            [
                LegOffered(**leg, party="person:110", target="sip:110@x", call_id="s", purpose="supervise"),
                LegAnswered(**leg, codec="PCMA"),
            ]
        )
        delta = await anna.next()
        assert delta["event"] == "LegOffered"
        assert "person:110" in {one["party"] for one in delta["conversation"]["legs"]}


async def test_whoever_is_logged_out_hears_no_more(here: Office):
    async with reading(here, "110") as reader:
        await reader.next()
        for grant in here.login.grants.of("110", "token"):
            await here.login.grants.revoke(grant)
        assert await reader.code() == 4401


async def test_whoever_leaves_the_office_hears_no_more(here: Office):
    async with reading(here, "110") as reader:
        await reader.next()
        del here.people["110"]
        here.happen([digit()])
        assert await reader.code() == 4401


async def test_nobody_reads_without_having_logged_in(here: Office):
    async with reading(here, None) as reader:
        assert await reader.code() == 4401
    async with reading(here, None, Authorization="Bearer nonsense") as reader:
        assert await reader.code() == 4401


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
async def test_another_site_reads_nothing_with_a_cookie(here: Office, origin: str):
    password = await here.login.make_password("110", by="console")
    token, _ = await here.login.enter("110", password, "127.0.0.1")
    async with reading(here, None, Cookie=f"softswitch_session={token}", Origin=origin) as reader:
        assert await reader.code() == 4403
    assert [event.reason for event in here.refusals()] == ["other site"]
    ours = here.address.removesuffix("/api/v1/live").replace("ws:", "http:")  # type: ignore[attr-defined]
    async with reading(here, None, Cookie=f"softswitch_session={token}", Origin=ours) as reader:
        assert (await reader.next())["type"] == "snapshot"


class Socket:
    """The server's side of a connection whose other end does as the test says."""

    def __init__(self, send: Callable[[], Awaitable[object]]) -> None:
        self._send = send
        self.sent: list[dict[str, Any]] = []
        self.closed: int | None = None

    async def send_text(self, text: str) -> None:
        self.sent.append(json.loads(text))
        await self._send()

    async def close(self, code: int) -> None:
        self.closed = code


async def reader_of(here: Office, socket: Socket) -> module._Reader:
    headers = [(b"authorization", f"Bearer {await here.token('110')}".encode())]
    connection = HTTPConnection({"type": "websocket", "headers": headers, "app": here.app, "client": None})
    return module._Reader(socket, await admit(connection, Action.FOLLOW), here.app.state.feed)  # type: ignore[arg-type]


async def test_a_reader_who_takes_nothing_any_more_is_dropped(here: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    socket = Socket(asyncio.Event().wait)
    async with asyncio.timeout(5):
        running = asyncio.create_task((await reader_of(here, socket)).run(None))
        await running
    assert socket.closed == 4408


async def test_a_reader_who_falls_behind_by_all_that_is_kept_is_dropped(here: Office):
    async def much_happens() -> None:
        here.happen(digit() for _ in range(module.KEPT + 1))

    socket = Socket(much_happens)
    async with asyncio.timeout(20):
        await (await reader_of(here, socket)).run(None)
    assert (socket.closed, len(socket.sent)) == (4408, 1)


async def test_what_a_reader_sends_is_nothing_to_us(here: Office):
    async with reading(here, "110") as reader:
        await reader.next()
        await reader.socket.send("x" * 100)
        await reader.socket.send(b"\x00\xff")
        here.happen([digit()])
        assert (await reader.next())["event"] == "DigitPressed"
        await reader.socket.send("x" * 100_000)
        assert await reader.code() == 1009


async def test_readers_who_leave_are_forgotten(here: Office):
    for _ in range(5):
        async with reading(here, "110") as reader:
            await reader.next()
    async with asyncio.timeout(5):
        while here.app.state.feed.readers:
            await asyncio.sleep(0.01)


def test_the_feed_keeps_so_many_changes_and_knows_which_are_gone(tmp_path: Path):
    class Exchange:
        class bus:
            @staticmethod
            def listen(_: object) -> None: ...

    feed = Feed(Exchange())  # type: ignore[arg-type]
    for seq in range(1, module.KEPT + 11):
        feed.apply(DigitPressed(seq=seq, conversation=ConversationId("c"), leg=LegId("a"), digit="1"))
    assert (feed.floor, feed.last) == (10, module.KEPT + 10)
    assert feed.after(9) is None
    assert [change.seq for change in feed.after(10) or ()][:2] == [11, 12]
    assert feed.after(feed.last) == []
    assert feed.after(feed.last + 1) is None
