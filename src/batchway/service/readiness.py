"""Whether the server could serve: its database answers, and storage takes what is written.

Owns the probes and how often they are made. Does not own who asks (`api.operations`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from batchway.ports import Blobs, Clock

# A verdict is good for so long, however many ask: a probe writes to the disk.
_REMEMBER_SECONDS: Final = 3.0

# As much as a small upload. What is larger may find no room although this does.
_PROBE: Final = bytes(256 << 10)
_KEY: Final = "probes/readiness"


class Readiness:
    """Raises what a write raises. `checks` are those of the database, cheapest first."""

    def __init__(
        self, *, checks: tuple[Callable[[], Awaitable[None]], ...], blobs: Blobs, clock: Clock
    ) -> None:
        self._checks = checks
        self._blobs = blobs
        self._clock = clock
        self._probing = asyncio.Lock()
        self._until = 0.0
        self._trouble: Exception | None = None

    async def check(self) -> None:
        """Raise what keeps the server from serving, if anything does."""
        async with self._probing:  # many who ask at once share one probe
            if self._clock.monotonic() >= self._until:
                self._trouble = await self._probe()
                self._until = self._clock.monotonic() + _REMEMBER_SECONDS
            trouble = self._trouble
        if trouble is not None:
            raise trouble

    async def _probe(self) -> Exception | None:
        try:
            for check in self._checks:
                await check()
            await asyncio.to_thread(_write, self._blobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, a request would meet it, too
            return error
        return None


def _write(blobs: Blobs) -> None:
    writer = blobs.writer(_KEY)
    try:
        writer.write(_PROBE)
        writer.commit()
    finally:
        writer.abort()
    blobs.delete(_KEY)
