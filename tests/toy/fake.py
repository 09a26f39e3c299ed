"""Starting the toy's server: in a thread of the test, or as a process of its own."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.toy.server import serving

from batchway.simulator.batches import Fake

ROOT: Final = Path(__file__).parents[2]


class ToyFake(Fake):
    """A running toy, asked and told as the other fakes are."""

    def __init__(self, origin: str) -> None:  # pyright: ignore[reportMissingSuperCall] - it has no vendor's path
        self.vendor = "toy"
        self.origin = origin
        self.base_url = origin


@contextmanager
def running(*, least: int = 0, **behaviour: Any) -> Generator[ToyFake]:
    """The toy in a thread of its own."""
    loop, stop, started = asyncio.new_event_loop(), asyncio.Event(), list[str]()
    ready = threading.Event()

    async def serve() -> None:
        async with serving(behaviour=behaviour, least=least) as address:
            started.append(address)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, name="toy", daemon=True)
    thread.start()
    ready.wait()
    assert started, "the toy did not start; its thread has said why"
    try:
        yield ToyFake(started[0])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def process(*, least: int = 0, **behaviour: Any) -> Generator[ToyFake]:
    """The toy in a process of its own: it survives whatever is killed around it."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.toy.server"),
            *("--least", str(least), "--behaviour", json.dumps(behaviour)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": search_path()},
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            address = child.stdout.readline().strip()
            assert address, f"the toy did not start: exit code {child.wait()}"
            yield ToyFake(address)
        finally:
            child.terminate()


def search_path() -> str:
    """A `PYTHONPATH` by which a process finds the toy, and the rest where this one does."""
    return os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])
