"""The web port under clients who take their time, or come in crowds."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from softswitch.api.http import connection as module
from softswitch.api.http import live
from softswitch.api.http.connection import MOST_CONNECTIONS, MOST_OF_ONE, crowded
from softswitch.api.http.server import WebServer
from softswitch.events import DigitPressed
from softswitch.ids import ConversationId, LegId
from tests.api.http.office import Office, office

HEAD = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n"


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[tuple[Office, int]]:
    async with office(tmp_path) as here:
        server = WebServer(here.app, "127.0.0.1", 0)
        await server.start()
        try:
            yield here, server.address[1]
        finally:
            await server.close()


@pytest.mark.parametrize("begun", [b"", b"GET", HEAD, HEAD + b"Content-Length: 5\r\n\r\nab"])
async def test_a_request_that_does_not_arrive_in_time_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
):
    monkeypatch.setattr(module, "ASKING", 0.2)
    async with served(tmp_path) as (_, port), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_a_byte_now_and_then_buys_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "ASKING", 0.3)
    async with served(tmp_path) as (_, port), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        gone = asyncio.ensure_future(reader.read())
        while not gone.done():
            writer.write(b"G")
            await asyncio.wait({gone}, timeout=0.02)
        writer.close()


async def test_a_connection_that_is_used_again_later_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "ASKING", 0.2)
    async with served(tmp_path) as (_, port):
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits) as client:
            for _ in range(3):
                assert (await client.get("/api/v1/health")).json() == {"status": "ok"}
                await asyncio.sleep(0.3)


async def test_slow_clients_leave_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "ASKING", 0.3)
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 20)
    async with served(tmp_path) as (_, port), asyncio.timeout(20):
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        for _, writer in slow:
            writer.write(HEAD)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            while True:
                try:
                    assert (await client.get("/api/v1/health")).status_code == 200
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        for _, writer in slow:
            writer.close()


def test_one_address_has_its_share_and_proxies_speak_for_many():
    crowd = ["192.0.2.1"] * (MOST_OF_ONE + 1)
    assert not crowded("192.0.2.1", crowd[1:], ())
    assert crowded("192.0.2.1", crowd, ())
    assert not crowded("192.0.2.2", [*crowd, "192.0.2.2"], ())
    assert not crowded("192.0.2.1", crowd, ("192.0.2.1",))
    assert not crowded("127.0.0.1", ["127.0.0.1"] * MOST_CONNECTIONS, ())
    assert crowded("127.0.0.1", ["127.0.0.1"] * (MOST_CONNECTIONS + 1), ())


async def test_a_live_reader_who_is_too_slow_finds_4408_behind_what_waits_for_him(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def large(*_: object) -> dict[str, str]:
        return {"type": "delta", "much": "x" * 500_000}

    monkeypatch.setattr(live, "PATIENCE", 0.3)
    monkeypatch.setattr(live._Reader, "_delta", large)
    async with served(tmp_path) as (here, port), asyncio.timeout(60):
        headers = {"Authorization": f"Bearer {await here.token('100')}"}
        url = f"ws://127.0.0.1:{port}/api/v1/live"
        async with connect(url, additional_headers=headers, max_queue=1, compression=None) as socket:
            first = json.loads(await socket.recv())
            assert first["type"] == "snapshot"
            feed = here.app.state.feed
            here.happen(
                DigitPressed(conversation=ConversationId("running"), leg=LegId("l1"), digit="1") for _ in range(100)
            )
            while feed.readers:  # nothing is read: the buffers of both sides fill up
                await asyncio.sleep(0.01)
            with contextlib.suppress(ConnectionClosed):
                async for _ in socket:
                    pass
        assert socket.close_code == 4408
