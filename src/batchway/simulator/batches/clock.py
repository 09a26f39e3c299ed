"""The fake's clock: real time, plus what it was told to advance by.

Belongs to one event loop. Whoever waits for an instant wakes when the clock is advanced, and when
anything else changed that may matter (`stir`).
"""

import asyncio
import time
from contextlib import suppress


class Clock:
    """Unix seconds."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._changed = asyncio.Event()

    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
        self.stir()

    def stir(self) -> None:
        """Let everybody look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, until: float) -> None:
        """Until that instant, or until something changed."""
        changed = self._changed
        with suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), max(0.001, until - self.now()))
