"""Collecting what a remote job left: rows into committed results, and an entry for every line.

    results --pieces--> Join --results--> collector --> committed segments
                                              |
    lines without a row --> left open (rescue, or the batch ends) or an error line

Owns the way from bytes to commits. Does not own what becomes of the job, nor when a transfer that
broke is tried again (`native_job`).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final, NoReturn

from batchway.dispatch.collector import Buffer, Collector
from batchway.domain.batch import Batch, BatchError
from batchway.domain.errors import LineText
from batchway.domain.remote import RemoteError, RemoteJob, RemoteRow
from batchway.domain.shard import Claim, Shard
from batchway.domain.status import BatchStatus
from batchway.ports import Blobs, LineResult, RemoteBatches
from batchway.workflows.managed import Ending
from batchway.workflows.native_batch import HaltedError, NativeBatch
from batchway.workflows.native_lines import ANSWERED, OPEN, LineTable, read_requests
from batchway.workflows.native_results import Join, is_retryable, missing, was_untried
from batchway.workflows.records import Records

_log: Final = logging.getLogger(__name__)
_PIECE_BYTES: Final = 512 << 10
_GATHERED_BYTES: Final = 4 << 20


class Collected(StrEnum):
    """What there was."""

    SOME = "some"  # rows: every line has what it can get from this job
    NOTHING = "nothing"  # a job that failed, without a row: no line was touched


class Collection:
    """Collects the jobs of one batch."""

    def __init__(
        self,
        *,
        batch: Batch,
        shared: NativeBatch,
        blobs: Blobs,
        collector: Collector,
        records: Records,
    ) -> None:
        self._batch = batch
        self._shared = shared
        self._blobs = blobs
        self._collector = collector
        self._records = records

    async def run(
        self,
        *,
        claim: Claim,
        batches: RemoteBatches,
        provider: str,
        job: RemoteJob | None,
        done: set[int],
        rescue: bool,
    ) -> Collected:
        """Commit everything that the job gave. `job` is `None` for one without results.

        Raises `HaltedError` when the claim is lost, and `RemoteError` when the transfer breaks:
        what had come is committed then, and added to `done`.
        """
        shared = self._shared
        table = await self._table(claim.shard, done)
        # Read anew for every row: the batch may be cancelled while its results arrive.
        join = Join(
            table=table,
            codec=batches.codec,
            records=self._records,
            leave=lambda row: self._leaves(row, rescue=rescue),
        )
        sink = _Sink(collector=self._collector, claim=claim, lose=self._lose)
        try:
            if job is not None:
                try:
                    await self._stream(batches, job, join, sink)
                except RemoteError:
                    await sink.commit()
                    done.update(table.line(index) for index in table.marked(ANSWERED))
                    raise
                if not join.rows and job.status is BatchStatus.FAILED:
                    return Collected.NOTHING
            if not rescue and not shared.winding_down:
                code, message = self._missing(provider, job)
                await self._fill(table, code, message, sink)
            await sink.commit()
        finally:
            sink.close()
        return Collected.SOME

    async def write_off(self, *, claim: Claim, done: set[int], code: str, message: str) -> None:
        """Commit an error line for every open line of a shard."""
        table = await self._table(claim.shard, done)
        sink = _Sink(collector=self._collector, claim=claim, lose=self._lose)
        try:
            await self._fill(table, code, message, sink)
            await sink.commit()
        finally:
            sink.close()

    async def mapped(
        self, shard: Shard, done: set[int], errors: Sequence[BatchError]
    ) -> list[BatchError]:
        """The errors with our line numbers: a provider counts those of the file it was given."""
        if all(error.line is None for error in errors):
            return list(errors)
        table = await self._table(shard, done)
        sent = list(table.marked(OPEN))
        return [
            replace(error, line=table.line(sent[error.line - 1]) + 1)
            if error.line is not None and 1 <= error.line <= len(sent)
            else replace(error, line=None)
            for error in errors
        ]

    # ------------------------------------------------------------------ steps

    async def _table(self, shard: Shard, done: set[int]) -> LineTable:
        table = LineTable()
        pieces = read_requests(
            self._blobs, self._batch.input_blob or "", shard, endpoint=self._batch.endpoint
        )

        def add_next() -> bool:
            piece = next(pieces, None)
            if piece is not None:
                table.add(piece, done)
            return piece is not None

        while await asyncio.to_thread(add_next):
            pass
        return table

    def _leaves(self, row: RemoteRow, *, rescue: bool) -> bool:
        """Whether a row is not the line's result."""
        if self._shared.winding_down:
            return was_untried(row)  # the batch's own end says it better
        return rescue and is_retryable(row)

    def _missing(self, provider: str, job: RemoteJob | None) -> tuple[str, str]:
        """What a line without a row is told."""
        if job is not None and job.status is BatchStatus.EXPIRED:
            return LineText.EXPIRED.pair()
        if job is not None and job.status is BatchStatus.FAILED and job.errors:
            return job.errors[0].code, job.errors[0].message
        return LineText.MISSING_RESULT.pair(provider=provider)

    async def _stream(
        self, batches: RemoteBatches, job: RemoteJob, join: Join, sink: "_Sink"
    ) -> None:
        """Join every row. Raises `RemoteError` when the transfer breaks."""
        stream = batches.results(job)
        gathered = bytearray()
        try:
            async for data in stream:
                gathered += data
                if len(gathered) >= _PIECE_BYTES:
                    await sink.add(await asyncio.to_thread(join.take, bytes(gathered)))
                    gathered.clear()
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()  # or its connection would stay until the collector runs
        await sink.add(await asyncio.to_thread(join.take, bytes(gathered), last=True))
        if join.unknown or join.duplicates:
            _log.warning(
                "job %s: %d rows were torn or of no line, %d came again",
                job.id,
                join.unknown,
                join.duplicates,
            )

    async def _fill(self, table: LineTable, code: str, message: str, sink: "_Sink") -> None:
        """An error line in the place of every missing one."""
        pieces = missing(table, self._records, code=code, message=message)
        while (results := await asyncio.to_thread(next, pieces, None)) is not None:
            await sink.add(results)

    def _lose(self) -> NoReturn:
        self._shared.stop(Ending.LOST)
        raise HaltedError


class _Sink:
    """Where results of one claim go: committed before many of them have gathered.

    Results of a job come as fast as they can be read, so that without a bound of their own they
    would take all the memory that results of every batch may have.
    """

    def __init__(self, *, collector: Collector, claim: Claim, lose: Callable[[], NoReturn]) -> None:
        self._collector = collector
        self._claim = claim
        self._lose = lose
        self._buffer: Buffer | None = None

    async def add(self, results: Sequence[LineResult]) -> None:
        """Take results; waits while they must be committed first."""
        if self._buffer is None:
            self._buffer = self._collector.open(self._claim)
        for result in results:
            self._collector.add(self._buffer, result)
        if self._collector.full:
            await self._collector.room()
        if self._buffer.lost:
            self._lose()
        if self._buffer.bytes >= _GATHERED_BYTES:
            await self.commit()

    async def commit(self) -> None:
        """Wait until everything is committed."""
        if self._buffer is not None:
            kept = await self._collector.drain(self._buffer)
            self._buffer = None
            if not kept:
                self._lose()

    def close(self) -> None:
        """Drop what is not committed."""
        if self._buffer is not None:
            self._collector.drop(self._buffer)
