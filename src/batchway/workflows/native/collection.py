"""Collecting what a remote job left: every row committed, and an entry for every line without one.

A provider may show late what there is: its results, rows of them, counts. It is asked again for
minutes (`NativeTuning.lateness`), for the job as well as for its results, and the job is looked for
under its tag, before anything is taken for absent.

Owns how long a transfer is tried, and the entries of lines without a row. Does not own a transfer
(`pull`), nor what becomes of the job and of its lines (`closing`).
"""

import asyncio
import logging
from collections.abc import Collection as AnyCollection
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from batchway.domain.batch import BatchError
from batchway.domain.fate import Fate
from batchway.domain.remote import RemoteError, RemoteJob, Trouble
from batchway.lines.envelope import reader_of
from batchway.lines.shard_lines import OPEN, LineTable, read_requests
from batchway.workflows.native.context import JobContext
from batchway.workflows.native.pull import Collected, Pull, lines_marked
from batchway.workflows.native.record import Record
from batchway.workflows.native.results import missing, unfaithful
from batchway.workflows.native.sink import Sink
from batchway.workflows.native.waiting import Waiting, brief

_log: Final = logging.getLogger(__name__)
_FAILED_ROWS: Final = 5.0  # some write no rows of failed lines ever: waited for this much less
_ABSENT: Final = 3  # looks, at least, before absence is believed: one answer may be a mistake
_MOST_CODE: Final = 100  # characters of a provider's words, which every line may repeat
_MOST_MESSAGE: Final = 1_000


class Look(Protocol):
    """Asks for a job again. Raises `HaltedError`."""

    async def __call__(self, job: RemoteJob, *, under_tag: bool) -> RemoteJob:
        """The job as it is now, by its id or by its tag; as it was if that cannot be told."""
        ...


class Collection:
    """Collects what the jobs of one shard left."""

    def __init__(self, *, context: JobContext, record: Record, waiting: Waiting) -> None:
        self._context = context
        self._record = record
        self._waiting = waiting

    async def run(self, job: RemoteJob, *, look: Look) -> Collected:
        """Commit everything that the job gave, however often the transfer breaks or comes short.

        When it leaves lines open, the others are added to those that are done. Raises
        `HaltedError`.
        """
        context, record, waiting = self._context, self._record, self._waiting
        slots = context.resources.accounts.collections(record.now.provider)
        async with slots:  # a table of lines for each of those that collect
            pull = await self._new_pull()
        failures = absences = had = 0
        logged: tuple[int, str] | None = None
        absent_since: float | None = None
        while True:
            try:
                async with slots:
                    await self._transfer(pull, job)
                trouble = pull.short(job)
                absent, late = True, waiting.lateness
                if trouble is not None and not pull.answers_lost:
                    late /= _FAILED_ROWS
            except RemoteError as error:
                trouble = error
                absent = error.trouble in {Trouble.REFUSED, Trouble.NOT_FOUND}
                late = waiting.lateness
            if trouble is None:
                waiting.tell(None)
                waiting.log(None)
                return await pull.collected(record.done, short=None)
            if (pull.had, brief(trouble)) != logged:
                logged = (pull.had, brief(trouble))
                _log.warning(
                    "batch %s: results of job %s came to %d rows and broke off (%s)",
                    context.shared.batch.id,
                    job.id,
                    *logged,
                )
            now = context.clock.monotonic()
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
                if not waiting.is_over and _results(shown) != _results(job):
                    job, absences, absent_since = shown, 0, None
                    continue
                _log.error(
                    "batch %s: results of job %s are not to be had", context.shared.batch.id, job.id
                )
                return await pull.collected(record.done, short=trouble)
            failures += 1
            # Without its slot: results that cannot be read hold up no others.
            await waiting.out(trouble, failures=failures)
            job = await look(job, under_tag=False)

    async def write_off(self, *, code: str, message: str, table: LineTable | None = None) -> None:
        """Commit an error line for every line of the job that is not done.

        `table` is that of what was collected, if anything was: then those without a row.
        """
        if table is None:
            table = await self._table(self._record.done)
        provider = self._record.now.provider
        records = self._context.resources.records
        sink = self._sink()
        try:
            # What was never sent is told so, whatever became of the job.
            for pieces in (
                unfaithful(table, records, provider=provider),
                missing(table, records, code=code[:_MOST_CODE], message=message[:_MOST_MESSAGE]),
            ):
                while (results := await asyncio.to_thread(next, pieces, None)) is not None:
                    await sink.add(results)
            await sink.commit()
        finally:
            sink.close()

    async def mapped(self, errors: Sequence[BatchError]) -> list[BatchError]:
        """The errors with our line numbers: a provider counts those of the input it was given."""
        errors = [bounded(error) for error in errors]
        if all(error.line is None for error in errors):
            return errors
        table = await self._table(self._record.done)
        sent = await asyncio.to_thread(_sent, table)
        return [
            replace(error, line=sent[error.line - 1] + 1)
            if error.line is not None and 1 <= error.line <= len(sent)
            else replace(error, line=None)
            for error in errors
        ]

    # ------------------------------------------------------------------ steps

    async def _new_pull(self) -> Pull:
        return Pull(
            table=await self._table(self._record.done),
            jobs=self._context.jobs,
            records=self._context.resources.records,
            provider=self._record.now.provider,
            names_provider=self._context.shared.names_providers,
            leaves=self._leaves,
        )

    async def _transfer(self, pull: Pull, job: RemoteJob) -> None:
        sink = self._sink()
        try:
            await pull.transfer(job, sink, rescue=self._context.rescue)
        finally:
            sink.close()

    def _leaves(self, fate: Fate) -> bool:
        """Whether a row of that fate is not the line's result."""
        if fate is Fate.ACCOUNT:
            return True  # no line is spent on an account's bad hour
        if self._context.shared.winding_down:
            return fate is Fate.UNTRIED  # the batch's own end says it better
        return self._context.rescue and fate in {Fate.PASSING, Fate.UNTRIED}

    async def _table(self, done: AnyCollection[int]) -> LineTable:
        context, part = self._context, self._record.part
        table = LineTable(context.jobs.dialect)
        pieces = read_requests(
            context.resources.blobs,
            context.shared.batch.input_blob or "",
            context.shard,
            reader=reader_of(context.shared.batch),
        )

        def add_next() -> bool:
            piece = next(pieces, None)
            if piece is not None:
                table.add(piece, done, part)
            return piece is not None

        while await asyncio.to_thread(add_next):
            pass
        return table

    def _sink(self) -> Sink:
        resources = self._context.resources
        return Sink(
            collector=resources.collector, claim=self._context.claim, lose=self._record.lose
        )


def bounded(error: BatchError) -> BatchError:
    """The error without what is too long to be repeated."""
    return replace(error, code=error.code[:_MOST_CODE], message=error.message[:_MOST_MESSAGE])


def refusal(error: RemoteError) -> BatchError:
    """A provider's refusal of a job as an entry of `errors.data`."""
    code = error.code or ("provider_denied" if error.trouble is Trouble.DENIED else None)
    return BatchError(code=code or "provider_refused", message=error.message, param=error.param)


def _results(job: RemoteJob) -> tuple[str, tuple[str, ...]]:
    return job.id, job.references


def _sent(table: LineTable) -> list[int]:
    """The line of each request of a job, in the order in which they were sent. Blocks."""
    if not table.parts and not table.unfaithful:
        return lines_marked(table, OPEN)
    return [
        table.line(index)
        for index in table.marked(OPEN)
        if index not in table.unfaithful
        for _ in range(table.parts.get(index, 1))
    ]
