"""Is there a job under a tag? Asked wherever it is not known what came of a creation.

    found      it is ours: its id is recorded, and others may follow
    not found  for as long as a provider may be late to show it: nothing was made

Owns the looks. Does not own what is done when there is no job (`submission`, `closing`).
"""

import logging
from dataclasses import replace
from typing import Final

from batchway.domain.remote import JobStage, RemoteError, RemoteJob, Trouble
from batchway.workflows.native.context import JobContext
from batchway.workflows.native.record import Record
from batchway.workflows.native.waiting import Waiting

_log: Final = logging.getLogger(__name__)
_CLOCK_SKEW: Final = 600  # seconds that a provider's clock may be behind ours
_FIRST_PAUSE: Final = 1.0
_MAY_NOT_LOOK: Final = frozenset({Trouble.REFUSED, Trouble.NOT_FOUND, Trouble.DENIED})


class Looking:
    """Looks for the jobs of one shard."""

    def __init__(self, *, context: JobContext, record: Record, waiting: Waiting) -> None:
        self._context = context
        self._record = record
        self._waiting = waiting

    async def find(self) -> RemoteJob | None:
        """One look for the job under its tag. Raises `RemoteError`."""
        now = self._record.now
        since = (now.submitted_at or int(self._context.clock.now())) - _CLOCK_SKEW
        return await self._context.jobs.find(now.tag, since=since, reference=now.reference)

    async def look(self) -> bool:
        """From `submitting`: is there a job? Not before it can be said is one created again.

        Returns whether there is more to do.
        """
        looked_at: float | None = None
        pause = _FIRST_PAUSE
        failures = 0
        tuning, clock = self._context.tuning, self._context.clock
        while True:
            try:
                job = await self.find()
            except RemoteError as error:
                if self._waiting.is_over:
                    return False
                failures += 1
                await self._waiting.out(error, failures=failures)
                continue
            if job is not None:
                await self.take_on(job)
                return True
            self._waiting.tell(None)
            now = clock.monotonic()
            looked_at = now if looked_at is None else looked_at
            if now - looked_at >= tuning.settle or self._waiting.is_over:
                break
            await self._waiting.pause(min(pause, tuning.settle))
            pause = min(pause * 2, tuning.poll_max)
            failures = 0
        await self._record.step_back()
        return True

    async def adopted(self) -> RemoteJob | None:
        """One look, and the job is taken on; `None` also where looking is not allowed."""
        failures = 0
        while True:
            try:
                job = await self.find()
            except RemoteError as error:
                if error.trouble in _MAY_NOT_LOOK or self._waiting.is_over:
                    return None
                failures += 1
                await self._waiting.out(error, failures=failures)
            else:
                if job is not None:
                    await self.take_on(job)
                return job

    async def take_on(
        self, job: RemoteJob, *, lines: int | None = None, found: bool = True
    ) -> None:
        """The provider has the job, with so many lines if that is known: keep its id."""
        record, shared = self._record, self._context.shared
        await record.put(
            replace(
                record.now,
                stage=JobStage.SUBMITTED,
                remote_id=job.id,
                reference=job.reference or record.now.reference,
                references=job.references,
            )
        )
        _log.info(
            "batch %s: job %d is %s at %s (%s, %s lines, about %d tokens)",
            shared.batch.id,
            record.shard.number,
            job.id,
            record.now.provider,
            "found by its tag" if found else "submitted",
            "?" if lines is None else lines,
            record.now.tokens,
        )
        record.capacity.jobs.add(record.now.tag)
        record.capacity.open()
        shared.reasons.pop(record.key, None)
        self._waiting.tell(None)
        self._waiting.log(None)
        shared.pilots.end_turn(record.shard.number, record.key)
