"""Collecting what a remote job left: rows into committed results, and an entry for every line.

    results --pieces--> Join --results--> collector --> committed segments
       |                                      |
    breaks: every whole row is kept,          |
    and the next transfer goes on there       |
    fewer rows than the provider counts --> short: not to be taken for everything there was

A provider may show late what there is: the ids of files, rows, counts. It is asked again for
minutes (`NativeTuning.lateness`), for the job as well as for its files, and the job is looked for
under its tag, before anything is taken for absent.

Owns the way from bytes to commits, and how long a transfer is tried. Does not own what becomes of
the job and of lines without a row (`closing`).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass, replace
from typing import Final, NoReturn, Protocol

from batchway.dialects.openai.framing import is_of_account
from batchway.domain.batch import Batch, BatchError
from batchway.domain.remote import Reading, RemoteError, RemoteJob, RemoteRow, Trouble
from batchway.domain.shard import Claim, Shard
from batchway.domain.status import BatchStatus
from batchway.lines.envelope import reader_of
from batchway.lines.shard_lines import (
    ANSWERED,
    ELSEWHERE,
    LEFT,
    OPEN,
    LineTable,
    Part,
    read_requests,
)
from batchway.ports import Blobs, Clock, RemoteBatches
from batchway.results.collector import Buffer, Collector
from batchway.results.line_result import LineResult
from batchway.results.records import Records
from batchway.workflows.managed.run import Ending
from batchway.workflows.native.batch import HaltedError, NativeBatch
from batchway.workflows.native.results import Join, is_retryable, missing, was_untried
from batchway.workflows.native.waiting import Waiting, brief

_log: Final = logging.getLogger(__name__)
_PIECE_BYTES: Final = 512 << 10
_GATHERED_BYTES: Final = 4 << 20
_FAILED_ROWS: Final = 5.0  # some write no rows of failed lines ever: waited for this much less
_ABSENT: Final = 3  # looks, at least, before absence is believed: one may be anybody's mistake
_MOST_CODE: Final = 100  # characters of a provider's words, which every line may repeat
_MOST_MESSAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What the transfers gave: `rows` in the last one; `open` are lines without any, `left` those
    with a row that is not their result, `of_account` of them for the sake of the account.

    `short` tells why this is not everything: rows that the provider counts are not to be had.
    """

    rows: int
    open: int
    left: frozenset[int] = frozenset()
    of_account: int = 0
    short: RemoteError | None = None


