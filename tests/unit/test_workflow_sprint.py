"""`workflows.sprint` over real storage: a short batch in one breath, and every way out of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from tests.unit.dispatch_world import FakeAnswer, Upstream
from tests.unit.fakes import FailingBlobs, a_batch, a_file, chat, counted_names, store
from tests.unit.test_workflow_managed import DAY, Site, site_of

from batchway.domain.batch import Batch, RequestCounts, Usage
from batchway.domain.errors import Unavailable
from batchway.domain.status import BatchStatus
from batchway.ports import Failure, Finished
from batchway.results.finalize import Finalize
from batchway.workflows.details import StatusDetails
from batchway.workflows.managed.run import ManagedRun
from batchway.workflows.plan.groups import Groups
from batchway.workflows.plan.ingest import Started
from batchway.workflows.run import Ending
from batchway.workflows.sprint import Sprints

S = BatchStatus


class Track:
    """A site with sprints and what the chapters do about batches that left one."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.blobs = FailingBlobs(site.blobs)
        self.runs: list[ManagedRun] = []
        self.sprints = Sprints(
            ledger=site.ledger,
            blobs=self.blobs,
            clock=site.clock,
            ingest=site.ingest,
            collector=site.collector,
            new_run=self.new_run,
            new_file_id=counted_names("file-"),
        )

    def new_run(self, batch: Batch, started: Started, details: StatusDetails) -> ManagedRun:
        groups = Groups(known={started.group.name: started.group})
        run = self.site.managed.new_run(batch, groups, details, claimed=started.claim)
        self.runs.append(run)
        return run

    async def create(self, *lines: bytes, **changes: object) -> Batch:
        """A batch in validation over these lines."""
        batch = a_batch(1, **{"deadline": int(self.site.clock.now()) + DAY, **changes})
        store(self.site.blobs, a_file().blob, b"".join(line + b"\n" for line in lines))
        await self.site.ledger.files.add(a_file())
        await self.site.ledger.batches.add(batch)
        return batch

    async def go_on(self, batch: Batch) -> Batch:
        """What the ordinary chapters do next."""
        now = await self.site.load(batch.id)
        if now.status is S.IN_PROGRESS:
            assert await (await self.site.new_run(now)).run() is Ending.DONE
        finalize = Finalize(
            ledger=self.site.ledger,
            blobs=self.site.blobs,
            records=self.site.records,
            clock=self.site.clock,
            new_file_id=counted_names("file-x"),
        )
        assert await finalize.run(now)
        return await self.site.load(batch.id)

    async def read(self, file_id: str | None) -> list[str]:
        """The custom_ids of a result file, in its order."""
        file = await self.site.ledger.files.get("blue", file_id or "")
        assert file is not None
        data = self.site.blobs.read(file.blob, 0, file.bytes)
        assert len(data) == file.bytes
        return [json.loads(line)["custom_id"] for line in data.splitlines()]


TEN = [chat(f"id-{number}", "up/m") for number in range(10)]


async def answer(_url: str, _body: bytes) -> FakeAnswer | Failure:
    return FakeAnswer(200, b'{"usage":{"prompt_tokens":2,"completion_tokens":1}}')


