"""The sending process: `HttpTransport` behind a socket, in an interpreter of its own.

    python -P -m batchway.providers.http.sending_process        # its standard input is the socket

Reads `Post` and `Cancel`, writes what became of them, and ends at once when the socket does: the
parent has gone or has no more use for it. Owns no HTTP of its own, no retries and no limits, and
is told nothing by argument or environment that is secret. Imports little, for its memory counts.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
from typing import Final, assert_never, cast

import uvloop

from batchway.ports import Failure
from batchway.providers.http.budget import Budget, Share
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
    ToChild,
    ToParent,
)
from batchway.providers.http.transport import HttpTransport

_log: Final = logging.getLogger(__name__)

# As in the parent: requests are short-lived objects, and the standard threshold would cost a tenth.
_GC_ALLOCATIONS: Final = 50_000

# The parent decides when to end; these reach a whole terminal, session or service at once, and
# requests are still to be drained then.
_NOT_FOR_US: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Sending(asyncio.Protocol):
    """The child's end of the socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._inbox = Inbox(list[ToChild])
        self._outbox: Outbox | None = None
        self._http: HttpTransport | None = None
        self._calls: dict[int, asyncio.Task[None]] = {}
        # What answers hold of the budget that were put into the outbox, and are not out of it yet.
        self._handing_on: list[Share] = []
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._outbox = Outbox(
            cast(asyncio.WriteTransport, transport), self._loop, written=self._written
        )

    def data_received(self, data: bytes) -> None:
        for message in self._inbox.take(data):
            match message:
                case Post():
                    self._calls[message.id] = self._loop.create_task(self._send(message))
                case Cancel():
                    call = self._calls.pop(message.id, None)
                    if call is not None:
                        call.cancel()
                case Begin():
                    self._begin(message)
                case _:
                    assert_never(message)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._written()

    def _written(self) -> None:
        if not self._paused:
            while self._handing_on:
                self._handing_on.pop().close()

    def eof_received(self) -> None:
        os._exit(0)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        # No goodbyes: the kernel closes every connection, and nobody reads what came of them.
        os._exit(0)

    def _begin(self, message: Begin) -> None:
        self._http = HttpTransport(
            most_answer_bytes=message.most_answer_bytes,
            connect_timeout=message.connect_timeout,
            budget=Budget(message.budget_bytes),
            read=self._handing_on.append,
        )
        self._say(Ready())

    def _say(self, message: ToParent) -> None:
        if self._outbox is None:
            raise RuntimeError("nothing can be said before there is a connection")
        self._outbox.put(message)

    async def _send(self, post: Post) -> None:
        if self._http is None:
            raise RuntimeError("the parent posts before it begins")
        number = post.id
        try:
            url, headers, body, timeout = post.url, post.headers, post.body, post.timeout
            if body is None:
                answer = await self._http.get(url, headers, timeout=timeout)
            else:
                answer = await self._http.post(url, headers, body, timeout=timeout)
            if isinstance(answer, Failure):
                self._say(Failed(number, answer))
            else:
                self._say(Answered(number, answer.status, answer.plain_headers(), answer.body))
        except ValueError as error:
            self._say(Refused(number, str(error)))
        except Exception as error:  # noqa: BLE001 - told to the parent, for which it ends the run
            _log.exception("a request met a defect in the sending process")
            self._say(Broken(number, type(error).__qualname__))
        finally:
            self._calls.pop(number, None)


async def _serve(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(lambda: _Sending(loop), sock=connection)
    await asyncio.Event().wait()


def main() -> None:
    """Serve the socket on standard input until it ends."""
    for number in _NOT_FOR_US:
        signal.signal(number, signal.SIG_IGN)
    connection = socket.socket(fileno=0)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_ALLOCATIONS, 20, 50)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(connection))


if __name__ == "__main__":
    main()
