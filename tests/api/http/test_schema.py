"""schemathesis over the whole API: whatever it is asked, it answers as described, and no answer is a fault of ours."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from softswitch.api.http.app import describe
from softswitch.api.http.server import WebServer
from tests.api.http.office import Office, office

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import ignored_auth  # noqa: E402

# It adds a session of nobody's to our token, which is what counts; ``test_matrix`` asks everything as nobody.

EXAMPLES = 10
"""Per operation and person."""

ENDS = {("DELETE", "/api/v1/session")}
"""What would end the token with which the rest is asked; ``test_sessions`` has it."""


class Served:
    """An office served from a loop of its own, for a client that blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))
        self._ready = threading.Event()

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with office(self._folder) as here:
            here.recordings.mkdir()
            (here.recordings / "c1.wav").write_bytes(b"RIFF" * 100)
            server = WebServer(here.app, "127.0.0.1", 0)
            await server.start()
            self.office: Office = here
            self.address = "http://{}:{}".format(*server.address)
            self.schema = describe(here.app)
            self.tokens = {who: await here.token(who) for who in ("101", "110", "100")}
            self._ready.set()
            await self._stop.wait()
            await server.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("office")) as here:
        yield here


@pytest.mark.parametrize(
    ("who", "mode"),
    [
        ("101", GenerationMode.POSITIVE),
        ("110", GenerationMode.POSITIVE),
        ("100", GenerationMode.NEGATIVE),
        (None, GenerationMode.NEGATIVE),
    ],
)
def test_every_answer_is_as_described_and_none_is_a_fault_of_ours(
    served: Served, who: str | None, mode: GenerationMode
) -> None:
    headers = {} if who is None else {"Authorization": f"Bearer {served.tokens[who]}"}
    for found in schemathesis.openapi.from_dict(served.schema).get_all_operations():
        operation: Any = found.ok()
        if (operation.method.upper(), operation.path) in ENDS:
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            case.call_and_validate(base_url=served.address, headers=headers, excluded_checks=[ignored_auth])

        with contextlib.suppress(Unsatisfiable):  # nothing can be wrong where nothing is asked for
            ask()
