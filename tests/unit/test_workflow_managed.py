"""`workflows.managed`: batches run side by side in one process, over real storage."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from tests.parts import new_collector, new_finalize, new_ingest
from tests.unit.dispatch_world import FakeAccount, FakeAnswer, FakeTransport, Upstream, new_work
from tests.unit.fakes import (
    Watched,
    a_batch,
    a_file,
    a_result,
    chat,
    commit_results,
    counted_bytes,
    fresh_ledger,
    store,
)

from batchway.bootstrap.parts import SystemClock
from batchway.dispatch.limits import Limits
from batchway.dispatch.sender import Sender
from batchway.domain.batch import Batch, RequestCounts
from batchway.domain.routing import Account, Route, RoutingTable
from batchway.domain.shard import Shard
from batchway.domain.status import BatchStatus
from batchway.ports import Failure
from batchway.results.records import Records
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.details import StatusDetails
from batchway.workflows.managed.lines import Lines
from batchway.workflows.managed.outstanding import Outstanding
from batchway.workflows.managed.run import ManagedRunner
from batchway.workflows.plan.groups import GroupReader
from batchway.workflows.plan.scan import ScanLimits
from batchway.workflows.run import Ending

ROOM: Final = 64 << 10
LINE: Final = 1 << 10  # bytes of a line's body, and a little
DAY: Final = 86_400


async def well(_url: str, _body: bytes) -> FakeAnswer | Failure:
    """An upstream that answers."""
    return FakeAnswer(200, b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}')


async def stuck(_url: str, _body: bytes) -> FakeAnswer | Failure:
    """An upstream that never answers."""
    await asyncio.Event().wait()
    return Failure.TIMEOUT


class Site:
    """What one process has: a ledger, blobs, a sender, a collector and one bound for all."""

    def __init__(
        self,
        ledger: SqlLedger,
        blobs: LocalBlobs,
        upstreams: dict[str, Upstream],
        *,
        interval: float = 0.02,
    ) -> None:
        self.ledger = ledger
        self.blobs = blobs
        self.clock = SystemClock()
        self.outstanding = Outstanding(most_bytes=ROOM)
        self.records = Records(random_bytes=counted_bytes())
        self.transport = FakeTransport(upstreams)
        self.sender = Sender(
            accounts={name: FakeAccount(name) for name in upstreams},
            limits=dict.fromkeys(upstreams, Limits(concurrency=1_000)),
            transport=self.transport,
            clock=self.clock,
            draw=lambda: 0.5,
        )
        self.collector = new_collector(
            shards=ledger.shards, blobs=blobs, clock=self.clock, interval=interval
        )
        self.configure(*upstreams)

    def configure(self, *providers: str, routes: Mapping[str, Route] | None = None) -> None:
        """Have these providers and routes configured, as after another start."""
        self.routing = RoutingTable(
            providers=dict.fromkeys(providers, Account()), routes=routes or {}
        )
        self.ingest = new_ingest(
            ledger=self.ledger,
            blobs=self.blobs,
            routing=self.routing,
            clock=self.clock,
            providers=dict.fromkeys(providers, Account()),
            limits=ScanLimits(shard_lines_min=50, shard_lines_max=50),
        )

    async def begin(self, number: int, models: Sequence[str]) -> Batch:
        """Ingest a batch with a line of a KiB for each model."""
        deadline = int(self.clock.now()) + DAY
        batch = a_batch(number, deadline=deadline)
        lines = [chat(f"id-{n}", model, pad="x" * LINE) for n, model in enumerate(models)]
        store(self.blobs, a_file(number).blob, b"".join(line + b"\n" for line in lines))
        await self.ledger.batches.add(batch)
        await self.ingest.run(batch)
        return await self.load(batch.id)

    async def load(self, batch_id: str) -> Batch:
        batch = await self.ledger.batches.load(batch_id)
        assert batch is not None
        return batch

    async def new_run(self, batch: Batch) -> Watched:
        """A run of all managed shards, and the watch over it."""
        details = StatusDetails(batches=self.ledger.batches, batch=batch)
        groups = await GroupReader(ledger=self.ledger, routing=self.routing).of(batch)
        return Watched(
            self.managed.new_run(batch, groups, details),
            batch=batch,
            ledger=self.ledger,
            clock=self.clock,
            details=details,
        )

    @property
    def managed(self) -> ManagedRunner:
        return ManagedRunner(
            ledger=self.ledger,
            blobs=self.blobs,
            sender=self.sender,
            collector=self.collector,
            records=self.records,
            clock=self.clock,
            providers=self.routing.providers,
            draw=random.Random(1).random,
            outstanding=self.outstanding,
            most_lines=2_000,
            drain_timeout=0.0,
        )


@asynccontextmanager
async def site_of(
    tmp_path: Path,
    factory: pytest.TempPathFactory,
    *,
    interval: float = 0.02,
    **upstreams: Upstream,
) -> AsyncGenerator[Site]:
    """A site with these upstreams; `interval` is the seconds between commits."""
    async with fresh_ledger(tmp_path, factory) as ledger:
        site = Site(ledger, LocalBlobs(tmp_path / "blobs"), upstreams, interval=interval)
        collecting = asyncio.create_task(site.collector.run())
        try:
            yield site
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)


# ----------------------------------------------------------------------------- memory


async def test_batches_share_one_bound_and_a_stalled_one_leaves_room(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with site_of(tmp_path, tmp_path_factory, dead=stuck, gone=stuck, up=well) as site:
        stalled = [
            await site.new_run(await site.begin(1, ["dead/m"] * 200)),
            await site.new_run(await site.begin(2, ["gone/m"] * 200)),
            await site.new_run(await site.begin(3, ["dead/m", "gone/m"] * 100)),
        ]
        runs = [asyncio.create_task(run.run()) for run in stalled]
        held = sent = 0
        async with asyncio.timeout(20):
            # Until nothing more is read: that nothing happens has no event.
            while held <= ROOM // 2 or len(site.transport.sent) > sent:
                held, sent = site.outstanding.bytes, len(site.transport.sent)
                await asyncio.sleep(0.2)
        assert ROOM // 2 < held <= ROOM + 4 * 2 * LINE
        assert sent * LINE <= held

        quick = await site.begin(4, ["up/m"] * 200)
        async with asyncio.timeout(20):
            assert await (await site.new_run(quick)).run() is Ending.DONE
        assert (await site.load(quick.id)).counts == RequestCounts(total=200, completed=200)

        assert site.outstanding.bytes == held
        for run in stalled:
            run.stop(Ending.STOPPED)
        assert await asyncio.gather(*runs) == [Ending.STOPPED] * 3
        assert site.outstanding.bytes == 0


async def test_a_stalled_destination_leaves_room_for_the_others_of_its_batch(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with site_of(tmp_path, tmp_path_factory, dead=stuck, up=well) as site:
        batch = await site.begin(1, ["dead/m"] * 200 + ["up/m"] * 200)
        run = await site.new_run(batch)
        running = asyncio.create_task(run.run())
        async with asyncio.timeout(20):
            while (await site.load(batch.id)).counts.completed < 200:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.02)
        assert site.outstanding.bytes <= ROOM
        run.stop(Ending.STOPPED)
        assert await running is Ending.STOPPED


def test_a_part_alone_takes_two_thirds_and_many_share_what_there_is() -> None:
    room = Outstanding(most_bytes=8_000)
    first = room.part(most_lines=10_000)
    while not first.full:
        first.add(1)
    assert room.bytes == 5_250  # three quarters of the seven eighths that are free for all
    others = [room.part(most_lines=10_000) for _ in range(9)]
    for part in others:
        while not part.full:
            part.add(1)
    assert room.bytes <= 8_000
    late = room.part(most_lines=10_000)
    for _ in range(8_000 // 8 // 11):
        assert not late.full
        late.add(1)
    assert late.full
    for part in (first, *others):
        part.close()
    assert (room.bytes, late.full) == (90, False)


async def test_a_part_waits_until_another_gives_back() -> None:
    room = Outstanding(most_bytes=80)
    first, second = room.part(most_lines=100), room.part(most_lines=2)
    first.add(1_000)  # a line larger than the room is let in when there is no other
    assert first.full
    second.add(30)
    assert second.full
    waiting = asyncio.create_task(second.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    first.close()
    await waiting
    second.add(1)
    assert second.full  # of lines
    second.remove(30)
    assert not second.full


async def test_a_line_that_never_begins_gives_its_permit_back(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with site_of(tmp_path, tmp_path_factory, up=stuck) as site:
        batch = await site.begin(1, ["up/m"])
        claim = await site.ledger.shards.claim(batch.id, 0)
        lines = Lines(
            names_providers=False,
            sender=site.sender,
            collector=site.collector,
            records=site.records,
            on_defect=lambda error: pytest.fail(repr(error)),
        )
        work = new_work(0, "up")
        permit = await site.sender.admit(work)
        buffer, part = site.collector.open(claim), site.outstanding.part(most_lines=1)
        lines.start(work, permit, "id", buffer=buffer, outstanding=part)
        await lines.end()  # before the first step of the line's task
        assert site.transport.sent == []
        assert (permit.gate.in_flight, permit.held) == (0, False)


# ----------------------------------------------------------------------------- what storage lost


@pytest.mark.parametrize("keep", [None, 0, 3, -1])
async def test_lines_of_a_damaged_segment_are_run_again_while_the_batch_runs(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    keep: int | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with site_of(tmp_path, tmp_path_factory, up=well) as site:
        batch = await site.begin(1, ["up/m"] * 6)
        [shard] = await site.ledger.shards.plan(batch.id)
        await commit_results(site.ledger, site.blobs, shard, a_result(0), a_result(3), name="a")
        await commit_results(site.ledger, site.blobs, shard, a_result(1, ok=False), name="b")
        lost, kept = await site.ledger.shards.segments(batch.id, 0)
        if keep is None:
            site.blobs.delete(lost.blob)
        else:
            store(site.blobs, lost.blob, site.blobs.read(lost.blob, 0, lost.bytes)[:keep])
        assert await (await site.new_run(await site.load(batch.id))).run() is Ending.DONE

        [said] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert lost.blob in said
        assert kept in await site.ledger.shards.segments(batch.id, 0)
        assert len(site.transport.sent) == 5
        finalize = new_finalize(
            ledger=site.ledger, blobs=site.blobs, clock=site.clock, records=site.records
        )
        assert await finalize.run(await site.load(batch.id))
        after = await site.load(batch.id)
        assert (after.status, after.errors) == (BatchStatus.COMPLETED, None)
        assert after.counts == RequestCounts(total=6, completed=5, failed=1)
        output = [json.loads(line) for line in site.blobs.read("files/file-0", 0, ROOM).split()]
        assert [record["custom_id"] for record in output] == [f"id-{n}" for n in (0, 2, 3, 4, 5)]
        assert site.blobs.read("files/file-1", 0, ROOM) == a_result(1).record + b"\n"


# ----------------------------------------------------------------------------- moved on, or gone


async def _details(site: Site, batch_id: str) -> str:
    """Why a batch waits, once it says so."""
    async with asyncio.timeout(20):
        while (said := (await site.load(batch_id)).status_details) is None:  # noqa: ASYNC110 - none
            await asyncio.sleep(0.05)
    return said


async def test_lines_of_a_provider_that_is_not_configured_any_more_wait_for_it(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Renamed, it is the only one there is: no line goes to it for that, or fails."""
    async with site_of(tmp_path, tmp_path_factory, up=well) as site:
        batch = await site.begin(1, ["up/m", "m"] * 30)
        site.configure("renamed")
        run = await site.new_run(batch)
        running = asyncio.create_task(run.run())
        said = await _details(site, batch.id)
        assert said.startswith(
            "The provider 'up' that this batch was accepted for is not configured"
        )
        run.stop(Ending.STOPPED)
        assert await running is Ending.STOPPED
        assert site.transport.sent == []

        site.configure("another", "up")  # "m" alone would be ambiguous now: it was accepted
        assert await (await site.new_run(await site.load(batch.id))).run() is Ending.DONE
        assert (await site.load(batch.id)).counts == RequestCounts(total=60, completed=60)
        assert len(site.transport.sent) == 60


async def test_a_claim_that_is_lost_ends_the_run_without_a_defect(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site_of(tmp_path, tmp_path_factory, up=well) as site:
        batch = await site.begin(1, ["up/m"] * 60)
        run = await site.new_run(batch)
        plan = await site.ledger.shards.open(batch.id)

        async def open_(_batch_id: str) -> list[Shard]:
            await site.ledger.shards.forget(batch.id)  # another runner has ended it meanwhile
            return list(plan)

        monkeypatch.setattr(site.ledger.shards, "open", open_)
        assert await run.run() is Ending.LOST


async def test_a_line_that_cannot_be_read_any_more_is_that_line_s_error(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site_of(tmp_path, tmp_path_factory, up=well) as site:
        batch = await site.begin(1, ["up/m"] * 6)
        # As if the rules of the version that checked the file had been others.
        monkeypatch.setattr("batchway.lines.envelope.MOST_MODEL_CHARACTERS", 3)
        assert await (await site.new_run(batch)).run() is Ending.DONE
        assert (await site.load(batch.id)).counts == RequestCounts(total=6, failed=6)
