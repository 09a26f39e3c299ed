"""One job's results on their way, over as many transfers as it takes.

    results --pieces--> Join --results--> sink --> committed segments
       |
    breaks: every whole row is kept, and the next transfer goes on there
    fewer rows than the provider counts --> short: not to be taken for everything there was

Owns what has come of a job, and whether that is all of it. Does not own how often it is tried
(`collection`).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

from batchway.domain.fate import Fate
from batchway.domain.remote import Reading, RemoteError, RemoteJob, Trouble
from batchway.domain.status import BatchStatus
from batchway.lines.shard_lines import ANSWERED, ELSEWHERE, LEFT, OPEN, LineTable
from batchway.ports import Jobs
from batchway.results.records import Records
from batchway.workflows.native.results import Join, unfaithful
from batchway.workflows.native.sink import Sink

_log: Final = logging.getLogger(__name__)
_PIECE_BYTES: Final = 512 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What the transfers gave: `rows` in the last one; `open` are lines without any, `of_account`
    those whose row is not their result for the sake of the account.

    `table` holds the open ones, where there are any: what becomes of them is written without
    reading the input again. `short` tells why this is not everything: rows that the provider counts
    are not to be had.
    """

    rows: int
    open: int
    of_account: int = 0
    table: LineTable | None = None
    short: RemoteError | None = None


class Pull:
    """The results of one job, for the lines of `table`.

    `leaves` tells which fates are no result of their line. It is asked anew for every row: the
    batch may be cancelled while its results arrive.
    """

    def __init__(
        self,
        *,
        table: LineTable,
        jobs: Jobs,
        records: Records,
        provider: str,
        leaves: Callable[[Fate], bool],
    ) -> None:
        self._table = table
        self._jobs = jobs
        self._records = records
        self._provider = provider
        self._leaves = leaves
        self._reading = Reading()
        self._earlier = table.marks.count(ANSWERED)  # had a result when this process began to read
        self._of_account = 0
        self._join = Join(
            table=table,
            framing=jobs.framing,
            dialect=jobs.dialect,
            records=records,
            leave=self._leave,
            provider=provider,
        )
        self.answers_lost = False  # whether what is short are answers

    def _leave(self, fate: Fate) -> bool:
        left = self._leaves(fate)
        self._of_account += left and fate is Fate.ACCOUNT
        return left

    @property
    def had(self) -> int:
        """Requests that have a row, from this job or from an earlier one."""
        table, marks = self._table, self._table.marks
        lines = len(marks) - marks.count(ELSEWHERE) - marks.count(OPEN)
        lines -= sum(marks[index] != OPEN for index in table.unfaithful)  # these never get a row
        more = sum(n - 1 for index, n in table.parts.items() if marks[index] != OPEN)
        return lines + more + self._join.held

    @property
    def _requests(self) -> int:
        """Requests that the lines of this part are, those that cannot be said left out."""
        table, marks = self._table, self._table.marks
        lines = len(marks) - marks.count(ELSEWHERE) - len(table.unfaithful)
        return lines + sum(n - 1 for n in table.parts.values())

    async def transfer(self, job: RemoteJob, sink: Sink, *, rescue: bool) -> None:
        """Read what has not been read.

        Raises what `sink` does, and `RemoteError` when the transfer breaks: every whole row that
        had come is committed then.
        """
        join = self._join
        join.begin()
        await self._settle_unfaithful(sink, rescue=rescue)
        stream = self._jobs.results(job, self._reading)
        gathered = bytearray()
        restarts = self._reading.restarts
        try:
            async for data in stream:
                if self._reading.restarts != restarts:
                    restarts = self._reading.restarts
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

    async def _settle_unfaithful(self, sink: Sink, *, rescue: bool) -> None:
        """Lines that cannot be said there were not sent: run online, or an error each."""
        table = self._table
        if rescue:
            for index in table.unfaithful:
                table.marks[index] = LEFT
            return
        pieces = unfaithful(table, self._records, provider=self._provider)
        while (results := await asyncio.to_thread(next, pieces, None)) is not None:
            await sink.add(results)

    def short(self, job: RemoteJob) -> RemoteError | None:
        """Whether a transfer that ended well gave less than what the provider says there is."""
        join, sent_at_most = self._join, self._requests
        if not self._table.marks.count(OPEN):
            return None
        counts = job.counts
        completed = job.status is BatchStatus.COMPLETED
        message = None
        self.answers_lost = True
        if counts is None or not counts.completed + counts.failed:
            # Nothing says how many there are. One at least, of a job that was completed.
            if join.unknown or (completed and not self.had):
                message = (
                    f"The provider '{self._provider}' gave results of a job that are not whole."
                )
        else:
            # Some of the part may have had their results before this job was made.
            sent = min(counts.total or sent_at_most, sent_at_most)
            had = self.had - min(sent_at_most - sent, self._earlier)
            counted = counts.completed + counts.failed
            incomplete = completed and counts.total > counted
            if incomplete:
                counted = counts.total  # the counts of a job that has ended come late, too
            if not completed and not join.unknown:
                counted = counts.completed  # a line that was not got to may count as failed
            self.answers_lost = had < min(counts.completed, sent) or incomplete
            if had < min(counted, sent):
                message = (
                    f"The provider '{self._provider}' gave {max(0, had)} of the "
                    f"{min(counted, sent)} results that it counts."
                )
        if message is None:
            return None
        # From the first byte: nothing tells what of it was not right.
        self._reading.restart()
        return RemoteError(Trouble.UNCERTAIN, message)

    async def collected(self, done: set[int], *, short: RemoteError | None) -> Collected:
        """What there is; lines with a result are added to `done` when others have none."""
        marks, rows = self._table.marks, self._join.rows
        still_open = marks.count(OPEN)
        if not still_open and not marks.count(LEFT):
            return Collected(rows=rows, open=0, short=short)
        done.update(await asyncio.to_thread(lines_marked, self._table, ANSWERED))
        return Collected(
            rows=rows,
            open=still_open,
            of_account=self._of_account,
            table=self._table if still_open else None,
            short=short,
        )


def lines_marked(table: LineTable, mark: int) -> list[int]:
    """Numbers of the lines with a mark. Blocks for as long as a large table takes."""
    return [table.line(index) for index in table.marked(mark)]
