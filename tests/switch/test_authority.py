"""Whose calls a trunk's are: known by address, by network, by resolved name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from softswitch.sip.events import Flow
from softswitch.switch.authority import Directory
from tests.switch.real import configuration

TRUNKS = """
[trunks.fixed]
server = "198.51.100.7"
[trunks.wide]
server = "198.51.100.9"
addresses = ["203.0.113.0/28", "2001:db8:1::/48"]
[trunks.named]
server = "localhost"
account = { user = "office", password = "long enough" }
"""


def flow(host: str) -> Flow:
    return Flow("udp", ("192.0.2.1", 5060), (host, 5060))


@pytest.mark.parametrize(
    ("host", "trunk"),
    [
        ("198.51.100.7", "fixed"),
        ("203.0.113.15", "wide"),
        ("203.0.113.16", None),
        ("2001:db8:1::5", "wide"),
        ("192.0.2.99", None),
        ("127.0.0.1", None),
    ],
)
def test_a_trunk_is_known_by_address_or_network(tmp_path: Path, host: str, trunk: str | None):
    directory = Directory(configuration(tmp_path, "127.0.0.1", TRUNKS).settings)
    assert directory.trunk_of(flow(host)) == trunk


async def test_a_trunk_configured_by_name_is_known_by_the_addresses_it_resolves_to(tmp_path: Path):
    directory = Directory(configuration(tmp_path, "127.0.0.1", TRUNKS).settings)
    await directory.resolve()
    assert directory.trunk_of(flow("127.0.0.1")) == "named"


async def test_what_a_trunk_was_told_of_nonces_outlives_a_look_up_but_not_another_password(tmp_path: Path):
    settings = configuration(tmp_path, "127.0.0.1", TRUNKS).settings
    directory = Directory(settings)
    client = directory.account("named")
    await directory.resolve()
    assert client is not None
    assert directory.account("named") is client
    other = replace(settings.accounts["named"], password="another one")
    directory.use(replace(settings, accounts={"named": other}))
    assert directory.account("named") is not client
