"""The recordings folder: what is in it, and what has been kept long enough.

Only files that the switch itself named are seen (``2026-11-23/ID.wav``): whatever
else lies in the folder is not ours to list or to delete. The age of a recording
is that of its last sample.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["Kept", "delete", "expired", "kept"]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# A file that found its name taken is called "ID (2).wav".
_FILE = re.compile(r"([0-9A-Za-z_-]{4,64})(?: \([0-9]+\))?\.wav")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One finished recording; ``path`` is relative to the folder, ``size`` in bytes."""

    path: str
    conversation: str
    ended_at: datetime
    size: int


def kept(folder: Path) -> Iterator[Kept]:
    """Yield the finished recordings, the oldest day first. Unreadable ones are passed over."""
    for day in _sorted(folder, _DAY):
        for file in _sorted(day, _FILE):
            with suppress(OSError):
                found = file.lstat()
                if stat.S_ISREG(found.st_mode):
                    ended_at = datetime.fromtimestamp(found.st_mtime, UTC)
                    path = f"{day.name}/{file.name}"
                    yield Kept(
                        path=path, conversation=file.stem.partition(" ")[0], ended_at=ended_at, size=found.st_size
                    )


def expired(folder: Path, keep: float | None, now: datetime) -> Iterator[Kept]:
    """Yield those that ended more than ``keep`` seconds ago; none if that is None."""
    if keep is None:
        return
    for recording in kept(folder):
        if recording.ended_at + timedelta(seconds=keep) < now:
            yield recording


def delete(folder: Path, recording: Kept) -> None:
    """Delete one recording, and its day when that is empty then. Raises OSError."""
    path = folder / recording.path
    path.unlink()
    with suppress(OSError):
        path.parent.rmdir()


def _sorted(folder: Path, name: re.Pattern[str]) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if name.fullmatch(entry.name))
    except OSError:
        return []
