"""One timer on the injected clock: it rings at the earliest of the times that it was set to.

Owns the timer. Does not own what is done when it rings (`gate`). Belongs to one event loop.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from batchway.ports import Clock

# Waking up for every single token of a fast bucket would cost more than the wait.
_SHORTEST_WAIT: Final = 0.002


class Alarm:
    """Calls `ring` once each time that it was set."""

    __slots__ = ("_clock", "_due", "_ring", "_task")

    def __init__(self, *, ring: Callable[[], None], clock: Clock) -> None:
        self._ring = ring
        self._clock = clock
        self._due = math.inf
        self._task: asyncio.Task[None] | None = None

    def set(self, seconds: float) -> None:
        """Ring in so many seconds, unless it rings sooner already; infinite: not at all."""
        if math.isinf(seconds):
            return
        seconds = max(seconds, _SHORTEST_WAIT)
        due = self._clock.monotonic() + seconds
        if self._task is not None:
            if self._due <= due:
                return
            self._task.cancel()
        self._due = due
        self._task = asyncio.get_running_loop().create_task(self._run(seconds))

    def stop(self) -> None:
        """Do not ring."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._task = None
        self._due = math.inf
        self._ring()
