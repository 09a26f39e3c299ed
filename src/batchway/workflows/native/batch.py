"""What the remote jobs of one batch have in common: how it ends, and whether it is refused.

    running --stop--> winding down (cancelled, expired): jobs are cancelled, results collected
        \\                |
         +----------------+--stop--> halted (stopped, lost, failed): everybody leaves at once

A provider's own validation comes after ours. A batch of which it takes nothing has failed, and
says so as it would have at OpenAI; one of which it takes some goes on, and the rest of it becomes
error lines. Which of the two it is shows when no job is undecided any more.

Owns these two questions. Does not own any job (`job`).
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from batchway.domain.batch import Batch, BatchError
from batchway.domain.reason import Reason
from batchway.ports import Clock
from batchway.workflows.details import StatusDetails
from batchway.workflows.managed.run import Ending

_MOST_ERRORS: Final = 1_000
_WINDS_DOWN: Final = frozenset({Ending.CANCELLED, Ending.EXPIRED})


class HaltedError(Exception):
    """The run is to end now. Not an error of anybody: it takes a job's task out of its wait."""


class NativeBatch:
    """Shared by the jobs of one batch."""

    def __init__(self, *, batch: Batch, clock: Clock, details: StatusDetails) -> None:
        self.batch = batch
        self.details = details
        self.ending: Ending | None = None
        self._clock = clock
        self._accepted = False
        self._undecided: set[int] = set()
        self._refused: dict[int, Sequence[BatchError]] = {}
        self._pilots: dict[tuple[str, str], int] = {}
        self._changed = asyncio.Event()
        self.words: dict[tuple[str, str], Reason] = {}  # why a provider took no job of a model

    # ------------------------------------------------------------------ endings

    @property
    def winding_down(self) -> bool:
        """Whether jobs are to be cancelled."""
        return self.ending in _WINDS_DOWN

    @property
    def halted(self) -> bool:
        """Whether everybody is to leave."""
        return self.ending is not None and not self.winding_down

    def stop(self, ending: Ending) -> None:
        """End the run. The first reason counts, but a halt ends the winding down as well."""
        if self.ending is None or (self.winding_down and ending not in _WINDS_DOWN):
            self.ending = ending
            self._wake()

    async def pause(self, seconds: float) -> None:
        """Let time pass; returns early when the run is to end. Raises `HaltedError`."""
        ending = self.ending
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            while self.ending is ending and not sleep.done():
                await self._change(sleep)
        finally:
            sleep.cancel()
        self.leave_if_halted()

    def leave_if_halted(self) -> None:
        """Raise `HaltedError` if everybody is to leave."""
        if self.halted:
            raise HaltedError

    async def halt(self) -> None:
        """Wait until everybody is to leave."""
        while not self.halted:
            await self._change()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, *others: "asyncio.Future[None]") -> None:
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({changed, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()

    # ------------------------------------------------------------------ pilots

    async def take_turn(self, shard: int, key: tuple[str, str]) -> None:
        """Wait until the provider has taken a first job of that model, or be that first one.

        A wrong key or an unknown deployment then costs one upload, and not one for every job.
        The first one's fate is that of all who wait; from its turn on a job's own is open.
        Returns early when the run winds down. Raises `HaltedError`.
        """
        while self._pilots.setdefault(key, shard) not in {shard, -1} and not self.winding_down:
            self.withdraws(shard)
            await self._change()
        self.leave_if_halted()
        self.submits(shard)

    def end_turn(self, shard: int, key: tuple[str, str]) -> None:
        """The pilot knows its fate: the others may follow."""
        if self._pilots.get(key) == shard:
            self._pilots[key] = -1
            self._wake()

    # ------------------------------------------------------------------ verdict

    @property
    def rejected(self) -> bool:
        """Whether nothing of the batch has been taken, or may still be."""
        return not self._accepted and not self._undecided

    def submits(self, shard: int) -> None:
        """A job is with the provider, on its way there or waits for room: its fate is open.

        Harmless twice.
        """
        self._undecided.add(shard)

    def withdraws(self, shard: int) -> None:
        """Nobody is to wait for the job's fate any more. Harmless twice."""
        if shard in self._undecided:
            self._undecided.remove(shard)
            self._wake()

    def accept(self) -> None:
        """A provider runs a part of the batch."""
        if not self._accepted:
            self._accepted = True
            self._wake()

    async def refuse(self, shard: int, errors: Sequence[BatchError]) -> bool:
        """A job was refused for good. Waits until it is known what that means to the batch.

        Returns whether the job's lines are to become error lines; `False` when the run winds down
        meanwhile. Raises `HaltedError` when the batch has failed: the run is stopped then.
        """
        self._refused[shard] = errors
        self._undecided.discard(shard)
        self._wake()
        while not self._accepted and not self.winding_down:
            if not self._undecided:
                self.stop(Ending.FAILED)
            self.leave_if_halted()
            await self._change()
        return not self.winding_down

    @property
    def errors(self) -> list[BatchError]:
        """What the providers had against the batch, by line."""
        told = [error for shard in sorted(self._refused) for error in self._refused[shard]]
        # The same complaint about every job is said once.
        told = list(dict.fromkeys(told))
        told.sort(key=lambda error: error.line or 0)
        return told[:_MOST_ERRORS]