class Look(Protocol):
    """Asks for a job again. Raises `HaltedError`."""

    async def __call__(self, job: RemoteJob, *, under_tag: bool) -> RemoteJob:
        """The job as it is now, by its id or by its tag; as it was if that cannot be told."""
        ...


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
        part: Part,
        batches: RemoteBatches,
        provider: str,
        job: RemoteJob,
        done: set[int],
        rescue: bool,
        slots: asyncio.Semaphore,
        waiting: Waiting,
        look: Look,
        clock: Clock,
    ) -> Collected:
        """Commit everything that the job gave, however often the transfer breaks or comes short.

        When it leaves lines open, the others are added to `done`. Raises `HaltedError`.
        """
        pull = _Pull(claim=claim, part=part)
        failures = absences = had = 0
        logged: tuple[int, str] | None = None
        absent_since: float | None = None
        while True:
            try:
                async with slots:
                    await self._transfer(pull, batches=batches, job=job, done=done, rescue=rescue)
                trouble = pull.short(provider, job)
                absent, late = True, waiting.lateness
                if trouble is not None and not pull.lost:
                    late /= _FAILED_ROWS
            except RemoteError as error:
                trouble = error
                absent = error.trouble in {Trouble.REFUSED, Trouble.NOT_FOUND}
                late = waiting.lateness
            if trouble is None:
                waiting.tell(None)
                waiting.log(None)
                return await pull.collected(done, short=None)
            if (pull.had, brief(trouble)) != logged:
                logged = (pull.had, brief(trouble))
                _log.warning(
                    "batch %s: results of job %s came to %d rows and broke off (%s)",
                    self._batch.id,
                    job.id,
                    *logged,
                )
            now = clock.monotonic()
            if pull.had > had:
                had, failures, absences, absent_since = pull.had, 0, 0, None
            if absent:
                absences += 1
                absent_since = now if absent_since is None else absent_since
            believed = (
                absent
                and absences >= _ABSENT
                and absent_since is not None
                and now - absent_since >= late
            )
            if believed or waiting.is_over:
                shown = await look(job, under_tag=True)
                if not waiting.is_over and _files(shown) != _files(job):
                    job, absences, absent_since = shown, 0, None
                    continue
                _log.error("batch %s: results of job %s are not to be had", self._batch.id, job.id)
                return await pull.collected(done, short=trouble)
            failures += 1
            # Without its slot: a file that cannot be read holds up no other.
            await waiting.out(trouble, failures=failures)
            job = await look(job, under_tag=False)

    async def _transfer(
        self,
        pull: "_Pull",
        *,
        batches: RemoteBatches,
        job: RemoteJob,
        done: set[int],
        rescue: bool,
    ) -> None:
        """Read what has not been read.

        Raises `HaltedError` when the claim is lost, and `RemoteError` when the transfer breaks:
        every whole row that had come is committed then.
        """
        if pull.join is None:
            pull.table = await self._table(pull.claim.shard, done, pull.part)
            pull.earlier = pull.table.marks.count(ANSWERED)
            pull.join = Join(
                table=pull.table,
                codec=batches.codec,
                records=self._records,
                # Read anew for every row: the batch may be cancelled while its results arrive.
                leave=lambda row: self._leaves(row, pull, rescue=rescue),
            )
        sink = _Sink(collector=self._collector, claim=pull.claim, lose=self._lose)
        try:
            await self._stream(batches, job, pull, pull.join, sink)
        finally:
            sink.close()

    async def write_off(
        self, *, claim: Claim, part: Part, done: AnyCollection[int], code: str, message: str
    ) -> None:
        """Commit an error line for every line of a part that is not in `done`."""
        table = await self._table(claim.shard, done, part)
        sink = _Sink(collector=self._collector, claim=claim, lose=self._lose)
        code, message = code[:_MOST_CODE], message[:_MOST_MESSAGE]
        try:
            await self._fill(table, code, message, sink)
            await sink.commit()
        finally:
            sink.close()

    async def mapped(
        self, shard: Shard, part: Part, done: set[int], errors: Sequence[BatchError]
    ) -> list[BatchError]:
        """The errors with our line numbers: a provider counts those of the file it was given."""
        errors = [bounded(error) for error in errors]
        if all(error.line is None for error in errors):
            return errors
        table = await self._table(shard, done, part)
        sent = await asyncio.to_thread(_marked, table, OPEN)
        return [
            replace(error, line=sent[error.line - 1] + 1)
            if error.line is not None and 1 <= error.line <= len(sent)
            else replace(error, line=None)
            for error in errors
        ]

    # ------------------------------------------------------------------ steps

    async def _table(self, shard: Shard, done: AnyCollection[int], part: Part) -> LineTable:
        table = LineTable()
        pieces = read_requests(
            self._blobs, self._batch.input_blob or "", shard, reader=reader_of(self._batch)
        )

        def add_next() -> bool:
            piece = next(pieces, None)
            if piece is not None:
                table.add(piece, done, part)
            return piece is not None

        while await asyncio.to_thread(add_next):
            pass
        return table

    def _leaves(self, row: RemoteRow, pull: "_Pull", *, rescue: bool) -> bool:
        """Whether a row is not the line's result."""
        if is_of_account(row):
            # No line is spent on an account's bad hour.
            pull.of_account += 1
            return True
        if self._shared.winding_down:
            return was_untried(row)  # the batch's own end says it better
        return rescue and is_retryable(row)

    async def _stream(
        self, batches: RemoteBatches, job: RemoteJob, pull: "_Pull", join: Join, sink: "_Sink"
    ) -> None:
        """Join every row. Raises `RemoteError` when the transfer breaks."""
        join.begin()
        stream = batches.results(job, pull.reading)
        gathered = bytearray()
        restarts = pull.reading.restarts
        try:
            async for data in stream:
                if pull.reading.restarts != restarts:
                    restarts = pull.reading.restarts
                    if not gathered:
                        join.forget()  # half a row of what is read from its start again
                gathered += data
                if len(gathered) >= _PIECE_BYTES:
                    await sink.add(await asyncio.to_thread(join.take, bytes(gathered)))
                    gathered.clear()
        except RemoteError:
            await sink.add(await asyncio.to_thread(join.take, bytes(gathered)))
            await sink.commit()
            raise
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()  # or its connection would stay until the collector runs
        await sink.add(await asyncio.to_thread(join.take, bytes(gathered), last=True))
        await sink.commit()
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


