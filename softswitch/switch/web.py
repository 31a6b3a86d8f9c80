"""The API of one switch over HTTP: what it needs of the switch, and its server."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from softswitch import __version__
from softswitch.api.http.app import create_app
from softswitch.api.http.exchange import Supervision
from softswitch.api.http.server import WebServer
from softswitch.directory.people import Directory
from softswitch.ids import ConversationId
from softswitch.switch.commands import SwitchCommands
from softswitch.switch.metrics import CONTENT_TYPE
from softswitch.switch.supervising import SwitchSupervision

if TYPE_CHECKING:
    from softswitch.switch.switch import Switch

__all__ = ["SwitchExchange", "make_app", "start_web"]


class SwitchExchange:
    """Implements ``api.http.exchange.Exchange`` for one switch that runs."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self.clock = switch.clock
        self.live = switch.live
        self.bus = switch.bus
        self.records = switch.records
        self.reviewing = switch.reviewing
        self.commands = SwitchCommands(switch)
        self.supervision: Supervision | None = SwitchSupervision(switch)

    @property
    def directory(self) -> Directory:
        return self._switch.settings.directory

    @property
    def recordings(self) -> Path:
        return self._switch.settings.recording.folder

    @property
    def language(self) -> str:
        return self._switch.settings.switch.language

    @property
    def alarms(self) -> Sequence[str]:
        return list(self._switch.alarms.values())

    def hang_up(self, conversation: ConversationId) -> None:
        self._switch.hang_up(conversation)

    def mask(self, conversation: ConversationId, masked: bool, by: str) -> None:
        self._switch.mask(conversation, masked, by=by, via="api")

    def scores(self, conversation: ConversationId) -> Mapping[str, float]:
        return self._switch.control.scores(conversation)

    def metrics(self) -> tuple[bytes, str] | None:
        return self._switch.metrics().encode(), CONTENT_TYPE


def make_app(switch: Switch, origin: str | None) -> FastAPI:
    return create_app(SwitchExchange(switch), switch.login, origin=origin, version=__version__, log=switch.log)


async def start_web(switch: Switch, undo: contextlib.AsyncExitStack) -> tuple[str, int]:
    """Serve the API as ``switch.settings.web`` says; return its address. Raises NotPossible."""
    web = switch.settings.web
    assert web is not None
    server = WebServer(make_app(switch, web.origin), web.host, web.port, web.proxies)
    await server.start()
    undo.push_async_callback(server.close)
    return server.address
