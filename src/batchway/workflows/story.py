"""The story of a batch in three re-entrant chapters, and what happens when one is interrupted.

    ingest --> execute --> finalize
                  ^           |
                  +-- lines are open and have time --+

Owns persistence in the human sense: a chapter that fails because storage does, or because of a
defect of ours, is tried again with growing pauses until it succeeds, and the batch says why it
waits. Does not own durability across processes (`ports.Engine`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from batchway.domain.batch import Batch
from batchway.domain.errors import Unavailable
from batchway.domain.reason import Reason, ReasonKind, text_of
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Blobs, Clock, Ledger
from batchway.results.endings import kept_reason
from batchway.results.finalize import Finalize
from batchway.telemetry import event
from batchway.workflows.plan.ingest import Ingest
from batchway.workflows.run import STORAGE_TROUBLE, Ending, Run

_log: Final = logging.getLogger(__name__)
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_STANDBY_SECONDS: Final = 5.0  # between looks at a batch that another process runs
_STANDBY_PATIENCE: Final = 60.0  # without progress before it is taken over
_INTERNAL_ERROR: Final = Reason(
    kind=ReasonKind.DEFECT,
    sentence="An internal error interrupted this batch.",
    promise="It will be tried again.",
)


class BatchStory:
    """Implements `ports.Story`."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        blobs: Blobs,
        clock: Clock,
        ingest: Ingest,
        finalize: Finalize,
        new_run: Callable[[Batch], Run],
    ) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._clock = clock
        self._ingest = ingest
        self._finalize = finalize
        self._new_run = new_run
        self._runs: dict[str, Run] = {}
        self._stopped = asyncio.Event()

    async def ingest(self, batch_id: str) -> None:
        """Leave `validating`."""
        await self._persist(batch_id, self._ingest_once)

    async def execute(self, batch_id: str) -> None:
        """Give every line a committed result, unless the batch is cancelled or expires."""
        await self._persist(batch_id, self._execute_once)

    async def finalize(self, batch_id: str) -> None:
        """Reach a terminal status and clean up."""
        await self._persist(batch_id, self._finalize_once)

    def stop(self) -> None:
        """End the runs of this process: they drain, commit, and go on in its next life."""
        self._stopped.set()
        for run in self._runs.values():
            run.stop(Ending.STOPPED)

    async def _ingest_once(self, batch: Batch) -> bool:
        if batch.status is BatchStatus.VALIDATING:
            if self._clock.now() >= batch.deadline:
                await self._ingest.expire(batch)
            else:
                await self._ingest.run(batch)
        return True

    async def _execute_once(self, batch: Batch) -> bool:
        # A cancelled batch may have jobs at a provider, which are to be cancelled and collected.
        if batch.status not in {BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING}:
            return True
        if batch.id in self._runs:
            # A second story of the batch: the engine took it up although the first one still runs
            # here. It waits, and then finds what the first one has left to do.
            event(
                _log,
                "batch run twice: the second story waits",
                level=logging.WARNING,
                batch=batch.id,
            )
            await self._while_running(batch.id)
            return False
        run = self._runs[batch.id] = self._new_run(batch)
        try:
            if self._stopped.is_set():
                run.stop(Ending.STOPPED)
            ending = await run.run()
        finally:
            del self._runs[batch.id]
        match ending:
            case Ending.DONE | Ending.CANCELLED | Ending.EXPIRED | Ending.FAILED:
                return True
            case Ending.LOST:
                await self._stand_by(batch)
                return False
            case Ending.STOPPED:
                # Not an outcome of the batch: the engine must find the chapter unfinished.
                raise asyncio.CancelledError

    async def _finalize_once(self, batch: Batch) -> bool:
        if batch.status not in TERMINAL:
            if not await self._finalize.run(batch):
                return await self._execute_once(batch) and False
        else:
            kept = kept_reason(batch)
            told = () if kept is None else (kept,)
            if text_of(told) != batch.status_details:
                # It ended without result files: refused by validation or by its provider.
                await self._ledger.batches.describe(batch.id, told)
        await self.clean(batch.id)
        await self._drop_input(batch)
        return True

    async def clean(self, batch_id: str) -> None:
        """Remove plan and segments of a batch that has ended."""
        await asyncio.to_thread(self._delete_segments, batch_id)
        await self._ledger.shards.forget(batch_id)

    async def _drop_input(self, batch: Batch) -> None:
        """Remove the input's bytes if its File was deleted while the batch ran."""
        blob = batch.input_blob
        if blob is not None and not await self._ledger.files.blob_in_use(blob):
            await asyncio.to_thread(self._blobs.delete, blob)

    def _delete_segments(self, batch_id: str) -> None:
        for key, _ in list(self._blobs.keys(f"segments/{batch_id}/")):
            self._blobs.delete(key)

    async def _persist(self, batch_id: str, chapter: Callable[[Batch], Awaitable[bool]]) -> None:
        """Run a chapter until it says that it is done."""
        pause = _FIRST_PAUSE
        while True:
            try:
                batch = await self._ledger.batches.load(batch_id)
                if batch is None or await chapter(batch):
                    return
                # Not done although nothing failed, as after a cancel that came in between.
                await self._rest(_FIRST_PAUSE)
                pause = _FIRST_PAUSE
                continue
            except Unavailable as error:
                event(
                    _log,
                    "batch waits for storage",
                    level=logging.WARNING,
                    batch=batch_id,
                    error=str(error),
                )
                reason = STORAGE_TROUBLE
            except Exception:  # noqa: BLE001 - said below
                # A defect of ours must not strand a batch that somebody pays for: it is logged
                # whole, shown on the batch, and tried again.
                _log.exception("batch %s met a defect and will be tried again", batch_id)
                reason = _INTERNAL_ERROR
            await self._describe(batch_id, reason)
            await self._rest(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _rest(self, seconds: float) -> None:
        """Let time pass, unless the process is to end: then the story ends here, to go on later."""
        rest = asyncio.ensure_future(self._clock.sleep(seconds))
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({rest, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rest.cancel()
            stopped.cancel()
        if self._stopped.is_set():
            raise asyncio.CancelledError

    async def _while_running(self, batch_id: str) -> None:
        while batch_id in self._runs:
            await self._rest(_FIRST_PAUSE)

    async def _describe(self, batch_id: str, reason: Reason) -> None:
        try:
            await self._ledger.batches.describe(batch_id, [reason])
        except Unavailable as error:
            _log.info("batch %s cannot even say why it waits: %s", batch_id, error)

    async def _stand_by(self, batch: Batch) -> None:
        """Another process runs this batch: wait until it ends, or stops making progress."""
        event(_log, "batch run by another process", batch=batch.id)
        seen, since = batch.counts, self._clock.monotonic()
        while self._clock.monotonic() - since < _STANDBY_PATIENCE:
            await self._rest(_STANDBY_SECONDS)
            now = await self._ledger.batches.load(batch.id)
            if now is None or now.status is not BatchStatus.IN_PROGRESS:
                return
            if now.counts != seen:
                seen, since = now.counts, self._clock.monotonic()
