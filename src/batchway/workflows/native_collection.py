"""Collecting what a remote job left: rows into committed results, and an entry for every line.

    results --pieces--> Join --results--> collector --> committed segments
                                              |
    fewer rows than the provider counts --> short: not to be taken for everything there was

Owns the way from bytes to commits, and how often a transfer is tried. Does not own what becomes of
the job and of lines without a row (`native_job`).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from batchway.dispatch.collector import Buffer, Collector
from batchway.domain.batch import Batch, BatchError
from batchway.domain.errors import LineText
from batchway.domain.remote import RemoteError, RemoteJob, RemoteRow, Trouble
from batchway.domain.shard import Claim, Shard
from batchway.domain.status import BatchStatus
from batchway.ports import Blobs, LineResult, RemoteBatches
from batchway.workflows.envelope import reader_of
from batchway.workflows.managed import Ending
from batchway.workflows.native_batch import HaltedError, NativeBatch
from batchway.workflows.native_lines import ANSWERED, OPEN, LineTable, read_requests
from batchway.workflows.native_results import Join, is_retryable, missing, was_untried
from batchway.workflows.native_waiting import Waiting
from batchway.workflows.records import Records

_log: Final = logging.getLogger(__name__)
_PIECE_BYTES: Final = 512 << 10
_GATHERED_BYTES: Final = 4 << 20
_GONE: Final = 5  # answers in a row that results are not there, or without some that are counted
_SHORT: Final = 3  # the latter if none of what is missing is an answer
_MOST_CODE: Final = 100  # characters of a provider's words, which every line may repeat
_MOST_MESSAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a transfer gave: `rows` of the shard; `open` are lines without any.

    `short` tells why this is not everything: rows that the provider counts are not to be had.
    `lost` says that there are answers among them, which are paid for.
    """

    rows: int
    open: int
    short: RemoteError | None = None
    lost: bool = False


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
        job: RemoteJob,
        done: set[int],
        rescue: bool,
        slots: asyncio.Semaphore,
        waiting: Waiting,
    ) -> Collected:
        """Commit everything that the job gave, however often the transfer breaks or comes short.

        When it leaves lines open, the others are added to `done`. Raises `HaltedError`.
        """
        failures = gone = short = 0
        while True:
            try:
                async with slots:
                    collected = await self._transfer(
                        claim=claim,
                        batches=batches,
                        provider=provider,
                        job=job,
                        done=done,
                        rescue=rescue,
                    )
            except RemoteError as error:
                trouble = error
                # One 404 proves nothing: storage may show a file later than its job.
                gone = gone + 1 if error.trouble in {Trouble.REFUSED, Trouble.NOT_FOUND} else 0
                collected = Collected(rows=0, open=claim.shard.lines - len(done), short=error)
                enough = gone >= _GONE
            else:
                if collected.short is None:
                    return collected
                trouble = collected.short
                gone = 0
                short += 1
                enough = short >= (_GONE if collected.lost else _SHORT)
            if enough or waiting.is_over:
                _log.error("results of job %s are not to be had: %s", job.id, trouble)
                return collected
            failures += 1
            # Without its slot: a file that cannot be read holds up no other.
            await waiting.out(trouble, failures=failures)

    async def _transfer(
        self,
        *,
        claim: Claim,
        batches: RemoteBatches,
        provider: str,
        job: RemoteJob,
        done: set[int],
        rescue: bool,
    ) -> Collected:
        """One reading of the results.

        Raises `HaltedError` when the claim is lost, and `RemoteError` when the transfer breaks:
        what had come is committed then, and added to `done`.
        """
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
            try:
                await self._stream(batches, job, join, sink)
            except RemoteError:
                await sink.commit()
                done.update(await asyncio.to_thread(_marked, table, ANSWERED))
                raise
            await sink.commit()
        finally:
            sink.close()
        still_open = table.marks.count(OPEN)
        if not still_open:
            return Collected(rows=join.rows, open=0)
        done.update(await asyncio.to_thread(_marked, table, ANSWERED))
        return _weighed(provider, job, join, lines=len(table), still_open=still_open)

    async def write_off(self, *, claim: Claim, done: set[int], code: str, message: str) -> None:
        """Commit an error line for every open line of a shard."""
        table = await self._table(claim.shard, done)
        sink = _Sink(collector=self._collector, claim=claim, lose=self._lose)
        code, message = code[:_MOST_CODE], message[:_MOST_MESSAGE]
        try:
            await self._fill(table, code, message, sink)
            await sink.commit()
        finally:
            sink.close()

    async def mapped(
        self, shard: Shard, done: set[int], errors: Sequence[BatchError]
    ) -> list[BatchError]:
        """The errors with our line numbers: a provider counts those of the file it was given."""
        errors = [bounded(error) for error in errors]
        if all(error.line is None for error in errors):
            return errors
        table = await self._table(shard, done)
        sent = await asyncio.to_thread(_marked, table, OPEN)
        return [
            replace(error, line=sent[error.line - 1] + 1)
            if error.line is not None and 1 <= error.line <= len(sent)
            else replace(error, line=None)
            for error in errors
        ]

    def missing(self, provider: str, job: RemoteJob | None) -> tuple[str, str]:
        """Code and message of a line without a row."""
        if job is not None and job.status is BatchStatus.EXPIRED:
            return LineText.EXPIRED.pair()
        if job is not None and job.status is BatchStatus.FAILED and job.errors:
            return job.errors[0].code, job.errors[0].message
        return LineText.MISSING_RESULT.pair(provider=provider)

    # ------------------------------------------------------------------ steps

    async def _table(self, shard: Shard, done: set[int]) -> LineTable:
        table = LineTable()
        pieces = read_requests(
            self._blobs, self._batch.input_blob or "", shard, reader=reader_of(self._batch)
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


def bounded(error: BatchError) -> BatchError:
    """The error without what is too long to be repeated."""
    return replace(error, code=error.code[:_MOST_CODE], message=error.message[:_MOST_MESSAGE])


def refusal(error: RemoteError) -> BatchError:
    """A provider's refusal of a job as an entry of `errors.data`."""
    code = error.code or ("provider_denied" if error.trouble is Trouble.DENIED else None)
    return BatchError(code=code or "provider_refused", message=error.message, param=error.param)


def _weighed(
    provider: str, job: RemoteJob, join: Join, *, lines: int, still_open: int
) -> Collected:
    """Whether a transfer that left lines open gave what the provider says that there is."""
    had = lines - still_open  # in this transfer or before
    counts = job.counts
    message = None
    if counts is None or not counts.completed + counts.failed:
        # Nobody says how many there are. One at least, of a job that was completed.
        lost = not had and job.status is BatchStatus.COMPLETED
        if lost or join.unknown:
            message = f"The provider '{provider}' gave results of a job that are not whole."
    else:
        lost = had < min(counts.completed, lines)
        counted = counts.completed + counts.failed
        if job.status is not BatchStatus.COMPLETED and not join.unknown:
            counted = counts.completed  # a line that was not got to may count as failed
        if had < min(counted, lines):
            message = (
                f"The provider '{provider}' gave {had} of the {min(counted, lines)} results that "
                "it counts."
            )
    short = None if message is None else RemoteError(Trouble.UNCERTAIN, message)
    return Collected(rows=join.rows, open=still_open, short=short, lost=lost)


def _marked(table: LineTable, mark: int) -> list[int]:
    """Numbers of the lines with a mark. Blocks for as long as a large table takes."""
    return [table.line(index) for index in table.marked(mark)]


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
