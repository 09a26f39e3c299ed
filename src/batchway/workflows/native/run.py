"""Native execution of a batch: its shards as jobs of the providers' own batch APIs.

    shard --claim--> job record --NativeJob--> results committed, or lines handed over

One `NativeRun` runs the native shards of one batch on one process, each in a task of its own, so
that one failed provider never stalls another. Owns the claims, the choice of a target for each
shard, and the watch over the batch. Does not own the life of a job (`job`), or what a
refused job means (`batch`).
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from batchway.domain.batch import Batch
from batchway.domain.errors import Conflict, Unavailable
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.remote import JobRecord, JobStage
from batchway.domain.routing import Destination, Resolution
from batchway.domain.shard import Claim, Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.lines.envelope import reader_of
from batchway.lines.shard_lines import read_requests
from batchway.ports import Blobs, Clock, Ledger, RemoteBatches
from batchway.results.collector import Collector
from batchway.results.endings import tell_end
from batchway.results.records import Records
from batchway.results.segments import SegmentDamagedError, done_lines
from batchway.workflows.details import StatusDetails
from batchway.workflows.managed.run import STORAGE_TROUBLE, Ending
from batchway.workflows.native.batch import HaltedError, NativeBatch
from batchway.workflows.native.collection import Collection
from batchway.workflows.native.job import NativeJob
from batchway.workflows.native.record import Outfit, new_tag
from batchway.workflows.native.site import NativeSite

_log: Final = logging.getLogger(__name__)
_GLANCE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How a shard is run: its record, and whether lines without a result are run online."""

    record: JobRecord
    rescue: bool


