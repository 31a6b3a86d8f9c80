"""Starting and stopping inside a host: races with the stop, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from pathlib import Path

import pytest

from softswitch import ActionCall, Switch
from softswitch.errors import NoSuch, NotPossible
from softswitch.events import ConversationEnded, SwitchStopped
from tests.switch.real import Desk, configuration, fresh_host


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_starting_and_stopping_twenty_times_leaves_nothing_behind(tmp_path: Path):
    host = fresh_host()
    switch = Switch(configuration(tmp_path, host))
    async with switch:
        pass
    await asyncio.sleep(0)
    gc.collect()
    tasks, files, threads = len(asyncio.all_tasks()), descriptors(), threading.active_count()
    for _ in range(20):
        async with switch:
            pass
    await asyncio.sleep(0)
    gc.collect()
    # Threads of tests before this one may end or (the system's resolver) begin meanwhile: a leak would be twenty.
    assert len(asyncio.all_tasks()) == tasks
    assert abs(descriptors() - files) < 5
    assert abs(threading.active_count() - threads) < 5


async def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path):
    host = fresh_host()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with Switch(configuration(tmp_path / "a", host)):
        late = Switch(configuration(tmp_path / "b", host))
        with pytest.raises(NotPossible):
            await late.start()
        await asyncio.sleep(0.5)  # the first one preloads its music meanwhile
        gc.collect()
        before = descriptors(), len(asyncio.all_tasks())
        for _ in range(3):
            with pytest.raises(NotPossible):
                await late.start()
        gc.collect()
        # The running switch has tasks that come and go; what leaked would be one for each of the three.
        assert descriptors() - before[0] < 3
        assert len(asyncio.all_tasks()) - before[1] < 3


async def test_who_reads_events_sees_the_end(tmp_path: Path):
    async with Switch(configuration(tmp_path, fresh_host())) as switch:
        events = switch.events()
        reading = asyncio.create_task(_all(events))
    told = await asyncio.wait_for(reading, 1.0)
    assert isinstance(told[-1], SwitchStopped)


async def _all(events: object) -> list[object]:
    return [event async for event in events]  # type: ignore[attr-defined]


async def test_nothing_can_be_hung_up_before_the_start_or_after_the_stop(tmp_path: Path):
    switch = Switch(configuration(tmp_path, fresh_host()))
    with pytest.raises(NotPossible):
        switch.hang_up("x")
    async with switch:
        with pytest.raises(NoSuch):
            switch.hang_up("x")
    with pytest.raises(NotPossible):
        switch.hang_up("x")
    with pytest.raises(NotPossible):
        switch.reload()


async def test_hanging_up_and_stopping_at_once_ends_a_call_once(tmp_path: Path):
    host = fresh_host()
    switch = Switch(configuration(tmp_path, host))
    await switch.start()
    desk = Desk(host)
    anna, boris = desk.phone("101"), desk.phone("102", answer=0.1)
    await desk.registered(anna, boris)
    anna.call("102")
    await desk.until(lambda: anna.talking and boris.talking)
    events = switch.events()
    (call,) = switch.control.calls
    switch.hang_up(call.id)
    stopping = asyncio.gather(switch.stop(), switch.stop())
    await desk.until(stopping.done)
    assert anna.idle
    assert boris.idle
    assert sum(isinstance(event, ConversationEnded) for event in await _all(events)) == 1
    desk.close()


async def test_an_action_that_never_ends_does_not_hold_up_the_stop(tmp_path: Path):
    host = fresh_host()
    switch = Switch(configuration(tmp_path, host))
    deaf = asyncio.Event()

    @switch.action("600")
    async def for_ever(call: ActionCall) -> None:
        await call.answer()
        while not deaf.is_set():
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                with pytest.raises(NotPossible):
                    await call.play("nothing.wav")

    await switch.start()
    desk = Desk(host)
    anna = desk.phone("101")
    await desk.registered(anna)
    anna.call("600")
    await desk.until(lambda: anna.talking)
    began = time.monotonic()
    stopping = asyncio.ensure_future(switch.stop())
    await desk.until(stopping.done)
    assert time.monotonic() - began < 4.0
    assert anna.idle
    deaf.set()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    desk.close()


async def test_an_action_that_waits_for_a_digit_learns_that_the_caller_has_gone(tmp_path: Path):
    host = fresh_host()
    switch = Switch(configuration(tmp_path, host))
    learned: list[str] = []

    @switch.action("600")
    async def wait(call: ActionCall) -> None:
        await call.answer()
        try:
            await call.digit()
        except NotPossible as error:
            learned.append(str(error))

    async with switch:
        desk = Desk(host)
        anna = desk.phone("101")
        await desk.registered(anna)
        anna.call("600")
        await desk.until(lambda: anna.talking)
        anna.hang_up()
        await desk.until(lambda: bool(learned))
        assert learned == ["the caller has gone"]
        desk.close()


async def test_events_of_one_switch_do_not_reach_another(tmp_path: Path):
    hosts = fresh_host(), fresh_host()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    async with (
        Switch(configuration(tmp_path / "a", hosts[0])) as one,
        Switch(configuration(tmp_path / "b", hosts[1])) as two,
    ):
        events = two.events()
        desk = Desk(hosts[0])
        anna, boris = desk.phone("101"), desk.phone("102", answer=0.1)
        await desk.registered(anna, boris)
        anna.call("102")
        await desk.until(lambda: anna.talking)
        assert len(one.control.calls) == 1
        await two.stop()
        assert [type(event) for event in await _all(events)] == [SwitchStopped]
        anna.hang_up()
        await desk.until(lambda: anna.idle)
        desk.close()
