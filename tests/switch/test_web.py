"""The API of a switch that runs, over a socket whose port the system chose, and inside a host's own app."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from softswitch import Switch
from softswitch.errors import NotPossible
from softswitch.switch.commands import SwitchCommands
from tests.switch.real import Desk, configuration, fresh_host

WEB = '[web]\nlisten = "127.0.0.1:0"\n'


def address(switch: Switch) -> str:
    assert switch.web_address is not None
    return "http://{}:{}".format(*switch.web_address)


async def test_a_person_logs_in_and_out_over_a_real_socket(tmp_path: Path):
    async with Switch(configuration(tmp_path, fresh_host(), WEB)) as switch:
        password = (await SwitchCommands(switch).password("101"))["password"]
        async with httpx.AsyncClient(base_url=address(switch)) as client:
            assert (await client.get("/api/v1/health")).json() == {"status": "ok"}
            assert (await client.get("/api/v1/me")).status_code == 401
            wish = {"extension": "101", "password": password}
            assert (await client.post("/api/v1/session", json=wish)).status_code == 201
            assert (await client.get("/api/v1/me")).json()["name"] == "Person 101"
            assert "server" not in (await client.get("/api/v1/me")).headers
            left = await client.delete("/api/v1/session", headers={"Origin": address(switch)})
            assert left.status_code == 204
            assert (await client.get("/api/v1/me")).status_code == 401


async def test_prometheus_reads_the_metrics_with_a_token(tmp_path: Path):
    async with Switch(
        configuration(
            tmp_path, fresh_host(), WEB + '[people.109]\nname = "R"\nrole = "admin"\npassword = "secret-109"\n'
        )
    ) as switch:
        token = (await SwitchCommands(switch).token_create("109", "prometheus"))["token"]
        async with httpx.AsyncClient(base_url=address(switch)) as client:
            assert (await client.get("/metrics")).status_code == 401
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            assert answer.headers["content-type"].startswith("text/plain")
            assert "softswitch_calls" in answer.text


async def test_without_its_table_there_is_no_api(tmp_path: Path):
    async with Switch(configuration(tmp_path, fresh_host())) as switch:
        assert switch.web_address is None


async def test_a_taken_port_keeps_the_switch_from_starting_and_nothing_stays(tmp_path: Path):
    host = fresh_host()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        switch = Switch(configuration(tmp_path, host, f'[web]\nlisten = "127.0.0.1:{port}"\n'))
        with pytest.raises(NotPossible, match=f"cannot listen on 127.0.0.1:{port} for the API"):
            await switch.start()
    async with Switch(configuration(tmp_path, host, WEB)):
        pass


async def test_signals_stay_with_the_program_around_the_switch(tmp_path: Path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with Switch(configuration(tmp_path, fresh_host(), WEB)) as switch:
        async with httpx.AsyncClient(base_url=address(switch)) as client:
            await client.get("/api/v1/health")
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


async def test_a_stopped_switch_answers_nobody_and_can_start_again(tmp_path: Path):
    switch = Switch(configuration(tmp_path, fresh_host(), WEB))
    async with switch:
        gone = address(switch)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{gone}/api/v1/health")
        async with switch:
            assert (await client.get(f"{address(switch)}/api/v1/health")).status_code == 200


async def test_a_host_program_mounts_the_api_into_its_own(tmp_path: Path):
    async with Switch(configuration(tmp_path, fresh_host())) as switch:
        token = (await SwitchCommands(switch).token_create("101", "host"))["token"]
        host = Starlette(routes=[Mount("/phones", switch.api())])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url="http://host") as client:
            answer = await client.get("/phones/api/v1/me", headers={"Authorization": f"Bearer {token}"})
            assert answer.json()["extension"] == "101"


async def test_telephones_ring_while_passwords_are_guessed(tmp_path: Path):
    host = fresh_host()
    async with Switch(configuration(tmp_path, host, WEB)) as switch:
        desk = Desk(host)
        anna, boris = desk.phone("101"), desk.phone("102", answer=0.1)
        await desk.registered(anna, boris)
        async with httpx.AsyncClient(base_url=address(switch), timeout=60) as client:
            guesses = [
                asyncio.create_task(client.post("/api/v1/session", json={"extension": "101", "password": str(number)}))
                for number in range(5)
            ]
            anna.call("102")
            await desk.until(lambda: anna.talking)
            answers = await asyncio.gather(*guesses)
        assert {answer.status_code for answer in answers} <= {401, 429}
        desk.close()


async def test_a_head_listens_and_whispers_by_the_api_and_the_customer_hears_nothing_of_it(tmp_path: Path):
    more = """
[groups.sales]
name = "Sales"
head = "110"
[people.103]
name = "Person 103"
group = "sales"
password = "secret-103"
[people.110]
name = "Person 110"
role = "head"
password = "secret-110"
"""
    host = fresh_host()
    async with Switch(configuration(tmp_path, host, WEB + more)) as switch:
        desk = Desk(host)
        customer, agent = desk.phone("101", tone=440), desk.phone("103", tone=880, answer=0.1)
        head = desk.phone("110", tone=1200, answer=0.1)
        await desk.registered(customer, agent, head)
        customer.call("103")
        await desk.until(lambda: len(customer.heard) > 20 and len(agent.heard) > 20)
        token = (await SwitchCommands(switch).token_create("110", "test"))["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=address(switch), headers=bearer) as client:
            (row,) = (await client.get("/api/v1/conversations", params={"state": "running"})).json()["conversations"]
            begun = await client.post(f"/api/v1/conversations/{row['id']}/supervision", json={"mode": "listen"})
            assert begun.status_code == 201, begun.text
            assert begun.json()["person"] == "103"
            await desk.until(lambda: head.talking and head.hears(440) > -30 and head.hears(880) > -30)
            path = f"/api/v1/supervisions/{begun.json()['id']}"
            changed = await client.patch(path, json={"mode": "whisper"})
            assert changed.json()["mode"] == "whisper", changed.text
            await desk.until(lambda: agent.hears(1200) > -30)
            assert customer.hears(1200) < -60
            assert (await client.delete(path)).status_code == 204
            await desk.until(lambda: head.idle)
            assert customer.talking
            assert (await client.post(f"/api/v1/conversations/{row['id']}/hang-up")).status_code == 204
            await desk.until(lambda: customer.idle and agent.idle)
        desk.close()
