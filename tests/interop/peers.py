"""Which real telephones are installed, and what to do when one is not."""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = {"sipp": "sip-tester", "baresip": "baresip-core", "linphonec": "linphone-cli"}


def required(program: str) -> str:
    """Return where the peer is installed."""
    found = shutil.which(program)
    if found is not None:
        return found
    reason = f"{program} is not installed (Debian: apt install {PACKAGES[program]})"
    if os.environ.get("SOFTSWITCH_REQUIRE_PEERS"):
        pytest.fail(reason)
    pytest.skip(reason)
