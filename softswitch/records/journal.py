"""The journal: numbers every event, writes it before anybody is told, and keeps the database in step.

    append ──> spool (in the same call) ──> on disk within 200 ms, vital events at once
                 └──> drain ──> events and projections in the database, in order, each once

``append`` never waits for the database. While that is locked, full or away the
events stay in the spool, and follow in order when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from softswitch.clock import Clock
from softswitch.errors import NotPossible
from softswitch.events import (
    NO_TIME,
    Abandoned,
    CallArrived,
    ConversationEnded,
    Event,
    LegAnswered,
    LegEnded,
    SwitchStopped,
)
from softswitch.ids import NodeId
from softswitch.records.codec import Record, decode, stamp
from softswitch.records.drain import Drain, is_away
from softswitch.records.recovery import Recovered
from softswitch.records.state import recovered_from_database, recovered_from_spool
from softswitch.store.database import Database, is_damaged
from softswitch.store.spool import Alarm, Spool

__all__ = ["VITAL", "Journal"]

VITAL = frozenset({CallArrived, LegAnswered, LegEnded, ConversationEnded, Abandoned, SwitchStopped})
"""Kinds on which a person or a bill depends: on the disk at once, and the last to be given up when memory is short."""

SYNC = 0.2  # seconds after which an event that is not vital is on the disk
GATHER = 0.01  # seconds between two syncs: at 150 calls a second each sync then carries ten events that are vital
BEAT = 0.8  # seconds between signs of life: even when the loop is late, an end time after a crash is right to a second
PAUSE = 0.5  # seconds in which events gather for one transaction: most of a call set-up is then one write of its rows
BATCH = 1000  # events of one transaction
QUEUE = 20_000  # events held in memory for the drain; beyond that it reads them back from the spool
AWAY = (0.2, 5.0)  # first and longest pause before the database is tried again
BROKEN = (1.0, 60.0)  # the same for a disk that failed to sync
RESERVE = 5.0  # seconds before a missing reserve is tried again


class Journal:
    """One node's journal; belongs to one event loop. It owns its spool and its database and closes both."""

    def __init__(
        self,
        database: Database,
        spool: Spool,
        *,
        node: NodeId,
        clock: Clock,
        alarm: Callable[[Alarm], None] = lambda _: None,
        queue: int = QUEUE,
    ) -> None:
        self._database, self._spool, self._node, self._clock, self._alarmed = database, spool, node, clock, alarm
        spool.alarm = self._alarm
        self._drain = Drain(database, node)
        self._seq = spool.last
        self._drained = 0
        self._queue: deque[Record] = deque()
        self._queue_limit = queue
        self._behind = True  # the drain must read from the spool before it takes from the queue
        self._away = False
        self._more, self._hurry, self._urgent = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._flushed: list[tuple[int, asyncio.Future[None]]] = []
        self._durable: list[tuple[int, asyncio.Future[None]]] = []
        self._disk = ThreadPoolExecutor(1, "journal-disk")
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._beats = False
        self._reserve_at = self._sync_at = 0.0
        self._sync_pause = BROKEN[0]

    @classmethod
    def open(
        cls,
        data: Path,
        *,
        node: NodeId,
        clock: Clock,
        url: str | None = None,
        alarm: Callable[[Alarm], None] = lambda _: None,
    ) -> Journal:
        """Open the journal of a data folder: ``<data>/journal/`` and ``<data>/softswitch.db``, or the database ``url``.

        Raises NotPossible when another switch uses the folder or it cannot be written.
        """
        spool = Spool(data / "journal", alarm=alarm)
        return cls(Database(url or data / "softswitch.db"), spool, node=node, clock=clock, alarm=alarm)

    # Starting -------------------------------------------------------------------------------------------------------

    async def recover(self, patience: float = 10.0, *, beat: bool = True) -> Recovered:
        """Bring the database up to date with the spool and return what was going on; once, before any ``append``.

        A damaged database file is set aside and begun anew from the spool. One
        that stays away for ``patience`` seconds does not hold up the start: the
        answer is then what the spool knows. ``beat`` False: signs of life begin
        with ``begin_beat``, so that a process that dies before it has closed what
        the one before left open is not taken for it. Raises NotPossible if a newer
        version of the program made the database.
        """
        now = self._clock.utc()
        try:
            await self._reach_database(now, asyncio.get_running_loop().time() + patience)
            recovered = await recovered_from_database(self._database, self._node, now)
        except (SQLAlchemyError, OSError) as error:
            if not is_away(error):
                raise
            self._database_away(error)
            recovered = recovered_from_spool(self._spool.read(0, self._spool.last + 1), now)
        self._seq = max(self._spool.last, self._drained)
        known = [at for at in (self._spool.beat_at, recovered.alive_at) if at is not None]
        if beat:
            self.begin_beat()
        keepers = (self._keep_beating(), self._keep_durable(), self._keep_drained())
        self._tasks = [asyncio.create_task(keeper) for keeper in keepers]
        for task in self._tasks:
            task.add_done_callback(self._task_ended)
        return replace(recovered, last_seq=self._seq, alive_at=max(known, default=None))

    def begin_beat(self) -> None:
        """Give a sign of life now, and from now on."""
        self._beats = True
        self._spool.beat(self._clock.utc())

    async def _reach_database(self, now: datetime, deadline: float) -> None:
        """Prepare the database and store what only the spool has; while it is away, try again until the deadline."""
        while True:
            try:
                await self._database.prepare()
                self._drained = await self._drain.through()
                while await self._drain_some():
                    pass
            except (SQLAlchemyError, OSError) as error:
                if not is_away(error) or asyncio.get_running_loop().time() > deadline:
                    raise
                if is_damaged(error):
                    aside = await self._database.set_aside(now)
                    self._alarm(Alarm("damage", True, f"the database was damaged; it is kept as {aside}"))
                await asyncio.sleep(AWAY[0])
            else:
                return

    # Writing --------------------------------------------------------------------------------------------------------

    def append(self, event: Event) -> Event:
        """Number and write one event; returns it with ``seq``, ``node`` and, unless it has one, ``at``.

        It survives the process from here on. Never raises for what disk or database do.
        """
        assert self._tasks, "the journal is not recovered yet"
        assert not self._stopping.is_set(), "the journal is closed"
        self._seq = seq = self._seq + 1
        kind = type(event)
        if event.at is NO_TIME or event.at == NO_TIME:
            record = stamp(event, seq, self._node, self._clock.utc(), self._clock.now())
        else:
            record = stamp(event, seq, self._node, event.at)
        vital = kind in VITAL
        self._spool.append(seq, record.body.encode(), vital)
        if vital:
            self._urgent.set()
        if not self._behind:
            if len(self._queue) < self._queue_limit:
                self._queue.append(record)
            else:
                self._behind = True
        self._more.set()
        return record.event or event

    @property
    def last_seq(self) -> int:
        return self._seq

    @property
    def lag(self) -> int:
        """How many events the database has not yet."""
        return max(0, self._seq - self._drained)

    @property
    def lost(self) -> int:
        """How many events neither disk nor memory could keep."""
        return self._spool.lost

    @property
    def spool_bytes(self) -> int:
        return self._spool.size

    async def durable(self, patience: float = 5.0) -> bool:
        """Wait until everything appended so far would survive a power cut; False if the disk cannot do it in time."""
        if self._spool.synced >= self._seq:
            return True
        self._urgent.set()
        return await self._wait(self._durable, patience)

    async def flush(self, patience: float | None = None) -> bool:
        """Wait until everything appended so far is in the database; False if it is not after ``patience`` seconds."""
        if self._drained >= self._seq:
            return True
        self._hurry.set()
        return await self._wait(self._flushed, patience)

    async def _wait(self, waiting: list[tuple[int, asyncio.Future[None]]], patience: float | None) -> bool:
        entry = (self._seq, asyncio.get_running_loop().create_future())
        waiting.append(entry)
        try:
            await asyncio.wait_for(entry[1], patience)
        except TimeoutError:
            return False
        finally:
            waiting.remove(entry)
        return True

    async def close(self, patience: float = 5.0) -> None:
        """Bring everything onto the disk and, within ``patience`` seconds, into the database; then let both go.

        What the database did not take stays in the spool for the next start.
        """
        if self._stopping.is_set():
            return
        if self._tasks:
            await self.flush(patience)
        # Nothing is cancelled: a driver that is interrupted within a call leaves its thread behind.
        for wake in (self._stopping, self._urgent, self._more, self._hurry):
            wake.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._disk.shutdown()
        if self._beats:
            self._spool.beat(self._clock.utc())
        self._spool.close()
        with contextlib.suppress(SQLAlchemyError, OSError):
            await self._database.close()

    # Onto the disk --------------------------------------------------------------------------------------------------

    async def _keep_beating(self) -> None:
        # Beside what waits for the disk: a sync that takes three seconds must not make the switch dead for as long.
        while not self._stopping.is_set():
            if self._beats:
                self._spool.beat(self._clock.utc())
            await _within(BEAT, self._stopping)

    async def _keep_durable(self) -> None:
        while not self._stopping.is_set():
            await _within(SYNC, self._urgent)
            self._urgent.clear()
            if self._spool.waiting:
                self._spool.retry()
            await self._sync()
            await self._provide_spare()
            await asyncio.sleep(GATHER)

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        work = self._spool.unsynced()
        if work is not None and loop.time() >= self._sync_at:
            try:
                await loop.run_in_executor(self._disk, work.run)
            except OSError as error:
                self._spool.sync_failed(error)
                self._sync_at = loop.time() + self._sync_pause
                self._sync_pause = min(2 * self._sync_pause, BROKEN[1])
                return
            self._spool.synced_through(work)
            self._sync_pause = BROKEN[0]
        _wake(self._durable, self._spool.synced)

    async def _provide_spare(self) -> None:
        loop = asyncio.get_running_loop()
        if self._spool.spares_missing and loop.time() >= self._reserve_at:
            error = await loop.run_in_executor(self._disk, self._spool.make_spare)
            self._spool.spare_made(error)
            self._reserve_at = loop.time() + RESERVE if error is not None else 0.0

    # Into the database ----------------------------------------------------------------------------------------------

    async def _keep_drained(self) -> None:
        pause = AWAY[0]
        while not self._stopping.is_set():
            if self._drained >= self._seq:
                self._hurry.clear()
                self._more.clear()
                await self._more.wait()
            await _within(PAUSE, self._hurry)
            try:
                while not self._stopping.is_set() and await self._drain_some():
                    # What came during a transaction gathers for the next: one after another would carry a few events.
                    if not (len(self._queue) >= BATCH or self._behind or self._hurry.is_set()):
                        break
                await self._release()
            except (SQLAlchemyError, OSError, NotPossible) as error:
                self._database_away(error)
                await _within(pause, self._stopping)
                pause = min(2 * pause, AWAY[1])
            else:
                pause = AWAY[0]

    async def _drain_some(self) -> bool:
        """Move one batch; returns whether there may be more. Raises SQLAlchemyError or OSError when it must wait."""
        if self._away:
            # The database may be another by now, and what became of the last transaction is not certain.
            await self._database.prepare()
            self._drained = max(self._drained, await self._drain.through())
        if self._queue:
            batch = list(islice(self._queue, BATCH))
        elif self._behind:
            batch = self._read_back()
        else:
            return False
        if batch:
            for record in await self._drain.store(batch):
                self._alarm(Alarm("damage", True, f"event {record.seq} ({record.kind}) is in the journal only"))
            self._drained = max(self._drained, batch[-1].seq)
        while self._queue and self._queue[0].seq <= self._drained:
            self._queue.popleft()
        if self._away:
            self._away = False
            self._alarm(Alarm("database", False, "the database is back"))
        _wake(self._flushed, self._drained)
        return bool(self._queue) or self._behind

    def _read_back(self) -> list[Record]:
        """Return the next records from the spool; when there are none the queue takes over again."""
        found = self._spool.read(self._drained, BATCH)
        if not found:
            self._behind = False
            # What neither spool nor memory could keep is not to be waited for.
            self._drained = max(self._drained, self._spool.last)
            return []
        batch = [record for _, body in found if (record := decode(body)) is not None]
        if not batch:
            self._drained = found[-1][0]
        return batch

    async def _release(self) -> None:
        """Delete spool files whose events are in the database and on the disk there."""
        if self._spool.releasable(self._drained) and await self._database.harden():
            self._spool.release(self._drained)

    # Alarms ---------------------------------------------------------------------------------------------------------

    def _alarm(self, alarm: Alarm) -> None:
        """Say it after the present call: whoever hears it may publish, and one append must not nest in another."""
        try:
            asyncio.get_running_loop().call_soon(self._alarmed, alarm)
        except RuntimeError:
            self._alarmed(alarm)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._alarm(Alarm("damage", True, f"the journal has stopped: {error!r}; restart the switch"))

    def _database_away(self, error: Exception) -> None:
        if not self._away:
            self._away = True
            reason = str(getattr(error, "orig", None) or error)
            self._alarm(Alarm("database", True, f"{reason}; events wait in the journal and nothing is lost"))


def _wake(waiting: list[tuple[int, asyncio.Future[None]]], through: int) -> None:
    for seq, future in waiting:
        if seq <= through and not future.done():
            future.set_result(None)


async def _within(seconds: float, fact: asyncio.Event) -> None:
    """Wait for the fact, or for so long."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(fact.wait(), seconds)
