"""The ledger's record of one job while it is run: written before each step, under the claim.

Owns the writing. Does not own the steps (`job`, `submission`, `closing`).
"""

import logging
from dataclasses import replace
from typing import Final, NoReturn

from batchway.domain.errors import Unavailable
from batchway.domain.remote import JobRecord, JobStage, RemoteJob
from batchway.domain.tag import new_tag
from batchway.lines.shard_lines import Part
from batchway.workflows.native.context import JobContext
from batchway.workflows.native.ending import HaltedError
from batchway.workflows.native.waiting import Waiting
from batchway.workflows.run import STORAGE_TROUBLE, Ending

_log: Final = logging.getLogger(__name__)
_STORAGE_PAUSE: Final = 1.0


class Record:
    """The record of one job. `done` are the lines of its shard with a committed result."""

    def __init__(
        self, *, context: JobContext, record: JobRecord, done: set[int], waiting: Waiting
    ) -> None:
        self._context = context
        self._waiting = waiting
        self.now = record
        self.done = done
        # By tag: jobs of the shard whose files could not be removed, for a trouble that may pass.
        self.left: dict[str, RemoteJob] = {}
        self.shard = context.shard
        self.capacity = context.resources.accounts.capacity(
            record.provider, record.model, context.shared.batch.options.overrides
        )
        self.key = (record.provider, record.model)
        if record.before_line is not None:
            self.capacity.fit.recall(record.tokens)

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
        context = self._context
        while True:
            try:
                if not await context.resources.ledger.jobs.put(context.claim, record):
                    self.lose()
                break
            except Unavailable as error:
                await self.wait_for_storage(error)
        self.now = record

    async def step_back(self, *, to: JobStage = JobStage.BROUGHT) -> None:
        """No job has come of the creation: it can be tried again.

        Over the input, if one is known to be there; to `INTENDED`, it is not counted on any more.
        """
        reference = None if to is JobStage.INTENDED else self.now.reference
        stage = JobStage.INTENDED if reference is None else to
        if (stage, reference) != (self.now.stage, self.now.reference):
            await self.put(replace(self.now, stage=stage, reference=reference))

    async def end(self) -> None:
        """Nothing is left to do with the job, unless its files are still to be removed."""
        stage = JobStage.COLLECTED if self.now.tag in self.left else JobStage.ENDED
        await self.put(replace(self.now, stage=stage, completed=0, failed=0))

    async def leave_rest(self) -> None:
        """No job follows this one: what is left of the shard is left open."""
        await self.put(replace(self.now, before_line=None))

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
        self._context.shared.stop(Ending.LOST)
        raise HaltedError

    async def wait_for_storage(self, error: Unavailable) -> None:
        """Let storage come back. Raises `HaltedError`."""
        _log.info("batch %s waits to record a job: %s", self._context.shared.batch.id, error)
        self._waiting.tell(STORAGE_TROUBLE)
        await self._context.shared.pause(_STORAGE_PAUSE)
