"""Real telephones against a real switch on loopback.

A missing peer skips the test with the name of what to install, or fails it where
SOFTSWITCH_REQUIRE_PEERS is set, as it is in CI.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.linphone import Linphone
from tests.interop.peers import required
from tests.interop.running import RunningSwitch
from tests.interop.sipp import Sipp


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch shared by the tests of a module; each takes ports and people of its own."""
    running = RunningSwitch(tmp_path_factory.mktemp("switch"), people=[*range(101, 120), *range(200, 400)])
    try:
        running.start()
        yield running
    finally:
        running.end()


@pytest.fixture
def own_switch(tmp_path: Path) -> Iterator[RunningSwitch]:
    """A switch that a test may kill."""
    running = RunningSwitch(tmp_path / "switch")
    try:
        running.start()
        yield running
    finally:
        running.end()


@pytest.fixture
def sipp(tmp_path: Path) -> Iterator[Sipp]:
    peers = Sipp(required("sipp"), tmp_path)
    yield peers
    peers.end()


@pytest.fixture
def baresip(tmp_path: Path) -> Iterator[Baresip]:
    """Starts baresips; all of them are gone at teardown."""
    peers = Baresip(required("baresip"), tmp_path)
    yield peers
    peers.end()


@pytest.fixture
def linphone(tmp_path: Path) -> Iterator[Linphone]:
    peers = Linphone(required("linphonec"), tmp_path)
    yield peers
    peers.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    running = item.funcargs.get("own_switch", item.funcargs.get("switch")) if hasattr(item, "funcargs") else None
    if report.failed and isinstance(running, RunningSwitch):  # type: ignore[attr-defined]
        report.sections.append(("log of the switch", running.log[-8000:]))  # type: ignore[attr-defined]
    return report
