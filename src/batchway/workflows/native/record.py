"""The ledger's record of one job while it is run, and what all its steps need.

    Outfit    what a job works with: the batch, the provider, the rooms it shares
    Record    what the ledger remembers of the job; written before each step, under the claim

Owns the writing. Does not own the steps (`job`, `submission`, `closing`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

from batchway.domain.batch import Batch
from batchway.domain.errors import Unavailable
from batchway.domain.remote import JobRecord, JobStage
from batchway.domain.shard import Claim, Shard
from batchway.lines.shard_lines import Part
from batchway.ports import Blobs, Clock, Ledger, RemoteBatches
from batchway.workflows.managed.run import STORAGE_TROUBLE, Ending
from batchway.workflows.native.batch import HaltedError, NativeBatch
from batchway.workflows.native.collection import Collection
from batchway.workflows.native.site import NativeSite, NativeTuning
from batchway.workflows.native.waiting import Waiting

_log: Final = logging.getLogger(__name__)
_STORAGE_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """What a job works with.

    `rescue` is whether lines without a result may be handed to the managed runner, which
    `handed_over` is told of.
    """

    batch: Batch
    claim: Claim
    rescue: bool
    shared: NativeBatch
    ledger: Ledger
    blobs: Blobs
    collection: Collection
    clock: Clock
    draw: Callable[[], float]
    site: NativeSite
    batches: RemoteBatches
    tuning: NativeTuning
    handed_over: Callable[[Shard], None]
    spool_dir: Path


def new_tag(batch_id: str, shard: int, attempt: int) -> str:
    """The name that finds a job again at its provider."""
    return f"batchway-{batch_id.removeprefix('batch_')}-{shard}-{attempt}"


class Record:
    """The record of one job. `done` are the lines of its shard with a committed result."""

    def __init__(
        self, *, outfit: Outfit, record: JobRecord, done: set[int], waiting: Waiting
    ) -> None:
        self._outfit = outfit
        self._waiting = waiting
        self.now = record
        self.done = done
        self.shard = outfit.claim.shard
        self.room = outfit.site.room(record.provider, record.model)
        self.key = (record.provider, record.model)
        if record.before_line is not None:
            self.room.fit.recall(record.tokens)

    @property
    def part(self) -> Part:
        """The lines that the job holds."""
        return Part(first=self.now.first_line, before=self.now.before_line)

    @property
    def is_complete(self) -> bool:
        """Whether every line of the shard has a result."""
        return len(self.done) == self.shard.lines

    async def put(self, record: JobRecord) -> None:
        """Record a step; it is not taken before. Raises `HaltedError` when the claim is lost."""
        outfit = self._outfit
        while True:
            try:
                if not await outfit.ledger.jobs.put(outfit.claim, record):
                    self.lose()
                break
            except Unavailable as error:
                await self.wait_for_storage(error)
        self.now = record

    async def end(self) -> None:
        """Nothing is left to do with the job."""
        await self.put(replace(self.now, stage=JobStage.ENDED, completed=0, failed=0))

    async def begin(self, *, first_line: int) -> None:
        """Another job for the lines from there on: an attempt, and a tag, of its own."""
        now = self.now
        attempt = now.attempt + 1
        await self.put(
            JobRecord(
                batch_id=now.batch_id,
                shard=now.shard,
                attempt=attempt,
                tag=new_tag(now.batch_id, now.shard, attempt),
                provider=now.provider,
                model=now.model,
                first_line=first_line,
            )
        )

    def lose(self) -> NoReturn:
        """The claim is another's."""
        self._outfit.shared.stop(Ending.LOST)
        raise HaltedError

    async def wait_for_storage(self, error: Unavailable) -> None:
        """Let storage come back. Raises `HaltedError`."""
        _log.info("batch %s waits to record a job: %s", self._outfit.batch.id, error)
        self._waiting.tell(STORAGE_TROUBLE)
        await self._outfit.shared.pause(_STORAGE_PAUSE)
