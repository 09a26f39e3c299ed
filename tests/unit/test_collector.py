"""`results.collector` over a real ledger and blob store: nothing lost, nothing counted twice."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parts import new_collector
from tests.unit.fakes import (
    START,
    FailingBlobs,
    FailingShards,
    FakeClock,
    a_batch,
    a_result,
    fresh_ledger,
)

from batchway.domain.batch import RequestCounts, Usage
from batchway.domain.shard import Mode, Segment, Shard
from batchway.ports import Blobs
from batchway.results.collector import Buffer, Collector
from batchway.results.segments import encode, merged
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger

BATCH = a_batch().id
RECORD = len(a_result(0).record)


class Bench:
    """A collector on real storage that can be made to fail."""

    def __init__(self, ledger: SqlLedger, blobs: Blobs) -> None:
        self.ledger = ledger
        self.blobs = FailingBlobs(blobs)
        self.shards = FailingShards(ledger.shards)
        self.clock = FakeClock()
        self.encoded = 0
        self.collector = self.new()

    def new(
        self, *, interval: float = 60.0, flush_bytes: int = 1 << 20, most_bytes: int = 1 << 20
    ) -> Collector:
        self.collector = new_collector(
            shards=self.shards,
            blobs=self.blobs,
            clock=self.clock,
            interval=interval,
            flush_bytes=flush_bytes,
            most_bytes=most_bytes,
        )
        return self.collector

    async def open(self, number: int = 0) -> Buffer:
        return self.collector.open(await self.ledger.shards.claim(BATCH, number))

    def add(self, buffer: Buffer, *lines: int) -> None:
        for line in lines:
            self.collector.add(buffer, a_result(line, ok=line % 2 == 0))

    async def committed(self, number: int = 0) -> list[int]:
        """Lines with committed results, read back from the blobs."""
        segments = await self.ledger.shards.segments(BATCH, number)
        return [line for line, _, _ in merged(self.blobs, segments)]

    async def counts(self) -> RequestCounts:
        batch = await self.ledger.batches.load(BATCH)
        assert batch is not None
        done = batch.counts.completed + batch.counts.failed
        assert batch.usage == Usage(
            input_tokens=10 * done,
            cached_tokens=3 * done,
            output_tokens=2 * done,
            reasoning_tokens=done,
        )
        return batch.counts

    def files(self) -> list[str]:
        return [key for key, _ in self.blobs.keys("segments/")]


@pytest.fixture
async def bench(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bench]:
    """A running batch of two shards of 1,000 lines."""
    shard = Shard(
        batch_id=BATCH,
        number=0,
        group="vllm",
        mode=Mode.MANAGED,
        start=0,
        end=9,
        first_line=0,
        lines=1_000,
    )
    plan = [shard, replace(shard, number=1, start=9, end=18, first_line=1_000)]
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        await ledger.batches.add(a_batch())
        assert await ledger.batches.begin(BATCH, at=START, model="m", shards=plan)
        yield Bench(ledger, LocalBlobs(tmp_path / "blobs"))


async def settled(buffer: Buffer) -> None:
    """Wait, without asking for a flush as `drain` does."""
    while not buffer.empty:
        buffer.flushed.clear()
        await buffer.flushed.wait()


def total(completed: int, failed: int) -> RequestCounts:
    return RequestCounts(total=2_000, completed=completed, failed=failed)


# ----------------------------------------------------------------------------- flushing


async def test_one_transaction_holds_the_results_of_every_shard(bench: Bench) -> None:
    first, second = await bench.open(0), await bench.open(1)
    bench.add(first, 3, 1, 2)
    bench.add(second, 1_000)
    assert not first.empty
    assert await bench.collector.flush()
    assert first.empty
    usage = Usage(input_tokens=30, cached_tokens=9, output_tokens=6, reasoning_tokens=3)
    size = len(encode([a_result(1), a_result(2), a_result(3)]))
    expected = Segment(
        batch_id=BATCH,
        shard=0,
        fence=1,
        blob=f"segments/{BATCH}/0-1-s0",
        bytes=size,
        lines=3,
        completed=1,
        failed=2,
        usage=usage,
    )
    assert [len(call) for call in bench.shards.calls] == [2]
    assert bench.shards.calls[0][0] == expected
    assert await bench.ledger.shards.segments(BATCH, 0) == [expected]
    assert (await bench.committed(0), await bench.committed(1)) == ([1, 2, 3], [1_000])
    assert await bench.counts() == total(2, 2)
    assert bench.files() == [f"segments/{BATCH}/0-1-s0", f"segments/{BATCH}/1-1-s1"]


async def test_a_flush_of_nothing_touches_nothing(bench: Bench) -> None:
    await bench.open()
    assert await bench.collector.flush()
    assert (bench.shards.calls, bench.files()) == ([], [])


async def test_run_commits_once_an_interval(bench: Bench) -> None:
    collector = bench.new(interval=0.05)
    buffer = await bench.open()
    began = asyncio.get_running_loop().time()
    running = asyncio.create_task(collector.run())
    for line in range(20):
        bench.add(buffer, line)
        await asyncio.sleep(0.01)
    await settled(buffer)
    took = asyncio.get_running_loop().time() - began
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await bench.committed() == list(range(20))
    assert 1 <= len(bench.shards.calls) <= took / 0.05 + 1


async def test_run_commits_early_when_much_has_gathered(bench: Bench) -> None:
    collector = bench.new(interval=3_600, flush_bytes=10 * RECORD)
    buffer = await bench.open()
    running = asyncio.create_task(collector.run())
    bench.add(buffer, *range(9))
    await asyncio.sleep(0.02)
    assert bench.shards.calls == []
    bench.add(buffer, 9)
    await settled(buffer)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [call[0].lines for call in bench.shards.calls] == [10]


async def test_results_that_come_during_a_flush_are_in_the_next(bench: Bench) -> None:
    buffer = await bench.open()
    bench.shards.hold = asyncio.Event()
    bench.add(buffer, 0, 1)
    flushing = asyncio.create_task(bench.collector.flush())
    await bench.shards.called.wait()
    bench.add(buffer, 2, 3)
    bench.shards.hold.set()
    assert await flushing
    assert await bench.committed() == [0, 1]
    assert not buffer.empty
    assert await bench.collector.flush()
    assert await bench.committed() == [0, 1, 2, 3]


async def test_nothing_is_lost_while_many_add(bench: Bench) -> None:
    collector = bench.new(interval=0.005, flush_bytes=50 * RECORD)
    buffers = [await bench.open(0), await bench.open(1)]
    running = asyncio.create_task(collector.run())

    async def source(buffer: Buffer, lines: range) -> None:
        for line in lines:
            bench.add(buffer, line)
            if line % 7 == 0:
                await asyncio.sleep(0)

    await asyncio.gather(
        *(source(buffers[n // 4], range(n * 250, n * 250 + 250)) for n in range(8))
    )
    assert await asyncio.gather(*map(collector.drain, buffers)) == [True, True]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await bench.committed(0) + await bench.committed(1) == list(range(2_000))
    assert await bench.counts() == total(1_000, 1_000)
    assert not collector.full


# ----------------------------------------------------------------------------- failing storage


@pytest.mark.parametrize(
    ("blob_commits", "before", "after", "attempts"),
    [
        (1, 0, 0, 2),
        (3, 0, 0, 4),
        (0, 1, 0, 2),
        (0, 3, 0, 4),
        (0, 0, 1, 2),
        (0, 0, 3, 4),
        (2, 2, 2, 7),
    ],
)
async def test_failing_storage_loses_nothing_and_counts_nothing_twice(
    bench: Bench, blob_commits: int, before: int, after: int, attempts: int
) -> None:
    first, second = await bench.open(0), await bench.open(1)
    bench.add(first, 0, 1, 2)
    bench.add(second, 1_000)
    bench.blobs.commits, bench.shards.before, bench.shards.after = blob_commits, before, after
    answers: list[bool] = []
    while not (answers and answers[-1]):
        answers.append(await bench.collector.flush())
        if not answers[-1]:
            assert bench.collector.trouble in {
                "no space",
                "the ledger is away",
                "the answer was lost",
            }
            bench.add(first, 2 + len(answers))  # sources go on meanwhile
    assert len(answers) == attempts
    assert bench.collector.trouble is None
    assert await bench.collector.flush()
    assert await bench.committed(0) == list(range(attempts + 2))
    assert await bench.committed(1) == [1_000]
    failed = (attempts + 2) // 2
    assert await bench.counts() == total(attempts + 3 - failed, failed)
    assert len({segment.blob for call in bench.shards.calls for segment in call}) == 3
    assert len(bench.files()) == 3


async def test_run_waits_between_attempts(bench: Bench) -> None:
    collector = bench.new(interval=0.001)
    buffer = await bench.open()
    bench.shards.before = 3
    bench.add(buffer, 0)
    running = asyncio.create_task(collector.run())
    assert await collector.drain(buffer)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert bench.clock.slept == [2.0, 2.0, 2.0]


async def test_a_cancelled_flush_is_finished_by_the_next(bench: Bench) -> None:
    buffer = await bench.open()
    bench.add(buffer, 0, 1)
    bench.shards.hold = asyncio.Event()
    flushing = asyncio.create_task(bench.collector.flush())
    await bench.shards.called.wait()
    flushing.cancel()
    bench.shards.hold.set()
    assert await bench.collector.flush()
    assert await bench.committed() == [0, 1]
    assert await bench.counts() == total(1, 1)


# ----------------------------------------------------------------------------- fences


async def test_a_lost_claim_drops_its_results_and_its_blob(bench: Bench) -> None:
    lost, kept = await bench.open(0), await bench.open(1)
    bench.add(lost, 0, 1)
    bench.add(kept, 1_000)
    newer = await bench.open(0)
    bench.add(newer, 0, 1)
    assert await bench.collector.flush()
    assert (lost.lost, newer.lost, kept.lost) == (True, False, False)
    assert lost.empty
    assert await bench.collector.drain(lost) is False
    assert await bench.committed(0) == [0, 1]
    assert bench.files() == [f"segments/{BATCH}/0-2-s2", f"segments/{BATCH}/1-1-s1"]
    assert await bench.counts() == total(2, 1)
    bench.add(lost, 5)  # too late: ignored
    assert lost.empty
    assert not lost.results


async def test_drain_of_a_claim_that_is_lost_meanwhile_returns(bench: Bench) -> None:
    collector = bench.new(interval=0.001)
    buffer = await bench.open()
    bench.add(buffer, 0)
    await bench.ledger.shards.claim(BATCH, 0)
    running = asyncio.create_task(collector.run())
    assert await collector.drain(buffer) is False
    assert await collector.flush()  # which waits for the one that is deleting the blob
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert bench.files() == []


async def test_a_commit_that_arrived_before_the_claim_was_lost_is_kept(bench: Bench) -> None:
    buffer = await bench.open()
    bench.add(buffer, 0)
    bench.shards.after = 1
    assert not await bench.collector.flush()
    await bench.ledger.shards.claim(BATCH, 0)
    assert await bench.collector.flush()
    assert not buffer.lost
    assert await bench.committed() == [0]
    assert await bench.counts() == total(1, 0)


async def test_a_refused_blob_that_cannot_be_deleted_does_not_stop_the_flush(bench: Bench) -> None:
    buffer = await bench.open()
    bench.add(buffer, 0)
    await bench.ledger.shards.claim(BATCH, 0)
    bench.blobs.deletes = 1
    assert await bench.collector.flush()
    assert buffer.lost
    assert bench.files() == [f"segments/{BATCH}/0-1-s0"]


# ----------------------------------------------------------------------------- back-pressure


async def test_sources_wait_while_memory_is_full(bench: Bench) -> None:
    collector = bench.new(most_bytes=3 * RECORD)
    buffer = await bench.open()
    bench.add(buffer, 0, 1)
    assert not collector.full
    await collector.room()
    bench.add(buffer, 2)
    assert collector.full
    waiting = asyncio.create_task(collector.room())
    bench.shards.before = 1
    assert not await collector.flush()
    assert collector.full
    assert not waiting.done()
    assert await collector.flush()
    await waiting
    assert not collector.full


async def test_lost_results_give_their_room_back(bench: Bench) -> None:
    collector = bench.new(most_bytes=3 * RECORD)
    buffer = await bench.open()
    bench.add(buffer, 0)
    await bench.ledger.shards.claim(BATCH, 0)
    bench.shards.hold = asyncio.Event()
    flushing = asyncio.create_task(collector.flush())
    await bench.shards.called.wait()
    bench.add(buffer, 1, 2)
    assert collector.full
    bench.shards.hold.set()
    assert await flushing
    assert not collector.full
    bench.add(await bench.open(1), 1_000, 1_001)
    assert not collector.full


async def test_a_dropped_claim_gives_its_room_back_and_takes_nothing_more(bench: Bench) -> None:
    collector = bench.new(most_bytes=3 * RECORD)
    buffer = await bench.open()
    bench.add(buffer, 0, 1, 2)
    collector.drop(buffer)
    assert not collector.full
    bench.add(buffer, 3, 4, 5)
    assert not collector.full
    assert await collector.flush()
    assert (bench.shards.calls, bench.files()) == ([], [])


async def test_a_claim_dropped_during_a_flush_is_committed_and_gives_its_room_back(
    bench: Bench,
) -> None:
    collector = bench.new(most_bytes=3 * RECORD)
    buffer = await bench.open()
    bench.add(buffer, 0, 1)
    bench.shards.hold = asyncio.Event()
    flushing = asyncio.create_task(collector.flush())
    await bench.shards.called.wait()
    bench.add(buffer, 2)
    collector.drop(buffer)
    bench.shards.hold.set()
    assert await flushing
    assert await bench.committed() == [0, 1]
    bench.add(await bench.open(1), 1_000, 1_001)
    assert not collector.full


async def test_drain_of_nothing_returns_at_once(bench: Bench) -> None:
    assert await bench.collector.drain(await bench.open())
