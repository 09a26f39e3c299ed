"""A short batch from `validating` to `completed` in one breath, without the engine.

    checked, planned, begun --> lines run, results held in memory --> files, finish
         |                            |                                 |
         | no: failed, or larger      | no: it lasts, or is stopped     | no: cancelled meanwhile
         v                            v                                 v
       left to the ordinary chapters, with everything that was answered committed

Three commits in all: the create, the begin, the finish. The ledger knows the batch at each of these
moments, so that whoever looks at it after a crash goes on from there: a batch that was begun has a
plan whose next claim makes this one harmless. Owns this way of running a batch. Does not own what
happens to one that leaves it (`workflows.story`), nor who starts when (`workflows.starter`).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from batchway.domain.batch import Batch, Usage
from batchway.domain.errors import Unavailable
from batchway.domain.file import File
from batchway.domain.shard import Claim
from batchway.domain.status import BatchStatus
from batchway.ports import Blobs, Clock, Delivered, Finished, Ledger
from batchway.results.collector import Collector
from batchway.results.endings import tell_end
from batchway.results.line_result import LineResult
from batchway.results.result_file import result_file
from batchway.telemetry import event
from batchway.workflows.details import StatusDetails
from batchway.workflows.plan.ingest import Ingest, Started
from batchway.workflows.run import Ending, Run
from batchway.workflows.watch import Watch

_log: Final = logging.getLogger(__name__)
_SMALL_BYTES: Final = 1 << 20  # of input: about 1,000 lines of 1 KB, which is one shard


class HeldRun(Run, Protocol):
    """A run of one claimed shard that keeps its results in memory for a while."""

    @property
    def results(self) -> list[LineResult] | None:
        """Every line's result, if none was committed."""
        ...


class Sprints:
    """Runs short batches. Belongs to one event loop."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        blobs: Blobs,
        clock: Clock,
        ingest: Ingest,
        collector: Collector,
        new_run: Callable[[Batch, Started, StatusDetails], HeldRun],
        new_file_id: Callable[[], str],
        held_up: set[str] | None = None,
    ) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._clock = clock
        self._ingest = ingest
        self._collector = collector
        self._new_run = new_run
        self._new_file_id = new_file_id
        self._held_up = held_up
        self._runs: set[HeldRun] = set()
        self._stopped = False

    async def fits(self, batch: Batch) -> bool:
        """Whether a batch is small enough to run in this process whatever comes of it."""
        blob = batch.input_blob
        size = None if blob is None else await asyncio.to_thread(self._blobs.size, blob)
        return (size or 0) <= _SMALL_BYTES  # one without an input fails validation at once

    async def run(self, batch: Batch) -> bool:
        """Run a batch in `validating`; whether it has completed. Raises `Unavailable`.

        If not, the ordinary chapters find out what is left of it.
        """
        # One that had to wait has something to say about that, which the chapters know how to end.
        waited = batch.status_details is not None
        if self._stopped or waited or self._clock.now() >= batch.deadline:
            return False
        started = await self._ingest.run(batch, claim=True)
        if started is None:
            return False
        claim = started.claim
        details = StatusDetails(batches=self._ledger.batches, batch=batch, held_up=self._held_up)
        run = self._new_run(batch, started, details)
        watch = Watch(
            batch=batch, batches=self._ledger.batches, clock=self._clock, details=details, run=run
        )
        self._runs.add(run)
        try:
            if self._stopped:
                run.stop(Ending.STOPPED)
            await watch.over(run.run())
        finally:
            self._runs.discard(run)
        if run.results is None:
            return False
        try:
            if await self._deliver(batch, claim, run.results):
                return True
        except Unavailable as error:
            event(
                _log,
                "batch waits for storage",
                level=logging.WARNING,
                batch=batch.id,
                error=str(error),
            )
        await self._commit(claim, run.results)
        return False

    def stop(self) -> None:
        """End every run: it drains and commits."""
        self._stopped = True
        for run in self._runs:
            run.stop(Ending.STOPPED)

    async def _deliver(self, batch: Batch, claim: Claim, results: list[LineResult]) -> bool:
        """Write the result files and end the batch; `False` when its status has moved."""
        results.sort(key=lambda result: result.line)
        now = int(self._clock.now())
        completed = sum(result.ok for result in results)
        usage = sum((result.usage for result in results), Usage())
        files: dict[bool, File | None] = {}
        for ok in (True, False):
            records = [result.record for result in results if result.ok is ok]
            files[ok] = await self._write(batch, records, ok=ok, now=now) if records else None
        # From here an exception may mean that the commit arrived although its answer did not: the
        # bytes stay, and if no row names them the janitor removes them.
        ended = await self._ledger.short.finish(
            Finished(
                claim=claim,
                at=now,
                output=files[True],
                error=files[False],
                delivered=Delivered(completed=completed, failed=len(results) - completed),
                usage=usage,
            )
        )
        if ended is None:
            for file in files.values():
                if file is not None:
                    await asyncio.to_thread(self._blobs.delete, file.blob)
            return False
        tell_end(
            batch,
            BatchStatus.COMPLETED,
            now=now,
            total=len(results),
            completed=completed,
            failed=len(results) - completed,
            tokens=usage.total_tokens or None,
        )
        if not ended.input_named:
            await self._drop_input(batch.input_blob or "")
        return True

    async def _drop_input(self, blob: str) -> None:
        """The input's File was deleted while the batch ran; another batch may still read it."""
        if not await self._ledger.files.blob_in_use(blob):
            await asyncio.to_thread(self._blobs.delete, blob)

    async def _write(self, batch: Batch, records: list[bytes], *, ok: bool, now: int) -> File:
        data = b"\n".join(records) + b"\n"
        file = result_file(batch, self._new_file_id(), ok=ok, bytes=len(data), now=now)
        await asyncio.to_thread(self._store, file.blob, data)
        return file

    def _store(self, key: str, data: bytes) -> None:
        writer = self._blobs.writer(key)
        try:
            writer.write(data)
            writer.commit()
        finally:
            writer.abort()

    async def _commit(self, claim: Claim, results: list[LineResult]) -> None:
        """Hand results to the collector after all: they are paid for."""
        buffer = self._collector.open(claim)
        for result in results:
            self._collector.add(buffer, result)
        try:
            await self._collector.drain(buffer)
        finally:
            self._collector.drop(buffer)
