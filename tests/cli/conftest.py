from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.calling import Office


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    # Times are shown in the machine's own zone.
    monkeypatch.setenv("TZ", "UTC")
    return Office(tmp_path)
