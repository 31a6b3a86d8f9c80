"""uvicorn inside the switch's own loop: started and stopped with it, and deaf to signals, which are the host's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator, Sequence

import uvicorn
from starlette.types import ASGIApp

from softswitch.api.http.connection import MOST_CONNECTIONS, Connection, LiveConnection
from softswitch.errors import NotPossible

__all__ = ["WebServer"]

BACKLOG = 128
GRACE = 2
"""Seconds that a stopping server waits for answers under way."""

LARGEST_HEAD = 16 * 1024


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class WebServer:
    """Serves one app on one address; port 0 lets the system choose, ``address`` tells what it chose."""

    def __init__(self, app: ASGIApp, host: str, port: int, proxies: Sequence[str] = ()) -> None:
        self.address = (host, port)
        self._config = uvicorn.Config(
            app,
            loop="none",
            http=Connection,
            ws=LiveConnection,
            ws_max_size=4096,
            ws_ping_interval=20.0,
            ws_ping_timeout=20.0,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            limit_concurrency=MOST_CONNECTIONS,
            backlog=BACKLOG,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        self._server = _Server(self._config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises NotPossible if the address cannot be had."""
        host, port = self.address
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if listener.family is socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise NotPossible(f"cannot listen on {host}:{port} for the API: {error.strerror or error}") from error
        listener.setblocking(False)
        self.address = listener.getsockname()[:2]
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(sockets=[listener]))

    async def close(self) -> None:
        """Stop listening, and end what is under way."""
        if self._serving is None:
            return
        self._server.should_exit = True
        await self._serving
        self._serving = None
