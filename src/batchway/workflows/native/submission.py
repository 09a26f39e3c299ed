"""Bringing one job to its provider: from `intended` to `submitted`, however long it takes.

    intended --bring--> brought --create--> submitted
                          ^  |
                          |  +- no answer ---------------------> looks for the tag, for a while
                          |  +- refused -----------------------> refused, for good
                          |  +- larger than may be enqueued ---> a smaller one, under another tag
                          +--+- no room, no credit, not let in: waits, and looks before it creates
                             +- not taken in yet: waits
                             +- the input is gone: intended, and brought again

Every step is recorded before it is taken. Owns what a refusal means. Does not own the life of the
job (`job`), whether there is one (`looking`), how large it may be (`fit`, `cutting`), or whose turn
it is (`pilots`, `capacity`).
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from batchway.domain.batch import BatchError
from batchway.domain.errors import Unavailable
from batchway.domain.remote import (
    JobInput,
    JobOrder,
    JobStage,
    RemoteError,
    RemoteJob,
    Trouble,
)
from batchway.lines.envelope import reader_of
from batchway.lines.shard_lines import read_requests
from batchway.workflows.native.capacity import Refused
from batchway.workflows.native.collection import refusal
from batchway.workflows.native.context import JobContext
from batchway.workflows.native.cutting import Cutting
from batchway.workflows.native.ending import HaltedError
from batchway.workflows.native.looking import Looking
from batchway.workflows.native.record import Record
from batchway.workflows.native.spool import Measure, Spooled, spool
from batchway.workflows.native.stray import disown
from batchway.workflows.native.waiting import Waiting, waits
from batchway.workflows.run import STORAGE_TROUBLE, Ending

_log: Final = logging.getLogger(__name__)
_STORAGE_PAUSE: Final = 1.0
_CAPACITY_PAUSE: Final = 1.0
_MOST_GONE: Final = 5  # inputs in a row that were brought and are not there: it is not by chance


class Submission:
    """Submits the jobs of one shard."""

    def __init__(
        self,
        *,
        context: JobContext,
        record: Record,
        waiting: Waiting,
        looking: Looking,
        cutting: Cutting,
    ) -> None:
        self._context = context
        self._record = record
        self._waiting = waiting
        self._looking = looking
        self._cutting = cutting
        self._absent: str | None = None  # the tag under which there is no job, as far as is known
        # No line of the part can be said in the provider's dialect, or so few are left that they
        # are no job there and run online.
        self.nothing_to_send = False
        self._delays = 0  # creations in a row that only this job waits for
        self._gone = 0  # inputs in a row that were not there any more

    async def run(self) -> bool | Sequence[BatchError]:
        """From `intended` or `brought`: whether there is more to do, or why the job is refused."""
        context, record = self._context, self._record
        shared, number, capacity = context.shared, record.shard.number, record.capacity
        if record.now.submitted_at is None:
            await shared.pilots.take_turn(number, record.key)
        failures = 0
        while not shared.winding_down:
            closed_for = capacity.closed_for
            if closed_for:
                why = shared.reasons.get(record.key) or capacity.reason(shared.batch.tenant)
                self._waiting.tell(why)
                await shared.pause(min(closed_for, _CAPACITY_PAUSE))
                continue
            if self._may_exist:
                # Whatever was said of the last try: a job may have come of it.
                try:
                    job = await self._looking.find()
                except RemoteError as trouble:
                    failures += 1
                    await self._waiting.out(trouble, failures=failures)
                    continue
                if job is not None:
                    await self._looking.take_on(job)
                    return True
                self._absent = record.now.tag
            shared.verdict.open(number)
            async with context.resources.accounts.submissions(record.now.provider):
                if capacity.closed_for or shared.winding_down:
                    continue  # while it waited for the slot
                if record.now.submitted_at is None:
                    self._waiting.tell(None)
                try:
                    error = await self._submit()
                except Unavailable as trouble:
                    _log.warning("batch %s cannot spool a job: %s", shared.batch.id, trouble)
                    self._waiting.tell(STORAGE_TROUBLE)
                    await shared.pause(_STORAGE_PAUSE)
                    continue
            return True if error is None else await self._not_submitted(error)
        return await self.withdraw() is not None

    async def withdraw(self) -> RemoteJob | None:
        """Remove an input that was brought to the provider for a job that will never be made.

        Returns a job that there is after all.
        """
        if self._record.now.submitted_at is None:
            return None
        job = await self._looking.adopted()
        if job is None:
            before = self._record.now
            # Recorded before it is removed: what is gone is brought again by a run that goes on.
            await self._record.step_back(to=JobStage.INTENDED)
            await self._cutting.clean_up(before)
        return job

    @property
    def _may_exist(self) -> bool:
        """Whether a job may have come of what was done under the tag, in any life."""
        now = self._record.now
        return now.submitted_at is not None and now.tag != self._absent

    # ------------------------------------------------------------------ steps

    async def _submit(self) -> RemoteError | None:
        """The next steps, as far as they go; the error that one of them drew."""
        try:
            if self._record.now.stage is not JobStage.BROUGHT:
                await self._bring()
            self._context.shared.leave_if_halted()
            if self._record.now.stage is JobStage.BROUGHT and not self._context.shared.winding_down:
                await self._create()
        except RemoteError as error:
            return error
        return None

    async def _bring(self) -> None:
        context, shared, record = self._context, self._context.shared, self._record
        now = record.now
        requests = read_requests(
            context.resources.blobs,
            shared.batch.input_blob or "",
            record.shard,
            reader=reader_of(shared.batch),
        )
        # What was sent under a tag once is sent again as it was: the first of the two may be there.
        fit = record.capacity.fit
        again = now.submitted_at is not None
        async with spool(
            requests,
            directory=context.resources.spool_dir,
            framing=context.jobs.framing,
            dialect=context.jobs.dialect,
            done=record.done,
            part=record.part,
            measure=Measure()
            if again
            else Measure(most_tokens=fit.tokens, most_requests=fit.lines),
        ) as spooled:
            shared.leave_if_halted()  # of what is sent now the id could not be kept
            if shared.winding_down:
                return  # still `intended`
            self._cutting.lines, self._cutting.requests = spooled.lines, spooled.requests
            too_few = spooled.requests < context.jobs.traits.min_lines
            self.nothing_to_send = not spooled.requests or (too_few and context.rescue)
            if not again:
                self._absent = now.tag
            await record.put(
                replace(
                    now,
                    submitted_at=now.submitted_at or int(context.clock.now()),
                    before_line=spooled.before,
                    tokens=spooled.tokens,
                )
            )
            if self.nothing_to_send:
                return
            reference = await context.jobs.bring(self._input(spooled, since=now.submitted_at))
        await record.put(replace(record.now, stage=JobStage.BROUGHT, reference=reference))

    async def _create(self) -> None:
        context, shared, record = self._context, self._context.shared, self._record
        reference = record.now.reference
        if reference is None:
            raise ValueError(f"{record.now.tag} was brought and has no reference")
        await record.put(replace(record.now, stage=JobStage.SUBMITTING))
        self._absent = None
        job = await context.jobs.create(self._order(), reference)
        try:
            await self._looking.take_on(job, lines=self._cutting.requests, found=False)
        except HaltedError:
            if shared.ending is Ending.LOST:
                await disown(
                    job,
                    record=record.now,
                    ledger=context.resources.ledger,
                    jobs=context.jobs,
                    clock=context.clock,
                )
            raise

    def _order(self) -> JobOrder:
        batch = self._context.shared.batch
        return JobOrder(tag=self._record.now.tag, window=batch.deadline - batch.created_at)

    def _input(self, spooled: Spooled, *, since: int | None) -> JobInput:
        order = self._order()
        return JobInput(
            tag=order.tag,
            window=order.window,
            path=spooled.path,
            size=spooled.size,
            lines=spooled.requests,
            since=since,
        )

    # ------------------------------------------------------------------ refusals

    async def _not_submitted(self, error: RemoteError) -> bool | Sequence[BatchError]:
        shared, record = self._context.shared, self._record
        self._waiting.tell(waits(error, credential=self._context.tuning.credential))
        self._waiting.log(error)
        creating = record.now.stage is JobStage.SUBMITTING
        match error.trouble:
            case Trouble.UNCERTAIN:
                return True  # `submitting` stands: look for it
            case Trouble.NOT_YET:
                return await self._again(error)
            case Trouble.NOT_FOUND if creating and self._gone < _MOST_GONE:
                self._gone += 1
                return await self._again(error, to=JobStage.INTENDED)
            case Trouble.REFUSED | Trouble.NOT_FOUND:
                # Something in between may have answered in the provider's place.
                if creating and await self._looking.adopted() is not None:
                    return True
                return [refusal(error)]
            case Trouble.DENIED:
                if creating and await self._looking.adopted() is not None:
                    return True
                # Whether it will be let in is the account's matter: others need not wait for that.
                shared.verdict.withdraw(record.shard.number)
            case Trouble.NO_ROOM if error.limit is not None:
                if creating and await self._looking.adopted() is not None:
                    return True
                cut = await self._cutting.cut(error.limit, [refusal(error)])
                if cut is not None:
                    return cut
            case Trouble.NO_ROOM | Trouble.BUSY | Trouble.UNREACHABLE:
                pass
        why = waits(error, credential=self._context.tuning.credential)
        shared.reasons[record.key] = why
        denied = error.trouble is Trouble.DENIED and not error.credit
        record.capacity.close(
            retry_after=error.retry_after,
            code=error.code,
            status=error.status,
            credit=error.credit,
            refused=Refused(tenant=shared.batch.tenant, reason=why) if denied else None,
        )
        await record.step_back()
        return True

    async def _again(self, error: RemoteError, *, to: JobStage = JobStage.BROUGHT) -> bool:
        """It is about this input alone, and nothing was made of it: no other job waits."""
        self._delays += 1
        self._absent = self._record.now.tag
        await self._record.step_back(to=to)
        await self._waiting.out(error, failures=self._delays)
        return True
