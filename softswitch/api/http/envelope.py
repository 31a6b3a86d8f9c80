"""What all requests and answers have in common: a bound on what comes, and headers that keep browsers in check."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softswitch.api.http.problems import problem

__all__ = ["LARGEST_BODY", "Envelope"]

LARGEST_BODY = 64 * 1024
"""Bytes; the longest request of the API has some hundred."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


class Envelope:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                names = {name.lower() for name, _ in headers}
                # What one person may see, no cache may give to the next.
                wanted = (*HEADERS, (b"cache-control", b"no-store"))
                headers += [(name, value) for name, value in wanted if name not in names]
                message = {**message, "headers": headers}
            await send(message)

        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if len(body) > LARGEST_BODY:
                await problem(413, f"a request has at most {LARGEST_BODY} bytes")(scope, receive, sealed)
                return
            if not message.get("more_body", False):
                break
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, again, sealed)
