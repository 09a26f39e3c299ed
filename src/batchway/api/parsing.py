"""uvicorn's HTTP protocol with bounds: what a client may send before the application is asked.

Owns the refusals of bytes that never reach the application, in the error envelope, and when a
connection is overdue. Does not own how many connections there may be (`api.doors`).

The parser keeps what it has of a header until that is whole, and joins it piece by piece, so a
head is counted *before* the parser gets it. Everything is fed in slices; what follows a request
that waits for its turn is held back, so pipelining costs no more than a slice of requests.
"""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from batchway.api.answering import AnswerTransport
from batchway.api.doors import Doors
from batchway.api.envelope import error_response
from batchway.domain.errors import ApiError, ApiText

_HEAD_SLICE: Final = 4 << 10
_BODY_SLICE: Final = 64 << 10
# Bytes that came behind a request that waits for its turn: reading stops there, give or take what
# was on its way. More comes only of a client that is served slowly and does not wait for answers.
_MOST_HELD: Final = 1 << 20


class EnvelopeProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        doors: Doors,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._doors = doors
        self._limits = doors.limits
        self._since = 0.0  # when it came to wait, or to be idle
        self._idle = False
        self._running: RequestResponseCycle | None = None
        # -- the request that is being read
        self._in_body = False
        self._head_bytes = 0
        self._headers_seen = 0
        self._body_bytes = 0
        self._body_since = 0.0  # moved on while nothing is read
        self._quiet = 0  # bytes since the last one of a body: chunks' extensions, trailers
        self._held = b""
        # -- the end
        self._refusal: ApiError | None = None
        self._refused_at: float | None = None
        # -- what the client has not taken of an answer, and when it last took some
        self._unsent = 0
        self._taken_at = 0.0

    # ------------------------------------------------------------------ the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self._taken_at = self.loop.time()
        if not self._doors.enter(self):
            self._refuse(ApiError(ApiText.TOO_MANY_CONNECTIONS, retry_after=1.0))

    def connection_lost(self, exc: Exception | None) -> None:
        self._doors.left(self)
        self._held = b""
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        self._unsent, self._taken_at = 0, self.loop.time()
        super().resume_writing()

    def brought(self, now: float) -> tuple[int, float]:
        if self.flow.read_paused:
            self._body_bytes, self._body_since = 0, now  # it is we who are slow
        return self._body_bytes, now - self._body_since

    def give_way(self) -> None:
        if self._idle or self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self._refuse(ApiError(ApiText.TOO_MANY_CONNECTIONS, retry_after=1.0))

    def look(self, now: float) -> None:
        """Close it if the client has taken longer than it may."""
        limits = self._limits
        if self._refused_at is not None and now - self._refused_at >= limits.linger_seconds:
            self.transport.abort()
            return
        unsent = self.transport.get_write_buffer_size()
        if not unsent or not self._unsent or unsent <= self._unsent - limits.answer_bytes:
            self._unsent, self._taken_at = unsent, now
        elif now - self._taken_at >= limits.answer_seconds:
            self.transport.abort()
            return
        if self._refusal is not None or self._owes() or self.transport.is_closing():
            return
        waited = now - self._since
        if self._idle:
            if waited >= limits.idle_seconds:
                self.transport.close()
        elif waited >= limits.head_seconds:
            if self._in_body or not self._head_bytes:
                self.transport.close()  # nothing was asked that has no answer
            else:
                seconds = f"{limits.head_seconds:g}"
                self._refuse(ApiError(ApiText.HEAD_TIMEOUT, seconds=seconds))

    def _owes(self) -> bool:
        running = self._running
        return running is not None and not running.response_complete

    # ------------------------------------------------------------------ what is read

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return  # read on, or the client would not get to see why
        self._unset_keepalive_if_required()
        if self._held or self.pipeline:
            self._hold(data)
            return
        if self._idle:
            self._idle, self._since = False, self.loop.time()
        self._feed(data)
        if not self._owes() and not self._idle and self._refusal is None:
            self._doors.waits(self)

    def _feed(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            fed = self._feed_slice(view)
            if self._refusal is not None:
                self._end()
                return
            view = view[fed:]
            if self.pipeline and len(view):
                self._hold(bytes(view))
                return

    def _feed_slice(self, view: memoryview) -> int:
        """Have the parser read a slice; how much of it was read."""
        most = self._limits.head_bytes
        if self._in_body:
            piece = view[:_BODY_SLICE]
            self._quiet += len(piece)
        else:
            piece = view[: min(_HEAD_SLICE, most - self._head_bytes)]
            self._head_bytes += len(piece)
        read = len(piece)
        try:
            cast(httptools.HttpRequestParser, self.parser).feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            # Not done: the client goes on as if it had not asked.
            read = max(1, int(upgrade.args[0]))
        except httptools.HttpParserError:
            self._refusal = self._refusal or ApiError(ApiText.NOT_HTTP)
        if self._refusal is None and max(self._quiet, self._head_bytes) >= most:
            self._refusal = ApiError(ApiText.HEAD_TOO_LARGE, limit=most)
        return read

    def _hold(self, data: bytes) -> None:
        self._held += data
        self.flow.pause_reading()
        if len(self._held) > _MOST_HELD:
            self.transport.abort()

    # ------------------------------------------------------------------ the parser's calls

    def on_message_begin(self) -> None:
        self._headers_seen = 0
        self._idle = False
        # It may begin in the middle of a slice, behind the request before.
        self._head_bytes = max(self._head_bytes, 1)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes:
            self._refusal = ApiError(ApiText.URL_TOO_LONG, limit=self._limits.url_bytes)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_seen += 1
        if self._headers_seen > self._limits.headers:
            self._refusal = ApiError(ApiText.TOO_MANY_HEADERS, limit=self._limits.headers)
        elif not self._in_body:  # else it is a trailer, which nobody reads
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._refusal is not None:
            return
        super().on_headers_complete()
        self._in_body, self._head_bytes, self._quiet = True, 0, 0
        self._body_bytes, self._body_since = 0, self.loop.time()
        self._doors.brings(self)

    def on_body(self, body: bytes) -> None:
        if self._refusal is None:
            self._quiet = 0
            self._body_bytes += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refusal is not None:
            return
        self._in_body, self._head_bytes, self._quiet = False, 0, 0
        self._doors.busy(self)
        super().on_message_complete()
        if not self._owes():
            self._rest()

    # ------------------------------------------------------------------ answers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        cycle.transport = AnswerTransport(self.transport, self.loop)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refusal is not None:
            if not self._owes():
                self._end()
            return
        if self.transport.is_closing():
            self._doors.leaving(self)
            return
        if self._held:
            if self.pipeline:
                self.flow.pause_reading()
            else:
                held, self._held = self._held, b""
                self._feed(held)
        if not self._owes():
            self._rest()

    def _rest(self) -> None:
        """Every answer is out."""
        self._since = self.loop.time()
        self._idle = not self._in_body and not self._head_bytes
        if self._idle:
            self._doors.idles(self)
        else:
            self._doors.waits(self)

    # ------------------------------------------------------------------ refusals

    def _refuse(self, refusal: ApiError) -> None:
        self._refusal = refusal
        self._end()

    def _end(self) -> None:
        """Say why, as soon as the requests before have their answers, and close.

        Where a next request would begin is unknown.
        """
        refused = self.cycle if self._in_body else None
        if refused is not None and not refused.response_complete:
            self._in_body = False
            if refused is self._running:
                refused.disconnected = True  # the application reads no more of it
                refused.message_event.set()
                if refused.response_started:
                    self._doors.leaving(self)
                    self.transport.close()
                    return
                self._running = None
            else:
                self.pipeline = type(self.pipeline)(
                    entry for entry in self.pipeline if entry[0] is not refused
                )
        if self._owes():
            return
        refusal = cast(ApiError, self._refusal)
        self._doors.leaving(self)
        self._unset_keepalive_if_required()
        self._refused_at = self.loop.time()
        if self._doors.crowded:
            self.transport.abort()
            return
        self.transport.write(_in_full(refusal))
        # Read on for a while: closed at once, the connection is reset below a client that is still
        # sending, and the answer is lost with it.
        self.transport.write_eof()
        self.flow.resume_reading()


def behind(doors: Doors) -> type[asyncio.Protocol]:
    """The protocol whose connections come in by these doors, as uvicorn takes it."""
    return cast("type[asyncio.Protocol]", partial(EnvelopeProtocol, doors=doors))


def _in_full(refusal: ApiError) -> bytes:
    answer = error_response(refusal)
    status = HTTPStatus(answer.status_code)
    head = [b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode())]
    head += [name + b": " + value for name, value in answer.raw_headers]
    head += [b"connection: close", b"", bytes(answer.body)]
    return b"\r\n".join(head)
