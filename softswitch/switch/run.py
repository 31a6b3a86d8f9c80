"""Running one switch as a program: event loop, signals, and the exit."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from softswitch.config import ConfigError, load
from softswitch.config.load import Loaded
from softswitch.log import Log, make_logger
from softswitch.switch.switch import Switch

__all__ = ["run"]


def run(configuration: Loaded | Path | str) -> None:
    """Run until SIGINT, SIGTERM or ``softswitch stop``; SIGHUP reloads. Raises ConfigError and NotPossible."""
    loaded = configuration if isinstance(configuration, Loaded) else load(configuration, create=True)
    uvloop.run(_serve(loaded))


async def _serve(loaded: Loaded) -> None:
    log = make_logger(color=sys.stderr.isatty())
    loop = asyncio.get_running_loop()
    async with Switch(loaded, log=log) as switch:
        loop.add_signal_handler(signal.SIGHUP, _reload, switch, log)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, switch.request_stop)
        await switch.stopped()


def _reload(switch: Switch, log: Log) -> None:
    try:
        changes = switch.reload()
    except ConfigError as error:
        for problem in error.problems:
            log.error("configuration refused", problem=str(problem))
        return
    log.info("configuration reloaded", changes=changes)
