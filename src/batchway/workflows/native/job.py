"""One native shard as one remote job after the other, from whatever the ledger remembers of it.

    intended --encode, submit--> submitted --poll, collect--> collected --tidy--> ended
       ^  \\                        ^  |                          |          lines left are
       |   +--> submitting --look---+  |                          |          handed over (rescue)
       +------------+--- no room, or too large: cut -----+        |
       +---- the job was a part of the shard: the rest -----------+

Each step is recorded before it is taken, so that a new `NativeJob` over the same ledger goes on
where the last one was killed. Nothing is submitted again, and no refusal believed, before a look
for a job under the tag: nobody pays twice.

Owns the life of one job and the waiting for its end. Does not own how it is submitted
(`submission`), collected (`collection`) and closed (`closing`), what it means
to the batch (`batch`), whose turn it is (`site`), or how long it waits
(`waiting`).
"""

import logging
from dataclasses import replace
from typing import Final

from batchway.domain.batch import RequestCounts
from batchway.domain.remote import JobRecord, JobStage, RemoteError, RemoteJob, Trouble
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.workflows.managed.run import Ending
from batchway.workflows.native.batch import HaltedError
from batchway.workflows.native.closing import Closing, lacking, was_accepted
from batchway.workflows.native.record import Outfit, Record
from batchway.workflows.native.stray import cancel
from batchway.workflows.native.submission import Submission
from batchway.workflows.native.waiting import Waiting, brief

_log: Final = logging.getLogger(__name__)
_GONE: Final = 5  # answers in a row, at least, that a job is not there


class NativeJob:
    """Runs one native shard under a claim. Use once.

    `done` are lines with a committed result.
    """

    def __init__(self, *, outfit: Outfit, record: JobRecord, done: set[int]) -> None:
        self._outfit = outfit
        self._shared = outfit.shared
        self._waiting = Waiting(
            shared=outfit.shared,
            source=f"job {outfit.claim.shard.number}",
            clock=outfit.clock,
            draw=outfit.draw,
            tuning=outfit.tuning,
        )
        self._record = Record(outfit=outfit, record=record, done=done, waiting=self._waiting)
        self._submission = Submission(outfit=outfit, record=self._record, waiting=self._waiting)
        self._vanished = 0  # answers in a row that there is no such job
        self._vanished_since = 0.0
        self._listed: RemoteJob | None = None
        self._closing = Closing(
            outfit=outfit,
            record=self._record,
            submission=self._submission,
            waiting=self._waiting,
        )

    async def run(self) -> None:
        """Bring the shard to its end. Raises `HaltedError` when the run is to end before."""
        shared, record = self._shared, self._record
        number = record.shard.number
        try:
            if record.now.stage is not JobStage.INTENDED:
                shared.submits(number)
            more = True
            while more:
                match record.now.stage:
                    case JobStage.INTENDED:
                        more = await self._submit()
                    case JobStage.SUBMITTING:
                        more = await self._submission.look()
                    case JobStage.COLLECTED:
                        more = await self._closing.tidy()
                    case JobStage.SUBMITTED | JobStage.ENDED:
                        more = await self._see_through()
        except HaltedError:
            if shared.ending is Ending.FAILED and record.now.stage is JobStage.INTENDED:
                job = await self._submission.withdraw()  # no later life comes back for it
                if job is not None:
                    await cancel(job, self._outfit.batches)
            raise
        finally:
            record.room.jobs.discard(record.now.tag)
            shared.end_turn(number, record.key)
            self._waiting.tell(None)

    async def _submit(self) -> bool:
        """From `intended`; returns whether there is more to do."""
        if self._record.is_complete:  # killed after the lines of a refused job
            await self._record.end()
            return False
        told = await self._submission.run()
        return told if isinstance(told, bool) else await self._closing.refused(told)

    # ------------------------------------------------------------------ waiting

    async def _see_through(self) -> bool:
        """From `submitted`, or `ended` with open lines; returns whether there is more to do."""
        outfit, record = self._outfit, self._record
        winding_down = self._shared.winding_down
        if record.now.stage is JobStage.ENDED and (outfit.rescue or winding_down):
            return False if winding_down else await self._closing.go_on()
        tag = record.now.tag
        record.room.jobs.add(tag)
        try:
            job = await self._wait_for_end()
        finally:
            record.room.jobs.discard(tag)
        if job is not None:
            await self._note(job)
            _log.info("batch %s: job %s is %s", outfit.batch.id, job.id, job.status)
        if job is None or record.is_complete:
            return await self._closing.end(job)  # nothing to be had, or only this was left
        collected = await outfit.collection.run(
            claim=outfit.claim,
            part=record.part,
            batches=outfit.batches,
            provider=record.now.provider,
            job=job,
            done=record.done,
            rescue=outfit.rescue,
            slots=outfit.site.collections(record.now.provider),
            waiting=self._waiting,
            look=self._look_again,
            clock=outfit.clock,
        )
        record.room.ask_again()
        if collected.rows:
            record.room.fit.took()
        if collected.short is None and not self._shared.winding_down:
            lack = lacking(job)
            if lack is not None and (collected.open or collected.of_account):
                return await self._closing.lacked(job, lack)
            if collected.of_account:
                return await self._closing.of_account(job)
        if job.status is BatchStatus.FAILED and not collected.rows and collected.short is None:
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
                call = self._outfit.batches.cancel(job_id)
            else:
                call = self._outfit.batches.fetch(job_id)
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
                self._shared.accept()
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
        now = self._outfit.clock.monotonic()
        self._vanished_since = self._vanished_since if self._vanished else now
        self._vanished += 1
        if self._vanished < _GONE or now - self._vanished_since < self._waiting.lateness:
            return False
        try:
            found = await self._submission.find()
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
                shown = await self._submission.find() or job
            else:
                shown = await self._outfit.batches.fetch(job.id)
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
            input_file_id=job.input_file_id or record.input_file_id,
            output_file_id=job.output_file_id or record.output_file_id,
            error_file_id=job.error_file_id or record.error_file_id,
            completed=completed,
            failed=max(0, min(counts.failed, room - completed)),
        )
        if noted != record and record.stage is not JobStage.ENDED:
            await self._record.put(noted)
