"""Managed execution of a batch: its lines as online requests, from byte range to segment.

    shard --claim--> source --permit--> request --outcome--> record --> collector --> segment
                       ^                   |
                       +---- room, turn ---+      (back-pressure: memory stays bounded)

One `ManagedRun` runs one batch on one process. It reads the shards in order and reads on as soon
as a shard's lines have been handed out, so that the last slow line of one shard never idles the
provider. Owns who gets read when; does not own limits (`dispatch.gate`), retries
(`dispatch.sender`) or durability (`dispatch.collector`).

Lines whose provider is not configured any more wait: the run says so and does not end by itself.

A run ends for one of the reasons of `Ending`. However it ends, everything that was answered has
been committed, and a later run does only the lines without a committed result.
"""

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from batchway.dispatch.caller import Caller
from batchway.dispatch.sender import Answered, Permit, Sender, Unanswered, Work
from batchway.domain.batch import Batch
from batchway.domain.batch_errors import LineText
from batchway.domain.errors import Conflict, Unavailable
from batchway.domain.overrides import NO_OVERRIDES
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.routing import (
    ROUTE_PREFIX,
    Destination,
    Forbidden,
    NotNative,
    Resolution,
    Target,
)
from batchway.domain.shard import Claim, Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.lines.envelope import Request, reader_of
from batchway.lines.pieces import read_pieces
from batchway.ports import Blobs, Clock, Ledger
from batchway.results.collector import Buffer, Collector
from batchway.results.line_result import LineResult
from batchway.results.records import Records
from batchway.results.segments import SegmentDamagedError, done_lines
from batchway.telemetry import event
from batchway.workflows.details import StatusDetails
from batchway.workflows.managed.outstanding import Outstanding, Part

_log: Final = logging.getLogger(__name__)
_PIECE_BYTES: Final = 256 << 10
_GLANCE_SECONDS: Final = 1.0
# What a tenant is told; the cause, with its paths, is in the log.
STORAGE_TROUBLE: Final = Reason(
    kind=ReasonKind.STORAGE,
    sentence="Batchway cannot write to its storage at the moment.",
    promise="it will go on.",
)


class Ending(StrEnum):
    """Why a run ended."""

    DONE = "done"  # every line has a committed result
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"  # the providers refused all of it
    LOST = "lost"  # another runner has taken a shard over, or the batch has moved on
    STOPPED = "stopped"  # this process is shutting down


