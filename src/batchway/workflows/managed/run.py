"""Managed execution of a batch: its lines as online requests, from byte range to segment.

    shard --claim--> source --permit--> request --outcome--> record --> collector --> segment
                       ^                   |
                       +---- room, turn ---+      (back-pressure: memory stays bounded)

One `ManagedRun` runs one batch on one process. It reads the shards in order and reads on as soon
as a shard's lines have been handed out, so that the last slow line of one shard never idles the
provider. Owns who gets read when; does not own reading (`source`), lines in flight (`lines`),
limits (`dispatch.gate`), retries (`dispatch.sender`), durability (`results.collector`), or the
looks at the batch (`workflows.watch`).

Lines whose provider is not configured any more wait: the run says so and does not end by itself.

A run ends for one of the reasons of `Ending`. However it ends, everything that was answered has
been committed, and a later run does only the lines without a committed result.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from batchway.dispatch.sender import Sender
from batchway.domain.batch import Batch
from batchway.domain.errors import Conflict
from batchway.domain.group import Group
from batchway.domain.reason import Reason
from batchway.domain.shard import Claim, Mode, Shard
from batchway.ports import Blobs, Clock, Ledger
from batchway.results.collector import Buffer, Collector
from batchway.results.line_result import LineResult
from batchway.results.records import Records
from batchway.telemetry import event
from batchway.workflows.details import StatusDetails
from batchway.workflows.managed.lines import Lines
from batchway.workflows.managed.outstanding import Outstanding, Part
from batchway.workflows.managed.source import Source
from batchway.workflows.plan.groups import Groups, none_configured
from batchway.workflows.run import STORAGE_TROUBLE, Ending
from batchway.workflows.take_over import TakenOver, TakeOver

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedRunner:
    """What the managed runs of one process share, and need no more than once.

    `providers` are the configured ones by name; `draw` picks among targets, in [0, 1). A
    destination's lines that were read and have no result are `most_lines` at most, and within
    `outstanding`; `drain_timeout` is in seconds. More than ten fields, because it is where all of
    the managed runner's parts come together; a run is made from it and its batch.
    """

    ledger: Ledger
    blobs: Blobs
    sender: Sender
    collector: Collector
    records: Records
    clock: Clock
    providers: Collection[str]
    draw: Callable[[], float]
    outstanding: Outstanding
    most_lines: int
    drain_timeout: float

    def new_run(
        self,
        batch: Batch,
        groups: Groups,
        details: StatusDetails,
        shards: frozenset[int] | None = None,
        *,
        claimed: Claim | None = None,
    ) -> "ManagedRun":
        """A run of a batch, or of some of its shards; see `ManagedRun`."""
        return ManagedRun(
            runner=self,
            batch=batch,
            groups=groups,
            details=details,
            shards=shards,
            claimed=claimed,
        )


class ManagedRun:
    """One batch, run by this process. Use once.

    `groups` tell where its lines go. `shards` limits it to some of the managed shards, by number;
    `details` are shared with the other runs of the batch. With `claimed` it runs that shard alone,
    whose claim nobody had before, and leaves its results in `results` if it ends before the
    collector has committed any.
    """

    def __init__(
        self,
        *,
        runner: ManagedRunner,
        batch: Batch,
        groups: Groups,
        details: StatusDetails,
        shards: frozenset[int] | None = None,
        claimed: Claim | None = None,
    ) -> None:
        self._runner = runner
        self._sender = runner.sender
        self._collector = runner.collector
        self._batch = batch
        self._groups = groups
        self._details = details
        self._shards = shards
        self._claimed = claimed
        self.results: list[LineResult] | None = None
        self._stranded: dict[str, Reason] = {}  # groups without a provider, and why
        self._buffers: list[Buffer] = []
        self._parts: list[Part] = []
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._lines = Lines(
            sender=runner.sender,
            collector=runner.collector,
            records=runner.records,
            names_providers=groups.several_providers,
            on_defect=self._on_defect,
        )
        self._take_over = TakeOver(
            shards=runner.ledger.shards,
            blobs=runner.blobs,
            details=details,
            pause=runner.clock.sleep,
            is_over=lambda: False,  # what is being ended is not run at all
        )

    def stop(self, ending: Ending) -> None:
        """Ask the run to end early; the first reason given counts."""
        if not self._ending.done():
            self._ending.set_result(ending)

    def describe(self) -> None:
        """Tell what holds up lines of the batch."""
        trouble = self._collector.trouble
        held_up_by = (STORAGE_TROUBLE,) if trouble else self._sender.obstacles(self._batch.id)
        self._details.tell("managed", *held_up_by)

    async def run(self) -> Ending:
        """Run every open line; returns when all have committed results, or on `stop`."""
        work = asyncio.create_task(self._run_everything())
        try:
            await asyncio.wait({work, self._ending}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
            else:
                await _end(work)
                # Requests in flight may finish: their answers are paid for.
                self._sender.halt(self._batch.id)
                await self._lines.drain(self._runner.drain_timeout)
            if not await self._keep():
                self.stop(Ending.LOST)
            if self._ending.done():
                return self._ending.result()  # what it waited for then, it says for good
            self._details.tell("managed", None)
            return Ending.DONE
        finally:
            await _end(work)
            await self._lines.end()
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
            await self._runner.ledger.shards.open(self._batch.id)
            if claimed is None
            else [claimed.shard]
        )
        for shard in shards:
            if shard.mode is Mode.MANAGED and self._is_ours(shard):
                groups.setdefault(shard.group, []).append(shard)
        # One reader a destination: a provider that is down never stalls another.
        try:
            async with asyncio.TaskGroup() as readers:
                for name, shards in groups.items():
                    group = self._group(name)
                    if group is not None:
                        readers.create_task(self._read_group(group, shards))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        await self._lines.all()
        if self._stranded:
            # Nothing will change but by a restart: until then, a cancel or the window's end.
            await asyncio.get_running_loop().create_future()

    def _is_ours(self, shard: Shard) -> bool:
        return self._shards is None or shard.number in self._shards

    def _on_defect(self, error: BaseException) -> None:
        if not self._ending.done():
            # A line's failures are outcomes; an exception is a defect and must end the run.
            self._ending.set_exception(error)

    # ------------------------------------------------------------------ shards

    def _group(self, name: str) -> Group | None:
        """A group whose lines can go somewhere; `None` where they have to wait.

        Lines of a provider that was renamed since they were accepted for it, or whose key is not
        set, are sent to no other, and are no errors.
        """
        withheld = self._groups.withheld.get(name)
        if withheld is None:
            accepted = self._groups.known[name]
            group = accepted.among(self._runner.providers)
            if group is not None:
                return group
            withheld = none_configured(accepted)
        self._strand(name, withheld)
        return None

    def _strand(self, name: str, reason: Reason) -> None:
        self._stranded[name] = reason
        # Told by each run for itself: another one of this batch may have its providers.
        self._details.tell(f"stranded {id(self)}", *self._stranded.values())
        event(
            _log,
            "batch waits",
            level=logging.WARNING,
            batch=self._batch.id,
            group=name,
            reason=str(reason),
        )

    async def _read_group(self, group: Group, shards: list[Shard]) -> None:
        """Read the shards of one destination in order, on to the next as soon as one is read."""
        runner = self._runner
        outstanding = runner.outstanding.part(most_lines=runner.most_lines)
        self._parts.append(outstanding)
        source = Source(
            batch=self._batch,
            blobs=runner.blobs,
            sender=self._sender,
            collector=self._collector,
            lines=self._lines,
            outstanding=outstanding,
            destination=group.destination,
            draw=runner.draw,
        )
        for shard in shards:
            try:
                taken = await self._take(shard)
            except Conflict:
                # The batch has moved on: it was cancelled, or is another runner's.
                event(_log, "batch has moved on", batch=self._batch.id, shard=shard.number)
                self.stop(Ending.LOST)
                return
            buffer = self._collector.open(taken.claim, held=self._claimed is not None)
            self._buffers.append(buffer)
            done = taken.done or set()
            await source.read(shard, done=done, answered=taken.answered, buffer=buffer)
            if buffer.lost:
                self.stop(Ending.LOST)
                return

    async def _take(self, shard: Shard) -> TakenOver:
        if self._claimed is not None:
            return TakenOver(claim=self._claimed, done=set())
        return await self._take_over.run(shard, source="claim")


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
