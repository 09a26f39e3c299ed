"""The starter: which batches run now, on this process.

    a small file ---> sprint ---> chapters, in this process ---> ended
                                     | still there after some seconds
                                     v
    a larger one ----------------> engine, whose story joins one that runs here already

A batch waits until there is room: a bounded number runs at once, taken from the tenants in turn
and from each by deadline. One that is held up (its provider is down, its account is denied) keeps
no place from those behind it: they may have other providers. The ledger alone remembers what
waits, so a crash loses nothing: the next look finds it. Creating has the right of way: while
batches are being created only a few start.
"""

import asyncio
import logging
from collections import deque
from typing import Final, Protocol

from batchway.domain.batch import Batch
from batchway.domain.errors import Unavailable
from batchway.domain.status import BatchStatus
from batchway.ports import Clock, Engine, Ledger, Story
from batchway.telemetry import event

_log: Final = logging.getLogger(__name__)

_AT_ONCE: Final = 24  # sprints; each waits for an upstream, a disk or a thread most of its time
_AT_ONCE_CREATING: Final = 4
_CREATING_SECONDS: Final = 0.03  # since the last create, while they come
_LASTS_SECONDS: Final = 5.0  # then a batch becomes a durable workflow
_GLANCES: Final = 20  # meanwhile, at whether it is held up
# Those that are held up are many only in a bad hour, and each costs some memory.
_MOST_PER_PLACE: Final = 10
_PAGE: Final = 200
_ASK_AGAIN_SECONDS: Final = 4.0  # between starts of a story that the engine does not show


class Sprint(Protocol):
    """See `workflows.sprint`."""

    async def fits(self, batch: Batch) -> bool: ...
    async def run(self, batch: Batch) -> bool: ...
    def stop(self) -> None: ...


