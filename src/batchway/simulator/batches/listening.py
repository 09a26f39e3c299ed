"""The sockets, threads and processes that fakes run in."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

_ROOT: Final = Path(__file__).parents[3]

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listening:
    """The socket of a fake, which can be taken away for a while.

    `server` makes what answers requests; it is handed what takes the socket away for some seconds.
    """

    def __init__(
        self, *, server: Callable[[Callable[[float], None]], Answering], port: int
    ) -> None:
        self._port = port
        self._server = web.Server(server(self._take_down), access_log=None)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=1.0)
        self._site: web.TCPSite | None = None
        self._down: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen; answers the origin."""
        await self._runner.setup()
        await self._listen()
        name: tuple[str, int] = self._runner.addresses[0]
        self._port = name[1]
        return f"http://127.0.0.1:{self._port}"

    async def close(self) -> None:
        """Close the socket and every connection."""
        if self._down is not None:
            self._down.cancel()
        await self._runner.cleanup()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()

    def _take_down(self, seconds: float) -> None:
        self._down = asyncio.create_task(self._stay_down(seconds))

    async def _stay_down(self, seconds: float) -> None:
        # The answer to whoever asked for it goes out first.
        await asyncio.sleep(0.05)
        if self._site is not None:
            await self._site.stop()
        for connection in list(self._server.connections):
            connection.force_close()
        await asyncio.sleep(seconds)
        await self._listen()


@contextmanager
def in_thread(name: str, serving: AbstractAsyncContextManager[str]) -> Generator[str]:
    """A fake in a thread of its own; yields what `serving` yields.

    Raises:
        RuntimeError: it did not start.
    """
    started: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving as origin:
            started.append(origin)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run, name=f"fake {name}", daemon=True)
    thread.start()
    ready.wait()
    if not started:
        thread.join()
        raise RuntimeError(f"The fake {name} did not start; its thread has said why.")
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def in_process(name: str, module: str, arguments: Sequence[str]) -> Generator[str]:
    """A fake in a process of its own, which survives whatever is killed around it.

    Yields the first line that it prints.

    Raises:
        RuntimeError: it did not start.
    """
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline().strip()
            if not line:
                raise RuntimeError(f"The fake {name} did not start: exit code {child.wait()}.")
            yield line
        finally:
            child.terminate()
