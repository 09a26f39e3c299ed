"""One sending process, seen from the process that started it: its life, and the calls through it.

    starting --Ready--> serving --socket ends---> dead     calls in flight: Failure.INTERRUPTED
        |                  |                       ^
        |                  +--overdue, closed------+
        |                  +--long without calls---+       there are none
        +--ended, or silent for long---> dead              calls in flight: SendingError

Owns what becomes of the calls in flight when the process ends, however that happens. A child ends
at the end of its socket, so none outlives this process. Does not own when one is started, or which
call goes through which (`sending`), nor what is said (`sending_wire`).
"""

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Final, assert_never, cast

from batchway.ports import Failure
from batchway.providers.http.sending_wire import (
    Answered,
    Begin,
    Broken,
    Cancel,
    Failed,
    Inbox,
    Outbox,
    Post,
    Ready,
    Refused,
    ToParent,
)

_log: Final = logging.getLogger(__name__)

# -P: a file named `ssl.py` in the working directory must not be imported.
_COMMAND: Final = ("-P", "-m", "batchway.providers.http.sending_process")

_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 5.0

Drawn = Answered | Failure


class SendingError(Exception):
    """A sending process cannot be started; the message says why. Nothing was sent."""


class Child(asyncio.Protocol):
    """One sending process and the calls in flight through it."""

    def __init__(
        self,
        *,
        process: "subprocess.Popen[bytes]",
        begin: Begin,
        overdue: float,
        idle: float,
        most_requests: int | None,
    ) -> None:
        self._process = process
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(list[ToParent])
        self._outbox: Outbox | None = None
        self._stream: asyncio.WriteTransport | None = None
        self._calls: dict[int, tuple[asyncio.Future[Drawn], float]] = {}
        self._last = 0
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended = False
        self._overdue = overdue
        self._room = None if most_requests is None else asyncio.Semaphore(most_requests)
        self._idle = idle
        self._used = self._loop.time()
        self._due = self._loop.time() + _START_SECONDS
        self._watch: asyncio.TimerHandle | None = None
        self._gone: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ calls

    @property
    def alive(self) -> bool:
        """Whether it takes calls."""
        return not self._ended

    @property
    def in_flight(self) -> int:
        """Calls that wait for an answer."""
        return len(self._calls)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def ready(self) -> None:
        """Wait until it has started. Raises `SendingError`."""
        await asyncio.shield(self._ready)

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Drawn:
        """See `ports.Transport`; a GET if there is no body."""
        if self._room is None:
            return await self._post(url, headers, body, timeout)
        # Waited for here: the child's timeout must not run meanwhile.
        async with self._room:
            if self._ended:
                return Failure.INTERRUPTED
            return await self._post(url, headers, body, timeout)

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Drawn:
        outbox = self._outbox
        if outbox is None:
            raise RuntimeError("a child is used when it is connected")
        self._last = number = self._last + 1
        try:
            outbox.put(Post(number, url, dict(headers), body, timeout))
        except UnicodeEncodeError:
            # The error holds the text, which may be a secret.
            raise ValueError("a header or the URL of the request is malformed") from None
        loop = self._loop
        future: asyncio.Future[Drawn] = loop.create_future()
        self._calls[number] = future, loop.time() + timeout
        try:
            return await future
        except asyncio.CancelledError:
            if self._calls.pop(number, None) is not None:
                outbox.put(Cancel(number))
            raise

    # ------------------------------------------------------------------ the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stream = cast(asyncio.WriteTransport, transport)
        self._outbox = Outbox(self._stream, self._loop)
        self._outbox.put(self._begin)
        self._look()

    def data_received(self, data: bytes) -> None:
        calls = self._calls
        for message in self._inbox.take(data):
            if isinstance(message, Ready):
                self._ready.set_result(None)
                continue
            call = calls.pop(message.id, None)
            if call is None or call[0].done():
                continue  # cancelled while the answer was on its way
            future = call[0]
            match message:
                case Answered():
                    future.set_result(message)
                case Failed():
                    future.set_result(message.failure)
                case Refused():
                    refusal = ValueError(message.reason)
                    refusal.__suppress_context__ = True  # as `raise ... from None` does
                    future.set_exception(refusal)
                case Broken():
                    future.set_exception(
                        RuntimeError(f"the sending process met an unexpected {message.error}")
                    )
                case _:
                    assert_never(message)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self._ended:
            self._gone = self._loop.create_task(self._bury())

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """End the process; calls under way end as interrupted."""
        if not self._ended:
            self._end()
            self._settle(None)
        if self._gone is not None:
            await self._gone
        await self._reap()

    def _end(self) -> None:
        self._ended = True
        if self._watch is not None:
            self._watch.cancel()
        if self._stream is not None:
            self._stream.abort()

    async def _bury(self) -> None:
        """The process ended by itself, or was ended: say so once, and let its calls know."""
        self._end()
        in_flight = self.in_flight
        # Its exit status says why, and follows the end of its socket within milliseconds. Calls
        # wait for it: what they are told is then in the log.
        how = _how(await self._reap())
        if self._ready.done():
            _log.error(
                "the sending process %d %s with %d requests in flight, which count as "
                "interrupted; the next request starts another",
                self.pid,
                how,
                in_flight,
            )
            self._settle(None)
        else:
            self._settle(f"The sending process cannot be started: it {how}.")

    def _settle(self, unstarted: str | None) -> None:
        if not self._ready.done():
            self._ready.set_exception(SendingError(unstarted or "The sending process was closed."))
            self._ready.exception()  # looked at, or asyncio would complain when nobody waits
        for future, _ in self._calls.values():
            if future.done():
                continue
            if unstarted is None:
                future.set_result(Failure.INTERRUPTED)
            else:
                future.set_exception(SendingError(unstarted))
        self._calls.clear()

    async def _reap(self) -> int:
        """Its exit status; a process that does not end after its socket is killed."""
        try:
            return await asyncio.to_thread(self._process.wait, _END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)

    def _look(self) -> None:
        """Now and then: does the child still do what it must? One that is stuck would hang all."""
        now = self._loop.time()
        if self._calls:
            self._used = now
        if self._ready.done():
            if now - self._used > self._idle:
                self._retire()
                return
            late = any(now > due + self._overdue for _, due in self._calls.values())
        else:
            late = now > self._due
        if late:
            _log.error("the sending process %d does not answer and is killed", self.pid)
            self._process.kill()  # the end of its socket does the rest
        else:
            rest = min(5.0, self._overdue, self._idle)
            self._watch = self._loop.call_later(rest, self._look)

    def _retire(self) -> None:
        """End a process that nobody uses; the next call starts another."""
        self._end()
        self._gone = self._loop.create_task(self._wait_for_end())

    async def _wait_for_end(self) -> None:
        await self._reap()


async def started(begin: Begin, overdue: float, idle: float, most_requests: int | None) -> Child:
    """A child that has been told to begin; it is not ready yet. Raises `SendingError`."""
    ours: socket.socket | None = None
    try:
        ours, theirs = socket.socketpair()
        process = await asyncio.to_thread(_spawn, theirs)
    except OSError as error:
        if ours is not None:
            ours.close()
        raise SendingError(
            f"The sending process cannot be started with {sys.executable!r}: {error.strerror}."
        ) from error
    ours.setblocking(False)
    _, child = await asyncio.get_running_loop().create_unix_connection(
        lambda: Child(
            process=process, begin=begin, overdue=overdue, idle=idle, most_requests=most_requests
        ),
        sock=ours,
    )
    return child


def _spawn(connection: socket.socket) -> "subprocess.Popen[bytes]":
    with connection:  # left open here, the child's death would go unnoticed
        return subprocess.Popen(  # noqa: S603 - this interpreter, with nothing of anybody's input
            [sys.executable, *_COMMAND],
            stdin=connection.fileno(),
            stdout=subprocess.DEVNULL,  # `run` may be writing results to it
            process_group=0,  # Ctrl-C in the terminal is the parent's to answer
        )


def _how(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