class Starter:
    """Starts batches until cancelled. Belongs to the engine's event loop.

    Implements `ports.Story` for the engine: a batch has one story in this process. `held_up` are
    the batches that only wait, added by whoever runs them.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        engine: Engine,
        clock: Clock,
        story: Story,
        sprints: Sprint,
        most_running: int,
        held_up: set[str] | None = None,
        interval: float = 5.0,
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._clock = clock
        self._story = story
        self._sprints = sprints
        self._most_running = most_running
        self._held_up = set[str]() if held_up is None else held_up
        self._interval = interval
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sprinting: set[str] = set()
        self._asked: dict[str, float] = {}
        self._queue: deque[Batch] = deque()
        self._look_due = True
        self._woken = 0.0
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is a new batch. From another thread: through `call_soon_threadsafe`."""
        self._woken = self._clock.monotonic()
        self._look_due = True
        self._wake.set()

    def stop(self) -> None:
        """Start nothing more, and let sprints drain and commit; `running` tells when they have."""
        self._most_running = 0
        self._sprints.stop()

    async def running(self) -> frozenset[str]:
        """Batches that run in this process, by the engine or without it."""
        return frozenset(self._tasks) | await self._engine.running()

    async def run(self) -> None:
        """Start batches until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.start_batches()
            except Unavailable as error:
                _log.warning("could not start batches, will try again: %s", error)
            except Exception:  # noqa: BLE001 - a defect must not end all batches
                _log.exception("could not start batches because of a defect, will try again")
            try:
                async with asyncio.timeout(self._rest()):
                    await self._wake.wait()
            except TimeoutError:
                self._look_due = self._look_due or not self._creating()

    async def start_batches(self) -> None:
        """Start what has room."""
        running = await self.running()
        self._held_up &= running
        while self._has_room(running) and len(self._sprinting) < self._at_once():
            if not self._queue and not await self._look(running):
                return
            batch = self._queue.popleft()
            if batch.id not in running:
                self._start(batch)
                running |= {batch.id}

    def _has_room(self, running: frozenset[str]) -> bool:
        most = self._most_running
        return len(running) < most or (
            len(running - self._held_up) < most and len(running) < most * _MOST_PER_PLACE
        )

    # ------------------------------------------------------------------ who is next

    async def _look(self, running: frozenset[str]) -> bool:
        """Read who waits, if there may be anybody; whether there is."""
        if not self._look_due:
            return False
        self._look_due = False
        limit = _PAGE + len(running)
        found = await self._ledger.short.waiting(limit)
        now = self._clock.monotonic()
        self._asked = {
            batch_id: at
            for batch_id, at in self._asked.items()
            if now - at < _ASK_AGAIN_SECONDS and batch_id not in running
        }
        self._queue.extend(b for b in found if b.id not in running and b.id not in self._asked)
        # Whoever did not fit is looked for when these have started.
        self._look_due = len(found) == limit and bool(self._queue)
        return bool(self._queue)

    def _creating(self) -> bool:
        return self._clock.monotonic() - self._woken < _CREATING_SECONDS

    def _at_once(self) -> int:
        return _AT_ONCE_CREATING if self._creating() else _AT_ONCE

    def _rest(self) -> float:
        """How long nothing is to be done unless somebody wakes us."""
        waits = self._queue or self._look_due
        return _CREATING_SECONDS if waits and self._creating() else self._interval

    # ------------------------------------------------------------------ one batch

    def _start(self, batch: Batch) -> None:
        task = asyncio.create_task(self._run(batch))
        self._tasks[batch.id] = task
        self._sprinting.add(batch.id)
        task.add_done_callback(lambda _: self._ended(batch.id))

    def _ended(self, batch_id: str) -> None:
        del self._tasks[batch_id]
        self._sprinting.discard(batch_id)
        self._wake.set()  # there is room for another

    async def _run(self, batch: Batch) -> None:
        """A batch to its end, or until the engine has it."""
        try:
            if batch.id in await self._engine.running():
                return  # taken up since we looked
            if await self._sprints.fits(batch):
                await self._run_small(batch)
            else:
                self._asked[batch.id] = self._clock.monotonic()
                await self._engine.start(batch.id)
        except Unavailable as error:
            _trouble("batch could not be started, will be tried again", batch.id, error)
        except Exception:  # noqa: BLE001 - a defect with one batch must not end all of them
            _log.exception("batch %s met a defect and will be tried again", batch.id)

    async def _run_small(self, batch: Batch) -> None:
        """Run it here; when it lasts, let the engine know it, too."""
        here = asyncio.create_task(self._run_here(batch))
        lasts = asyncio.create_task(self._outlast(batch.id))
        try:
            await asyncio.wait({here, lasts}, return_when=asyncio.FIRST_COMPLETED)
            if not here.done():
                await self._make_durable(batch.id)
            await here
        finally:
            for task in (here, lasts):
                task.cancel()
            await asyncio.gather(here, lasts, return_exceptions=True)

    async def _outlast(self, batch_id: str) -> None:
        """Until a batch has lasted. The next may sprint then, or when this one is held up."""
        for glance in range(1, _GLANCES + 1):
            await self._clock.sleep(_LASTS_SECONDS / _GLANCES)
            if batch_id in self._sprinting and (glance == _GLANCES or batch_id in self._held_up):
                self._sprinting.discard(batch_id)
                self._wake.set()

    async def _make_durable(self, batch_id: str) -> None:
        try:
            await self._engine.start(batch_id)  # its story waits for ours: see `ingest`
        except Unavailable as error:
            _trouble("batch runs without the engine", batch_id, error)

    async def _run_here(self, batch: Batch) -> None:
        try:
            if batch.status is BatchStatus.VALIDATING and await self._sprints.run(batch):
                return
        except Unavailable as error:
            _trouble("batch waits for storage", batch.id, error)
        except Exception:  # noqa: BLE001 - the chapters try again, and say so on the batch
            _log.exception("batch %s met a defect and will be tried again", batch.id)
        await self._story.ingest(batch.id)
        await self._story.execute(batch.id)
        await self._story.finalize(batch.id)

    # ------------------------------------------------------------------ the engine's story

    async def ingest(self, batch_id: str) -> None:
        """The first chapter for the engine: a batch that runs here already is left to end."""
        await self._ended_here(batch_id)
        await self._story.ingest(batch_id)

    async def execute(self, batch_id: str) -> None:
        """The same for a story that goes on here, after a restart, while the batch runs already."""
        await self._ended_here(batch_id)
        await self._story.execute(batch_id)

    async def finalize(self, batch_id: str) -> None:
        """As `execute`."""
        await self._ended_here(batch_id)
        await self._story.finalize(batch_id)

    async def _ended_here(self, batch_id: str) -> None:
        task = self._tasks.get(batch_id)
        if task is not None:
            await asyncio.wait({task})


def _trouble(words: str, batch_id: str, error: Unavailable) -> None:
    event(_log, words, level=logging.WARNING, batch=batch_id, error=str(error))
