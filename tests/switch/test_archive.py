"""Recordings that were kept long enough are deleted by the running switch."""

from __future__ import annotations

import os
from pathlib import Path

from softswitch import Switch
from softswitch.events import RecordingDeleted
from tests.switch.real import configuration, fresh_host

DAY = 86400.0


async def test_old_recordings_are_deleted_and_told_of(tmp_path: Path) -> None:
    switch = Switch(configuration(tmp_path, fresh_host(), '[recording]\nkeep = "180d"\n'))
    folder = tmp_path / "var" / "recordings" / "2020-01-01"
    folder.mkdir(parents=True)
    (folder / "aaaa.wav").write_bytes(b"RIFF")
    os.utime(folder / "aaaa.wav", (0, 0))
    (tmp_path / "var" / "recordings" / "note.wav").write_bytes(b"RIFF")
    await switch.start()
    try:
        events = switch.events()
        await switch.clearing.delete_expired()
        assert not folder.exists()
        assert (tmp_path / "var" / "recordings" / "note.wav").exists()
        told = [event async for event in switch.records.since(0) if isinstance(event, RecordingDeleted)]
        assert [(event.path, event.conversation) for event in told] == [("2020-01-01/aaaa.wav", None)]
        switch.bus.unsubscribe(events)
    finally:
        await switch.stop()
