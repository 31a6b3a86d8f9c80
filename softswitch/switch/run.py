"""Running one switch as a program: event loop, signals, and the exit."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

import uvloop

from softswitch.config import ConfigError, load
from softswitch.config.load import Loaded
from softswitch.errors import NotPossible
from softswitch.log import Log, make_logger
from softswitch.switch.ground import raise_file_limit
from softswitch.switch.switch import Switch

__all__ = ["run"]

COLLECT = (30_000, 10, 20)
"""Thresholds of the garbage collector: it begins when so many more objects were made than freed.

Calls, sessions and transactions leave no cycles, so that as many are freed as are made, and what goes on comes and
goes by some ten thousand at 150 calls a second: the collector is for what fails, and may look seldom. With the
default it walked through all that is alive every few seconds, which takes 0.1 to 0.4 s.
"""


def run(configuration: Loaded | Path | str) -> None:
    """Run until SIGINT, SIGTERM or ``softswitch stop``; SIGHUP reloads. Raises ConfigError and NotPossible."""
    loaded = configuration if isinstance(configuration, Loaded) else load(configuration, create=True)
    raise_file_limit()
    uvloop.run(_serve(loaded))


async def _serve(loaded: Loaded) -> None:
    log = make_logger(color=sys.stderr.isatty())
    loop = asyncio.get_running_loop()
    switch = Switch(loaded, log=log)
    wanted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _end, wanted, log)
    loop.add_signal_handler(signal.SIGHUP, _reload, switch, log)
    starting = asyncio.ensure_future(switch.start())
    ending = asyncio.ensure_future(wanted.wait())
    await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    try:
        await starting
    except asyncio.CancelledError:
        return
    # What the start made lives for ever: left among the rest, each full collection walks it and stops all calls.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
    gc.enable()
    stopping = asyncio.ensure_future(switch.stopped())
    await asyncio.wait({stopping, ending}, return_when=asyncio.FIRST_COMPLETED)
    await switch.stop()
    for task in (stopping, ending):
        task.cancel()


def _end(wanted: asyncio.Event, log: Log) -> None:
    """The first signal ends all calls well, the second leaves at once: the next start cleans up as after a crash."""
    if wanted.is_set():
        log.warning("left at once")
        os._exit(130)
    wanted.set()


def _reload(switch: Switch, log: Log) -> None:
    try:
        changes = switch.reload()
    except ConfigError as error:
        for problem in error.problems:
            log.error("configuration refused", problem=str(problem))
        return
    except NotPossible as error:
        log.error("configuration refused", problem=str(error))
        return
    log.info("configuration reloaded", changes=changes)
