"""Executing a batch: its native and its managed shards side by side, under one watch.

    native shards  --NativeRun---> results
         | handed over (rescue)
         v
    managed shards --ManagedRun--> results

Shards that are handed over get a managed run at once, whatever the other jobs do. Owns the runs
and the one reason why all of them ended. Does not own how either kind runs, or the looks at the
batch (`watch`).
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from batchway.domain.batch import Batch
from batchway.domain.shard import Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.ports import Clock, Ledger
from batchway.workflows.details import StatusDetails
from batchway.workflows.native.run import is_unsettled
from batchway.workflows.plan.groups import GroupReader, Groups
from batchway.workflows.run import Ending, Run
from batchway.workflows.watch import Watch

# The strongest first: it is what happened to the batch.
_STRENGTH: Final = (
    Ending.STOPPED,
    Ending.LOST,
    Ending.FAILED,
    Ending.CANCELLED,
    Ending.EXPIRED,
    Ending.DONE,
)
# One run that ends so takes the others with it; the watch tells all of them the rest.
_ENDS_ALL: Final = frozenset({Ending.STOPPED, Ending.LOST, Ending.FAILED})


class Execution:
    """One batch, run by this process. Use once.

    `new_managed` makes a run of managed shards, by number; `new_native` one of all native shards,
    which tells of those it hands over.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        ledger: Ledger,
        clock: Clock,
        groups: GroupReader,
        new_managed: Callable[[Batch, Groups, StatusDetails, frozenset[int]], Run],
        new_native: Callable[[Batch, Groups, StatusDetails, Callable[[Shard], None]], Run],
        held_up: set[str] | None = None,
    ) -> None:
        self._batch = batch
        self._ledger = ledger
        self._clock = clock
        self._groups = groups
        self._new_managed = new_managed
        self._new_native = new_native
        self._details = StatusDetails(batches=ledger.batches, batch=batch, held_up=held_up)
        self._runs: dict[asyncio.Task[Ending], Run] = {}  # those that have not ended
        self._stopped: Ending | None = None
        self._added = asyncio.Event()

    def stop(self, ending: Ending) -> None:
        """Ask every run to end. A process that shuts down cancels no remote job."""
        self._stopped = self._stopped or ending
        for run in self._runs.values():
            run.stop(ending)

    def describe(self) -> None:
        """Have every run tell what holds it up."""
        for run in self._runs.values():
            run.describe()

    async def run(self) -> Ending:
        """Run every open line; returns when all have committed results, or on `stop`."""
        watch = Watch(
            batch=self._batch,
            batches=self._ledger.batches,
            clock=self._clock,
            details=self._details,
            run=self,
        )
        return await watch.over(self._run_everything())

    async def _run_everything(self) -> Ending:
        groups = await self._groups.of(self._batch)
        shards = await self._ledger.shards.open(self._batch.id)
        managed = frozenset(shard.number for shard in shards if shard.mode is Mode.MANAGED)
        native = any(shard.mode is Mode.NATIVE for shard in shards) or any(
            is_unsettled(record) for record in await self._ledger.jobs.of(self._batch.id)
        )
        cancelling = self._batch.status is BatchStatus.CANCELLING
        self._details.rests(native and not managed)
        if native:
            take_over = partial(self._take_over, groups)
            self._start(self._new_native(self._batch, groups, self._details, take_over))
        if not cancelling and (managed or not native):
            self._start(self._new_managed(self._batch, groups, self._details, managed))
        try:
            endings = await self._wait()
        except Exception:
            # What the others hold is paid for: they drain and commit before anything is repeated.
            self.stop(Ending.STOPPED)
            await asyncio.gather(*self._runs, return_exceptions=True)
            raise
        finally:
            for task in self._runs:
                task.cancel()
            await asyncio.gather(*self._runs, return_exceptions=True)
        if cancelling:
            endings.add(Ending.CANCELLED)
        return next(ending for ending in _STRENGTH if ending in endings)

    async def _wait(self) -> set[Ending]:
        """The endings of all runs, of those too that are added meanwhile."""
        endings: set[Ending] = set()
        while self._runs:
            added = asyncio.create_task(self._added.wait())
            try:
                done, _ = await asyncio.wait(
                    {added, *self._runs}, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                added.cancel()
            self._added.clear()
            for task in [task for task in self._runs if task in done]:
                ending = await task
                endings.add(ending)
                if ending in _ENDS_ALL:
                    self.stop(ending)
                del self._runs[task]
        return endings

    def _take_over(self, groups: Groups, shard: Shard) -> None:
        """Run a shard that was handed over, unless the process is about to end: it waits then."""
        if self._stopped is None and self._batch.status is not BatchStatus.CANCELLING:
            self._details.rests(False)
            numbers = frozenset({shard.number})
            self._start(self._new_managed(self._batch, groups, self._details, numbers))
            self._added.set()

    def _start(self, run: Run) -> None:
        if self._stopped is not None:
            run.stop(self._stopped)
        self._runs[asyncio.create_task(run.run())] = run
