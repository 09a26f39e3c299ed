"""`workflows.story`: chapters that are tried again, and two stories of one batch."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.fakes import (
    FakeClock,
    a_batch,
    a_file,
    a_result,
    chat,
    commit_results,
    counted_bytes,
    counted_names,
    dialect_of,
    fresh_ledger,
    store,
)

from batchway.domain.batch import Batch
from batchway.domain.routing import Account, RoutingTable
from batchway.domain.status import BatchStatus
from batchway.results.finalize import Finalize
from batchway.results.records import Records
from batchway.storage.blobs.identity import NAME, write_identity
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.plan.ingest import Ingest
from batchway.workflows.plan.scan import ScanLimits
from batchway.workflows.run import STORAGE_TROUBLE, Ending
from batchway.workflows.story import BatchStory

IDENTITY = "0" * 32


class Gated:
    """A run that answers every line, once it may."""

    def __init__(self, world: "World", batch: Batch) -> None:
        self._world = world
        self._batch = batch
        self.stopped: list[Ending] = []

    async def run(self) -> Ending:
        self._world.runs += bool(await self._world.ledger.shards.open(self._batch.id))
        await self._world.gate.wait()
        for shard in await self._world.ledger.shards.open(self._batch.id):
            results = [a_result(shard.first_line + n) for n in range(shard.lines)]
            await commit_results(self._world.ledger, self._world.blobs, shard, *results)
        return Ending.DONE

    def stop(self, ending: Ending) -> None:
        self.stopped.append(ending)

    def describe(self) -> None:
        """Nothing holds it up."""


class World:
    """A story over real storage; only what runs lines is played."""

    def __init__(self, ledger: SqlLedger, root: Path) -> None:
        self.ledger = ledger
        self.root = root
        write_identity(root, IDENTITY)
        self.blobs = LocalBlobs(root, identity=IDENTITY)
        self.clock = FakeClock()
        self.gate = asyncio.Event()
        self.runs = 0
        store(self.blobs, a_file().blob, chat("a") + b"\n" + chat("b") + b"\n")
        self.story = BatchStory(
            ledger=ledger,
            blobs=self.blobs,
            clock=self.clock,
            ingest=Ingest(
                ledger=ledger,
                blobs=self.blobs,
                routing=RoutingTable(providers={"m": Account()}, routes={}),
                dialect=dialect_of,
                limits=ScanLimits(),
                clock=self.clock,
            ),
            finalize=Finalize(
                ledger=ledger,
                blobs=self.blobs,
                records=Records(random_bytes=counted_bytes()),
                clock=self.clock,
                new_file_id=counted_names("file-"),
            ),
            new_run=lambda batch: Gated(self, batch),
        )

    async def tell(self) -> None:
        for chapter in (self.story.ingest, self.story.execute, self.story.finalize):
            await chapter(a_batch().id)

    async def begun(self) -> bool:
        return self.runs > 0

    async def waits(self) -> bool:
        return (await self.load()).status_details is not None

    async def load(self) -> Batch:
        batch = await self.ledger.batches.load(a_batch().id)
        assert batch is not None
        return batch


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        await ledger.batches.add(a_batch())
        yield World(ledger, tmp_path / "blobs")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 - what is waited for is in a database
        await asyncio.sleep(0.001)


async def test_a_second_story_waits_for_the_first(world: World) -> None:
    stories = [asyncio.create_task(world.tell()) for _ in range(2)]
    await until(world.begun)
    await asyncio.sleep(0.1)  # long enough for the second one to come to its run
    assert world.runs == 1
    world.gate.set()
    await asyncio.gather(*stories)
    after = await world.load()
    assert (world.runs, after.status, after.counts.completed) == (1, BatchStatus.COMPLETED, 2)


async def test_a_second_story_ends_with_the_process(world: World) -> None:
    stories = [asyncio.create_task(world.tell()) for _ in range(2)]
    await until(world.begun)
    world.story.stop()
    world.gate.set()
    ended = await asyncio.gather(*stories, return_exceptions=True)
    assert [type(each) for each in ended].count(asyncio.CancelledError) >= 1
    assert not [each for each in ended if isinstance(each, Exception)]


@pytest.mark.parametrize("chapter", ["ingest", "finalize"])
async def test_a_store_that_is_not_there_holds_a_batch_up(world: World, chapter: str) -> None:
    """Unmounted, every blob seems lost: nothing is told as lost, refused or run again."""
    world.gate.set()
    if chapter == "finalize":
        await world.story.ingest(a_batch().id)
        await world.story.execute(a_batch().id)
    before = await world.load()
    away = world.root.with_name("away")
    world.root.rename(away)
    world.root.mkdir()
    telling = asyncio.create_task(world.tell())
    await until(world.waits)
    waiting = await world.load()
    assert waiting.status_details == STORAGE_TROUBLE
    assert (waiting.counts, waiting.errors) == (before.counts, None)
    assert list(world.root.iterdir()) == []
    world.root.rmdir()
    away.rename(world.root)
    await telling
    after = await world.load()
    assert (after.status, after.counts.completed, after.counts.failed, after.errors) == (
        BatchStatus.COMPLETED,
        2,
        0,
        None,
    )
    assert (world.root / NAME).exists()
