"""Runners of batches that can be stopped in the middle of a commit, as a frozen process would.

Each has its own ledger, limits and collector, like a process of its own; what they share is the
database and the blob store. Owns the stopping; the rest is the product's.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path

from batchway.bootstrap.parts import SystemClock
from batchway.bootstrap.worker import Dispatch
from batchway.domain.shard import Segment
from batchway.settings import Settings
from batchway.storage.blobs.local import LocalBlobs, LocalBlobWriter
from batchway.storage.ledger.database import Database
from batchway.storage.ledger.shards import SqlShards
from batchway.storage.ledger.sql_ledger import SqlLedger


class Stop(StrEnum):
    """Where a runner freezes."""

    WRITING = "before the segment is written"
    COMMITTING = "before the ledger is asked"
    COMMITTED = "before the ledger's answer is heard"


class HastyClock(SystemClock):
    """Sleeps a tenth of the time, so that standing by takes half a second."""

    async def sleep(self, seconds: float) -> None:
        """Let a tenth of `seconds` pass."""
        await asyncio.sleep(seconds / 10)


class Ice:
    """Freezes its runner at the `after`th commit, from `frozen` until `thaw`."""

    def __init__(self, *, at: Stop, after: int) -> None:
        self._at = at
        self._after = after
        self._thawed = threading.Event()
        self.frozen = threading.Event()

    def thaw(self) -> None:
        """Let the runner go on."""
        self._thawed.set()

    def pass_by(self, at: Stop) -> None:
        """Wait here, if this is the place. Blocks."""
        if at is not self._at or self._thawed.is_set():
            return
        if self._after > 0:
            self._after -= 1
            return
        self.frozen.set()
        self._thawed.wait()


class Runner:
    """A process's worth of dispatch."""

    def __init__(self, *, settings: Settings, ledger: "_Ledger", ice: Ice | None) -> None:
        self.ledger = ledger
        self.dispatch = Dispatch(
            settings=settings,
            ledger=ledger,
            blobs=_Blobs(settings.blob_dir, ice),
            clock=HastyClock(),
        )


@asynccontextmanager
async def runner(settings: Settings, *, url: str, ice: Ice | None = None) -> AsyncGenerator[Runner]:
    """A runner whose collector runs."""
    ledger = await _Ledger.open(url)
    assert isinstance(ledger, _Ledger)
    ledger.shards.ice = ice
    made = Runner(settings=settings, ledger=ledger, ice=ice)
    collecting = asyncio.create_task(made.dispatch.collector.run())
    try:
        yield made
    finally:
        if ice is not None:
            ice.thaw()
        collecting.cancel()
        with suppress(asyncio.CancelledError):
            await collecting
        await made.dispatch.transport.close()
        await ledger.close()


async def frozen(ice: Ice, seconds: float = 30.0) -> None:
    """Wait until a runner is frozen."""
    deadline = time.monotonic() + seconds
    while not ice.frozen.is_set():
        assert time.monotonic() < deadline, "the runner never came to its commit"
        await asyncio.sleep(0.005)


class _Blobs(LocalBlobs):
    """A blob store whose segments are written as late as its ice wants."""

    def __init__(self, root: Path, ice: Ice | None) -> None:
        super().__init__(root)
        self._ice = ice

    def writer(self, key: str) -> LocalBlobWriter:
        """Start a blob."""
        if key.startswith("segments/") and self._ice is not None:
            self._ice.pass_by(Stop.WRITING)
        return super().writer(key)


class _Shards(SqlShards):
    """Shards whose commits are frozen before or after."""

    def __init__(self, *, database: Database) -> None:
        super().__init__(database=database)
        self.ice: Ice | None = None
        self.commits = 0
        self.refused: list[str] = []

    async def commit(self, segments: Sequence[Segment]) -> list[Segment]:
        """`Shards.commit`, when the ice lets it."""
        await self._pass_by(Stop.COMMITTING)
        refused = await super().commit(segments)
        self.commits += 1
        self.refused += [segment.blob for segment in refused]
        await self._pass_by(Stop.COMMITTED)
        return refused

    async def _pass_by(self, at: Stop) -> None:
        if self.ice is not None:
            await asyncio.to_thread(self.ice.pass_by, at)


class _Ledger(SqlLedger):
    """A ledger with such shards."""

    def __init__(self, *, database: Database) -> None:
        super().__init__(database=database)
        self._frosty = _Shards(database=database)

    @property
    def shards(self) -> _Shards:
        """Plans, fences and segments."""
        return self._frosty
