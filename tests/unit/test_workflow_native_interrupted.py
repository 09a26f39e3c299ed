"""`workflows.native` when something ends in the middle: processes, claims, batches, providers."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.fakes import a_batch, fresh_ledger
from tests.unit.native_world import (
    BAD_KEY,
    WINDOW,
    World,
    answers,
    busy,
    down,
    end,
    failing,
    hooked,
    nothing,
    process,
    refused,
    run,
    said,
    until,
)

from batchway.domain.batch import BatchError
from batchway.domain.remote import JobRecord, JobStage, RemoteError, Trouble
from batchway.domain.shard import Claim, Mode
from batchway.domain.status import BatchStatus
from batchway.workflows.run import Ending

S = BatchStatus


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield World(ledger, tmp_path)


async def test_a_provider_may_be_down_for_days(world: World) -> None:
    world.tuning = replace(world.tuning, poll_min=0.01, poll_max=0.01)
    world.vendor.troubles = {"fetch": [down()] * 1_100}
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)


async def test_a_cancelled_batch_ends_before_a_provider_that_asks_for_hours(world: World) -> None:
    async def hook(what: str) -> None:
        if what == "before fetch":
            await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=1)

    world.vendor.hook = hook
    world.vendor.script = [{"status": S.IN_PROGRESS}]
    world.vendor.troubles = {"cancel": [busy(80_000.0)] * 3}
    await world.begin(3)
    assert await run(world) == (Ending.CANCELLED, [])


async def test_nothing_is_submitted_once_the_process_ends(world: World) -> None:
    await world.begin(3)
    loop = asyncio.get_running_loop()
    async with process(world) as made:
        native = await made.new_run(await world.load())
        world.vendor.new_dialect = hooked(
            lambda _: loop.call_soon_threadsafe(native.stop, Ending.STOPPED)
        )
        assert await native.run() is Ending.STOPPED
    assert (world.vendor.orders, await world.jobs()) == ([], [])


async def test_a_refusal_waits_for_what_is_being_encoded(world: World) -> None:
    loop, refuses = asyncio.get_running_loop(), threading.Event()

    async def hook(what: str) -> None:
        if what == "before submit":
            loop.call_later(0.1, refuses.set)  # the refusal comes in between

    world.vendor.hook = hook
    world.vendor.new_dialect = hooked(lambda model: model == "late" and refuses.wait(5))
    world.vendor.troubles = {"submit": [refused()]}
    await world.begin(2, models=["early", "late"])
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == {"id-0": (0, "provider_refused"), **world.good(1)}
    assert set(world.vendor.cleaned) == {order.tag for order in world.vendor.orders}


async def test_a_failed_batch_leaves_no_input_that_waited_for_a_key(world: World) -> None:
    async def hook(what: str) -> None:
        if what == "before submit" and world.vendor.orders:
            await said(world, f"A bad key. {BAD_KEY} Batchway goes on trying.")

    world.vendor.hook = hook
    bad_key = RemoteError(Trouble.DENIED, "A bad key.", retry_after=4_000.0)
    world.vendor.troubles = {"submit": [bad_key, refused()]}
    await world.begin(2, models=["a", "b"])
    assert await run(world) == (Ending.FAILED, [])
    waited, refused_ = world.vendor.orders
    assert set(world.vendor.cleaned) == {waited.tag, refused_.tag}


async def test_a_refused_job_without_open_lines_is_not_sent_again(world: World) -> None:
    original = world.ledger.jobs.put
    killed, never = asyncio.Event(), asyncio.Event()

    async def put_or_die(claim: Claim, record: JobRecord) -> bool:
        if (record.shard, record.stage) == (1, JobStage.ENDED):
            killed.set()
            await never.wait()
        return await original(claim, record)

    world.ledger.jobs.put = put_or_die  # type: ignore[method-assign]  # the moment of the kill
    world.vendor.troubles = {"submit": [None, refused()]}
    await world.begin(6)
    async with process(world) as first:
        running = asyncio.create_task(first.run())
        await asyncio.wait_for(killed.wait(), 10)
        await end(running)
    world.ledger.jobs.put = original  # type: ignore[method-assign]  # as it was
    assert await run(world) == (Ending.DONE, [])
    assert len(world.vendor.orders) == 2
    assert [record.stage for record in await world.jobs()] == [JobStage.ENDED] * 2


@pytest.mark.parametrize("ending", [Ending.CANCELLED, Ending.EXPIRED])
async def test_a_lost_input_does_not_keep_a_batch_from_ending(world: World, ending: Ending) -> None:
    world.vendor.script = [{"status": S.IN_PROGRESS}]
    batch = await world.begin(3)
    async with process(world) as first:
        running = asyncio.create_task(first.run())
        await until(lambda: world.vendor.looks.get("job-0", 0) > 1)
        await end(running)
    world.blobs.delete(batch.input_blob or "")
    if ending is Ending.CANCELLED:
        await world.ledger.batches.move(batch.id, S.CANCELLING, at=1)
    else:
        world.clock.skip(WINDOW)
    assert await run(world) == (ending, [])
    assert world.vendor.cancelled == ["job-0"]


async def test_a_damaged_segment_does_not_keep_a_cancelled_batch(world: World) -> None:
    cleaning, never = asyncio.Event(), asyncio.Event()

    async def dies(what: str) -> None:
        if what == "before clean":
            cleaning.set()
            await never.wait()

    world.vendor.hook = dies
    await world.begin(3)
    async with process(world) as first:
        running = asyncio.create_task(first.run())
        await asyncio.wait_for(cleaning.wait(), 10)
        await end(running)
    world.vendor.hook = nothing
    (segment,) = await world.ledger.shards.segments(a_batch().id, 0)
    world.blobs.delete(segment.blob)
    await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=1)
    assert await run(world) == (Ending.CANCELLED, [])
    assert [record.stage for record in await world.jobs()] == [JobStage.ENDED]


async def test_a_job_made_under_a_lost_claim_is_left_to_whoever_finds_it(world: World) -> None:
    async def hook(what: str) -> None:
        if what == "after submit":
            await world.ledger.shards.claim(a_batch().id, 0)

    world.vendor.hook = hook
    await world.begin(3)
    assert await run(world) == (Ending.LOST, [])
    assert world.vendor.cancelled == []
    world.vendor.hook = nothing
    assert await run(world) == (Ending.DONE, [])
    assert len(world.vendor.made) == 1
    assert await world.results() == world.good(0, 1, 2)


async def test_a_job_made_under_a_lost_claim_is_cancelled_if_there_is_another(
    world: World,
) -> None:
    async def hook(what: str) -> None:
        if what == "after submit":
            claim = await world.ledger.shards.claim(a_batch().id, 0)
            (record,) = await world.jobs()
            other = replace(record, stage=JobStage.SUBMITTED, remote_id="other")
            assert await world.ledger.jobs.put(claim, other)

    world.vendor.hook = hook
    await world.begin(3)
    assert await run(world) == (Ending.LOST, [])
    assert world.vendor.cancelled == ["job-0"]


async def test_a_process_that_ends_cancels_no_job(world: World) -> None:
    world.vendor.script = [{"status": S.IN_PROGRESS}]
    await world.begin(3)
    async with process(world) as first:
        native = await first.new_run(await world.load())
        running = asyncio.create_task(native.run())
        await until(lambda: world.vendor.looks.get("job-0", 0) > 1)
        native.stop(Ending.STOPPED)
        assert await running is Ending.STOPPED
    assert world.vendor.cancelled == []
    world.vendor.script = [{}]
    assert await run(world) == (Ending.DONE, [])
    assert len(world.vendor.made) == 1


MOMENTS = (
    "before bring",
    "after bring",
    "before submit",
    "after submit",
    "before find",
    "before fetch",
    "before results",
    "within results",
    "before clean",
    "within clean",
)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("rescue", [False, True])
@pytest.mark.parametrize("put", [False, True])
async def test_killed_at_any_moment_nobody_pays_twice(
    world: World, moment: str, rescue: bool, put: bool
) -> None:
    """Killed at the moment itself, or at the next write into the ledger after it."""
    reached, killed = asyncio.Event(), asyncio.Event()
    never = asyncio.Event()
    original = world.ledger.jobs.put

    async def dies(what: str) -> None:
        if what == moment:
            reached.set()
            if not put:
                killed.set()
                await never.wait()

    async def put_or_die(*given: object) -> bool:
        if reached.is_set() and not killed.is_set():
            killed.set()
            await never.wait()
        return await original(*given)  # type: ignore[arg-type]  # passed on as they came

    world.vendor.hook = dies
    world.vendor.lost_answers = moment == "before find"
    world.vendor.rows = lambda lines: answers(lines)[1:]
    await world.begin(3, rescue=rescue)
    world.ledger.jobs.put = put_or_die  # type: ignore[method-assign]  # the moment of the kill
    async with process(world) as first:
        running = asyncio.create_task(first.run())
        await asyncio.wait(
            {running, asyncio.create_task(killed.wait())},
            timeout=10,
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert killed.is_set()
        await end(running)
    world.ledger.jobs.put = original  # type: ignore[method-assign]  # as it was
    world.vendor.hook = nothing
    world.vendor.lost_answers = 0
    ending, handed_over = await run(world)
    assert (ending, len(world.vendor.made)) == (Ending.DONE, 1)
    assert len(world.vendor.uploads) == 1
    found = await world.results()
    answered = {key: result for key, result in found.items() if result[0] == 200}
    assert len(answered) == 2
    assert len(found) == (2 if rescue else 3)
    still_open = await world.ledger.shards.open(a_batch().id)
    assert [shard.mode for shard in still_open] == ([Mode.MANAGED] if rescue else [])
    assert handed_over in ([0], []) if rescue else handed_over == []
    assert [record.stage for record in await world.jobs()] == [JobStage.ENDED]
    if moment == "within clean":
        assert len(world.vendor.cleaned) == 2  # what was left is removed as well


@pytest.mark.parametrize(
    "moment", ["before bring", "after bring", "before submit", "after submit", "before fetch"]
)
async def test_a_job_of_an_older_release_goes_on(world: World, moment: str) -> None:
    """It knew no `brought`, and no reference of an input before the job was submitted."""
    killed, never = asyncio.Event(), asyncio.Event()

    async def dies(what: str) -> None:
        if what == moment:
            killed.set()
            await never.wait()

    world.vendor.hook = dies
    await world.begin(3)
    async with process(world) as first:
        running = asyncio.create_task(first.run())
        await asyncio.wait_for(killed.wait(), 10)
        await end(running)
    world.vendor.hook = nothing
    (record,) = await world.jobs()
    if record.stage is not JobStage.SUBMITTED:
        trying = JobStage.SUBMITTING if moment != "before bring" else JobStage.INTENDED
        older = replace(record, stage=trying, reference=None)
        claim = await world.ledger.shards.claim(a_batch().id, 0)
        assert await world.ledger.jobs.put(claim, older)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)
    assert (len(world.vendor.made), len(world.vendor.uploads)) == (1, 1)
    assert world.vendor.cleaned == [record.tag]


async def test_a_part_that_was_refused_while_nobody_ran_the_batch_spoils_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.vendor.script = [{"status": S.VALIDATING}]
    await world.begin(6)
    async with process(world) as first:
        running = asyncio.create_task(first.run())
        await until(lambda: len(world.vendor.looks) == 2)
        await end(running)
    shards, claim, claimed = world.ledger.shards, world.ledger.shards.claim, asyncio.Event()
    told = asyncio.Event()

    async def hook(what: str) -> None:
        if what == "before fetch":
            told.set()
            refusal = failing(BatchError(code="invalid", message="Bad line."))
            world.vendor.script = [{}] if claimed.is_set() else [refusal]

    async def claim_the_second_late(batch_id: str, shard: int) -> Claim:
        if shard == 1:
            # By then the provider has said no to the first.
            await told.wait()
            await asyncio.sleep(0.1)
            claimed.set()
        return await claim(batch_id, shard)

    world.vendor.hook = hook
    monkeypatch.setattr(shards, "claim", claim_the_second_late)
    assert await run(world) == (Ending.DONE, [])
    bad = {f"id-{n}": (0, "invalid") for n in range(3)}
    assert await world.results() == {**world.good(3, 4, 5), **bad}
