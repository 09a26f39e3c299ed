"""HTTP/1.1 over one socket, with the power to misbehave that frameworks take away.

Owns parsing, keep-alive, the order of pipelined answers, and the writing of whole, truncated,
dribbled and reset responses. Does not know what is asked or why an answer misbehaves.

A connection is idle, or busy with one request while later ones wait in its queue:

    idle --request--> application --answers at once--> idle
                      application --returns Work-----> busy --Work ends--> idle
    any  --client leaves--> closed (Work is cancelled, and its `finish` still called)
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

import httptools

from batchway.simulator.online import errors
from batchway.simulator.online.errors import Refusal

_MAX_BODY: Final = 64 * 1024 * 1024
_MAX_QUEUE: Final = 64
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON: Final = "application/json"
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One complete request; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes
    keep_alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One response; length and connection headers are added on writing."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = _JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An answer that takes time. `finish` is called once, however the steps end.

    It gets whether the client left first. It is apart from the steps because a task that is
    cancelled before its first step never enters the coroutine, so no `finally` there would run.
    """

    steps: Coroutine[Any, Any, None]
    finish: Callable[[bool], None]


Application = Callable[[Request, "Connection"], Work | None]


class Connection(asyncio.Protocol):
    """One client's connection. The application answers through its `send*` methods or `reset`."""

    def __init__(self, *, application: Application, connections: set["Connection"]) -> None:
        self._application = application
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._keep_alive = True
        self._writable = True
        self._reading = True
        self._continue_due = False
        self._refusal: Refusal | None = None
        self.on_message_begin()

    # What the application calls.

    def send(self, response: Response) -> None:
        """Write a whole response, then keep or close the connection as the client asked."""
        self._transport.write(self._head(response) + response.body)
        if not self._keep_alive:
            self._transport.close()

    def send_truncated(self, response: Response) -> None:
        """Promise the whole body, write half of it and close."""
        self._transport.write(self._head(response) + response.body[: len(response.body) // 2])
        self._transport.close()

    async def send_slowly(self, response: Response, *, piece: int, delay: float) -> None:
        """Write a whole response, its body in pieces with pauses between them."""
        self._transport.write(self._head(response))
        for start in range(0, len(response.body), piece):
            await asyncio.sleep(delay)
            self._transport.write(response.body[start : start + piece])
        if not self._keep_alive:
            self._transport.close()

    def reset(self) -> None:
        """Drop the connection with a TCP RST, as a crashed server or a broken proxy does."""
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            # Lingering for zero seconds makes the close a reset instead of a goodbye.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def abort(self) -> None:
        """Drop the connection because the server stops."""
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """Stop: whatever is being worked on is for nobody."""
        self._connections.discard(self)
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse, then answer what is complete."""
        if self._refusal is not None:
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refusal = errors.MALFORMED
        # Outside the parser's callbacks, which would report a bug of ours as bad input.
        self._advance()

    def pause_writing(self) -> None:
        """The client reads slower than it asks: start nothing more."""
        self._writable = False

    def resume_writing(self) -> None:
        """The client caught up."""
        self._writable = True
        self._advance()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Make room for a request."""
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """Take the URL, which may come in pieces."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Invite the body of a client that waits to be asked for it."""
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._continue_due = True

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._size += len(body)
        if self._size > _MAX_BODY:
            self._refusal = errors.BODY_TOO_LARGE
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Queue the request."""
        self._continue_due = False
        if self._parser.should_upgrade():
            # The parser takes what follows for another protocol, and so never reads the body.
            self._refusal = errors.MALFORMED
        if self._refusal is not None:
            return
        url = self._url
        if not url.startswith(b"/"):
            parsed = httptools.parse_url(url)
            url = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
        path, _, query = url.partition(b"?")
        self._queue.append(
            Request(
                method=self._parser.get_method().decode("latin-1"),
                path=path.decode("latin-1"),
                query=query.decode("latin-1"),
                headers=self._headers,
                body=b"".join(self._body),
                keep_alive=self._parser.should_keep_alive(),
            )
        )

    # The queue.

    def _advance(self) -> None:
        while self._task is None and self._queue and self._open():
            request = self._queue.popleft()
            self._keep_alive = request.keep_alive
            work = self._application(request, self)
            if work is not None:
                self._task = asyncio.get_running_loop().create_task(work.steps)
                self._task.add_done_callback(lambda task, work=work: self._done(task, work))
        if self._task is None and not self._queue and self._open():
            if self._refusal is not None:
                self._keep_alive = False
                self.send(Response(status=self._refusal.status, body=self._refusal.body()))
            elif self._continue_due:
                self._continue_due = False
                self._transport.write(_CONTINUE)
        self._choose_reading()

    def _open(self) -> bool:
        return self._writable and not self._transport.is_closing()

    def _choose_reading(self) -> None:
        # A client that pipelines without end must not fill the memory.
        wanted = len(self._queue) < _MAX_QUEUE
        if wanted != self._reading and not self._transport.is_closing():
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _done(self, task: asyncio.Task[None], work: Work) -> None:
        self._task = None
        work.finish(task.cancelled())
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "an answer failed", "exception": error, "protocol": self}
            )
            self._transport.abort()
            return
        self._advance()

    def _head(self, response: Response) -> bytes:
        lines = [
            _STATUS_LINES.get(response.status, f"HTTP/1.1 {response.status} Unknown\r\n"),
            f"content-type: {response.content_type}\r\n",
            f"content-length: {len(response.body)}\r\n",
        ]
        lines += [f"{name}: {value}\r\n" for name, value in response.headers]
        # Said in both cases: an HTTP/1.0 client that asked to keep it needs to be told so.
        lines.append(
            "connection: keep-alive\r\n\r\n" if self._keep_alive else "connection: close\r\n\r\n"
        )
        return "".join(lines).encode("latin-1")
