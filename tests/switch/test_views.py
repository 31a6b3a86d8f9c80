"""What a running switch says about itself, against what its telephones have just done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from softswitch import Switch
from softswitch.api.client import Client
from softswitch.api.views import EventRow, PersonRow
from softswitch.errors import NoSuch
from softswitch.switch.commands import SwitchCommands
from tests.switch.real import Desk, configuration, fresh_host


class Front:
    """A switch, its commands, and two registered people; 102 answers when told so."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.host = fresh_host()
        self.control = folder / "var" / "control.sock"
        self.switch = Switch(configuration(folder, self.host, more))
        self.commands = SwitchCommands(self.switch)

    async def __aenter__(self) -> Front:
        await self.switch.start()
        self.desk = Desk(self.host)
        self.anna, self.boris = self.desk.phone("101", tone=440), self.desk.phone("102", tone=880, answer=None)
        await self.desk.registered(self.anna, self.boris)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.switch.stop()
        self.desk.close()

    async def ring(self) -> None:
        self.anna.call("102")
        await self.desk.until(lambda: self.boris.ringing)

    async def talk(self) -> str:
        """Make a call that is answered, and return its conversation."""
        await self.ring()
        heard = len(self.anna.heard), len(self.boris.heard)
        self.boris.pick_up()
        await self.desk.until(lambda: len(self.anna.heard) > heard[0] + 5 and len(self.boris.heard) > heard[1] + 5)
        (call,) = self.switch.control.calls
        return call.id

    async def end(self) -> None:
        self.anna.hang_up()
        await self.desk.until(lambda: self.anna.idle and self.boris.idle and not self.switch.control.calls)

    async def states(self) -> dict[str, str]:
        return {row["extension"]: row["state"] for row in await self.commands.people()}

    async def person(self, extension: str) -> PersonRow:
        return next(row for row in await self.commands.people() if row["extension"] == extension)

    async def asked(self, method: str, **params: object) -> Any:
        """What the control socket answers."""

        def ask() -> Any:
            with Client(self.control) as client:
                return client.call(method, **params)

        return await asyncio.to_thread(ask)


# Status --------------------------------------------------------------------------------------------------------------


