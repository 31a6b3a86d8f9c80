"""Recordings are deleted when they were kept for as long as ``recording.keep`` says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from softswitch import events as facts
from softswitch.clock import Clock
from softswitch.config import Settings
from softswitch.errors import NoSuch
from softswitch.events import Event
from softswitch.ids import ConversationId
from softswitch.log import Log
from softswitch.media import archive
from softswitch.records.query import Records
from softswitch.switch.alarms import Alarms

__all__ = ["Clearing"]

CLEAR = 3600.0
"""Seconds between two looks for recordings that were kept long enough."""


class Clearing:
    """``settings`` returns those in force."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        records: Records,
        publish: Callable[[Event], None],
        alarms: Alarms,
        clock: Clock,
        log: Log,
    ) -> None:
        self._settings, self._records, self._publish = settings, records, publish
        self._alarms, self._clock, self._log = alarms, clock, log
        self._busy = asyncio.Lock()

    async def go_on(self) -> None:
        """Delete what is due, now and then, until cancelled."""
        while True:
            try:
                await self.delete_expired()
            except Exception:
                self._log.exception("old recordings were not deleted")
            await asyncio.sleep(CLEAR)

    async def delete_expired(self) -> int:
        """Delete what was kept long enough; return how many. A file that cannot go is an alarm."""
        async with self._busy:
            return await self._delete_expired()

    async def _delete_expired(self) -> int:
        recording, now = self._settings().recording, self._clock.utc()
        folder, keep = recording.folder, recording.keep
        old = await asyncio.to_thread(lambda: list(archive.expired(folder, keep, now)))
        failed, deleted = "", 0
        for one in old:
            try:
                await asyncio.to_thread(archive.delete, folder, one)
            except OSError as error:
                failed = f"an old recording was not deleted: {one.path}: {error.strerror or error}"
                continue
            deleted += 1
            self._publish(
                facts.RecordingDeleted(
                    conversation=await self._known(one.conversation),
                    path=one.path,
                    kept=round((now - one.ended_at).total_seconds(), 3),
                )
            )
        self._alarms.tell("archive", failed or None)
        if deleted:
            self._log.info("recordings deleted", count=deleted, kept=keep)
        return deleted

    async def _known(self, conversation: str) -> ConversationId | None:
        """Return the conversation if there are records of it: a file may outlive them."""
        with contextlib.suppress(NoSuch):
            if await self._records.find(conversation) == conversation:
                return ConversationId(conversation)
        return None
