"""The outermost layer: what every request and every answer has in common.

Owns the request id and the other common headers, the answer to an unexpected exception (logged
here, once, without its text, which may quote a body), routing by the path as it was sent, and
reading on after an early refusal. Pure ASGI, since it is paid for by every poll.
"""

import asyncio
import logging
import traceback
from typing import Final
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from batchway.api.envelope import error_response
from batchway.api.exchange import Exchange
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.ids import Ids
from batchway.ports import Clock
from batchway.service.limits import Limits
from batchway.telemetry import request_id

_VERSION: Final = "2020-10-01"
# What a path may hold as it is (RFC 3986), the percent sign of its escapes included.
_PATH_CHARACTERS: Final = "/%:@!$&'()*+,;=~-._"

_log = logging.getLogger("batchway.api")


class Frame:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, ids: Ids, clock: Clock, limits: Limits) -> None:
        self._app = app
        self._ids = ids
        self._clock = clock
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(request_id=self._ids.request())
        # Of this request's own task: every line logged for it ends with the id.
        request_id.set(exchange.request_id)
        # Routes see the path as it was sent, so that an escaped slash stays inside its id.
        scope = {**scope, "path": _sent_path(scope)}
        exchange.enter(scope)
        body = _Body(scope, receive)
        answer = _Answer(exchange, self._clock, self._limits, body, send)
        try:
            await self._app(scope, body.receive, answer.send)
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:  # noqa: BLE001 - the last layer that can still answer
            _report(exchange, scope, error)
            if not answer.started:
                internal = ApiError(ApiText.INTERNAL, request_id=exchange.request_id)
                await error_response(internal)(scope, body.receive, answer.send)


class _Body:
    """Watches how much of a request's body has come, and can read the rest."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        self._receive = receive
        self._touched = False
        self._expects_leave = b"expect" in headers
        self.complete = not (
            b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        )

    async def receive(self) -> Message:
        message = await self._receive()
        self._touched = True
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.complete = True
        return message

    async def drain(self, most: int, seconds: float) -> None:
        """Read on, within bounds, so that a client busy sending gets to see the refusal."""
        if self._expects_leave and not self._touched:
            return  # the client waits for leave to send its body, and must not get it
        try:
            async with asyncio.timeout(seconds):
                while not self.complete and most > 0:
                    message = await self.receive()
                    most -= len(message.get("body", b""))
        except TimeoutError:
            return  # `complete` stays false: the connection is closed instead


class _Answer:
    """Adds the common headers to an answer on its way out."""

    def __init__(
        self, exchange: Exchange, clock: Clock, limits: Limits, body: _Body, send: Send
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._limits = limits
        self._body = body
        self._send = send
        self._since = clock.monotonic()
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(raw=message["headers"])
            status: int = message["status"]
            if status >= 400 and not self._body.complete:
                if status != 408:
                    await self._body.drain(self._limits.drain_bytes, self._limits.drain_seconds)
                if not self._body.complete:
                    headers["connection"] = "close"
            took = int((self._clock.monotonic() - self._since) * 1000)
            headers["x-request-id"] = self._exchange.request_id
            headers["openai-version"] = _VERSION
            headers["openai-processing-ms"] = str(took)
            headers["x-content-type-options"] = "nosniff"
            if self._exchange.tenant is not None:
                headers["openai-organization"] = quote(self._exchange.tenant, safe=" @:/+")
            message["headers"] = headers.raw
        await self._send(message)


def _sent_path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    return quote(scope["path"] if raw is None else raw, safe=_PATH_CHARACTERS)


def _report(exchange: Exchange, scope: Scope, error: Exception) -> None:
    """Log where and what, not the exception's text: that may quote what a client sent."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error(
        "%s %s failed: %s (%s)\n%s",
        scope["method"],
        scope["path"][:200],
        type(error).__qualname__,
        exchange.request_id,
        frames,
    )
