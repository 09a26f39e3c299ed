"""Native execution of a batch: its shards as jobs of the providers' own batch APIs.

    shard --claim--> job record --NativeJob--> results committed, or lines handed over

One `NativeRun` runs the native shards of one batch on one process, each in a task of its own, so
that one failed provider never stalls another. Owns the claims, and the choice of a target for each
shard. Does not own the life of a job (`job`), what a refused job means (`batch`), or the looks at
the batch (`workflows.watch`).
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from batchway.domain.batch import Batch
from batchway.domain.batch_errors import LineText
from batchway.domain.call import Call
from batchway.domain.errors import Conflict, Unavailable
from batchway.domain.group import Group
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.remote import JobRecord, JobStage
from batchway.domain.routing import Target
from batchway.domain.shard import Claim, Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.domain.tag import new_tag
from batchway.lines.envelope import reader_of
from batchway.lines.shard_lines import read_requests
from batchway.ports import Jobs
from batchway.results.endings import tell_end
from batchway.workflows.details import StatusDetails
from batchway.workflows.native.batch import NativeBatch
from batchway.workflows.native.context import JobContext, Resources
from batchway.workflows.native.ending import HaltedError
from batchway.workflows.native.job import NativeJob
from batchway.workflows.native.nowhere import no_way_back, refuse
from batchway.workflows.plan.groups import Groups, no_batch_api
from batchway.workflows.run import STORAGE_TROUBLE, Ending
from batchway.workflows.take_over import TakeOver

_log: Final = logging.getLogger(__name__)
_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How a shard is run: its record, and whether lines without a result are run online.

    `sent` is whether something of it is at the provider, as far as is known.
    """

    record: JobRecord
    rescue: bool
    sent: bool