class ManagedRun:
    """One batch, run by this process. Use once.

    `shards` limits it to some of the managed shards, by number; `details` are shared with the other
    runs of the batch. With `claimed` it runs that shard alone, whose claim nobody had before, and
    leaves its results in `results` if it ends before the collector has committed any.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        ledger: Ledger,
        blobs: Blobs,
        sender: Sender,
        collector: Collector,
        records: Records,
        clock: Clock,
        resolve: Callable[[str, str], Resolution],
        draw: Callable[[], float],
        outstanding: Outstanding,
        most_lines: int,
        drain_timeout: float,
        shards: frozenset[int] | None = None,
        details: StatusDetails | None = None,
        claimed: Claim | None = None,
    ) -> None:
        self._batch = batch
        self._ledger = ledger
        self._blobs = blobs
        self._sender = sender
        self._collector = collector
        self._records = records
        self._clock = clock
        self._resolve = resolve
        self._draw = draw
        self._drain_timeout = drain_timeout
        self._reader = reader_of(batch)
        self._caller = Caller(
            tenant=batch.tenant, batch_id=batch.id, deadline=float(batch.deadline)
        )
        self._overrides = batch.options.overrides
        if self._overrides == NO_OVERRIDES:
            self._overrides = NO_OVERRIDES  # the one that the sender knows at a glance
        self._caller = Caller(
            tenant=batch.tenant, batch_id=batch.id, deadline=float(batch.deadline)
        )
        self._outstanding = outstanding
        self._most_lines = most_lines
        self._resolutions: dict[tuple[str, str], Destination | None] = {}
        # By shard: lines that were answered in an earlier life, or by a job of the same account.
        self._answered: dict[int, int] = {}
        self._vouched: set[tuple[int, Target]] = set()
        self._stranded: dict[str, Reason] = {}  # groups without a provider, and why
        self._tasks: dict[asyncio.Task[None], Permit] = {}
        self._buffers: list[Buffer] = []
        self._parts: list[Part] = []
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._shards = shards
        self._claimed = claimed
        self.results: list[LineResult] | None = None
        self._details = details or StatusDetails(batches=ledger.batches, batch=batch)

    def stop(self, ending: Ending) -> None:
        """Ask the run to end early; the first reason given counts."""
        if ending in {Ending.CANCELLED, Ending.EXPIRED}:
            self._details.keep()
        if not self._ending.done():
            self._ending.set_result(ending)

    async def run(self) -> Ending:
        """Run every open line; returns when all have committed results, or on `stop`."""
        work = asyncio.create_task(self._run_everything())
        watch = asyncio.create_task(self._watch())
        try:
            await asyncio.wait({work, watch, self._ending}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and not self._ending.done():
                await watch  # it never ends by itself without a reason: this raises
            if work.done():
                await work
            else:
                await _end(work)
                await self._drain()
            if not await self._keep():
                self.stop(Ending.LOST)
            if self._ending.done():
                return self._ending.result()  # what it waited for then, it says for good
            self._details.tell("managed", None)
            return Ending.DONE
        finally:
            await _end(work, watch, *self._tasks)
            self._sender.release(self._batch.id)
            for buffer in self._buffers:
                self._collector.drop(buffer)
            for part in self._parts:
                part.close()

    async def _keep(self) -> bool:
        """See to every result; `False` when a claim was lost."""
        if self._claimed is not None and not self._ending.done():
            (buffer,) = self._buffers
            self.results = self._collector.take(buffer)
            if self.results is not None:
                return True
        return all([await self._collector.drain(buffer) for buffer in self._buffers])

    async def _run_everything(self) -> None:
        groups: dict[str, list[Shard]] = {}
        claimed = self._claimed
        shards = (
            await self._ledger.shards.open(self._batch.id) if claimed is None else [claimed.shard]
        )
        for shard in shards:
            if shard.mode is Mode.MANAGED and self._is_ours(shard):
                groups.setdefault(shard.group, []).append(shard)
        # One reader a destination: a provider that is down never stalls another.
        try:
            async with asyncio.TaskGroup() as readers:
                for shards in groups.values():
                    part = self._outstanding.part(most_lines=self._most_lines)
                    self._parts.append(part)
                    readers.create_task(self._read_group(shards, part))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._stranded:
            # Nothing will change but by a restart: until then, a cancel or the window's end.
            await asyncio.get_running_loop().create_future()

    def _is_ours(self, shard: Shard) -> bool:
        return self._shards is None or shard.number in self._shards

    async def _drain(self) -> None:
        """Let requests in flight finish for a while: their answers are paid for."""
        self._sender.halt(self._batch.id)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._drain_timeout)
        await _end(*self._tasks)

    async def _watch(self) -> None:
        """Once a second: has the batch been cancelled, has its window ended, what holds it up?"""
        while True:
            left = self._batch.deadline - self._clock.now()
            if left <= 0:
                self.stop(Ending.EXPIRED)
                return
            await self._clock.sleep(min(_GLANCE_SECONDS, left))
            try:
                await self._glance()
            except Unavailable as error:
                # Not a reason to end the run: the answers it holds are paid for, and the
                # collector commits them once the ledger is back.
                _log.info("batch %s cannot be looked at: %s", self._batch.id, error)

    async def _glance(self) -> None:
        statuses = await self._ledger.batches.statuses([self._batch.id])
        status = statuses.get(self._batch.id)
        if status is BatchStatus.CANCELLING:
            self.stop(Ending.CANCELLED)
        elif status is not BatchStatus.IN_PROGRESS:
            self.stop(Ending.LOST)
        await self._describe()

    async def _describe(self) -> None:
        trouble = self._collector.trouble
        held_up_by = (STORAGE_TROUBLE,) if trouble else self._sender.obstacles(self._batch.id)
        self._details.tell("managed", *held_up_by)
        # Told by each run for itself: another one of this batch may have its providers.
        self._details.tell(f"stranded {id(self)}", *self._stranded.values())
        await self._details.write()

    # ------------------------------------------------------------------ shards

    async def _read_group(self, shards: list[Shard], outstanding: Part) -> None:
        """Read the shards of one destination in order, on to the next as soon as one is read."""
        for shard in shards:
            try:
                buffer, done = await self._take_over(shard)
            except Conflict:
                # The batch has moved on: it was cancelled, or is another runner's.
                event(_log, "batch has moved on", batch=self._batch.id, shard=shard.number)
                self.stop(Ending.LOST)
                return
            await self._read_shard(shard, done, buffer, outstanding)
            if buffer.lost:
                self.stop(Ending.LOST)
                return

    async def _take_over(self, shard: Shard) -> tuple[Buffer, set[int]]:
        """Claim a shard; its buffer, and the lines that have results.

        A damaged segment is taken out of the ledger first, counts included, so that its lines are
        run again like any without a result: that costs requests and no answer. Only what is found
        when no line is open any more ends as `result_lost` (`workflows.finalize`).
        """
        if self._claimed is not None:
            buffer = self._collector.open(self._claimed, held=True)
            self._buffers.append(buffer)
            return buffer, set()
        while True:
            try:
                claim = await self._ledger.shards.claim(self._batch.id, shard.number)
                segments = await self._ledger.shards.segments(self._batch.id, shard.number)
                done = await asyncio.to_thread(done_lines, self._blobs, segments)
                break
            except SegmentDamagedError as error:
                _log.error("batch %s runs lines again: %s", self._batch.id, error)
                if not await self._ledger.shards.retract(error.segment):
                    await self._clock.sleep(_GLANCE_SECONDS)  # the batch has moved on: so do we
            except Unavailable as error:
                # Giving up would drop the answers of the shards before, which are paid for.
                self._details.tell("claim", STORAGE_TROUBLE)
                _log.info("batch %s waits to claim a shard: %s", self._batch.id, error)
                await self._clock.sleep(_GLANCE_SECONDS)
        self._details.tell("claim", None)
        self._answered[shard.number] = sum(segment.completed for segment in segments)
        buffer = self._collector.open(claim)
        self._buffers.append(buffer)
        return buffer, done

    async def _read_shard(
        self, shard: Shard, done: set[int], buffer: Buffer, outstanding: Part
    ) -> None:
        """Hand out every line of the shard that has no result."""
        models = None if shard.models is None else frozenset(shard.models)
        pieces = read_pieces(
            self._blobs,
            self._batch.input_blob or "",
            start=shard.start,
            end=shard.end,
            first_line=shard.first_line,
            # Validation was the place for a limit; one that was lowered since must not lose a line.
            max_line_bytes=shard.end - shard.start,
            piece_bytes=_PIECE_BYTES,
        )
        read, try_admit, admit = self._reader.read, self._sender.try_admit, self._sender.admit
        create_task = asyncio.get_running_loop().create_task
        collector, tasks = self._collector, self._tasks
        seen = 0
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            for line, data in enumerate(piece.lines, piece.first_line):
                if line in done:
                    seen += 1
                    continue
                if not data or data.isspace():
                    continue
                request = read(data)
                if request is None:
                    custom_id, model = self._reader.glimpse(data)
                    if models is not None and model not in models:
                        continue  # nobody's, if it names no model: the count below says so
                    seen += 1
                    collector.add(buffer, self._unreadable(line, custom_id))
                    continue
                if models is not None and request.model not in models:
                    continue
                seen += 1
                destination = self._destination(request.model, shard.group)
                if destination is None:
                    continue
                work = self._work(line, request, destination)
                self._vouch(shard, work)
                if outstanding.full:
                    await outstanding.room()
                if collector.full:
                    await collector.room()
                permit = try_admit(work) or await admit(work)
                outstanding.add(len(work.body))
                line_run = self._run_line(work, permit, request.custom_id, buffer, outstanding)
                task = create_task(line_run)
                tasks[task] = permit
                task.add_done_callback(self._line_ended)
            if buffer.lost:
                return
        if seen != shard.lines:
            raise ValueError(
                f"shard {shard.number} was planned with {shard.lines} lines and has {seen}: the "
                "input file was changed in the blob store"
            )

    # ------------------------------------------------------------------ lines

    def _vouch(self, shard: Shard, work: Work) -> None:
        """Tell the sender, once, of lines of the shard that the line's target has answered."""
        answered = self._answered.get(shard.number)
        if answered and (key := (shard.number, work.targets[0])) not in self._vouched:
            self._vouched.add(key)
            self._sender.vouch(work, answered=answered)

    def _line_ended(self, task: asyncio.Task[None]) -> None:
        permit = self._tasks.pop(task)
        if task.cancelled():
            permit.gate.leave(permit)  # a task that is cancelled before its first step runs nothing
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._ending.done():
            # A line's failures are outcomes; an exception is a defect and must end the run.
            self._ending.set_exception(error)

    def _destination(self, model: str, group: str) -> Destination | None:
        """Where lines of a group go that name a model; `None` when they have to wait.

        The group is what was resolved when the file was checked: lines of a provider that was
        renamed since, or whose key is not set, are sent to no other, and are no errors.
        """
        key = model, group
        if key not in self._resolutions:
            resolution = self._resolve(model, group)
            if isinstance(resolution, Destination):
                self._resolutions[key] = resolution
            else:
                self._resolutions[key] = None
                self._strand(group, resolution)
        return self._resolutions[key]

    def _strand(self, group: str, resolution: Resolution) -> None:
        if group in self._stranded:
            return
        match resolution:
            case Forbidden():
                reason = (
                    "The key of this batch may not use the provider "
                    f"'{resolution.provider}' any more: allow it again and restart, or cancel the "
                    "batch."
                )
            case NotNative():
                reason = (
                    f"The provider '{resolution.provider}' is set to run on its batch API, which "
                    f"does not run {resolution.endpoint}: set its mode to `auto` or `managed` and "
                    "restart, or cancel the batch."
                )
            case _:
                what = f"provider '{group.partition('/')[0]}'"
                if group.startswith(ROUTE_PREFIX):
                    what = f"route '{group.removeprefix(ROUTE_PREFIX)}'"
                reason = (
                    f"The {what} that this batch was accepted for is not configured any more: "
                    "configure it again under the same name, or set the environment variable that "
                    "its key is read from, and restart; or cancel the batch. Its requests wait."
                )
        self._stranded[group] = Reason(kind=ReasonKind.CONFIGURATION, sentence=reason)
        event(
            _log,
            "batch waits",
            level=logging.WARNING,
            batch=self._batch.id,
            group=group,
            reason=reason,
        )

    def _work(self, line: int, request: Request, destination: Destination) -> Work:
        return Work(
            line=line,
            endpoint=self._batch.endpoint,
            body=request.body,
            model=request.model,
            targets=destination.order(self._draw()),
            caller=self._caller,
            overrides=self._overrides,
        )

    def _unreadable(self, line: int, custom_id: str) -> LineResult:
        """A line that was good when the file was checked, by rules that have changed since."""
        code, message = LineText.UNREADABLE.pair()
        return self._records.unanswered(line=line, custom_id=custom_id, code=code, message=message)

    async def _run_line(
        self,
        work: Work,
        permit: Permit,
        custom_id: str,
        buffer: Buffer,
        outstanding: Part,
    ) -> None:
        try:
            outcome = await self._sender.run(work, permit)
        finally:
            outstanding.remove(len(work.body))
        match outcome:
            case Answered():
                result = self._records.answered(
                    line=work.line,
                    custom_id=custom_id,
                    status=outcome.status,
                    request_id=outcome.request_id,
                    body=outcome.body,
                    usage=outcome.usage,
                )
            case Unanswered():
                result = self._records.unanswered(
                    line=work.line,
                    custom_id=custom_id,
                    code=outcome.code,
                    message=outcome.message,
                )
        self._collector.add(buffer, result)


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
