"""One native shard as one remote job, from whatever the ledger remembers of it to its end.

    intended --encode, submit--> submitted --poll--> collect --> ended
       ^  \\                        ^                    |
       |   +--> submitting --look---+                    +--> lines left: handed over (rescue)
       |            |                                    |
       +------------+---------- no room -----------------+

Each step is recorded before it is taken, so that a new `NativeJob` over the same ledger goes on
where the last one was killed. Whoever finds `submitting` looks for the job by its tag before it
submits again: nobody pays twice.

Owns the life of one job. Does not own what it means to the batch (`native_batch`), whose turn it
is (`native_site`), its results (`native_collection`).
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
from batchway.workflows.managed import STORAGE_TROUBLE, Ending
from batchway.workflows.native_batch import HaltedError, NativeBatch
from batchway.workflows.native_collection import Collected, Collection
from batchway.workflows.native_lines import read_requests
from batchway.workflows.native_site import NativeSite, NativeTuning
from batchway.workflows.native_spool import Spooled, spool

_log: Final = logging.getLogger(__name__)
_CLOCK_SKEW: Final = 600  # seconds that a provider's clock may be behind ours
_STORAGE_PAUSE: Final = 1.0
_ROOM_PAUSE: Final = 1.0
_FIRST_PAUSE: Final = 1.0
_AGE_PARTS: Final = 20.0  # a job is looked at again after this part of its age
_VANISHED: Final = 3  # answers in a row that a job does not exist
_REFUSALS: Final = 5  # in a row, before results that should be there count as gone
_DISOWN_LOOKS: Final = 30


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
        self._draw = draw
        self._site = site
        self._batches = batches
        self._tuning = tuning
        self._handed_over = handed_over
        self._spool_dir = spool_dir
        self._room = site.room(record.provider, record.model)
        self._key = (record.provider, record.model)
        self._source = f"job {self._shard.number}"
        self._patience: float | None = None  # when waiting for a cancelled job ends, monotonic

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
                    case JobStage.SUBMITTED | JobStage.ENDED:
                        more = await self._see_through()
        finally:
            shared.end_turn(number, self._key)
            shared.details.tell(self._source, None)

    # ------------------------------------------------------------------ submitting

    async def _submit(self) -> bool:
        """From `intended`; returns whether there is more to do."""
        shared = self._shared
        if self._record.submitted_at is None:
            await shared.take_turn(self._shard.number, self._key)
        while not shared.winding_down:
            closed_for = self._room.closed_for
            if closed_for:
                self._tell(self._room.reason)
                await shared.pause(min(closed_for, _ROOM_PAUSE))
                continue
            async with self._site.slots(self._record.provider):
                if self._room.closed_for or shared.winding_down:
                    continue  # while it waited for the slot
                self._tell(None)
                try:
                    error = await self._submit_now()
                except Unavailable as trouble:
                    _log.warning("batch %s cannot spool a job: %s", self._batch.id, trouble)
                    self._tell(STORAGE_TROUBLE)
                    await shared.pause(_STORAGE_PAUSE)
                    continue
            return True if error is None else await self._not_submitted(error)
        await self._withdraw()
        return False

    async def _submit_now(self) -> RemoteError | None:
        record = self._record
        requests = read_requests(
            self._blobs,
            self._batch.input_blob or "",
            self._shard,
            endpoint=self._batch.endpoint,
        )
        async with spool(
            requests,
            directory=self._spool_dir,
            codec=self._batches.codec,
            endpoint=self._batch.endpoint,
            model=record.model,
            done=self._done,
        ) as spooled:
            order = self._order(spooled, resumed=record.submitted_at is not None)
            tried_at = record.submitted_at or int(self._clock.now())
            await self._put(replace(record, stage=JobStage.SUBMITTING, submitted_at=tried_at))
            self._shared.submits(self._shard.number)
            try:
                job = await self._batches.submit(order)
            except RemoteError as error:
                return error
        try:
            await self._submitted(job)
        except HaltedError:
            if self._shared.ending is Ending.LOST:
                await self._disown(job)
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
        self._tell(None)
        self._shared.end_turn(self._shard.number, self._key)

    async def _not_submitted(self, error: RemoteError) -> bool:
        match error.trouble:
            case Trouble.UNCERTAIN:
                self._tell(_waits(error))
                return True  # `submitting` stands: look for it
            case Trouble.REFUSED | Trouble.NOT_FOUND if not means_no_room(
                error.code, error.message
            ):
                return await self._refused([_entry(error)])
            case Trouble.DENIED:
                self._shared.withdraws(self._shard.number)
                if self._shared.rejected:
                    return await self._refused([_entry(error)])
            case _:
                self._shared.withdraws(self._shard.number)
        self._room.close(_waits(error), retry_after=error.retry_after)
        await self._put(replace(self._record, stage=JobStage.INTENDED))
        return True

    async def _look(self) -> bool:
        """From `submitting`: is there a job under the tag? Not before it can be said is it sent."""
        since = (self._record.submitted_at or int(self._clock.now())) - _CLOCK_SKEW
        looked_at: float | None = None
        pause = _FIRST_PAUSE
        while True:
            try:
                job = await self._batches.find(self._record.tag, since=since)
            except RemoteError as error:
                if self._out_of_patience():
                    return False
                await self._wait_out(error, pause)
            else:
                if job is not None:
                    await self._submitted(job)
                    return True
                self._tell(None)
                now = self._clock.monotonic()
                looked_at = now if looked_at is None else looked_at
                if now - looked_at >= self._tuning.settle:
                    break
                await self._shared.pause(min(pause, self._tuning.settle))
            pause = min(pause * 2, self._tuning.poll_max)
        self._shared.withdraws(self._shard.number)
        await self._put(replace(self._record, stage=JobStage.INTENDED))
        return True

    async def _withdraw(self) -> None:
        """Remove an input that was brought to the provider for a job that will never be made."""
        if self._record.submitted_at is not None:
            never = RemoteJob(
                id="", status=BatchStatus.CANCELLED, created_at=self._record.submitted_at
            )
            await self._clean(never)

    async def _disown(self, job: RemoteJob) -> None:
        """The claim was lost while the job was made: whose is it now?

        The newer runner finds it by its tag, unless it has already made another one.
        """
        for _ in range(_DISOWN_LOOKS):
            try:
                records = await self._ledger.jobs.of(self._batch.id)
                batch = await self._ledger.batches.load(self._batch.id)
            except Unavailable as error:
                _log.warning("job %s cannot be looked after: %s", job.id, error)
            else:
                now = next((r for r in records if r.shard == self._shard.number), None)
                over = batch is None or batch.status in TERMINAL
                if now is not None and now.remote_id == job.id:
                    return
                if over or now is None or now.tag != self._record.tag or now.remote_id:
                    await self._cancel_stray(job)
                    return
            await self._clock.sleep(_STORAGE_PAUSE)
        # It is still being looked for under its tag: whoever looks will find it.

    async def _cancel_stray(self, job: RemoteJob) -> None:
        _log.warning("job %s is nobody's any more and is cancelled", job.id)
        try:
            await self._batches.cancel(job.id)
        except RemoteError as error:
            _log.error("job %s could not be cancelled: %s", job.id, error.message)

    # ------------------------------------------------------------------ waiting

    async def _see_through(self) -> bool:
        """From `submitted`, or `ended` with open lines; returns whether there is more to do."""
        if self._record.stage is JobStage.ENDED and self._rescue:
            if not self._shared.winding_down:
                await self._hand_over()
            return False
        job = await self._wait_for_end()
        if job is not None:
            await self._note(job)
        if len(self._done) == self._shard.lines:
            return await self._end(job)  # killed when all but this had been done
        collected = await self._collect(job)
        self._room.ask_again()
        match collected:
            case Collected.NOTHING if job is not None and job.status is BatchStatus.FAILED:
                return await self._failed(job)
            case _:
                return await self._end(job)

    async def _collect(self, job: RemoteJob | None) -> Collected:
        """Commit what there is, however often the transfer breaks."""
        failures = refusals = 0
        while True:
            try:
                async with self._site.slots(self._record.provider):
                    return await self._collection.run(
                        claim=self._claim,
                        batches=self._batches,
                        provider=self._record.provider,
                        job=job,
                        done=self._done,
                        rescue=self._rescue,
                    )
            except RemoteError as error:
                failures += 1
                refusals = refusals + 1 if error.trouble is Trouble.REFUSED else 0
                gone = error.trouble is Trouble.NOT_FOUND or refusals >= _REFUSALS
                if gone or self._out_of_patience():
                    _log.error("results of job %s are not to be had: %s", job and job.id, error)
                    job = None
                else:
                    # Without its slot: a file that cannot be read holds up no other.
                    pause = min(_FIRST_PAUSE * 2**failures, self._tuning.poll_max)
                    await self._wait_out(error, pause)

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
                    if vanished >= _VANISHED:
                        _log.error("job %s is gone: %s", job_id, error.message)
                        return None
                failures += 1
                if self._out_of_patience():
                    return job
                await self._wait_out(error, min(_FIRST_PAUSE * 2**failures, self._tuning.poll_max))
                continue
            cancelled = cancelled or asked_to_cancel
            vanished = failures = 0
            self._tell(None)
            if _was_accepted(job):
                self._shared.accept()
            if job.status in TERMINAL:
                return job
            await self._note(job)
            if self._out_of_patience():
                return job
            await self._shared.pause(self._poll_pause())
        return job

    def _poll_pause(self) -> float:
        """Seconds until the next look: often at a young job, seldom at an old one."""
        tuning = self._tuning
        if self._shared.winding_down:
            return tuning.poll_min
        age = self._clock.now() - (self._record.submitted_at or 0)
        pause = min(max(age / _AGE_PARTS, tuning.poll_min), tuning.poll_max)
        return pause * (0.9 + 0.2 * self._draw())

    def _out_of_patience(self) -> bool:
        """Whether a job that is to be cancelled has been waited for long enough."""
        if not self._shared.winding_down:
            return False
        now = self._clock.monotonic()
        if self._patience is None:
            self._patience = now + self._tuning.cancel_patience
        if now < self._patience:
            return False
        _log.error("job %s does not end and is given up on", self._record.remote_id)
        return True

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
            self._room.close(
                f"The provider '{self._record.provider}' has no room: {lack.message} "
                "Batchway goes on trying.",
                retry_after=None,
            )
            self._shared.withdraws(self._shard.number)
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
        self._tell(errors[0].message)
        if not await self._shared.refuse(self._shard.number, errors):
            return False
        self._tell(None)
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

    async def _end(self, job: RemoteJob | None) -> bool:
        """Everything that the provider gave is committed."""
        self._shared.accept()
        if job is not None:
            await self._clean(job)
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
        """Remove what we made at the provider. What cannot be removed is not worth waiting for."""
        if self._tuning.keep_files:
            return
        try:
            await self._batches.clean(job, tag=self._record.tag)
        except RemoteError as error:
            _log.warning("files of job %s stay at the provider: %s", job.id, error.message)

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
        self._tell(STORAGE_TROUBLE)
        await self._shared.pause(_STORAGE_PAUSE)

    async def _wait_out(self, error: RemoteError, pause: float) -> None:
        self._tell(_waits(error))
        pause *= 0.9 + 0.2 * self._draw()
        await self._shared.pause(max(pause, error.retry_after or 0.0))

    def _tell(self, sentence: str | None) -> None:
        self._shared.details.tell(self._source, sentence)


def _waits(error: RemoteError) -> str:
    return f"{error.message} Batchway goes on trying."


def _entry(error: RemoteError) -> BatchError:
    code = error.code or ("provider_denied" if error.trouble is Trouble.DENIED else None)
    return BatchError(
        code=code or "provider_refused", message=error.message, param=error.param, line=None
    )


def _was_accepted(job: RemoteJob) -> bool:
    """Whether the provider's validation let the job pass."""
    if job.in_progress_at is not None:
        return True
    return job.status not in {BatchStatus.VALIDATING, BatchStatus.FAILED}
