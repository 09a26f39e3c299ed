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

from batchway.bootstrap.dispatching import Dispatch
from batchway.bootstrap.parts import SystemClock
from batchway.domain.shard import Claim, Segment, Shard
from batchway.ports import Batches, BlobWriter, Files, Keys, Shards, Uploads
from batchway.settings import Settings
from batchway.storage.blobs.local import LocalBlobs
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

    def __init__(self, *, settings: Settings, ledger: SqlLedger, ice: Ice | None) -> None:
        self.ledger = ledger
        self.commits = 0
        self.refused: list[str] = []
        self._ice = ice
        self.dispatch = Dispatch(
            settings=settings,
            ledger=_Ledger(self),
            blobs=_Blobs(settings.blob_dir, ice),
            clock=HastyClock(),
        )

    async def commit(self, segments: Sequence[Segment]) -> list[Segment]:
        """`Shards.commit`, frozen before or after."""
        await self._pass_by(Stop.COMMITTING)
        refused = await self.ledger.shards.commit(segments)
        self.commits += 1
        self.refused += [segment.blob for segment in refused]
        await self._pass_by(Stop.COMMITTED)
        return refused

    async def _pass_by(self, at: Stop) -> None:
        if self._ice is not None:
            await asyncio.to_thread(self._ice.pass_by, at)


@asynccontextmanager
async def runner(settings: Settings, *, url: str, ice: Ice | None = None) -> AsyncGenerator[Runner]:
    """A runner whose collector runs."""
    ledger = await SqlLedger.open(url)
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

    def writer(self, key: str) -> BlobWriter:  # pyright: ignore[reportIncompatibleMethodOverride] - the port's type
        if key.startswith("segments/") and self._ice is not None:
            self._ice.pass_by(Stop.WRITING)
        return super().writer(key)


class _Shards:
    """`ports.Shards` of a runner."""

    def __init__(self, owner: Runner) -> None:
        self._owner = owner
        self._shards = owner.ledger.shards

    async def plan(self, batch_id: str) -> list[Shard]:
        return await self._shards.plan(batch_id)

    async def open(self, batch_id: str) -> list[Shard]:
        return await self._shards.open(batch_id)

    async def claim(self, batch_id: str, number: int) -> Claim:
        return await self._shards.claim(batch_id, number)

    async def segments(self, batch_id: str, number: int) -> list[Segment]:
        return await self._shards.segments(batch_id, number)

    async def commit(self, segments: Sequence[Segment]) -> list[Segment]:
        return await self._owner.commit(segments)

    async def forget(self, batch_id: str) -> None:
        await self._shards.forget(batch_id)

    async def leftovers(self) -> list[str]:
        return await self._shards.leftovers()


class _Ledger:
    """`ports.Ledger` of a runner."""

    def __init__(self, owner: Runner) -> None:
        self._ledger = owner.ledger
        self._shards = _Shards(owner)

    @property
    def files(self) -> Files:
        return self._ledger.files

    @property
    def batches(self) -> Batches:
        return self._ledger.batches

    @property
    def shards(self) -> Shards:
        return self._shards

    @property
    def uploads(self) -> Uploads:
        return self._ledger.uploads

    @property
    def keys(self) -> Keys:
        return self._ledger.keys

    async def check(self) -> None:
        await self._ledger.check()

    async def close(self) -> None:
        await self._ledger.close()
