"""Starting fakes: in a thread of the test, or as processes of their own.

Owns their life and the small client of `/__control__` and `/__stats__` that tests talk to them by.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, cast

from aiohttp import web

from batchway.simulator.batches.office import Office
from batchway.simulator.batches.server import Server
from batchway.simulator.batches.vendors import VENDORS

_ROOT: Final = Path(__file__).parents[3]
_PATIENCE: Final = 30.0


class Fake:
    """A running fake, by its URLs.

    `origin` is such as `http://127.0.0.1:40123`; `base_url` is what a client is configured with:
    with the vendor's path, for Azure without one.
    """

    def __init__(self, *, vendor: str, origin: str) -> None:
        self.vendor = vendor
        self.origin = origin
        self.base_url = origin + ("" if vendor == "azure" else VENDORS[vendor].base)

    def control(self, **dials: Any) -> dict[str, Any]:
        """Turn dials of `Behaviour`, or `advance` the clock by seconds; answers all dials.

        Raises:
            urllib.error.HTTPError: there is no such dial, or not with such a value.
        """
        return self._asked("/__control__", dials)

    def trouble(self, *rules: Mapping[str, Any]) -> None:
        """Replace the rules; none: all is well."""
        self.control(rules=list(rules))

    def down(self, seconds: float) -> None:
        """Stop listening for a while: connections are refused, and the jobs live on."""
        self.control(down=seconds)
        time.sleep(0.1)

    def stats(self) -> dict[str, Any]:
        """What has happened so far."""
        return self._asked("/__stats__")

    def brief(self) -> dict[str, Any]:
        """The stats without what grows with the lines: to look often."""
        return self._asked("/__stats__?brief")

    def eventually(
        self, holds: Callable[[dict[str, Any]], object], *, seconds: float = _PATIENCE
    ) -> dict[str, Any]:
        """The stats, once they are as told.

        Raises:
            TimeoutError: they never were.
        """
        deadline = time.monotonic() + seconds
        while not holds(stats := self.stats()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The fake never came to that: {stats}")
            time.sleep(0.01)
        return stats

    def _asked(self, path: str, body: Any = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self.origin + path, data=None if body is None else json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            return cast("dict[str, Any]", json.load(response))


class Listening:
    """The socket of a fake, which can be taken away for a while."""

    def __init__(self, *, office: Office, port: int) -> None:
        self._port = port
        self._server = web.Server(
            Server(office=office, down=self._take_down).handle, access_log=None
        )
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


@asynccontextmanager
async def serving(
    vendor: str, *, port: int = 0, behaviour: Mapping[str, Any] | None = None
) -> AsyncGenerator[str]:
    """Serve on this event loop; yields the origin."""
    folder = Path(tempfile.mkdtemp(prefix=f"fake-{vendor}-"))
    office = Office(vendor=VENDORS[vendor], folder=folder, behaviour=behaviour or {})
    listening = Listening(office=office, port=port)
    try:
        yield await listening.start()
    finally:
        await listening.close()
        await office.jobs.close()
        office.store.close()


@contextmanager
def running(vendor: str, *, port: int = 0, **behaviour: Any) -> Generator[Fake]:
    """A fake in a thread of its own."""
    started: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving(vendor, port=port, behaviour=behaviour) as origin:
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

    thread = threading.Thread(target=run, name=f"fake {vendor}", daemon=True)
    thread.start()
    ready.wait()
    if not started:
        thread.join()
        raise RuntimeError(f"The fake {vendor} did not start; its thread has said why.")
    try:
        yield Fake(vendor=vendor, origin=started[0])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def process(vendor: str, *, port: int = 0, **behaviour: Any) -> Generator[Fake]:
    """A fake in a process of its own: it survives whatever is killed around it."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "batchway.simulator.batches", "--vendor", vendor),
            *("--port", str(port), "--behaviour", json.dumps(behaviour)),
        ],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline().strip()
            if not line:
                raise RuntimeError(f"The fake {vendor} did not start: exit code {child.wait()}.")
            origin = "/".join(line.split("/", 3)[:3])
            yield Fake(vendor=vendor, origin=origin)
        finally:
            child.terminate()
