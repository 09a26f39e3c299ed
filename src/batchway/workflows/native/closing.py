"""The end of one job: what is written for lines without a result, what is removed, what follows.

    everything collected --> the job's files are removed --> the rest of its shard, or the end
    failed, no room -------> another attempt
    failed, refused -------> the batch fails, or its lines do
    lines left ------------> written off, or run online (rescue)

Owns what becomes of the lines. Does not own how a job is submitted (`submission`), waited
for (`job`) or collected (`collection`).
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from batchway.domain.batch import BatchError
from batchway.domain.batch_errors import LineText
from batchway.domain.errors import Unavailable
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.remote import Cause, Failed, JobStage, RemoteError, RemoteJob, Trouble
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.workflows.native.capacity import GOES_ON, no_credit_at
from batchway.workflows.native.collection import Collection, bounded
from batchway.workflows.native.context import JobContext
from batchway.workflows.native.cutting import Cutting
from batchway.workflows.native.ending import HaltedError
from batchway.workflows.native.pull import Collected
from batchway.workflows.native.record import Record
from batchway.workflows.native.tidying import clean
from batchway.workflows.native.waiting import Waiting
from batchway.workflows.run import Ending

_log: Final = logging.getLogger(__name__)

# Why lines run online whose job an earlier life of this process has seen to its end.
_WENT: Final = {BatchStatus.EXPIRED: "expired", BatchStatus.CANCELLED: "was cancelled"}
_ENDED_WITHOUT: Final = "Their job ended without their results."


class Closing:
    """Ends one job. Every method returns whether there is more to do with its shard."""

    def __init__(
        self,
        *,
        context: JobContext,
        record: Record,
        collection: Collection,
        cutting: Cutting,
        waiting: Waiting,
    ) -> None:
        self._context = context
        self._record = record
        self._collection = collection
        self._cutting = cutting
        self._waiting = waiting
        self._unseen_since: float | None = None
        self._unseen = 0

    async def failed(self, job: RemoteJob) -> bool:
        """A job that failed without a single row."""
        context, record = self._context, self._record
        errors = job.errors or ()
        failure = job.failure or Failed(cause=Cause.REFUSED)
        if failure.cause is Cause.NO_ROOM:
            return await self.lacked(job, failure)
        if failure.cause is Cause.UNSEEN and self._may_be_late():
            # The input, brought a moment ago, was not seen by the validation.
            await self._again(job)
            unseen = bounded(failure.error or self._unexplained())
            self._unseen += 1
            error = RemoteError(Trouble.NOT_YET, unseen.message, code=unseen.code)
            await self._waiting.out(error, failures=self._unseen)
            return True
        await clean(job, context=context, record=record, tag=record.now.tag)
        if was_accepted(job):
            if context.rescue and not context.shared.winding_down:
                error = bounded(errors[0] if errors else self._unexplained())
                _log.warning(
                    "batch %s: job %d failed (%s): its lines run online, at the online price",
                    context.shared.batch.id,
                    record.shard.number,
                    error.code,
                )
                return await self.end(None, because=error.message)
            return await self._write_off(errors)
        mapped = await self._collection.mapped(errors)
        return await self.refused(mapped or [self._unexplained()])

    async def lacked(self, job: RemoteJob, failure: Failed) -> bool:
        """A job that failed for want of room or credit: its lines are tried again, later."""
        shared, record = self._context.shared, self._record
        lack = bounded(failure.error or self._unexplained())
        if failure.limit is not None and not shared.winding_down:
            cut = await self._cutting.cut(failure.limit, [lack])
            if cut is not None:
                return cut if isinstance(cut, bool) else await self.refused(cut)
        provider = record.now.provider
        if failure.credit:
            reason = no_credit_at(provider, lack.code)
            reason = replace(reason, sentence=f"{lack.message} {reason.sentence}")
        else:
            reason = Reason(
                kind=ReasonKind.CAPACITY,
                sentence=f"The provider '{provider}' has no room: {lack.message}",
                promise=GOES_ON,
            )
        shared.reasons[record.key] = reason
        record.capacity.close(retry_after=None, code=lack.code, credit=failure.credit)
        return await self._again(job)

    async def of_account(self, job: RemoteJob) -> bool:
        """Rows tell of the account (its key, its credit): their lines are tried again, later."""
        context, record = self._context, self._record
        provider = record.now.provider
        context.shared.reasons[record.key] = Reason(
            kind=ReasonKind.ACCOUNT,
            sentence=(
                f"The provider '{provider}' let lines of a job fail for the sake of the account: "
                "its key was refused, or it has no credit left. Mend that there."
            ),
            promise=GOES_ON,
        )
        record.capacity.close(retry_after=None, code="account_refused")
        context.shared.verdict.accept()
        return await self._again(job)

    async def _again(self, job: RemoteJob) -> bool:
        """Another job for the lines of this one that have no result."""
        tag = self._record.now.tag
        # Recorded before anything is removed: or its results would be asked for in vain.
        await self._record.begin(first_line=self._record.now.first_line)
        await clean(job, context=self._context, record=self._record, tag=tag)
        return True

    async def refused(self, errors: Sequence[BatchError]) -> bool:
        """The provider will never take these lines as a job."""
        shared, number = self._context.shared, self._record.shard.number
        errors = [bounded(error) for error in errors]
        _log.warning("batch %s: job %d is refused: %s", shared.batch.id, number, errors[0].code)
        self._waiting.tell(Reason(kind=ReasonKind.REQUEST, sentence=errors[0].message))
        try:
            if not await shared.verdict.refuse(number, errors):
                return False
        except HaltedError:
            if shared.ending is Ending.FAILED:
                await self._remove_input()  # no later life comes back for it
            raise
        self._waiting.tell(None)
        shared.pilots.end_turn(number, self._record.key)
        # Before anything is recorded: what a crash leaves is refused, and removed, again.
        await self._remove_input()
        return await self._write_off(errors)

    async def _remove_input(self) -> None:
        """Of a job that was never made; what one that was made left has been removed with it."""
        if self._record.now.remote_id is None:
            await self._cutting.clean_up(self._record.now)

    async def end(
        self, job: RemoteJob | None, collected: Collected | None = None, *, because: str = ""
    ) -> bool:
        """Everything that the provider gave is committed.

        `because` is why lines have no result, where the job does not tell.
        """
        context, record = self._context, self._record
        winding_down = context.shared.winding_down
        context.shared.verdict.accept()
        short = collected is not None and collected.short is not None
        still_open = not record.is_complete if collected is None else collected.open
        unfetched = self._unfetched(job, short=short)
        # Winding down, the batch's own end says it better, except of what was run.
        writes_off = unfetched is not None if winding_down else not context.rescue
        if still_open and writes_off:
            if short:
                # Or a run that finds every line with a result would remove what was not collected.
                await record.end()
            code, message = unfetched or self._missing(job)
            table = None if collected is None else collected.table
            await self._collection.write_off(code=code, message=message, table=table)
        if winding_down and job is not None and job.status not in TERMINAL:
            # It goes on for longer than a batch waits. Its record stays open: see `remains`.
            await record.put(replace(record.now, completed=0, failed=0))
            return False
        if job is not None and job.status in TERMINAL and not short:
            # Recorded first: results that are being removed must not be asked for again.
            await record.put(replace(record.now, stage=JobStage.COLLECTED, completed=0, failed=0))
            await clean(job, context=context, record=record, tag=record.now.tag)
        return await self.go_on(because=because or self._left(job))

    async def tidy(self) -> bool:
        """From `collected`: an earlier life was ended while it removed the job's files."""
        self._context.shared.verdict.accept()
        now = self._record.now
        job = RemoteJob(
            id=now.remote_id or "",
            status=BatchStatus.COMPLETED,
            reference=now.reference,
            references=now.references,
        )
        await clean(job, context=self._context, record=self._record, tag=now.tag)
        return await self.go_on()

    async def go_on(self, *, because: str = "") -> bool:
        """With the rest of the shard, if the job was a part of it; else the shard has ended.

        `because` is why lines of it have no result, where that is known.
        """
        context, record = self._context, self._record
        rest = record.now.before_line
        if rest is not None and not context.shared.winding_down and not record.is_complete:
            await record.begin(first_line=rest)
            return True
        await record.end()
        if context.rescue and not context.shared.winding_down:
            await self.hand_over(because=because or _ENDED_WITHOUT)
        return False

    async def hand_over(self, *, because: str) -> None:
        """Lines without a result, if there are any, are the managed runner's now."""
        context, number = self._context, self._record.shard.number
        while True:
            try:
                still_open = await context.resources.ledger.shards.open(context.shared.batch.id)
                if all(shard.number != number for shard in still_open):
                    return
                if not await context.resources.ledger.shards.hand_over(
                    context.claim, because=because
                ):
                    self._record.lose()
                break
            except Unavailable as error:
                await self._record.wait_for_storage(error)
        _log.info("batch %s: lines of job %d run online", context.shared.batch.id, number)
        context.handed_over(self._record.shard)

    # ------------------------------------------------------------------ entries

    async def _write_off(self, errors: Sequence[BatchError]) -> bool:
        """Every open line of the job gets its error."""
        context, record = self._context, self._record
        context.shared.verdict.accept()
        error = errors[0] if errors else self._unexplained()
        if not context.shared.winding_down:
            await self._collection.write_off(code=error.code, message=error.message)
        rest = record.now.before_line
        if rest is not None and not context.shared.winding_down:
            await record.begin(first_line=rest)
            return True
        await record.end()
        return False

    def _unfetched(self, job: RemoteJob | None, *, short: bool) -> tuple[str, str] | None:
        """What is said of lines that the provider may have run: never that they were not."""
        now = self._record.now
        counts = None if job is None else job.counts
        counted, total = now.completed + now.failed, self._record.shard.lines
        if counts is not None and counts.completed + counts.failed:
            counted, total = counts.completed + counts.failed, counts.total or total
        if not counted or (job is not None and not short):
            return None
        return LineText.UNFETCHED.pair(
            provider=now.provider, counted=counted, total=max(total, counted)
        )

    def _left(self, job: RemoteJob | None) -> str:
        """Why lines of a job that has ended have no result, of all of them together."""
        theirs = f"Their job at the provider '{self._record.now.provider}'"
        if job is not None and job.status is BatchStatus.FAILED and job.errors:
            return bounded(job.errors[0]).message
        if job is not None and job.status in _WENT:
            return f"{theirs} {_WENT[job.status]} before they were run."
        return f"{theirs} ended without results for them."

    def _missing(self, job: RemoteJob | None) -> tuple[str, str]:
        """Code and message of a line without a row."""
        if job is not None and job.status is BatchStatus.EXPIRED:
            return LineText.EXPIRED.pair()
        if job is not None and job.status is BatchStatus.FAILED and job.errors:
            return job.errors[0].code, job.errors[0].message
        return LineText.MISSING_RESULT.pair(provider=self._record.now.provider)

    def _unexplained(self) -> BatchError:
        provider = self._record.now.provider
        return BatchError(
            code="provider_refused",
            message=f"The provider '{provider}' refused the job without saying why.",
        )

    def _may_be_late(self) -> bool:
        now = self._context.clock.monotonic()
        if self._unseen_since is None:
            self._unseen_since = now
        late = now - self._unseen_since < self._waiting.lateness
        return late and not self._context.shared.winding_down


def lacking(job: RemoteJob) -> Failed | None:
    """The want of room or credit that a job failed for."""
    failure = job.failure
    return failure if failure is not None and failure.cause is Cause.NO_ROOM else None


def was_accepted(job: RemoteJob) -> bool:
    """Whether the provider's validation let the job pass."""
    if job.in_progress_at is not None:
        return True
    return job.status not in {BatchStatus.VALIDATING, BatchStatus.FAILED}