class NativeRun:
    """The native shards of one batch, run by this process. Use once.

    `groups` tell where its lines go; `handed_over` is told of shards that are the managed runner's
    from now on.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        resources: Resources,
        groups: Groups,
        details: StatusDetails,
        handed_over: Callable[[Shard], None],
        drain_timeout: float,
    ) -> None:
        self._batch = batch
        self._resources = resources
        self._ledger = resources.ledger
        self._blobs = resources.blobs
        self._clock = resources.clock
        self._accounts = resources.accounts
        self._groups = groups
        self._details = details
        self._handed_over = handed_over
        self._drain_timeout = drain_timeout
        self._jobs: dict[tuple[str, str], Jobs] = {}
        self._shared = NativeBatch(
            batch=batch,
            clock=resources.clock,
            details=details,
            names_providers=groups.several_providers,
        )
        self._take_over = TakeOver(
            shards=resources.ledger.shards,
            blobs=resources.blobs,
            details=details,
            pause=self._shared.pause,
            is_over=lambda: self._shared.winding_down,
        )

    def stop(self, ending: Ending) -> None:
        """Ask the run to end. Jobs are cancelled only for a batch that is cancelled or expires."""
        self._shared.stop(ending)

    def describe(self) -> None:
        """Tell whether results can be stored; what holds up a job, it tells itself."""
        self._details.tell(
            "results", STORAGE_TROUBLE if self._resources.collector.trouble else None
        )

    async def run(self) -> Ending:
        """Run every open native shard to its end; returns when all have, or on `stop`."""
        if self._batch.status is BatchStatus.CANCELLING:
            self.stop(Ending.CANCELLED)
        plan = await self._ledger.shards.plan(self._batch.id)
        counts = self._batch.counts
        if counts.completed + counts.failed or any(s.mode is Mode.MANAGED for s in plan):
            self._shared.verdict.accept()
        known = {record.shard: record for record in await self._ledger.jobs.of(self._batch.id)}
        still_open = {shard.number for shard in await self._ledger.shards.open(self._batch.id)}
        shards = [
            shard
            for shard in plan
            if shard.mode is Mode.NATIVE
            and (shard.number in still_open or is_unsettled(known.get(shard.number)))
        ]
        for shard in shards:
            # Before the first of them is heard of: none may refuse the batch while others may run.
            self._shared.verdict.open(shard.number)
        halt = asyncio.create_task(self._shared.halt())
        jobs = {
            asyncio.create_task(self._run_shard(shard, known.get(shard.number))) for shard in shards
        }
        try:
            await self._wait(jobs, halt)
            return await self._conclude()
        finally:
            await _end(halt, *jobs)

    async def _wait(self, jobs: set[asyncio.Task[None]], halt: asyncio.Task[None]) -> None:
        """Wait for the jobs; when all are to leave, only as long as a step may take to end."""
        running = set(jobs)
        while running and not halt.done():
            done, _ = await asyncio.wait({*running, halt}, return_when=asyncio.FIRST_COMPLETED)
            for job in done & running:
                self._look_at(job)
            running -= done
        if running:
            # A job that is just being submitted is worth a moment: its id can still be kept.
            done, _ = await asyncio.wait(running, timeout=self._drain_timeout)
            for job in done:
                self._look_at(job)

    def _look_at(self, job: asyncio.Task[None]) -> None:
        """Raise what a job ended with, unless it was told to end."""
        with suppress(HaltedError, asyncio.CancelledError):
            try:
                job.result()
            except (KeyError, ValueError) as error:
                if not self._shared.winding_down:
                    raise
                # Without the input no result finds its line. That must not keep the batch from
                # ending: finalize says what is missing.
                _log.error("batch %s ends without a job's results: %r", self._batch.id, error)

    async def _conclude(self) -> Ending:
        ending = self._shared.ending
        if ending is Ending.FAILED:
            errors = self._shared.verdict.errors
            at = int(self._clock.now())
            moved = await self._ledger.batches.move(
                self._batch.id,
                BatchStatus.FAILED,
                at=at,
                before=frozenset({BatchStatus.IN_PROGRESS}),
                errors=errors,
            )
            if moved:
                tell_end(self._batch, BatchStatus.FAILED, now=at, code=errors[0].code)
            return Ending.FAILED if moved else Ending.LOST
        return ending or Ending.DONE

    # ------------------------------------------------------------------ shards

    async def _run_shard(self, shard: Shard, known: JobRecord | None) -> None:
        try:
            await self._run_one(shard, known)
        finally:
            self._shared.verdict.withdraw(shard.number)

    async def _run_one(self, shard: Shard, known: JobRecord | None) -> None:
        try:
            taken = await self._take_over.run(shard, source=f"job {shard.number}")
        except Conflict:
            self._lose()
        claim, done = taken.claim, taken.done
        if done is None:
            # The batch is being ended: its job is brought to an end all the same.
            done = await asyncio.to_thread(self._every_line, shard)
        way = await self._way(shard, known)
        if way is None:
            if not self._shared.winding_down:
                await self._hand_over(claim, because="By now the configuration has them run so.")
            return
        record = way.record
        try:
            jobs = self._jobs_of(record.provider, record.model)
        except ValueError as error:
            # Of a stranger's class it may quote the line.
            _log.warning(
                "batch %s: job %d: its model's name leads to no address of the provider %s (%s)",
                self._batch.id,
                shard.number,
                record.provider,
                type(error).__name__,
            )
            if not way.sent:
                await self._refuse(claim, done, way)
                return
            jobs = None
        if jobs is None:
            await self._withheld(shard, no_way_back(record.provider))
            return
        context = JobContext(
            resources=self._resources,
            shared=self._shared,
            claim=claim,
            account=self._accounts[record.provider],
            jobs=jobs,
            rescue=way.rescue,
            handed_over=self._handed_over,
        )
        await NativeJob(context=context, record=record, done=done).run()

    async def _way(self, shard: Shard, known: JobRecord | None) -> _Way | None:
        """How to run the shard; `None` when nothing was sent, and it is to run managed."""
        if self._shared.winding_down:
            # Nothing new is sent, and the input may be what was lost.
            if known is None:
                return None
            await self._configured(shard, known.provider)
            return _Way(record=known, rescue=False, sent=True)
        group = self._groups.known.get(shard.group)
        native = group is not None and group.mode is Mode.NATIVE
        rescue = group is not None and native and group.rescue
        sent = known is not None and (known.stage is not JobStage.INTENDED or known.submitted_at)
        if known is not None and sent:
            await self._configured(shard, known.provider)
            return _Way(record=known, rescue=rescue, sent=True)
        if group is None:
            await self._withheld(shard, self._groups.withheld[shard.group])
            return None
        if not native:
            return None
        if known is not None and known.provider in self._accounts:
            return _Way(record=known, rescue=rescue, sent=False)
        target = self._target(group)
        if target is None:
            # The configuration lost the account: not the lines' fault, and no reason to fail them.
            await self._withheld(shard, no_batch_api(group))
            return None
        attempt = 1 if known is None else known.attempt
        record = JobRecord(
            batch_id=self._batch.id,
            shard=shard.number,
            attempt=attempt,
            tag=new_tag(self._batch.id, shard.number, attempt),
            provider=target.provider,
            model=target.model,
        )
        return _Way(record=record, rescue=rescue, sent=False)

    def _target(self, group: Group) -> Target | None:
        """Which primary's job the shard becomes, of those that have a batch API at present."""
        # A native group's targets have models of their own: that of a line decides nothing.
        drawn = group.destination("").order(self._resources.draw())[: len(group.primaries)]
        return next((each for each in drawn if each.provider in self._accounts), None)

    def _every_line(self, shard: Shard) -> set[int]:
        pieces = read_requests(
            self._blobs, self._batch.input_blob or "", shard, reader=reader_of(self._batch)
        )
        return {line for requests in pieces for line, _ in requests}

    async def _configured(self, shard: Shard, provider: str) -> None:
        """Wait while the provider of a job is not configured: it is paid for, and only there."""
        source = f"job {shard.number}"
        if provider not in self._accounts:
            _log.warning(
                "batch %s: job %d waits: its provider %s is not configured any more",
                self._batch.id,
                shard.number,
                provider,
            )
        while provider not in self._accounts:
            self._details.tell(
                source,
                Reason(
                    kind=ReasonKind.CONFIGURATION,
                    sentence=(
                        f"The provider '{provider}', which runs a part of this batch, is not "
                        "configured any more: its results cannot be fetched."
                    ),
                ),
            )
            if self._shared.winding_down:
                raise HaltedError
            await self._shared.pause(_PAUSE)

    async def _withheld(self, shard: Shard, reason: Reason) -> None:
        """Wait until the batch winds down: a configuration is read when the process starts."""
        _log.warning("batch %s: shard %d waits: %s", self._batch.id, shard.number, reason)
        self._details.tell(f"job {shard.number}", reason)
        while not self._shared.winding_down:
            await self._shared.pause(_PAUSE)

    async def _refuse(self, claim: Claim, done: set[int], way: _Way) -> None:
        """The shard's lines can be no job: they are run online where they may be, else refused."""
        if way.rescue and not self._shared.winding_down:
            _, why = LineText.NO_JOB_OF_MODEL.pair(provider=way.record.provider)
            await self._hand_over(claim, because=why)
            return
        await refuse(
            claim,
            provider=way.record.provider,
            done=done,
            resources=self._resources,
            shared=self._shared,
            lose=self._lose,
        )

    def _jobs_of(self, provider: str, model: str) -> Jobs | None:
        """The batch API for jobs of a model; `None`: it takes none of the batch's endpoint.

        Raises:
            ValueError: the model's name leads to no address of the account.
        """
        jobs = self._jobs.get((provider, model))
        if jobs is None:
            batch = self._batch
            call = Call(batch.endpoint, model, batch.options.overrides)
            jobs = self._accounts[provider].provider.jobs(call)
            if jobs is not None:
                self._jobs[provider, model] = jobs
        return jobs

    async def _hand_over(self, claim: Claim, *, because: str) -> None:
        while True:
            try:
                if not await self._ledger.shards.hand_over(claim, because=because):
                    self._lose()
                break
            except Unavailable as error:
                _log.info("batch %s waits to hand a shard over: %s", self._batch.id, error)
                await self._shared.pause(_PAUSE)
        self._shared.verdict.accept()
        self._handed_over(claim.shard)

    def _lose(self) -> NoReturn:
        self._shared.stop(Ending.LOST)
        raise HaltedError


def is_unsettled(record: JobRecord | None) -> bool:
    """Whether there is a job that was not brought to its end, though its lines may have been."""
    return record is not None and record.stage in {
        JobStage.BROUGHT,
        JobStage.SUBMITTING,
        JobStage.SUBMITTED,
        JobStage.COLLECTED,
    }


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
