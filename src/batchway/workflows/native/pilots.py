"""The first job of a batch for a model goes alone: the others wait for what becomes of it.

A wrong key or an unknown deployment then costs one upload, and not one for every job.
Owns whose turn it is.
"""

from typing import Final

from batchway.workflows.native.ending import RunEnding
from batchway.workflows.native.verdict import Verdict

_OVER: Final = -1  # in the place of a shard: all may go


class Pilots:
    """The turns of one batch's jobs, by provider and model."""

    def __init__(self, *, run: RunEnding, verdict: Verdict) -> None:
        self._run = run
        self._verdict = verdict
        self._pilots: dict[tuple[str, str], int] = {}

    async def take_turn(self, shard: int, key: tuple[str, str]) -> None:
        """Wait until the provider has taken a first job of that model, or be that first one.

        The first one's fate is that of all who wait; from its turn on a job's own is open.
        Returns early when the run winds down. Raises `HaltedError`.
        """
        pilots, run = self._pilots, self._run
        while pilots.setdefault(key, shard) not in {shard, _OVER} and not run.winding_down:
            self._verdict.withdraw(shard)
            await run.change()
        run.leave_if_halted()
        self._verdict.open(shard)

    def end_turn(self, shard: int, key: tuple[str, str]) -> None:
        """The pilot knows its fate: the others may follow."""
        if self._pilots.get(key) == shard:
            self._pilots[key] = _OVER
            self._run.wake()
