"""A world for dispatch tests: virtual time, and upstreams that exist only in memory.

`VirtualLoop` is a real event loop whose clock jumps to the next timer whenever nothing is ready:
hours pass in milliseconds, always in the same order.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.notes import OPENAI_NOTES
from batchway.dispatch.caller import Caller
from batchway.dispatch.limits import Limits
from batchway.dispatch.sender import Sender, Work
from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.domain.routing import Target
from batchway.ports import Dialect, EngineMetrics, Failure, Notes, Online, Request

T = TypeVar("T")

EPOCH = 1_700_000_000.0


class _Jump(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        # The one descriptor of a loop without sockets wakes it from other threads. Nothing waits
        # here, so there is nothing to wake, and asking the kernel would be half of a turn.
        alone = len(self.get_map()) == 1 and timeout is not None
        events = [] if alone else super().select(0)
        if not events:
            if timeout is None:
                raise RuntimeError("deadlock: nothing is ready and no timer is set")
            self.now += max(timeout, 0.0)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which starts at 0."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jump.now


class VirtualClock:
    """`ports.Clock` in virtual time."""

    def now(self) -> float:
        """Unix seconds."""
        return EPOCH + self.monotonic()

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)


def in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class FakeAnswer:
    """`ports.Answer` from values."""

    def __init__(
        self, status: int, body: bytes = b"{}", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self._headers = headers or {}

    def header(self, name: str) -> str | None:
        """A header, by any case."""
        return self._headers.get(name.lower())

    def __repr__(self) -> str:
        return f"FakeAnswer({self.status}, {self.body!r}, {self._headers!r})"


Upstream = Callable[[str, bytes], Awaitable[FakeAnswer | Failure]]


class FakeTransport:
    """`ports.Transport` that asks functions, one for each provider, given URL and body."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._upstreams = upstreams
        self.sent: list[tuple[float, str, bytes]] = []
        self.looks: list[tuple[float, str]] = []

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> FakeAnswer | Failure:
        """Ask the upstream; note when."""
        self.sent.append((asyncio.get_running_loop().time(), url, body))
        return await self._upstreams[url.split("/")[2]](url, body)

    async def get(
        self, url: str, headers: Mapping[str, str], *, timeout: float
    ) -> FakeAnswer | Failure:
        """Ask the upstream, which sees no body; note when."""
        self.looks.append((asyncio.get_running_loop().time(), url))
        return await self._upstreams[url.split("/")[2]](url, b"")

    async def close(self) -> None:
        """Nothing to close."""


def openai_dialect(call: Call) -> Dialect:
    """The dialect of most tests."""
    return OpenAIDialect(endpoint=call.endpoint, model=call.model)


class FakeAccount:
    """`ports.Account` at http://{name}."""

    def __init__(
        self, name: str, new_dialect: Callable[[Call], Dialect | None] = openai_dialect
    ) -> None:
        self._name = name
        self._new_dialect = new_dialect

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def online(self, call: Call) -> Online | None:
        """One address for each endpoint; none without a dialect for it."""
        dialect = self._new_dialect(call)
        query = call.overrides.azure_api_version or ""
        url = f"http://{self._name}{call.endpoint}{query}"
        return None if dialect is None else FakeOnline(url, dialect)

    def jobs(self, call: Call) -> None:
        """No batch API."""

    def archive(self, overrides: Overrides) -> None:
        """No batch API."""

    async def health(self, model: str) -> Sequence[Request]:
        """Where to look."""
        return (Request(f"http://{self._name}/v1/models", {}),)

    async def close(self) -> None:
        """Nothing to close."""


class FakeOnline:
    """`ports.Online` without credentials."""

    def __init__(self, url: str, dialect: Dialect) -> None:
        self._url = url
        self.dialect = dialect
        self.notes: Notes = OPENAI_NOTES

    async def request(self, body: bytes) -> Request:
        """The body at the address."""
        return Request(self._url, {}, body)


def new_sender(
    upstreams: Mapping[str, Upstream],
    limits: Limits | Mapping[str, Limits] | None = None,
    *,
    draw: Callable[[], float] = lambda: 0.5,
    metrics: Mapping[str, EngineMetrics] | None = None,
    dialects: Mapping[str, Callable[[Call], Dialect | None]] | None = None,
) -> tuple[Sender, FakeTransport]:
    """A sender over fake upstreams, which speak OpenAI's dialect unless `dialects` says another."""
    transport = FakeTransport(upstreams)
    if limits is None:
        limits = Limits(concurrency=4, max_attempts=8)
    each = dict.fromkeys(upstreams, limits) if isinstance(limits, Limits) else dict(limits)
    sender = Sender(
        accounts={
            name: FakeAccount(name, (dialects or {}).get(name, openai_dialect))
            for name in upstreams
        },
        limits=each,
        transport=transport,
        clock=VirtualClock(),
        draw=draw,
        metrics=metrics or {},
    )
    return sender, transport


def new_caller(
    tenant: str = "t", batch_id: str = "b", deadline: float = EPOCH + 86_400.0
) -> Caller:
    """A caller: one batch of a tenant."""
    return Caller(tenant=tenant, batch_id=batch_id, deadline=deadline)


def new_work(
    line: int = 0,
    *targets: str,
    caller: Caller | None = None,
    cost: int | None = 0,
    body: bytes = b'{"model":"m"}',
) -> Work:
    """A line for the providers of those names, model `m` at each."""
    return Work(
        line=line,
        endpoint="/v1/chat/completions",
        body=body,
        model="m",
        targets=tuple(Target(provider=name, model="m") for name in targets or ("up",)),
        caller=caller or new_caller(),
        cost=cost,
    )
