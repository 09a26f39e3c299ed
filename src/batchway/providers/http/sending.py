"""`ports.Transport` over sending processes: HTTP is spoken in interpreters of their own.

    post --Post--> [socket] --> child: HttpTransport --> upstream
         <-Answered, Failed-- [socket] <--

An HTTP client takes two thirds of what a line costs, and one interpreter uses one core: here the
loop that admits, decides and commits shares none with it. Owns how many children there are, and
through which a call goes; does not own a child's life (`sending_child`), HTTP (`transport`, in the
child), or what is said (`sending_wire`).

A dead child is replaced when the next call needs one. One that had no calls for some minutes is
ended: it holds forty megabytes, and starts in a third of a second.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from batchway.dispatch.limits import MOST_ANSWER_BYTES
from batchway.ports import Failure
from batchway.providers.http.budget import MOST_BYTES
from batchway.providers.http.descriptors import Shortage, lacking
from batchway.providers.http.sending_child import Child, SendingError, started
from batchway.providers.http.sending_wire import Answered, Begin
from batchway.providers.http.timing import CONNECT_SECONDS

# A child keeps the timeouts; one that is this late with an answer answers nobody.
_OVERDUE_SECONDS: Final = 30.0

_IDLE_SECONDS: Final = 180.0


class SendingTransport:
    """`ports.Transport` through `processes` children, each started when there is use for it.

    Belongs to the event loop it is first used on. Proxies and certificates are those of the
    environment, which children inherit; keys and requests go through the socket only. A child that
    has not answered `overdue` seconds after the timeout of a request is killed; one that had no
    requests for `idle` seconds ends. Together they hold about `budget_bytes` of answers while these
    are read; each has at most `most_requests` in flight, and more wait before their timeout begins.
    """

    def __init__(
        self,
        *,
        processes: int,
        most_answer_bytes: int = MOST_ANSWER_BYTES,
        connect_timeout: float = CONNECT_SECONDS,
        overdue: float = _OVERDUE_SECONDS,
        budget_bytes: int = MOST_BYTES,
        most_requests: int | None = None,
        idle: float = _IDLE_SECONDS,
    ) -> None:
        if processes < 1:
            raise ValueError("there must be a process to send with")
        self._begin = Begin(most_answer_bytes, connect_timeout, budget_bytes // processes)
        self._overdue = overdue
        self._most_requests = most_requests
        self._shortage = Shortage()
        self._idle = idle
        self._children: list[Child | None] = [None] * processes
        self._starting: list[asyncio.Task[Child] | None] = [None] * processes
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """The processes that take calls now."""
        return [child.pid for child in self._children if child is not None and child.alive]

    async def start(self) -> None:
        """Have every process ready before the first request. Raises `SendingError`."""
        for index in range(len(self._children)):
            await (await self._child(index)).ready()

    def start_soon(self) -> None:
        """Start the first process while something else goes on.

        Should that fail, the first request says so: it tries again.
        """
        self._begin_start(0).add_done_callback(asyncio.Task.exception)

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Answered | Failure:
        """Send once; see `ports.Transport`.

        Raises:
            ValueError: the URL or a header cannot be sent at all. Repeats neither.
            SendingError: there is no process to send it.
        """
        return await self._send(url, headers, body, timeout)

    async def get(
        self, url: str, headers: Mapping[str, str], *, timeout: float
    ) -> Answered | Failure:
        """Ask once for something small; see `ports.Transport`. Raises as `post` does."""
        return await self._send(url, headers, None, timeout)

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Answered | Failure:
        if self._closed:
            return Failure.INTERRUPTED
        index = self._least_busy()
        child = self._children[index]
        if child is None or not child.alive:
            try:
                child = await self._child(index)
            except SendingError as error:
                if not lacking(error.__cause__):
                    raise
                self._shortage.begins()
                return Failure.NO_DESCRIPTORS
            if self._closed:
                return Failure.INTERRUPTED
            if not child.alive:
                await child.ready()  # raises, if that is why
                return Failure.INTERRUPTED
        drawn = await child.post(url, headers, body, timeout)
        if drawn is Failure.NO_DESCRIPTORS:
            self._shortage.begins()
        elif self._shortage.lasts and not isinstance(drawn, Failure):
            self._shortage.ends()
        return drawn

    async def close(self) -> None:
        """End every process; requests under way end as interrupted."""
        self._closed = True
        starting = [task for task in self._starting if task is not None]
        await asyncio.gather(*starting, return_exceptions=True)
        children = [child for child in self._children if child is not None]
        await asyncio.gather(*(child.close() for child in children))

    def _least_busy(self) -> int:
        children = self._children
        if len(children) == 1:
            return 0
        # One that is not there yet counts as idle: processes start as they come to be used.
        return min(
            range(len(children)),
            key=lambda index: 0 if (child := children[index]) is None else child.in_flight,
        )

    async def _child(self, index: int) -> Child:
        """The child of that place, started if there is none; once for all who wait for it."""
        child = self._children[index]
        if child is not None and child.alive:
            return child
        task = self._starting[index] or self._begin_start(index)
        # Shielded: a line that is cancelled must not take the others' process away.
        return await asyncio.shield(task)

    def _begin_start(self, index: int) -> asyncio.Task[Child]:
        task = self._starting[index] = asyncio.create_task(self._start(index))
        return task

    async def _start(self, index: int) -> Child:
        try:
            child = self._children[index] = await started(
                self._begin, self._overdue, self._idle, self._most_requests
            )
            return child
        finally:
            self._starting[index] = None
