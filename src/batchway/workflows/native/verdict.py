"""What the providers' own validation makes of a batch: is it refused as a whole?

A provider's validation comes after ours. A batch of which it takes nothing has failed, and says so
as it would have at OpenAI; one of which it takes some goes on, and the rest of it becomes error
lines. Which of the two it is shows when no job is undecided any more.

    a job      absent --open--> undecided --withdraw--> absent
                                    ^  |
                                    |  +--refuse--> refused; what was said of it stays
                                    +-------open------+  (the rest of its shard, or another part)

    the batch  open ----accept, of any job----------------------> accepted: a refused job's lines
                |                                                 become error lines
                +----a job refused, and none undecided----------> failed: the run is stopped

An event that the drawing does not show changes nothing: an absent job withdraws, an accepted batch
is accepted. Owns these two states. Does not own any job (`job`).
"""

from collections.abc import Sequence
from typing import Final

from batchway.domain.batch import BatchError
from batchway.workflows.native.ending import RunEnding
from batchway.workflows.run import Ending

_MOST_ERRORS: Final = 1_000


class Verdict:
    """The verdict on one batch, whose run is `run`; jobs are known by their shards' numbers."""

    def __init__(self, *, run: RunEnding) -> None:
        self._run = run
        self._accepted = False
        self._undecided: set[int] = set()
        self._refused: dict[int, Sequence[BatchError]] = {}

    @property
    def rejected(self) -> bool:
        """Whether nothing of the batch has been taken, or may still be."""
        return not self._accepted and not self._undecided

    def open(self, shard: int) -> None:
        """A job is with the provider, on its way there or waits for room: its fate is open."""
        self._undecided.add(shard)

    def withdraw(self, shard: int) -> None:
        """The fate of the job is not to be waited for any more."""
        if shard in self._undecided:
            self._undecided.remove(shard)
            self._run.wake()

    def accept(self) -> None:
        """A provider runs a part of the batch."""
        if not self._accepted:
            self._accepted = True
            self._run.wake()

    async def refuse(self, shard: int, errors: Sequence[BatchError]) -> bool:
        """A job was refused for good. Waits until it is known what that means to the batch.

        Returns whether the job's lines are to become error lines; `False` when the run winds down
        meanwhile. Raises `HaltedError` when the batch has failed: the run is stopped then.
        """
        self._refused[shard] = errors
        self._undecided.discard(shard)
        self._run.wake()
        while not self._accepted and not self._run.winding_down:
            if not self._undecided:
                self._run.stop(Ending.FAILED)
            self._run.leave_if_halted()
            await self._run.change()
        return not self._run.winding_down

    @property
    def errors(self) -> list[BatchError]:
        """What the providers had against the batch, by line."""
        told = [error for shard in sorted(self._refused) for error in self._refused[shard]]
        # The same complaint about every job is said once.
        told = list(dict.fromkeys(told))
        told.sort(key=lambda error: error.line or 0)
        return told[:_MOST_ERRORS]
