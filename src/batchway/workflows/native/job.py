"""One native shard as one remote job after the other, from whatever the ledger remembers of it.

    intended --bring--> brought --create--> submitted --poll, collect--> collected --tidy--> ended
       ^  ^               ^  |                  ^  |                         |     lines left are
       |  |               |  +-> submitting ----+  |                         |     handed over
       |  |               +------ no job --+       |                         |     (rescue)
       |  +------ no room, or too large: cut ------+                         |
       +--------- the job was a part of the shard: the rest -----------------+

Each step is recorded before it is taken, so that a new `NativeJob` over the same ledger goes on
where the last one was killed. Nothing is created again, and no refusal believed, before a look
for a job under the tag: nothing is paid for twice.

Owns the life of one job and the waiting for its end. Does not own how it is submitted
(`submission`, `looking`, `cutting`), collected (`collection`) and closed (`closing`), what it means
to the batch (`verdict`), whose turn it is (`pilots`, `capacity`), or how long it waits (`waiting`).
"""

import logging
from dataclasses import replace
from typing import Final

from batchway.domain.batch import RequestCounts
from batchway.domain.remote import JobRecord, JobStage, RemoteError, RemoteJob, Trouble
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.workflows.native.closing import Closing, lacking, was_accepted
from batchway.workflows.native.collection import Collection
from batchway.workflows.native.context import JobContext
from batchway.workflows.native.cutting import Cutting
from batchway.workflows.native.ending import HaltedError
from batchway.workflows.native.looking import Looking
from batchway.workflows.native.record import Record
from batchway.workflows.native.stray import cancel
from batchway.workflows.native.submission import Submission
from batchway.workflows.native.tidying import clean_earlier
from batchway.workflows.native.waiting import Waiting, brief
from batchway.workflows.run import Ending

_log: Final = logging.getLogger(__name__)
_NOT_CREATED: Final = frozenset({JobStage.INTENDED, JobStage.BROUGHT})
_NO_JOB: Final = "No job takes so few of them, or any."
_GONE: Final = 5  # answers in a row, at least, that a job is not there


