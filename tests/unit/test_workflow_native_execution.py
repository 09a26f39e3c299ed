"""`workflows.execution`: runs of both kinds side by side, and what they come to together."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from tests.unit.fakes import FakeClock, a_batch, fresh_ledger

from batchway.domain.batch import Batch
from batchway.domain.remote import JobRecord, JobStage
from batchway.domain.routing import RoutingTable
from batchway.domain.shard import Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.details import StatusDetails
from batchway.workflows.execution import Execution
from batchway.workflows.plan.groups import GroupReader, Groups
from batchway.workflows.run import Ending

S = BatchStatus


class StillClock(FakeClock):
    """A second does not pass here: what the watch does has tests of its own."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


class FakeRun:
    """A run that ends when told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopped: list[Ending] = []
        self.ends: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    async def run(self) -> Ending:
        return await self.ends

    def stop(self, ending: Ending) -> None:
        self.stopped.append(ending)
        if not self.ends.done():
            self.ends.set_result(ending)

    def describe(self) -> None:
        """Nothing holds it up."""


class Stage:
    """A batch with shards, and the runs that were made for it."""

    def __init__(self, ledger: SqlLedger) -> None:
        self.ledger = ledger
        self.runs: dict[str, FakeRun] = {}
        self.hand_over: Callable[[Shard], None] = lambda shard: None

    async def begin(self, *modes: Mode) -> list[Shard]:
        shards = [
            Shard(
                batch_id=a_batch().id,
                number=number,
                group=f"g{number}",
                mode=mode,
                start=number,
                end=number + 1,
                first_line=number,
                lines=1,
            )
            for number, mode in enumerate(modes)
        ]
        await self.ledger.batches.add(a_batch())
        await self.ledger.batches.begin(a_batch().id, at=1, model="m", shards=shards)
        return shards

    async def execution(self) -> Execution:
        batch = await self.ledger.batches.load(a_batch().id)
        assert batch is not None
        return Execution(
            batch=batch,
            ledger=self.ledger,
            clock=StillClock(),
            groups=GroupReader(ledger=self.ledger, routing=RoutingTable(providers={}, routes={})),
            new_managed=self.new_managed,
            new_native=self.new_native,
        )

    def new_managed(
        self, _batch: Batch, _groups: Groups, _: StatusDetails, shards: frozenset[int]
    ) -> FakeRun:
        return self.add(f"managed {sorted(shards)}")

    def new_native(
        self, _batch: Batch, _groups: Groups, _: StatusDetails, hand_over: Callable[[Shard], None]
    ) -> FakeRun:
        self.hand_over = hand_over
        return self.add("native")

    def add(self, name: str) -> FakeRun:
        self.runs[name] = FakeRun(name)
        return self.runs[name]

    async def started(self, *names: str) -> list[FakeRun]:
        """The runs, once they are just these."""
        async with asyncio.timeout(5):
            while sorted(self.runs) != sorted(names):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.001)
        return [self.runs[name] for name in names]


@pytest.fixture
async def stage(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield Stage(ledger)


async def test_both_kinds_run_at_once(stage: Stage) -> None:
    await stage.begin(Mode.MANAGED, Mode.NATIVE, Mode.MANAGED)
    running = asyncio.create_task((await stage.execution()).run())
    managed, native = await stage.started("managed [0, 2]", "native")
    managed.ends.set_result(Ending.DONE)
    await asyncio.sleep(0.01)
    assert not running.done()
    native.ends.set_result(Ending.DONE)
    assert await running is Ending.DONE


async def test_a_shard_that_is_handed_over_runs_at_once(stage: Stage) -> None:
    shards = await stage.begin(Mode.NATIVE, Mode.NATIVE)
    running = asyncio.create_task((await stage.execution()).run())
    (native,) = await stage.started("native")
    stage.hand_over(shards[1])
    _, managed = await stage.started("native", "managed [1]")
    native.ends.set_result(Ending.DONE)
    await asyncio.sleep(0.01)
    assert not running.done()
    managed.ends.set_result(Ending.DONE)
    assert await running is Ending.DONE


async def test_what_is_handed_over_while_the_process_ends_waits(stage: Stage) -> None:
    shards = await stage.begin(Mode.NATIVE)
    execution = await stage.execution()
    running = asyncio.create_task(execution.run())
    (native,) = await stage.started("native")
    execution.stop(Ending.STOPPED)
    stage.hand_over(shards[0])
    assert await running is Ending.STOPPED
    assert (list(stage.runs), set(native.stopped)) == (["native"], {Ending.STOPPED})


@pytest.mark.parametrize(
    ("managed", "native", "expected", "stops"),
    [
        (Ending.DONE, Ending.DONE, Ending.DONE, set[Ending]()),
        (Ending.DONE, Ending.EXPIRED, Ending.EXPIRED, set[Ending]()),
        (Ending.EXPIRED, Ending.CANCELLED, Ending.CANCELLED, set[Ending]()),
        (Ending.CANCELLED, Ending.FAILED, Ending.FAILED, {Ending.FAILED}),
        (Ending.LOST, None, Ending.LOST, {Ending.LOST}),
        (Ending.STOPPED, None, Ending.STOPPED, {Ending.STOPPED}),
    ],
)
async def test_the_strongest_ending_counts(
    stage: Stage,
    managed: Ending,
    native: Ending | None,
    expected: Ending,
    stops: set[Ending],
) -> None:
    await stage.begin(Mode.MANAGED, Mode.NATIVE)
    running = asyncio.create_task((await stage.execution()).run())
    first, second = await stage.started("managed [0]", "native")
    first.ends.set_result(managed)
    if native is not None:
        second.ends.set_result(native)
    assert await running is expected
    assert set(second.stopped) == stops


async def test_a_defect_of_one_run_lets_the_others_drain(stage: Stage) -> None:
    await stage.begin(Mode.MANAGED, Mode.NATIVE)
    running = asyncio.create_task((await stage.execution()).run())
    managed, native = await stage.started("managed [0]", "native")
    native.ends.set_exception(RuntimeError("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        await running
    assert managed.stopped == [Ending.STOPPED]  # it drains what it holds


async def test_a_cancelled_batch_sees_to_its_jobs_only(stage: Stage) -> None:
    await stage.begin(Mode.MANAGED, Mode.NATIVE)
    await stage.ledger.batches.move(a_batch().id, S.CANCELLING, at=2)
    running = asyncio.create_task((await stage.execution()).run())
    (native,) = await stage.started("native")
    native.ends.set_result(Ending.DONE)
    assert await running is Ending.CANCELLED


async def test_a_cancelled_batch_without_jobs_has_nothing_to_run(stage: Stage) -> None:
    await stage.begin(Mode.MANAGED)
    await stage.ledger.batches.move(a_batch().id, S.CANCELLING, at=2)
    assert await (await stage.execution()).run() is Ending.CANCELLED
    assert stage.runs == {}


async def test_a_job_that_was_not_tidied_up_is_seen_to(stage: Stage) -> None:
    (shard,) = await stage.begin(Mode.NATIVE)
    claim = await stage.ledger.shards.claim(a_batch().id, 0)
    record = JobRecord(
        batch_id=a_batch().id,
        shard=shard.number,
        attempt=1,
        tag="t",
        provider="p",
        model="m",
        stage=JobStage.SUBMITTED,
        remote_id="job",
    )
    assert await stage.ledger.jobs.put(claim, record)
    running = asyncio.create_task((await stage.execution()).run())
    (native,) = await stage.started("native")
    native.ends.set_result(Ending.DONE)
    assert await running is Ending.DONE
