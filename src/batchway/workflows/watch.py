"""The watch over one batch while this process runs it: once a second, once for all of its runs.

    window ended           -> stop: expired
    cancelling             -> stop: cancelled
    any other status       -> stop: lost, the batch has moved on
    then                   -> why the batch waits is written, where it changed

Owns the looks at the batch's row and the clock. Does not own what its runs do when they are told to
end (`managed.run`, `native.run`), or their sentences (`details`).
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final, NoReturn

from batchway.domain.batch import Batch
from batchway.domain.errors import Unavailable
from batchway.domain.status import BatchStatus
from batchway.ports import Batches, Clock
from batchway.workflows.details import StatusDetails
from batchway.workflows.run import Ending, Run

_log: Final = logging.getLogger(__name__)
_GLANCE_SECONDS: Final = 1.0


class Watch:
    """Watches one batch for the sake of `run`, which it stops. Use once."""

    def __init__(
        self, *, batch: Batch, batches: Batches, clock: Clock, details: StatusDetails, run: Run
    ) -> None:
        self._batch = batch
        self._batches = batches
        self._clock = clock
        self._details = details
        self._run = run

    async def over(self, running: Awaitable[Ending]) -> Ending:
        """How `running`, the work of the run, ends. It is watched until then.

        A defect of the watch stops the run as the end of the process would, so that it commits
        what was paid for, and is raised then.
        """
        watch = asyncio.create_task(self._look_on())
        watch.add_done_callback(self._watch_ended)
        try:
            ending = await running
            if watch.done():
                await watch
            return ending
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    def _watch_ended(self, watch: "asyncio.Task[NoReturn]") -> None:
        if not watch.cancelled() and watch.exception() is not None:
            self._run.stop(Ending.STOPPED)

    async def _look_on(self) -> NoReturn:
        cancelled = self._batch.status is BatchStatus.CANCELLING  # which its window does not change
        while True:
            left = self._batch.deadline - self._clock.now()
            if left <= 0 and not cancelled:
                self._stop(Ending.EXPIRED)
            await self._clock.sleep(_GLANCE_SECONDS if left <= 0 else min(_GLANCE_SECONDS, left))
            try:
                await self._glance()
            except Unavailable as error:
                # Not a reason to end the run: the answers it holds are paid for, and the
                # collector commits them once the ledger is back.
                _log.info("batch %s cannot be looked at: %s", self._batch.id, error)

    async def _glance(self) -> None:
        statuses = await self._batches.statuses([self._batch.id])
        status = statuses.get(self._batch.id)
        if status is BatchStatus.CANCELLING:
            self._stop(Ending.CANCELLED)
        elif status is not BatchStatus.IN_PROGRESS:
            self._run.stop(Ending.LOST)
        self._run.describe()
        await self._details.write()

    def _stop(self, ending: Ending) -> None:
        self._details.keep()  # what it waited for then, it says for good
        self._run.stop(ending)