class NativeRun:
    """The native shards of one batch, run by this process. Use once.

    `handed_over` is told of shards that are the managed runner's from now on.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        ledger: Ledger,
        blobs: Blobs,
        collector: Collector,
        records: Records,
        clock: Clock,
        draw: Callable[[], float],
        site: NativeSite,
        resolve: Callable[[str], Resolution],
        details: StatusDetails,
        handed_over: Callable[[Shard], None],
        spool_dir: Path,
        drain_timeout: float,
    ) -> None:
        self._batch = batch
        self._ledger = ledger
        self._blobs = blobs
        self._collector = collector
        self._records = records
        self._clock = clock
        self._draw = draw
        self._site = site
        self._resolve = resolve
        self._details = details
        self._handed_over = handed_over
        self._spool_dir = spool_dir
        self._drain_timeout = drain_timeout
        self._remotes: dict[str, RemoteBatches] = {}
        self._shared = NativeBatch(batch=batch, clock=clock, details=details)

    def stop(self, ending: Ending) -> None:
        """Ask the run to end. Jobs are cancelled only for a batch that is cancelled or expires."""
        if ending in {Ending.CANCELLED, Ending.EXPIRED}:
            self._details.keep()
        self._shared.stop(ending)

    async def run(self) -> Ending:
        """Run every open native shard to its end; returns when all have, or on `stop`."""
        if self._batch.status is BatchStatus.CANCELLING:
            self.stop(Ending.CANCELLED)
        plan = await self._ledger.shards.plan(self._batch.id)
        counts = self._batch.counts
        if counts.completed + counts.failed or any(s.mode is Mode.MANAGED for s in plan):
            self._shared.accept()
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
            self._shared.submits(shard.number)
        watch = asyncio.create_task(self._watch())
        halt = asyncio.create_task(self._shared.halt())
        jobs = {
            asyncio.create_task(self._run_shard(shard, known.get(shard.number))) for shard in shards
        }
        try:
            await self._wait(jobs, watch, halt)
            return await self._conclude()
        finally:
            await _end(watch, halt, *jobs)

    async def _wait(
        self, jobs: set[asyncio.Task[None]], watch: asyncio.Task[None], halt: asyncio.Task[None]
    ) -> None:
        """Wait for the jobs; when all are to leave, only as long as a step may take to end."""
        running = set(jobs)
        while running and not halt.done():
            done, _ = await asyncio.wait(
                {*running, watch, halt}, return_when=asyncio.FIRST_COMPLETED
            )
            if watch in done:
                await watch  # it never ends by itself: this raises
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
            errors = self._shared.errors
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

    async def _watch(self) -> None:
        """Once a second: has the batch been cancelled, has its window ended, why does it wait?"""
        while True:
            left = self._batch.deadline - self._clock.now()
            if left <= 0:
                self.stop(Ending.EXPIRED)
            await self._clock.sleep(_GLANCE_SECONDS if left <= 0 else min(_GLANCE_SECONDS, left))
            try:
                await self._glance()
            except Unavailable as error:
                _log.info("batch %s cannot be looked at: %s", self._batch.id, error)

    async def _glance(self) -> None:
        statuses = await self._ledger.batches.statuses([self._batch.id])
        status = statuses.get(self._batch.id)
        if status is BatchStatus.CANCELLING:
            self.stop(Ending.CANCELLED)
        elif status is not BatchStatus.IN_PROGRESS:
            self.stop(Ending.LOST)
        self._details.tell("results", STORAGE_TROUBLE if self._collector.trouble else None)
        await self._details.write()

    # ------------------------------------------------------------------ shards

    async def _run_shard(self, shard: Shard, known: JobRecord | None) -> None:
        try:
            await self._run_one(shard, known)
        finally:
            self._shared.withdraws(shard.number)

    async def _run_one(self, shard: Shard, known: JobRecord | None) -> None:
        claim, done = await self._take_over(shard)
        way = await self._way(shard, known)
        if way is None:
            if not self._shared.winding_down:
                await self._hand_over(claim)
            return
        account = self._site.accounts[way.record.provider]
        outfit = Outfit(
            batch=self._batch,
            claim=claim,
            rescue=way.rescue,
            shared=self._shared,
            ledger=self._ledger,
            blobs=self._blobs,
            collection=Collection(
                batch=self._batch,
                shared=self._shared,
                blobs=self._blobs,
                collector=self._collector,
                records=self._records,
            ),
            clock=self._clock,
            draw=self._draw,
            site=self._site,
            batches=self._remote(way.record.provider),
            tuning=account.tuning,
            handed_over=self._handed_over,
            spool_dir=self._spool_dir,
        )
        await NativeJob(outfit=outfit, record=way.record, done=done).run()

    async def _take_over(self, shard: Shard) -> tuple[Claim, set[int]]:
        """Claim a shard; the claim, and the lines that have results."""
        while True:
            try:
                claim = await self._ledger.shards.claim(self._batch.id, shard.number)
                done = await self._done(shard)
                break
            except Conflict:
                self._lose()
            except Unavailable as error:
                _log.info("batch %s waits to claim a shard: %s", self._batch.id, error)
                self._details.tell(f"job {shard.number}", STORAGE_TROUBLE)
                await self._shared.pause(_GLANCE_SECONDS)
        self._details.tell(f"job {shard.number}", None)
        return claim, done

    async def _done(self, shard: Shard) -> set[int]:
        """Lines with a result. Those of a damaged segment are open again."""
        while True:
            segments = await self._ledger.shards.segments(self._batch.id, shard.number)
            try:
                return await asyncio.to_thread(done_lines, self._blobs, segments)
            except SegmentDamagedError as error:
                # The provider may still have their results.
                _log.error("batch %s collects lines again: %s", self._batch.id, error)
                retracted = await self._ledger.shards.retract(error.segment)
                if not retracted and self._shared.winding_down:
                    # Of a batch being cancelled nothing is taken back, however often it is tried.
                    # Its job is brought to an end all the same.
                    return await asyncio.to_thread(self._every_line, shard)
                await self._shared.pause(_GLANCE_SECONDS)

    async def _way(self, shard: Shard, known: JobRecord | None) -> _Way | None:
        """How to run the shard; `None` when nothing was sent and it is to run managed today."""
        if self._shared.winding_down:
            # Nothing new is sent, and the input may be what was lost.
            if known is None:
                return None
            await self._configured(shard, known.provider)
            return _Way(record=known, rescue=False)
        model = await asyncio.to_thread(self._first_model, shard)
        resolution = self._resolve(model)
        sent = known is not None and (known.stage is not JobStage.INTENDED or known.submitted_at)
        if not isinstance(resolution, Destination) and not sent:
            # The configuration lost the account: not the lines' fault, and no reason to fail them.
            await self._routed(shard)
            return None
        native = resolution if isinstance(resolution, Destination) else None
        if native is not None and native.mode is not Mode.NATIVE:
            native = None
        rescue = native is not None and native.rescue
        if known is not None and sent:
            await self._configured(shard, known.provider)
            return _Way(record=known, rescue=rescue)
        if native is None:
            return None
        if known is not None and known.provider in self._site.accounts:
            return _Way(record=known, rescue=rescue)
        target = native.order(self._draw())[0]
        attempt = 1 if known is None else known.attempt
        record = JobRecord(
            batch_id=self._batch.id,
            shard=shard.number,
            attempt=attempt,
            tag=new_tag(self._batch.id, shard.number, attempt),
            provider=target.provider,
            model=target.model,
        )
        return _Way(record=record, rescue=rescue)

    def _every_line(self, shard: Shard) -> set[int]:
        pieces = read_requests(
            self._blobs, self._batch.input_blob or "", shard, reader=reader_of(self._batch)
        )
        return {line for requests in pieces for line, _ in requests}

    def _first_model(self, shard: Shard) -> str:
        for requests in read_requests(
            self._blobs, self._batch.input_blob or "", shard, reader=reader_of(self._batch)
        ):
            if requests:
                return requests[0][1].model
        raise ValueError(f"shard {shard.number} has no line")

    async def _configured(self, shard: Shard, provider: str) -> None:
        """Wait while the provider of a job is not configured: it is paid for, and only there."""
        source = f"job {shard.number}"
        if provider not in self._site.accounts:
            _log.warning(
                "batch %s: job %d waits: its provider %s is not configured any more",
                self._batch.id,
                shard.number,
                provider,
            )
        while provider not in self._site.accounts:
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
            await self._shared.pause(_GLANCE_SECONDS)

    async def _routed(self, shard: Shard) -> None:
        """Wait until the batch winds down: a configuration is read when the process starts."""
        source = f"job {shard.number}"
        _log.warning(
            "batch %s: no configured provider takes shard %d any more: it waits",
            self._batch.id,
            shard.number,
        )
        self._details.tell(
            source,
            Reason(
                kind=ReasonKind.CONFIGURATION,
                sentence=(
                    "No configured provider takes the model of this batch's lines any more: it "
                    "waits until the configuration has one again."
                ),
            ),
        )
        while not self._shared.winding_down:
            await self._shared.pause(_GLANCE_SECONDS)

    def _remote(self, provider: str) -> RemoteBatches:
        remote = self._remotes.get(provider)
        if remote is None:
            remote = self._site.accounts[provider].provider.batches(self._batch.options.overrides)
            self._remotes[provider] = remote
        return remote

    async def _hand_over(self, claim: Claim) -> None:
        while True:
            try:
                if not await self._ledger.shards.hand_over(claim):
                    self._lose()
                break
            except Unavailable as error:
                _log.info("batch %s waits to hand a shard over: %s", self._batch.id, error)
                await self._shared.pause(_GLANCE_SECONDS)
        self._shared.accept()
        self._handed_over(claim.shard)

    def _lose(self) -> NoReturn:
        self._shared.stop(Ending.LOST)
        raise HaltedError


def is_unsettled(record: JobRecord | None) -> bool:
    """Whether there is a job that was not brought to its end, though its lines may have been."""
    return record is not None and record.stage in {
        JobStage.SUBMITTING,
        JobStage.SUBMITTED,
        JobStage.COLLECTED,
    }


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