class _Pull:
    """One job's results on their way, over as many transfers as it takes."""

    def __init__(self, *, claim: Claim, part: Part) -> None:
        self.claim = claim
        self.part = part
        self.reading = Reading()
        self.table = LineTable()
        self.join: Join | None = None
        self.of_account = 0
        self.earlier = 0  # lines that had a result when this process began to read
        self.lost = False  # whether what is short are answers

    @property
    def lines(self) -> int:
        """Lines of the part."""
        return len(self.table) - self.table.marks.count(ELSEWHERE)

    @property
    def had(self) -> int:
        """Lines that have a row, from this job or from an earlier one."""
        return self.lines - self.table.marks.count(OPEN)

    def short(self, provider: str, job: RemoteJob) -> RemoteError | None:
        """Whether a transfer that ended well gave less than what the provider says there is."""
        join, lines = self.join, self.lines
        if join is None or not self.table.marks.count(OPEN):
            return None
        counts = job.counts
        completed = job.status is BatchStatus.COMPLETED
        message = None
        self.lost = True
        if counts is None or not counts.completed + counts.failed:
            # Nobody says how many there are. One at least, of a job that was completed.
            if join.unknown or (completed and not self.had):
                message = f"The provider '{provider}' gave results of a job that are not whole."
        else:
            # Some of the part may have had their results before this job was made.
            sent = min(counts.total or lines, lines)
            had = self.had - min(lines - sent, self.earlier)
            counted = counts.completed + counts.failed
            incomplete = completed and counts.total > counted
            if incomplete:
                counted = counts.total  # the counts of a job that has ended come late, too
            if not completed and not join.unknown:
                counted = counts.completed  # a line that was not got to may count as failed
            self.lost = had < min(counts.completed, sent) or incomplete
            if had < min(counted, sent):
                message = (
                    f"The provider '{provider}' gave {max(0, had)} of the {min(counted, sent)} "
                    "results that it counts."
                )
        if message is None:
            return None
        # From the first byte: nobody knows what of it was not right.
        self.reading.restart()
        return RemoteError(Trouble.UNCERTAIN, message)

    async def collected(self, done: set[int], *, short: RemoteError | None) -> Collected:
        """What there is; lines with a result are added to `done` when others have none."""
        rows = 0 if self.join is None else self.join.rows
        still_open = self.table.marks.count(OPEN)
        if self.join is None:
            return Collected(rows=0, open=self.claim.shard.lines - len(done), short=short)
        if not still_open and not self.table.marks.count(LEFT):
            return Collected(rows=rows, open=0, short=short)
        done.update(await asyncio.to_thread(_marked, self.table, ANSWERED))
        left = await asyncio.to_thread(_marked, self.table, LEFT)
        return Collected(
            rows=rows,
            open=still_open,
            left=frozenset(left),
            of_account=self.of_account,
            short=short,
        )


def _files(job: RemoteJob) -> tuple[str, str | None, str | None]:
    return job.id, job.output_file_id, job.error_file_id


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
