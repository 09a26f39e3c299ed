"""Bringing one job to its provider: from `intended` to `submitted`, however long it takes.

    submit --taken--------------------------> submitted
       |  refused ------------------------------> refusal, for good
       |  no room, no credit, not let in -------> waits, and looks before it submits again
       |  larger than the account may enqueue --> a smaller one, under a tag of its own
       +- no answer --> look for the tag, for a while

Owns what a refusal means. Does not own the life of the job (`job`), how large a job may be
(`fit`), or whose turn it is (`site`, `batch`).
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from batchway.dialects.openai.job_error import EnqueuedLimit, enqueued_limit, means_no_room
from batchway.domain.batch import BatchError
from batchway.domain.errors import Unavailable
from batchway.domain.remote import JobOrder, JobRecord, JobStage, RemoteError, RemoteJob, Trouble
from batchway.domain.status import BatchStatus
from batchway.lines.envelope import reader_of
from batchway.lines.shard_lines import read_requests
from batchway.workflows.managed.run import STORAGE_TROUBLE, Ending
from batchway.workflows.native.batch import HaltedError
from batchway.workflows.native.collection import refusal
from batchway.workflows.native.record import Outfit, Record
from batchway.workflows.native.spool import Measure, Spooled, spool
from batchway.workflows.native.stray import disown
from batchway.workflows.native.tidying import clean
from batchway.workflows.native.waiting import Waiting, brief, waits

_log: Final = logging.getLogger(__name__)
_CLOCK_SKEW: Final = 600  # seconds that a provider's clock may be behind ours
_STORAGE_PAUSE: Final = 1.0
_ROOM_PAUSE: Final = 1.0
_FIRST_PAUSE: Final = 1.0
_FOR_GOOD: Final = frozenset({Trouble.REFUSED, Trouble.NOT_FOUND})
_NOBODY_KNOWS: Final = frozenset({*_FOR_GOOD, Trouble.DENIED})

# A job that does not fit beside others waits for them, but not for ever: they may be somebody's
# who never lets go of the room. Half an hour is little of a day, and what is cut is only smaller.
_OTHERS_PATIENCE: Final = 1_800.0


class Submission:
    """Submits the jobs of one shard."""

    def __init__(self, *, outfit: Outfit, record: Record, waiting: Waiting) -> None:
        self._outfit = outfit
        self._record = record
        self._waiting = waiting
        self._delays = 0  # submissions in a row that only this job waits for
        self._lines: int | None = None  # of the last job that was tried, where it is known
        self._others_since: float | None = None

    async def run(self) -> bool | Sequence[BatchError]:
        """From `intended`: whether there is more to do, or what the job is refused for."""
        outfit, record = self._outfit, self._record
        shared, number, room = outfit.shared, record.shard.number, record.room
        if record.now.submitted_at is None:
            await shared.take_turn(number, record.key)
        failures = 0
        while not shared.winding_down:
            closed_for = room.closed_for
            if closed_for:
                self._waiting.tell(shared.words.get(record.key, room.reason))
                await shared.pause(min(closed_for, _ROOM_PAUSE))
                continue
            if record.now.submitted_at is not None:
                # Whatever was said of the last try: a job may have come of it.
                try:
                    job = await self.find()
                except RemoteError as trouble:
                    failures += 1
                    await self._waiting.out(trouble, failures=failures)
                    continue
                if job is not None:
                    await self.submitted(job)
                    return True
            shared.submits(number)
            async with outfit.site.submissions(record.now.provider):
                if room.closed_for or shared.winding_down:
                    continue  # while it waited for the slot
                if record.now.submitted_at is None:
                    self._waiting.tell(None)
                try:
                    error = await self._submit_now()
                except Unavailable as trouble:
                    _log.warning("batch %s cannot spool a job: %s", outfit.batch.id, trouble)
                    self._waiting.tell(STORAGE_TROUBLE)
                    await shared.pause(_STORAGE_PAUSE)
                    continue
            return True if error is None else await self._not_submitted(error)
        return await self.withdraw() is not None

    async def _submit_now(self) -> RemoteError | None:
        outfit, shared, record = self._outfit, self._outfit.shared, self._record
        now = record.now
        requests = read_requests(
            outfit.blobs,
            outfit.batch.input_blob or "",
            record.shard,
            reader=reader_of(outfit.batch),
        )
        # What was sent under a tag once is sent again as it was: the first of the two may be there.
        resumed = now.submitted_at is not None
        fit = record.room.fit
        async with spool(
            requests,
            directory=outfit.spool_dir,
            codec=outfit.batches.codec,
            endpoint=outfit.batch.endpoint,
            model=now.model,
            done=record.done,
            part=record.part,
            measure=Measure() if resumed else Measure(most_tokens=fit.tokens, most_lines=fit.lines),
        ) as spooled:
            shared.leave_if_halted()  # what is sent now, nobody may be there to keep
            if shared.winding_down:
                return None  # still `intended`
            self._lines = spooled.lines
            await record.put(
                replace(
                    now,
                    stage=JobStage.SUBMITTING,
                    submitted_at=now.submitted_at or int(outfit.clock.now()),
                    before_line=spooled.before,
                    tokens=spooled.tokens,
                )
            )
            try:
                job = await outfit.batches.submit(self._order(spooled, resumed=resumed))
            except RemoteError as error:
                return error
        try:
            await self.submitted(job)
        except HaltedError:
            if shared.ending is Ending.LOST:
                await disown(
                    job,
                    record=record.now,
                    ledger=outfit.ledger,
                    batches=outfit.batches,
                    clock=outfit.clock,
                )
            raise
        return None

    def _order(self, spooled: Spooled, *, resumed: bool) -> JobOrder:
        batch, now = self._outfit.batch, self._record.now
        wanted = batch.deadline - batch.created_at
        windows = self._outfit.batches.traits.windows
        longer = [window for window in windows if window >= wanted]
        return JobOrder(
            tag=now.tag,
            endpoint=batch.endpoint,
            model=now.model,
            path=spooled.path,
            size=spooled.size,
            lines=spooled.lines,
            # The shortest that is not shorter: the rest of a longer one is cancelled by us.
            window=(longer or windows[-1:] or [wanted])[0],
            resumed=resumed,
        )

    async def submitted(self, job: RemoteJob) -> None:
        """The provider has the job: keep its id."""
        record, shared = self._record, self._outfit.shared
        found = record.now.stage is JobStage.SUBMITTING and self._lines is None
        await record.put(
            replace(
                record.now,
                stage=JobStage.SUBMITTED,
                remote_id=job.id,
                input_file_id=job.input_file_id,
                output_file_id=job.output_file_id,
                error_file_id=job.error_file_id,
            )
        )
        _log.info(
            "batch %s: job %d is %s at %s (%s, %s lines, about %d tokens)",
            self._outfit.batch.id,
            record.shard.number,
            job.id,
            record.now.provider,
            "found by its tag" if found else "submitted",
            "?" if self._lines is None else self._lines,
            record.now.tokens,
        )
        record.room.jobs.add(record.now.tag)
        record.room.open()
        shared.words.pop(record.key, None)
        self._waiting.tell(None)
        self._waiting.log(None)
        shared.end_turn(record.shard.number, record.key)

    async def _not_submitted(self, error: RemoteError) -> bool | Sequence[BatchError]:
        shared, record, trouble = self._outfit.shared, self._record, error.trouble
        self._waiting.tell(waits(error))
        self._waiting.log(error)
        if trouble is Trouble.UNCERTAIN:
            return True  # `submitting` stands: look for it
        no_room = means_no_room(error.code, error.message)
        if trouble in _NOBODY_KNOWS and not no_room:
            # Something in between may have answered in the provider's place.
            if await self.adopted() is not None:
                return True
            if trouble in _FOR_GOOD:
                return [refusal(error)]
            # Whether it will be let in is the account's matter: others need not wait for that.
            shared.withdraws(record.shard.number)
        if trouble is Trouble.BUSY and error.status is None:
            # Nothing that the provider answers everybody: it is about this input alone.
            self._delays += 1
            await record.put(replace(record.now, stage=JobStage.INTENDED))
            await self._waiting.out(error, failures=self._delays)
            return True
        limit = enqueued_limit(error.code, error.message)
        if limit is not None:
            made = await self.adopted()
            if made is not None:
                return True
            cut = await self.cut(limit, [refusal(error)])
            if cut is not None:
                return cut
        shared.words[record.key] = waits(error)
        record.room.close(retry_after=error.retry_after, code=error.code, status=error.status)
        await record.put(replace(record.now, stage=JobStage.INTENDED))
        return True

    # ------------------------------------------------------------------ too large

    async def cut(
        self, limit: EnqueuedLimit, errors: Sequence[BatchError]
    ) -> bool | Sequence[BatchError] | None:
        """A job went over what may be enqueued: a smaller one, if waiting cannot help.

        `None`: waiting may help. Otherwise as `run`: a single line that is too large is refused, or
        left to be run online.
        """
        outfit, record = self._outfit, self._record
        tokens = record.now.tokens or max(1, (record.shard.end - record.shard.start) // 4)
        beyond = (limit.tokens is not None and tokens > limit.tokens) or (
            limit.requests is not None and self._lines is not None and self._lines > limit.requests
        )
        single = self._lines == 1
        if (single or not beyond) and not await self._is_alone():
            return None
        if single and not outfit.rescue:
            # Without any job that was ever taken, it may be the account that is let nothing.
            return list(errors) if record.room.taken or record.now.first_line else None
        if single:
            before = record.now
            rest = record.room.fit.refuses_all()
            _log.warning(
                "batch %s: %s of job %d is too large for the batch API and runs online",
                outfit.batch.id,
                "what is left" if rest else "a line",
                record.shard.number,
            )
            if rest:
                await record.put(replace(before, before_line=None))
            if rest or before.before_line is None:
                await record.end()
            else:
                await record.begin(first_line=before.before_line)
            await self._clean_up(before)
            return True
        record.room.fit.learn(tokens=tokens, lines=self._lines, limit=limit)
        _log.warning(
            "batch %s: job %d of about %d tokens is more than the provider %s takes at once: it is "
            "cut to at most %s tokens, %s lines",
            outfit.batch.id,
            record.shard.number,
            tokens,
            record.now.provider,
            record.room.fit.tokens or "any",
            record.room.fit.lines or "any",
        )
        before = record.now
        # Recorded before anything is removed: or what is gone would be asked for.
        await record.begin(first_line=before.first_line)
        await self._clean_up(before)
        self._waiting.tell(None)
        return True

    async def _is_alone(self) -> bool:
        """Whether nothing else takes up the room, or was waited for long enough."""
        record, now = self._record, self._outfit.clock.monotonic()
        if record.room.jobs - {record.now.tag}:
            return False  # our own end, and are seen to end
        try:
            others = await self._outfit.batches.unfinished(record.now.model)
        except RemoteError as error:
            _log.info("job %s: others cannot be looked at (%s)", record.now.tag, brief(error))
            return False
        if not others:
            return True
        if self._others_since is None:
            self._others_since = now
        return now - self._others_since >= _OTHERS_PATIENCE

    async def _clean_up(self, record: JobRecord) -> None:
        """Remove the input of a job that was not made, or did not run."""
        if record.submitted_at is not None:
            never = RemoteJob(id="", status=BatchStatus.CANCELLED, created_at=record.submitted_at)
            await clean(never, outfit=self._outfit, tag=record.tag)

    # ------------------------------------------------------------------ looking

    async def look(self) -> bool:
        """From `submitting`: is there a job under the tag? Not before it can be said is it sent."""
        looked_at: float | None = None
        pause = _FIRST_PAUSE
        failures = 0
        tuning, clock = self._outfit.tuning, self._outfit.clock
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
                await self.submitted(job)
                return True
            self._waiting.tell(None)
            now = clock.monotonic()
            looked_at = now if looked_at is None else looked_at
            if now - looked_at >= tuning.settle or self._waiting.is_over:
                break
            await self._waiting.pause(min(pause, tuning.settle))
            pause = min(pause * 2, tuning.poll_max)
            failures = 0
        await self._record.put(replace(self._record.now, stage=JobStage.INTENDED))
        return True

    async def adopted(self) -> RemoteJob | None:
        """One look for a job under the tag, which is ours then; `None` where nobody may look."""
        failures = 0
        while True:
            try:
                job = await self.find()
            except RemoteError as error:
                if error.trouble in _NOBODY_KNOWS or self._waiting.is_over:
                    return None
                failures += 1
                await self._waiting.out(error, failures=failures)
            else:
                if job is not None:
                    await self.submitted(job)
                return job

    async def find(self) -> RemoteJob | None:
        """A look for the job under its tag. Raises `RemoteError`."""
        now = self._record.now
        since = (now.submitted_at or int(self._outfit.clock.now())) - _CLOCK_SKEW
        return await self._outfit.batches.find(now.tag, since=since)

    async def withdraw(self) -> RemoteJob | None:
        """Remove an input that was brought to the provider for a job that will never be made.

        Returns a job that there is after all.
        """
        if self._record.now.submitted_at is None:
            return None
        job = await self.adopted()
        if job is None:
            await self._clean_up(self._record.now)
        return job
