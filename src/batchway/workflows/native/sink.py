"""Where results of one claim go: committed before many of them have gathered.

Results of a job come as fast as they can be read, so that without a bound of their own they would
take all the memory that results of every batch may have. Owns that bound.
"""

from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from batchway.domain.shard import Claim
from batchway.results.collector import Buffer, Collector
from batchway.results.line_result import LineResult

_GATHERED_BYTES: Final = 4 << 20


class Sink:
    """Takes results of one claim; `lose` is called when it is found to be another's."""

    def __init__(self, *, collector: Collector, claim: Claim, lose: Callable[[], NoReturn]) -> None:
        self._collector = collector
        self._claim = claim
        self._lose = lose
        self._buffer: Buffer | None = None

    async def add(self, results: Sequence[LineResult]) -> None:
        """Take results; waits while they must be committed first."""
        if self._buffer is None:
            self._buffer = self._collector.open(self._claim)
        for result in results:
            self._collector.add(self._buffer, result)
        if self._collector.full:
            await self._collector.room()
        if self._buffer.lost:
            self._lose()
        if self._buffer.bytes >= _GATHERED_BYTES:
            await self.commit()

    async def commit(self) -> None:
        """Wait until everything is committed."""
        if self._buffer is not None:
            kept = await self._collector.drain(self._buffer)
            self._buffer = None
            if not kept:
                self._lose()

    def close(self) -> None:
        """Drop what is not committed."""
        if self._buffer is not None:
            self._collector.drop(self._buffer)
