"""What telephones make of the hashes that a challenge offers (RFC 8760)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.linphone import Linphone
from tests.interop.running import RunningSwitch, until
from tests.interop.sipp import Sipp


@contextmanager
def offering(folder: Path, *digest: str) -> Iterator[RunningSwitch]:
    switch = RunningSwitch(folder / "offering", digest=digest)
    try:
        switch.start()
        yield switch
    finally:
        switch.end()


def is_registered(switch: RunningSwitch, extension: int) -> bool:
    return any(one["extension"] == str(extension) and one["devices"] for one in switch.ask("people"))


@pytest.mark.parametrize(
    ("offered", "taken"),
    [(("SHA-256",), "SHA-256"), (("SHA-256", "MD5"), "SHA-256"), (("MD5",), "MD5")],
    ids=["SHA-256 alone", "SHA-256 first", "MD5 alone"],
)
def test_linphone_registers_by_the_first_hash_it_is_offered(
    tmp_path: Path, linphone: Linphone, offered: tuple[str, ...], taken: str
) -> None:
    with offering(tmp_path, *offered) as switch:
        softphone = linphone.softphone()
        softphone.register(101, switch.port)
        until(lambda: is_registered(switch, 101), "linphonec registers", 15.0)
    assert softphone.proofs == {taken}


def test_sipp_which_knows_md5_alone_registers_when_that_comes_first(tmp_path: Path, sipp: Sipp) -> None:
    with offering(tmp_path, "MD5", "SHA-256") as switch:
        sipp.play("register", switch.port, caller="102").succeeds()