async def test_status_counts_calls_ports_and_recordings_while_they_are_there(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:

        async def counted() -> tuple[int, int, int, int]:
            status = await front.commands.status()
            return status["calls"], status["registered"], status["media"]["ports_open"], status["media"]["recordings"]

        assert await counted() == (0, 2, 0, 0)
        await front.talk()
        assert await counted() == (1, 2, 2, 1)
        await front.end()
        assert await counted() == (0, 2, 0, 0)
        front.boris.register(expires=0)
        await front.desk.until(lambda: not front.switch.endpoint.bindings("102"))
        assert await counted() == (0, 1, 0, 0)


async def test_status_names_the_office_and_where_it_listens(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        status = await front.commands.status()
        assert (status["name"], status["domain"], status["people"]) == ("Test", "office.example", 2)
        assert status["config"] == str(tmp_path / "office.toml")
        assert status["listening"] == [f"udp:{front.host}:5060", f"tcp:{front.host}:5060"]
        assert status["media"]["ports_total"] == 500  # 20000 to 20999 in pairs
        assert 0 <= status["uptime"] < 60
        # Two literal passwords are all that is wrong with this office.
        assert len(status["warnings"]) == 2
        assert all("password" in warning for warning in status["warnings"])


async def test_the_control_socket_answers_what_the_commands_answer(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        conversation = await front.talk()
        status = await front.asked("status")
        assert (status["calls"], status["registered"], status["media"]["recordings"]) == (1, 2, 1)
        await front.end()
        assert await front.asked("show", conversation=conversation) == await front.commands.show(conversation, "en")


# People --------------------------------------------------------------------------------------------------------------


async def test_people_ring_talk_and_are_reachable_again(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        assert await front.states() == {"101": "reachable", "102": "reachable"}
        await front.ring()
        assert await front.states() == {"101": "ringing", "102": "ringing"}
        front.boris.pick_up()
        await front.desk.until(lambda: front.anna.talking and front.boris.talking)
        assert await front.states() == {"101": "talking", "102": "talking"}
        await front.end()
        front.boris.register(expires=0)
        await front.desk.until(lambda: not front.switch.endpoint.bindings("102"))
        assert await front.states() == {"101": "reachable", "102": "offline"}


async def test_who_talks_on_one_device_while_another_rings_is_talking(tmp_path: Path) -> None:
    async with Front(tmp_path, '[people.103]\nname = "Person 103"\npassword = "secret-103"\n') as front:
        await front.talk()
        second, dora = front.desk.phone("102", answer=None), front.desk.phone("103")
        await front.desk.registered(second, dora)
        dora.call("102")
        await front.desk.until(lambda: second.ringing)
        assert await front.states() == {"101": "talking", "102": "talking", "103": "ringing"}


async def test_a_device_is_shown_with_its_address_since_when_and_for_how_long(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    async with Front(tmp_path) as front:
        person = await front.person("102")
        assert person["name"] == "Person 102"
        (device,) = person["devices"]
        assert (device["transport"], device["address"]) == ("udp", f"{front.boris.host}:5060")
        assert device["contact"] == front.boris.contact_uri
        assert device["reachable"]
        assert before.replace(microsecond=0) <= datetime.fromisoformat(device["since"]) <= datetime.now(UTC)
        assert 3540 < device["expires_in"] <= 3600

        await front.talk()
        await front.end()
        between = datetime.now(UTC)
        front.boris.status = None
        front.boris.register(expires=120)
        await front.desk.until(lambda: front.boris.status == 200)
        (again,) = (await front.person("102"))["devices"]
        assert datetime.fromisoformat(again["since"]) < between
        assert 60 < again["expires_in"] <= 120


# Calls and conversations ---------------------------------------------------------------------------------------------


async def test_calls_are_the_running_ones_and_then_the_latest_that_are_over(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        assert await front.commands.calls(10) == []
        first = await front.talk()
        await front.end()
        second = await front.talk()
        await front.end()
        third = await front.talk()
        (running,) = await front.commands.calls(0)
        assert (running["id"], running["state"], running["result"]) == (third, "talking", "")
        assert (running["caller"], running["called"], running["answered_by"]) == ("101", "102", "person:102")
        assert [(leg["party"], leg["state"], leg["codec"]) for leg in running["legs"]] == [
            ("person:101", "talking", "PCMU"),
            ("person:102", "talking", "PCMU"),
        ]
        assert [row["id"] for row in await front.commands.calls(1)] == [third, second]
        await front.end()
        rows = await front.commands.calls(10)
        assert [(row["id"], row["state"], row["result"]) for row in rows] == [
            (third, "ended", "answered"),
            (second, "ended", "answered"),
            (first, "ended", "answered"),
        ]
        assert all(0 < row["talk"] <= row["duration"] for row in rows)
        assert (tmp_path / "var" / "recordings" / rows[0]["recording"]).exists()


async def test_a_conversation_is_told_in_english_and_in_russian(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        conversation = await front.talk()
        await front.end()
        english = await front.commands.show(conversation[:12], "en")
        russian = await front.commands.show(conversation, "ru")
        assert english["call"] == russian["call"]
        assert english["call"]["result"] == "answered"
        assert [line["kind"] for line in english["lines"]] == [line["kind"] for line in russian["lines"]]
        said = [line["text"] for line in english["lines"]]
        assert said[0] == "Person 101 (101) calls 102"
        assert f"Person 102 (102) answers on {front.boris.host}" in said
        assert "Person 101 (101) hangs up" in said
        assert "the end: answered" in said
        said = [line["text"] for line in russian["lines"]]
        assert said[0] == "Person 101 (101) звонит на 102"
        assert f"Person 102 (102) отвечает на {front.boris.host}" in said
        assert "Person 101 (101) кладёт трубку" in said
        assert "конец: отвечен" in said


async def test_a_conversation_that_never_was_is_not_shown(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        with pytest.raises(NoSuch):
            await front.commands.show("nobody", "en")
        with pytest.raises(NoSuch):
            await front.commands.trace("nobody")


async def test_a_trace_is_the_ladder_from_invite_to_bye(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        conversation = await front.talk()
        await front.end()
        ladder = await front.commands.trace(conversation)
        anna, boris = f"101 {front.anna.host}:5060", f"102 {front.boris.host}:5060"
        assert ladder["columns"] == [anna, "switch", boris]
        drawn = [(e["source"], e["target"], e["summary"].split(" sip:")[0]) for e in ladder["entries"]]

        def between(one: str, other: str) -> list[tuple[str, str]]:
            ways = {(one, other): ">", (other, one): "<"}
            return [(ways[source, target], what) for source, target, what in drawn if (source, target) in ways]

        assert between("switch", boris) == [
            (">", "INVITE"), ("<", "180 Whatever"), ("<", "200 OK"), (">", "ACK"), (">", "BYE"), ("<", "200 OK"),
        ]  # fmt: skip
        assert between(anna, "switch") == [
            (">", "INVITE"), ("<", "401 Unauthorized"), (">", "ACK"),
            (">", "INVITE"), ("<", "100 Trying"), ("<", "180 Ringing"), ("<", "200 OK"), (">", "ACK"),
            (">", "BYE"), ("<", "200 OK"),
        ]  # fmt: skip
        assert [e["at"] for e in ladder["entries"]] == sorted(e["at"] for e in ladder["entries"])


async def test_a_trace_shows_that_a_digest_came_and_not_which(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        conversation = await front.talk()
        told = "\n".join(e["text"] for e in (await front.commands.trace(conversation))["entries"])
        assert 'Authorization: Digest username="101"' in told
        assert set(re.findall(r"\b(?:response|cnonce)=(\S+?)(?:,|\s)", told + "\n")) == {'"***"'}


# Events --------------------------------------------------------------------------------------------------------------


async def _through(events: AsyncIterator[EventRow], kind: str, conversation: str) -> list[EventRow]:
    """Read to the first event of a kind in a conversation, that one included."""
    rows = []
    async for row in events:
        rows.append(row)
        if (row["kind"], row["conversation"]) == (kind, conversation):
            return rows
    raise AssertionError("the events have ended")


async def test_events_since_are_first_the_past_and_then_what_happens(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        first = await front.talk()
        await front.end()
        events = front.commands.events(0)
        past = await _through(events, "ConversationEnded", first)
        second = await front.talk()
        await front.end()
        live = await _through(events, "ConversationEnded", second)
        rows = past + live
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        kinds = [row["kind"] for row in rows]
        assert kinds[0] == "SwitchStarted"
        assert kinds.count("DeviceBound") == 2
        assert kinds.count("CallArrived") == 2

        later = await _through(front.commands.events(past[-1]["seq"]), "ConversationEnded", second)
        assert later == live


async def test_events_without_since_begin_now(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        await front.talk()
        await front.end()
        events = front.commands.events(None)
        reading = asyncio.ensure_future(anext(aiter(events)))
        await asyncio.sleep(0)
        second = await front.talk()
        row = await reading
        assert (row["kind"], row["conversation"]) == ("CallArrived", second)
