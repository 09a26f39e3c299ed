"""The work thread: one event loop that runs batches, apart from the loop that answers HTTP.

Two loops in one process keep a poll of `GET /batches/{id}` from waiting behind a thousand answers
of an upstream. They share nothing but the ledger, the blob store and `wake`.
"""

import asyncio
import gc
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from batchway.bootstrap.parts import new_services
from batchway.bootstrap.starting import tell_resumed
from batchway.bootstrap.worker import Dispatch, new_engine
from batchway.ports import Blobs, Clock, Ledger, Transport
from batchway.settings import Settings
from batchway.storage.ledger.owner import Owner
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.janitor import Janitor
from batchway.workflows.starter import Starter

_log: Final = logging.getLogger(__name__)
_GC_ALLOCATIONS: Final = 50_000


class Work:
    """Runs batches in a thread of its own, from `start` to `stop`.

    `failed` is called from that thread, once, when it dies of a defect or because another process
    has become the database's owner: this one must not go on answering as if batches were running.
    `around` is put around what sends requests.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        blobs: Blobs,
        clock: Clock,
        owner: Owner,
        failed: Callable[[BaseException], None],
        around: Callable[[Transport], Transport] | None = None,
    ) -> None:
        self._around = around
        self._settings = settings
        self._blobs = blobs
        self._clock = clock
        self._owner = owner
        self._failed = failed
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starter: Starter | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="batchway-work", daemon=True)

    def start(self) -> None:
        """Start the thread; returns when batches run. Raises what kept it from starting."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def wake(self, _batch_id: str) -> None:
        """There is a new batch, or news of one. Harmless at any time, from any thread."""
        loop, starter = self._loop, self._starter
        if loop is not None and starter is not None and not loop.is_closed():
            loop.call_soon_threadsafe(starter.wake)

    def stop(self, timeout: float) -> None:
        """Drain requests in flight, commit, and end the thread."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None and not loop.is_closed():
            loop.call_soon_threadsafe(stopping.set)
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(self._main())
        except BaseException as error:  # noqa: BLE001 - handed to `start` or to `failed`, whole
            self._error = error
            if self._ready.is_set():
                self._failed(error)
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        # Left in the reverse order, whatever ends it: a child process or a pool that is left open
        # would have the last word after the error.
        async with AsyncExitStack() as stack:
            ledger = await SqlLedger.open(self._settings.database_url)
            stack.push_async_callback(ledger.close)
            dispatch = Dispatch(
                settings=self._settings,
                ledger=ledger,
                blobs=self._blobs,
                clock=self._clock,
                around=self._around,
            )
            engine = new_engine(self._settings, self._clock)
            # After those below: it takes the loop's threads with it, which they end with.
            stack.push_async_callback(engine.close)
            stack.push_async_callback(dispatch.close)
            belonging = await ledger.stores.get()
            starter = self._starter = Starter(
                ledger=ledger,
                engine=engine,
                clock=self._clock,
                story=dispatch.story,
                sprints=dispatch.sprints,
                most_running=self._settings.execution.max_running_batches,
                held_up=dispatch.held_up,
            )
            janitor = Janitor(
                ledger=ledger,
                blobs=self._blobs,
                engine=engine,
                clock=self._clock,
                clean=dispatch.story.clean,
                chores=_chores(self._settings, ledger, self._blobs, self._clock)
                | {"remove what jobs of ended batches left": dispatch.remains.remove},
                since=0.0 if belonging is None else belonging.since,
            )
            tell_resumed(await ledger.batches.unfinished())
            await dispatch.memory.load()
            await engine.launch(starter)
            collecting = asyncio.create_task(dispatch.collector.run())
            tidying = asyncio.create_task(janitor.run())
            watching = asyncio.create_task(self._owner.watch())
            starting = asyncio.create_task(starter.run())
            remembering = asyncio.create_task(dispatch.memory.run(dispatch.sender.found))
            stopping = asyncio.create_task(self._stopping.wait())
            _calm_collector()
            self._ready.set()
            await asyncio.wait(
                {collecting, tidying, starting, watching, remembering, stopping},
                return_when=asyncio.FIRST_COMPLETED,
            )
            for service in (collecting, tidying, starting, watching, remembering):
                if service.done():
                    await service  # none ends by itself: this raises what killed it
            # Waited for: a chore cut off in the middle of a write still has to give back its
            # connection, which it cannot once the ledger is closed.
            await _end(tidying)
            await _end(watching)
            await _end(starting)
            starter.stop()
            dispatch.story.stop()
            # The collector goes on until the runs have committed what they drain.
            await _settle(starter.running, self._settings.execution.drain_timeout)
            await _end(collecting)
            await _end(remembering)
            await dispatch.memory.save(dispatch.sender.found())
            await dispatch.collector.settle()


def _calm_collector() -> None:
    """Let the cyclic garbage collector look rarely, and not at what was loaded to start.

    A line in flight is a handful of short-lived objects without cycles; with the standard
    threshold the collector would run for every few hundred of them, and cost a sixth of the core.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_ALLOCATIONS, 20, 50)


def _chores(
    settings: Settings, ledger: Ledger, blobs: Blobs, clock: Clock
) -> dict[str, Callable[[], Awaitable[object]]]:
    files, uploads = new_services(settings, ledger=ledger, blobs=blobs, clock=clock)
    return {"remove expired files": files.expire, "expire uploads": uploads.expire}


async def _settle(running: Callable[[], Awaitable[frozenset[str]]], patience: float) -> None:
    """Wait until no story runs, for as long as drains may take and a little more."""
    deadline = asyncio.get_running_loop().time() + patience + 2.0
    # The engine has no event for this, and it happens once, at the very end.
    while await running() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where there is one: twice the requests a second of the standard loop."""
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
