"""How the run of a batch's jobs ends, and the pauses of its jobs, which end with it.

    running --stop--> winding down (cancelled, expired): jobs are cancelled, results collected
        \\                |
         +----------------+--stop--> halted (stopped, lost, failed): every job is left at once

Belongs to one event loop. Owns no job.
"""

import asyncio
from typing import Final

from batchway.ports import Clock
from batchway.workflows.run import Ending

_WINDS_DOWN: Final = frozenset({Ending.CANCELLED, Ending.EXPIRED})


class HaltedError(Exception):
    """The run is to end now. No error: it takes a job's task out of its wait."""


class RunEnding:
    """The ending of one run, and every change that its jobs may wait for."""

    def __init__(self, *, clock: Clock) -> None:
        self.ending: Ending | None = None
        self._clock = clock
        self._changed = asyncio.Event()

    @property
    def winding_down(self) -> bool:
        """Whether jobs are to be cancelled."""
        return self.ending in _WINDS_DOWN

    @property
    def halted(self) -> bool:
        """Whether every job is to be left as it is."""
        return self.ending is not None and not self.winding_down

    def stop(self, ending: Ending) -> None:
        """End the run. The first reason counts, but a halt ends the winding down as well."""
        if self.ending is None or (self.winding_down and ending not in _WINDS_DOWN):
            self.ending = ending
            self.wake()

    async def pause(self, seconds: float) -> None:
        """Let time pass; returns early when the run is to end. Raises `HaltedError`."""
        ending = self.ending
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            while self.ending is ending and not sleep.done():
                await self.change(sleep)
        finally:
            sleep.cancel()
        self.leave_if_halted()

    def leave_if_halted(self) -> None:
        """Raise `HaltedError` if every job is to be left."""
        if self.halted:
            raise HaltedError

    async def halt(self) -> None:
        """Wait until every job is to be left."""
        while not self.halted:
            await self.change()

    def wake(self) -> None:
        """Something has changed that others may wait for."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self, *others: "asyncio.Future[None]") -> None:
        """Wait for the next change, or for one of `others`."""
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({changed, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
