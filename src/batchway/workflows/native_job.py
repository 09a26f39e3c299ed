"""One native shard as one remote job, from whatever the ledger remembers of it to its end.

    intended --encode, submit--> submitted --poll, collect--> collected --tidy--> ended
       ^  \\                        ^  |                                     lines left are
       |   +--> submitting --look---+  |                                     handed over (rescue)
       +------------+--- no room ------+

Each step is recorded before it is taken, so that a new `NativeJob` over the same ledger goes on
where the last one was killed. Nothing is submitted again, and no refusal believed, before a look
for a job under the tag: nobody pays twice.

Owns the life of one job. Does not own what it means to the batch (`native_batch`), whose turn it
is (`native_site`), how long it waits (`native_waiting`), its results (`native_collection`), or a
job made too late (`native_stray`).
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

from batchway.dialects.openai_batch import means_no_room
from batchway.domain.batch import Batch, BatchError, RequestCounts
from batchway.domain.errors import Unavailable
from batchway.domain.remote import (
    JobOrder,
    JobRecord,
    JobStage,
    RemoteError,
    RemoteJob,
    Trouble,
)
from batchway.domain.shard import Claim, Shard
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Blobs, Clock, Ledger, RemoteBatches
from batchway.workflows.envelope import reader_of
from batchway.workflows.managed import STORAGE_TROUBLE, Ending
from batchway.workflows.native_batch import HaltedError, NativeBatch
from batchway.workflows.native_collection import Collected, Collection, bounded, refusal
from batchway.workflows.native_lines import read_requests
from batchway.workflows.native_site import NativeSite, NativeTuning
from batchway.workflows.native_spool import Spooled, spool
from batchway.workflows.native_stray import cancel, disown
from batchway.workflows.native_waiting import Waiting, waits

_log: Final = logging.getLogger(__name__)
_CLOCK_SKEW: Final = 600  # seconds that a provider's clock may be behind ours
_STORAGE_PAUSE: Final = 1.0
_ROOM_PAUSE: Final = 1.0
_CLEANINGS: Final = 3
_FIRST_PAUSE: Final = 1.0
_GONE: Final = 5  # answers in a row that a job is not there
_FOR_GOOD: Final = frozenset({Trouble.REFUSED, Trouble.DENIED, Trouble.NOT_FOUND})


def new_tag(batch_id: str, shard: int, attempt: int) -> str:
    """The name that finds a job again at its provider."""
    return f"batchway-{batch_id.removeprefix('batch_')}-{shard}-{attempt}"


class NativeJob:
    """Runs one native shard under a claim. Use once.

    `done` are lines with a committed result; `rescue` is whether lines without one may be handed
    to the managed runner, which `handed_over` is told of.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        claim: Claim,
        record: JobRecord,
        done: set[int],
        rescue: bool,
        shared: NativeBatch,
        ledger: Ledger,
        blobs: Blobs,
        collection: Collection,
        clock: Clock,
        draw: Callable[[], float],
        site: NativeSite,
        batches: RemoteBatches,
        tuning: NativeTuning,
        handed_over: Callable[[Shard], None],
        spool_dir: Path,
    ) -> None:
        self._batch = batch
        self._claim = claim
        self._shard = claim.shard
        self._record = record
        self._done = done
        self._rescue = rescue
        self._shared = shared
        self._ledger = ledger
        self._blobs = blobs
        self._collection = collection
        self._clock = clock
        self._site = site
        self._batches = batches
        self._tuning = tuning
        self._handed_over = handed_over
        self._spool_dir = spool_dir
        self._room = site.room(record.provider, record.model)
        self._key = (record.provider, record.model)
        self._waiting = Waiting(
            shared=shared,
            source=f"job {claim.shard.number}",
            clock=clock,
            draw=draw,
            tuning=tuning,
        )
        self._delays = 0  # submissions in a row that only this job waits for

    async def run(self) -> None:
        """Bring the shard to its end. Raises `HaltedError` when the run is to end before."""
        shared, number = self._shared, self._shard.number
        try:
            if self._record.stage is not JobStage.INTENDED:
                shared.submits(number)
            more = True
            while more:
                match self._record.stage:
                    case JobStage.INTENDED:
                        more = await self._submit()
                    case JobStage.SUBMITTING:
                        more = await self._look()
                    case JobStage.COLLECTED:
                        more = await self._tidy()
                    case JobStage.SUBMITTED | JobStage.ENDED:
                        more = await self._see_through()
        except HaltedError:
            if shared.ending is Ending.FAILED and self._record.stage is JobStage.INTENDED:
                job = await self._withdraw()  # no later life comes back for it
                if job is not None:
                    await cancel(job, self._batches)
            raise
        finally:
            shared.end_turn(number, self._key)
            self._waiting.tell(None)

    # ------------------------------------------------------------------ submitting

    async def _submit(self) -> bool:
        """From `intended`; returns whether there is more to do."""
        shared, number = self._shared, self._shard.number
        if len(self._done) == self._shard.lines:  # killed after the lines of a refused job
            await self._put(replace(self._record, stage=JobStage.ENDED, completed=0, failed=0))
            return False
        if self._record.submitted_at is None:
            await shared.take_turn(number, self._key)
        failures = 0
        while not shared.winding_down:
            closed_for = self._room.closed_for
            if closed_for:
                self._waiting.tell(shared.words.get(self._key, self._room.reason))
                await shared.pause(min(closed_for, _ROOM_PAUSE))
                continue
            if self._record.submitted_at is not None:
                # Whatever was said of the last try: a job may have come of it.
                try:
                    job = await self._find()
                except RemoteError as trouble:
                    failures += 1
                    await self._waiting.out(trouble, failures=failures)
                    continue
                if job is not None:
                    await self._submitted(job)
                    return True
            shared.submits(number)
            async with self._site.submissions(self._record.provider):
                if self._room.closed_for or shared.winding_down:
                    continue  # while it waited for the slot
                if self._record.submitted_at is None:
                    self._waiting.tell(None)
                try:
                    error = await self._submit_now()
                except Unavailable as trouble:
                    _log.warning("batch %s cannot spool a job: %s", self._batch.id, trouble)
                    self._waiting.tell(STORAGE_TROUBLE)
                    await shared.pause(_STORAGE_PAUSE)
                    continue
            return True if error is None else await self._not_submitted(error)
        return await self._withdraw() is not None

    async def _submit_now(self) -> RemoteError | None:
        record = self._record
        requests = read_requests(
            self._blobs,
            self._batch.input_blob or "",
            self._shard,
            reader=reader_of(self._batch),
        )
        async with spool(
            requests,
            directory=self._spool_dir,
            codec=self._batches.codec,
            endpoint=self._batch.endpoint,
            model=record.model,
            done=self._done,
        ) as spooled:
            self._shared.leave_if_halted()  # what is sent now, nobody may be there to keep
            if self._shared.winding_down:
                return None  # still `intended`
            order = self._order(spooled, resumed=record.submitted_at is not None)
            tried_at = record.submitted_at or int(self._clock.now())
            await self._put(replace(record, stage=JobStage.SUBMITTING, submitted_at=tried_at))
            try:
                job = await self._batches.submit(order)
            except RemoteError as error:
                return error
        try:
            await self._submitted(job)
        except HaltedError:
            if self._shared.ending is Ending.LOST:
                await disown(
                    job,
                    record=self._record,
                    ledger=self._ledger,
                    batches=self._batches,
                    clock=self._clock,
                )
            raise
        return None

    def _order(self, spooled: Spooled, *, resumed: bool) -> JobOrder:
        record = self._record
        wanted = self._batch.deadline - self._batch.created_at
        windows = self._batches.traits.windows
        longer = [window for window in windows if window >= wanted]
        return JobOrder(
            tag=record.tag,
            endpoint=self._batch.endpoint,
            model=record.model,
            path=spooled.path,
            size=spooled.size,
            lines=spooled.lines,
            # The shortest that is not shorter: the rest of a longer one is cancelled by us.
            window=(longer or windows[-1:] or [wanted])[0],
            resumed=resumed,
        )

    async def _submitted(self, job: RemoteJob) -> None:
        await self._put(
            replace(
                self._record,
                stage=JobStage.SUBMITTED,
                remote_id=job.id,
                input_file_id=job.input_file_id,
                output_file_id=job.output_file_id,
                error_file_id=job.error_file_id,
            )
        )
        _log.info(
            "batch %s: job %d is %s at %s",
            self._batch.id,
            self._shard.number,
            job.id,
            self._record.provider,
        )
        self._room.open()
        self._shared.words.pop(self._key, None)
        self._waiting.tell(None)
        self._shared.end_turn(self._shard.number, self._key)

    async def _not_submitted(self, error: RemoteError) -> bool:
        trouble = error.trouble
        self._waiting.tell(waits(error))
        if trouble is Trouble.UNCERTAIN:
            return True  # `submitting` stands: look for it
        if trouble in _FOR_GOOD and not means_no_room(error.code, error.message):
            # Something in between may have answered in the provider's place.
            if await self._adopted() is not None:
                return True
            denied = trouble is Trouble.DENIED
            if denied:
                self._shared.withdraws(self._shard.number)
            if not denied or self._shared.rejected:
                return await self._refused([refusal(error)])
        if trouble is Trouble.BUSY and error.status is None:
            # Nothing that the provider answers everybody: it is about this input alone.
            self._delays += 1
            await self._put(replace(self._record, stage=JobStage.INTENDED))
            await self._waiting.out(error, failures=self._delays)
            return True
        self._shared.words[self._key] = waits(error)
        self._room.close(retry_after=error.retry_after)
        await self._put(replace(self._record, stage=JobStage.INTENDED))
        return True

    async def _look(self) -> bool:
        """From `submitting`: is there a job under the tag? Not before it can be said is it sent."""
        looked_at: float | None = None
        pause = _FIRST_PAUSE
        failures = 0
        while True:
            try:
                job = await self._find()
            except RemoteError as error:
                if self._waiting.is_over:
                    return False
                failures += 1
                await self._waiting.out(error, failures=failures)
                continue
            if job is not None:
                await self._submitted(job)
                return True
            self._waiting.tell(None)
            now = self._clock.monotonic()
            looked_at = now if looked_at is None else looked_at
            if now - looked_at >= self._tuning.settle or self._waiting.is_over:
                break
            await self._waiting.pause(min(pause, self._tuning.settle))
            pause = min(pause * 2, self._tuning.poll_max)
            failures = 0
        await self._put(replace(self._record, stage=JobStage.INTENDED))
        return True

    async def _adopted(self) -> RemoteJob | None:
        """One look for a job under the tag, which is ours then; `None` where nobody may look."""
        failures = 0
        while True:
            try:
                job = await self._find()
            except RemoteError as error:
                if error.trouble in _FOR_GOOD or self._waiting.is_over:
                    return None
                failures += 1
                await self._waiting.out(error, failures=failures)
            else:
                if job is not None:
                    await self._submitted(job)
                return job

    async def _find(self) -> RemoteJob | None:
        since = (self._record.submitted_at or int(self._clock.now())) - _CLOCK_SKEW
        return await self._batches.find(self._record.tag, since=since)

    async def _withdraw(self) -> RemoteJob | None:
        """Remove an input that was brought to the provider for a job that will never be made.

        Returns a job that there is after all.
        """
        if self._record.submitted_at is None:
            return None
        job = await self._adopted()
        if job is None:
            never = RemoteJob(
                id="", status=BatchStatus.CANCELLED, created_at=self._record.submitted_at
            )
            await self._clean(never)
        return job

    # ------------------------------------------------------------------ waiting

    async def _see_through(self) -> bool:
        """From `submitted`, or `ended` with open lines; returns whether there is more to do."""
        winding_down = self._shared.winding_down
        if self._record.stage is JobStage.ENDED and (self._rescue or winding_down):
            if not winding_down:
                await self._hand_over()
            return False
        job = await self._wait_for_end()
        if job is not None:
            await self._note(job)
        if job is None or len(self._done) == self._shard.lines:
            return await self._end(job)  # nothing to be had, or killed when only this was left
        collected = await self._collection.run(
            claim=self._claim,
            batches=self._batches,
            provider=self._record.provider,
            job=job,
            done=self._done,
            rescue=self._rescue,
            slots=self._site.collections(self._record.provider),
            waiting=self._waiting,
        )
        self._room.ask_again()
        if job.status is BatchStatus.FAILED and not collected.rows and collected.short is None:
            return await self._failed(job)
        return await self._end(job, collected)

    async def _wait_for_end(self) -> RemoteJob | None:
        """Poll until the job has ended; `None` when the provider knows no such job (any more)."""
        job: RemoteJob | None = None
        cancelled = False
        vanished = failures = 0
        job_id = self._record.remote_id
        while job_id is not None:
            if self._shared.winding_down and not cancelled:
                call = self._batches.cancel(job_id)
            else:
                call = self._batches.fetch(job_id)
            asked_to_cancel = self._shared.winding_down
            try:
                job = await call
            except RemoteError as error:
                if asked_to_cancel and error.trouble is Trouble.REFUSED:
                    cancelled = True  # it does not stop, but may still end
                if error.trouble is Trouble.NOT_FOUND:
                    vanished += 1
                    if vanished >= _GONE:
                        _log.error("job %s is gone: %s", job_id, error.message)
                        return None
                failures += 1
                if self._waiting.is_over:
                    return job
                await self._waiting.out(error, failures=failures)
                continue
            cancelled = cancelled or asked_to_cancel
            vanished = failures = 0
            self._waiting.tell(None)
            if _was_accepted(job):
                self._shared.accept()
            if job.status in TERMINAL:
                return job
            await self._note(job)
            if self._waiting.is_over:
                return job
            await self._waiting.pause(self._waiting.until_look(self._record.submitted_at or 0))
        return job

    async def _note(self, job: RemoteJob) -> None:
        """Record what the provider says of the job."""
        record = self._record
        counts = job.counts or RequestCounts(completed=record.completed, failed=record.failed)
        # Lines are counted once: not more than the job can have, whatever the provider counts.
        room = max(0, self._shard.lines - len(self._done))
        completed = max(0, min(counts.completed, room))
        noted = replace(
            record,
            input_file_id=job.input_file_id or record.input_file_id,
            output_file_id=job.output_file_id or record.output_file_id,
            error_file_id=job.error_file_id or record.error_file_id,
            completed=completed,
            failed=max(0, min(counts.failed, room - completed)),
        )
        if noted != record and record.stage is not JobStage.ENDED:
            await self._put(noted)

    # ------------------------------------------------------------------ endings

    async def _failed(self, job: RemoteJob) -> bool:
        """A job that failed without a single row."""
        errors = job.errors or ()
        lack = next((e for e in errors if means_no_room(e.code, e.message)), None)
        if lack is not None:
            self._shared.words[self._key] = (
                f"The provider '{self._record.provider}' has no room: {bounded(lack).message} "
                "Batchway goes on trying."
            )
            self._room.close(retry_after=None)
            await self._clean(job)
            attempt = self._record.attempt + 1
            await self._put(
                JobRecord(
                    batch_id=self._batch.id,
                    shard=self._shard.number,
                    attempt=attempt,
                    tag=new_tag(self._batch.id, self._shard.number, attempt),
                    provider=self._record.provider,
                    model=self._record.model,
                )
            )
            return True
        await self._clean(job)
        if _was_accepted(job):
            if self._rescue and not self._shared.winding_down:
                return await self._end(None)
            return await self._write_off(errors)
        mapped = await self._collection.mapped(self._shard, self._done, errors)
        return await self._refused(mapped or [self._unexplained()])

    def _unexplained(self) -> BatchError:
        return BatchError(
            code="provider_refused",
            message=f"The provider '{self._record.provider}' refused the job without saying why.",
        )

    async def _refused(self, errors: Sequence[BatchError]) -> bool:
        """The provider will never take these lines as a job."""
        errors = [bounded(error) for error in errors]
        self._waiting.tell(errors[0].message)
        if not await self._shared.refuse(self._shard.number, errors):
            return False
        self._waiting.tell(None)
        self._shared.end_turn(self._shard.number, self._key)
        return await self._write_off(errors)

    async def _write_off(self, errors: Sequence[BatchError]) -> bool:
        """Every open line gets the job's error."""
        self._shared.accept()
        error = errors[0] if errors else self._unexplained()
        if not self._shared.winding_down:
            await self._collection.write_off(
                claim=self._claim, done=self._done, code=error.code, message=error.message
            )
        await self._put(replace(self._record, stage=JobStage.ENDED, completed=0, failed=0))
        return False

    async def _end(self, job: RemoteJob | None, collected: Collected | None = None) -> bool:
        """Everything that the provider gave is committed."""
        self._shared.accept()
        ended = replace(self._record, stage=JobStage.ENDED, completed=0, failed=0)
        short = collected is not None and collected.short is not None
        still_open = self._shard.lines - len(self._done) if collected is None else collected.open
        if still_open and not self._rescue and not self._shared.winding_down:
            if short:
                # Or whoever finds every line with a result would remove what was not collected.
                await self._put(ended)
            code, message = self._collection.missing(self._record.provider, job)
            await self._collection.write_off(
                claim=self._claim, done=self._done, code=code, message=message
            )
        if job is not None and job.status in TERMINAL and not short:
            # Recorded first: results that are being removed must not be asked for again.
            await self._put(replace(ended, stage=JobStage.COLLECTED))
            await self._clean(job)
        return await self._let_go()

    async def _tidy(self) -> bool:
        """From `collected`: an earlier life was ended while it removed the job's files."""
        self._shared.accept()
        record = self._record
        await self._clean(
            RemoteJob(
                id=record.remote_id or "",
                status=BatchStatus.COMPLETED,
                input_file_id=record.input_file_id,
                output_file_id=record.output_file_id,
                error_file_id=record.error_file_id,
            )
        )
        return await self._let_go()

    async def _let_go(self) -> bool:
        await self._put(replace(self._record, stage=JobStage.ENDED, completed=0, failed=0))
        if self._rescue and not self._shared.winding_down:
            await self._hand_over()
        return False

    async def _hand_over(self) -> None:
        """Lines without a result, if there are any, are the managed runner's now."""
        while True:
            try:
                still_open = await self._ledger.shards.open(self._batch.id)
                if all(shard.number != self._shard.number for shard in still_open):
                    return
                if not await self._ledger.shards.hand_over(self._claim):
                    self._lose()
                break
            except Unavailable as error:
                await self._wait_for_storage(error)
        _log.info("batch %s: lines of job %d run online", self._batch.id, self._shard.number)
        self._handed_over(self._shard)

    async def _clean(self, job: RemoteJob) -> None:
        """Remove what we made at the provider. What cannot be removed is not waited for long."""
        if self._tuning.keep_files:
            return
        for left in reversed(range(_CLEANINGS)):
            try:
                await self._batches.clean(job, tag=self._record.tag)
                break
            except RemoteError as error:
                if not left or error.trouble in {Trouble.REFUSED, Trouble.DENIED}:
                    _log.warning(
                        "files of %s stay at the provider: %s", self._record.tag, error.message
                    )
                    break
            await self._clock.sleep(_FIRST_PAUSE)

    # ------------------------------------------------------------------ the ledger, and words

    async def _put(self, record: JobRecord) -> None:
        """Record a step; it is not taken before. Raises `HaltedError` when the claim is lost."""
        while True:
            try:
                if not await self._ledger.jobs.put(self._claim, record):
                    self._lose()
                break
            except Unavailable as error:
                await self._wait_for_storage(error)
        self._record = record

    def _lose(self) -> NoReturn:
        self._shared.stop(Ending.LOST)
        raise HaltedError

    async def _wait_for_storage(self, error: Unavailable) -> None:
        _log.info("batch %s waits to record a job: %s", self._batch.id, error)
        self._waiting.tell(STORAGE_TROUBLE)
        await self._shared.pause(_STORAGE_PAUSE)


def _was_accepted(job: RemoteJob) -> bool:
    """Whether the provider's validation let the job pass."""
    if job.in_progress_at is not None:
        return True
    return job.status not in {BatchStatus.VALIDATING, BatchStatus.FAILED}
