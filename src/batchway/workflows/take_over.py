"""Taking a shard over: the claim, what is committed of it, and what storage has lost of that.

    claim --> segments --> lines that are done
      ^          |
      |          +-- a damaged one: taken out of the ledger, its lines are open again
      +-- storage is away: the batch says so, and it is tried again

The same for both ways of running a shard. Does not own what is done with the open lines.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from batchway.domain.errors import Unavailable
from batchway.domain.shard import Claim, Shard
from batchway.ports import Blobs, Shards
from batchway.results.segments import SegmentDamagedError, done_lines
from batchway.workflows.details import StatusDetails
from batchway.workflows.run import STORAGE_TROUBLE

_log: Final = logging.getLogger(__name__)
_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """A claimed shard.

    `done` are its lines with a committed result, `answered` how many of them were answered 2xx.
    `done` is `None` when it cannot be told, and never will be.
    """

    claim: Claim
    done: set[int] | None
    answered: int = 0


class TakeOver:
    """Takes over shards of one batch.

    `pause` lets so many seconds pass; what it raises ends the attempt. `source` names who waits in
    `details`.
    """

    def __init__(
        self,
        *,
        shards: Shards,
        blobs: Blobs,
        details: StatusDetails,
        pause: Callable[[float], Awaitable[None]],
        is_over: Callable[[], bool],
    ) -> None:
        self._shards = shards
        self._blobs = blobs
        self._details = details
        self._pause = pause
        self._is_over = is_over

    async def run(self, shard: Shard, *, source: str) -> TakenOver:
        """Claim a shard, as soon as storage lets it be. Raises `Conflict` when it is forgotten.

        A damaged segment is taken out of the ledger first, counts included, so that its lines are
        run again like any without a result: that costs requests and no answer. Only what is found
        when no line is open any more ends as `result_lost` (`results.finalize`). Of a batch that
        is cancelled nothing is taken back, however often it is tried: when `is_over`, the lines
        that are done remain unknown.
        """
        while True:
            try:
                taken = await self._try(shard)
            except Unavailable as error:
                # Giving up would drop the answers of the shards before, which are paid for.
                _log.info("batch %s waits to claim a shard: %s", shard.batch_id, error)
                self._details.tell(source, STORAGE_TROUBLE)
                taken = None
            if taken is not None:
                self._details.tell(source, None)
                return taken
            await self._pause(_PAUSE)

    async def _try(self, shard: Shard) -> TakenOver | None:
        """`None` when a segment stays that nobody can read: the batch may have moved on."""
        claim = await self._shards.claim(shard.batch_id, shard.number)
        while True:
            segments = await self._shards.segments(shard.batch_id, shard.number)
            try:
                done = await asyncio.to_thread(done_lines, self._blobs, segments)
            except SegmentDamagedError as error:
                _log.error("batch %s runs lines again: %s", shard.batch_id, error)
                if await self._shards.retract(error.segment):
                    continue
                return TakenOver(claim=claim, done=None) if self._is_over() else None
            answered = sum(segment.completed for segment in segments)
            return TakenOver(claim=claim, done=done, answered=answered)