class Held:
    """An upstream whose answers wait for `go`; lines with `"bad"` in them are refused."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = 0

    async def __call__(self, _url: str, body: bytes) -> FakeAnswer | Failure:
        self.asked += 1
        await self.go.wait()
        if b'"bad"' in body:
            return FakeAnswer(422, b'{"error":{"message":"no"}}')
        return FakeAnswer(200, b'{"usage":{"prompt_tokens":2,"completion_tokens":1}}')


@pytest.fixture
async def held() -> Held:
    return Held()


@pytest.fixture
async def track(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, held: Held
) -> AsyncGenerator[Track]:
    upstream: Upstream = held
    # Results are held for three quarters of a minute: here nothing takes that long by accident.
    async with site_of(tmp_path, tmp_path_factory, interval=60.0, up=upstream) as site:
        yield Track(site)


async def in_flight(held: Held, count: int) -> None:
    async with asyncio.timeout(10):
        while held.asked < count:  # noqa: ASYNC110 - an upstream has no event
            await asyncio.sleep(0.005)


async def test_it_completes_with_files_counts_and_usage_and_leaves_nothing(
    track: Track, held: Held
) -> None:
    held.go.set()
    lines = [*TEN[:5], chat("bad-1", "up/m", mood="bad"), *TEN[5:]]
    batch = await track.create(*lines, output_expires_after=3_600)
    assert await track.sprints.fits(batch)
    assert await track.sprints.run(batch)
    ended = await track.site.load(batch.id)
    assert ended.status is S.COMPLETED
    assert ended.counts == RequestCounts(total=11, completed=10, failed=1)
    assert ended.usage == Usage(input_tokens=20, output_tokens=10)
    assert None not in (ended.in_progress_at, ended.finalizing_at, ended.completed_at)
    assert await track.read(ended.output_file_id) == [f"id-{number}" for number in range(10)]
    assert await track.read(ended.error_file_id) == ["bad-1"]
    output = await track.site.ledger.files.get("blue", ended.output_file_id or "")
    assert output is not None
    assert output.expires_at == output.created_at + 3_600
    assert list(track.site.blobs.keys("segments/")) == []
    assert await track.site.ledger.shards.leftovers() == []
    assert track.site.blobs.size(a_file().blob) is not None


async def test_without_failures_there_is_no_error_file(track: Track, held: Held) -> None:
    held.go.set()
    batch = await track.create(*TEN)
    assert await track.sprints.run(batch)
    ended = await track.site.load(batch.id)
    assert ended.error_file_id is None
    assert len(list(track.site.blobs.keys("files/"))) == 2  # the input and the output


async def test_the_input_goes_with_a_batch_whose_file_was_deleted(track: Track, held: Held) -> None:
    held.go.set()
    batch = await track.create(*TEN)
    await track.site.ledger.files.remove("blue", a_file().id)
    assert await track.sprints.run(batch)
    assert track.site.blobs.size(a_file().blob) is None


@pytest.mark.parametrize(
    ("lines", "changes", "status"),
    [
        pytest.param([b"not JSON"], {}, S.FAILED, id="bad line"),
        pytest.param(TEN, {"input_blob": None}, S.FAILED, id="no input"),
        pytest.param(TEN, {"status": S.CANCELLING}, S.CANCELLING, id="cancelled before"),
        pytest.param(TEN, {"deadline": 1}, S.VALIDATING, id="expired"),
        pytest.param(TEN * 6, {}, S.FAILED, id="duplicate ids"),
        pytest.param(
            [chat(f"id-{n}", "up/m") for n in range(60)], {}, S.IN_PROGRESS, id="two shards"
        ),
    ],
)
async def test_what_is_not_a_short_batch_is_left_to_the_chapters(
    track: Track, held: Held, lines: list[bytes], changes: dict[str, object], status: BatchStatus
) -> None:
    batch = await track.create(*lines, **changes)
    assert not await track.sprints.run(batch)
    assert (await track.site.load(batch.id)).status is status
    assert held.asked == 0
    assert track.runs == []


async def cancel(track: Track, batch: Batch) -> None:
    await track.site.ledger.batches.move(batch.id, S.CANCELLING, at=int(track.site.clock.now()))


async def overtake(track: Track, batch: Batch) -> None:
    await track.site.ledger.shards.claim(batch.id, 0)


async def fail_ledger(track: Track, batch: Batch) -> None:
    async def finish(finished: Finished) -> bool:
        raise Unavailable("the ledger is away")

    track.site.ledger.short.finish = finish  # type: ignore[method-assign] - a ledger that fails


async def fail_blobs(track: Track, batch: Batch) -> None:
    track.blobs.commits = 1


@pytest.mark.parametrize(
    ("meanwhile", "status", "asked_again"),
    [
        pytest.param(cancel, S.CANCELLED, 0, id="cancelled"),
        pytest.param(overtake, S.COMPLETED, 10, id="overtaken"),
        pytest.param(fail_ledger, S.COMPLETED, 0, id="ledger away"),
        pytest.param(fail_blobs, S.COMPLETED, 0, id="disk full"),
    ],
)
async def test_answers_that_were_paid_for_are_delivered_whatever_comes_between(
    track: Track,
    held: Held,
    meanwhile: Callable[[Track, Batch], object],
    status: BatchStatus,
    asked_again: int,
) -> None:
    batch = await track.create(*TEN)
    running = asyncio.create_task(track.sprints.run(batch))
    await in_flight(held, 10)
    await meanwhile(track, batch)  # type: ignore[misc] - each of them is a coroutine function
    held.go.set()
    assert not await running
    ended = await track.go_on(batch)
    assert (ended.status, ended.counts.completed) == (status, 10)
    assert await track.read(ended.output_file_id) == [f"id-{number}" for number in range(10)]
    assert held.asked == 10 + asked_again


async def test_one_that_lasts_has_its_results_committed_as_any_batch(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, held: Held
) -> None:
    async def first_then_held(url: str, body: bytes) -> FakeAnswer | Failure:
        if b'"slow"' not in body:
            return await answer(url, body)
        return await held(url, body)

    async with site_of(tmp_path, tmp_path_factory, interval=0.05, up=first_then_held) as site:
        track = Track(site)
        batch = await track.create(*TEN, chat("slow-1", "up/m", mood="slow"))
        running = asyncio.create_task(track.sprints.run(batch))
        async with asyncio.timeout(10):
            while (await site.load(batch.id)).counts.completed < 10:  # noqa: ASYNC110 - nor has a row
                await asyncio.sleep(0.01)
        held.go.set()
        assert not await running
        ended = await track.go_on(batch)
        assert ended.counts == RequestCounts(total=11, completed=11)
        assert held.asked == 1


async def test_stopped_it_commits_what_was_answered(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, held: Held
) -> None:
    async def some(url: str, body: bytes) -> FakeAnswer | Failure:
        return await (held if b'"slow"' in body else answer)(url, body)

    async with site_of(tmp_path, tmp_path_factory, interval=60.0, up=some) as site:
        track = Track(site)
        batch = await track.create(*TEN, chat("slow-1", "up/m", mood="slow"))
        running = asyncio.create_task(track.sprints.run(batch))
        await in_flight(held, 1)
        await asyncio.sleep(0.05)
        track.sprints.stop()
        assert not await running
        assert (await site.load(batch.id)).counts == RequestCounts(total=11, completed=10)
        assert not await track.sprints.run(batch)  # nothing begins any more