class NativeJob:
    """Runs one native shard under a claim. Use once.

    `done` are lines with a committed result.
    """

    def __init__(self, *, context: JobContext, record: JobRecord, done: set[int]) -> None:
        self._context = context
        self._shared = context.shared
        self._waiting = waiting = Waiting(
            shared=context.shared,
            source=f"job {context.shard.number}",
            clock=context.clock,
            draw=context.resources.draw,
            tuning=context.tuning,
        )
        self._record = Record(context=context, record=record, done=done, waiting=waiting)
        self._looking = Looking(context=context, record=self._record, waiting=waiting)
        self._cutting = Cutting(context=context, record=self._record, waiting=waiting)
        self._submission = Submission(
            context=context,
            record=self._record,
            waiting=waiting,
            looking=self._looking,
            cutting=self._cutting,
        )
        self._collection = Collection(context=context, record=self._record, waiting=waiting)
        self._closing = Closing(
            context=context,
            record=self._record,
            collection=self._collection,
            cutting=self._cutting,
            waiting=waiting,
        )
        self._vanished = 0  # answers in a row that there is no such job
        self._vanished_since = 0.0
        self._listed: RemoteJob | None = None

    async def run(self) -> None:
        """Bring the shard to its end. Raises `HaltedError` when the run is to end before."""
        shared, record = self._shared, self._record
        number = record.shard.number
        try:
            if record.now.stage not in _NOT_CREATED:
                shared.verdict.open(number)
            more = True
            while more:
                match record.now.stage:
                    case JobStage.INTENDED | JobStage.BROUGHT:
                        more = await self._submit()
                    case JobStage.SUBMITTING:
                        more = await self._looking.look()
                    case JobStage.COLLECTED:
                        more = await self._closing.tidy()
                    case JobStage.SUBMITTED | JobStage.ENDED:
                        more = await self._see_through()
            await clean_earlier(context=self._context, record=record)
        except HaltedError:
            if shared.ending is Ending.FAILED and record.now.stage in _NOT_CREATED:
                job = await self._submission.withdraw()  # no later life comes back for it
                if job is not None:
                    await cancel(job, self._context.jobs)
            raise
        finally:
            record.capacity.jobs.discard(record.now.tag)
            shared.pilots.end_turn(number, record.key)
            self._waiting.tell(None)

    async def _submit(self) -> bool:
        """From `intended` or `brought`; returns whether there is more to do."""
        if self._record.is_complete:  # killed after the lines of a refused job
            await self._cutting.clean_up(self._record.now)
            await self._record.end()
            return False
        told = await self._submission.run()
        if self._submission.nothing_to_send and self._record.now.stage is JobStage.INTENDED:
            return await self._closing.end(None, because=_NO_JOB)
        return told if isinstance(told, bool) else await self._closing.refused(told)

    # ------------------------------------------------------------------ waiting

    async def _see_through(self) -> bool:
        """From `submitted`, or `ended` with open lines; returns whether there is more to do."""
        context, record = self._context, self._record
        winding_down = self._shared.winding_down
        if record.now.stage is JobStage.ENDED and (context.rescue or winding_down):
            return False if winding_down else await self._closing.go_on()
        tag = record.now.tag
        record.capacity.jobs.add(tag)
        try:
            job = await self._wait_for_end()
        finally:
            record.capacity.jobs.discard(tag)
        if job is not None:
            await self._note(job)
            _log.info("batch %s: job %s is %s", self._shared.batch.id, job.id, job.status)
        if job is None or record.is_complete:
            return await self._closing.end(job)  # nothing to be had, or only this was left
        collected = await self._collection.run(job, look=self._look_again)
        record.capacity.ask_again()
        if collected.rows:
            record.capacity.fit.took()
        if collected.short is None and not self._shared.winding_down:
            lack = lacking(job)
            if lack is not None and (collected.open or collected.of_account):
                return await self._closing.lacked(job, lack)
            if collected.of_account:
                return await self._closing.of_account(job)
        if job.status is BatchStatus.FAILED and not collected.rows and collected.short is None:
            del collected  # and its table: what follows may wait for the fate of other jobs
            return await self._closing.failed(job)
        return await self._closing.end(job, collected)

    async def _wait_for_end(self) -> RemoteJob | None:
        """Poll until the job has ended; `None` when the provider knows no such job (any more)."""
        job: RemoteJob | None = None
        cancelled = False
        failures = 0
        job_id = self._record.now.remote_id
        while job_id is not None:
            if self._shared.winding_down and not cancelled:
                call = self._context.jobs.cancel(job_id)
            else:
                call = self._context.jobs.fetch(job_id)
            asked_to_cancel = self._shared.winding_down
            try:
                job = await call
            except RemoteError as error:
                if asked_to_cancel and error.trouble is Trouble.REFUSED:
                    cancelled = True  # it does not stop, but may still end
                if error.trouble is Trouble.NOT_FOUND and await self._is_gone():
                    return self._listed
                failures += 1
                if self._waiting.is_over:
                    return job
                await self._waiting.out(error, failures=failures)
                continue
            cancelled = cancelled or asked_to_cancel
            failures = self._vanished = 0
            self._waiting.tell(None)
            self._waiting.log(None)
            if was_accepted(job):
                self._shared.verdict.accept()
            if job.status in TERMINAL:
                return job
            await self._note(job)
            if self._waiting.is_over:
                return job
            await self._waiting.pause(self._waiting.until_look(self._record.now.submitted_at or 0))
        return job

    async def _is_gone(self) -> bool:
        """The provider knew no such job: whether that is to be believed.

        A job may be shown later than it was made, and not at once everywhere. Before it is taken
        for gone it is looked for under its tag; what is found then is in `_listed`.
        """
        now = self._context.clock.monotonic()
        self._vanished_since = self._vanished_since if self._vanished else now
        self._vanished += 1
        if self._vanished < _GONE or now - self._vanished_since < self._waiting.lateness:
            return False
        try:
            found = await self._looking.find()
        except RemoteError as error:
            if error.trouble not in {Trouble.NOT_FOUND, Trouble.REFUSED}:
                return False
            found = None
        if found is not None and found.status not in TERMINAL:
            return False
        if found is None:
            _log.error("job %s is gone", self._record.now.remote_id)
        self._listed = found
        return True

    async def _look_again(self, job: RemoteJob, *, under_tag: bool) -> RemoteJob:
        """The job as it is now: what it lacked may be shown by now."""
        try:
            if under_tag:
                shown = await self._looking.find() or job
            else:
                shown = await self._context.jobs.fetch(job.id)
        except RemoteError as error:
            _log.info("job %s cannot be looked at again (%s)", job.id, brief(error))
            return job
        if shown.status not in TERMINAL:
            return job
        await self._note(shown)
        return shown

    async def _note(self, job: RemoteJob) -> None:
        """Record what the provider says of the job."""
        record = self._record.now
        counts = job.counts or RequestCounts(completed=record.completed, failed=record.failed)
        # Lines are counted once: not more than the job can have, whatever the provider counts.
        room = max(0, self._record.shard.lines - len(self._record.done))
        completed = max(0, min(counts.completed, room))
        noted = replace(
            record,
            reference=job.reference or record.reference,
            references=job.references or record.references,
            completed=completed,
            failed=max(0, min(counts.failed, room - completed)),
        )
        if noted != record and record.stage is not JobStage.ENDED:
            await self._record.put(noted)
