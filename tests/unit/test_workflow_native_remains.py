"""What jobs of ended batches left at their providers goes, once the providers can be reached."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.fakes import a_batch, fresh_ledger
from tests.unit.native_world import (
    TUNING,
    Process,
    World,
    denied,
    down,
    failing,
    process,
    refusal,
    refused,
)

from batchway.domain.batch import BatchError
from batchway.domain.remote import JobRecord, JobStage, RemoteError, Trouble
from batchway.domain.status import BatchStatus
from batchway.workflows.native.accounts import NativeAccount, NativeAccounts
from batchway.workflows.native.remains import Remains
from batchway.workflows.run import Ending

S = BatchStatus
NO_ROOM = BatchError(code="token_limit_exceeded", message="Enqueued token limit reached.")


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield World(ledger, tmp_path)


def remains(world: World, *, configured: bool = True, keep_files: bool = False) -> Remains:
    tuning = replace(TUNING, keep_files=keep_files)
    account = NativeAccount(provider=world.vendor, tuning=tuning)
    accounts = {"p": account} if configured else {}
    return Remains(
        ledger=world.ledger,
        accounts=NativeAccounts(accounts=accounts, clock=world.clock, draw=lambda: 0.5),
        clock=world.clock,
    )


async def stages(world: World) -> list[JobStage]:
    return [record.stage for record in await world.jobs()]


async def left_open(world: World, *, at: str) -> None:
    """A batch of two jobs whose process dies at a moment, and that ends without another one."""
    reached = Died()
    await world.begin(6)
    async with process(world) as first:

        async def hook(what: str) -> None:
            if what == at:
                raise reached

        world.vendor.hook = hook
        with pytest.raises(Died):
            await Process.run(first)

    async def nothing(_what: str) -> None:
        pass

    world.vendor.hook = nothing
    assert await world.ledger.batches.move(a_batch().id, S.EXPIRED, at=int(world.clock.now()))


class Died(Exception):
    """The process ends here."""


@pytest.mark.parametrize(
    "at", ["after bring", "before submit", "after submit", "before fetch", "before results"]
)
async def test_what_a_batch_that_ended_meanwhile_left_is_removed(world: World, at: str) -> None:
    await left_open(world, at=at)
    assert world.vendor.uploads
    assert world.vendor.cleaned == []
    await remains(world).remove()
    # Of an input that was just on its way, too, nothing is there to be removed, or something is.
    assert set(world.vendor.cleaned) >= set(world.vendor.uploads)
    cleaned = list(world.vendor.cleaned)
    assert world.vendor.brought == {}
    assert all(job.status in {S.COMPLETED, S.CANCELLED} for job in world.vendor.made.values())
    touched = {record.tag for record in await world.jobs() if record.stage is JobStage.ENDED}
    assert touched >= set(world.vendor.uploads)
    await remains(world).remove()
    assert world.vendor.cleaned == cleaned  # not looked for again


async def test_a_batch_that_runs_is_left_alone(world: World) -> None:
    await world.begin(3)
    async with process(world) as running:

        async def hook(what: str) -> None:
            if what == "before results":
                await remains(world).remove()

        world.vendor.hook = hook
        assert await running.run() is Ending.DONE
    assert world.vendor.cancelled == []
    assert await world.results() == world.good(0, 1, 2)


async def test_nothing_happens_while_the_provider_is_not_configured(world: World) -> None:
    await left_open(world, at="before fetch")
    await remains(world, configured=False).remove()
    assert world.vendor.cleaned == []
    assert JobStage.SUBMITTED in await stages(world)


async def test_files_that_are_to_be_kept_are(world: World) -> None:
    await left_open(world, at="before fetch")
    await remains(world, keep_files=True).remove()
    assert world.vendor.cleaned == []
    assert world.vendor.cancelled
    assert JobStage.SUBMITTED not in await stages(world)


@pytest.mark.parametrize("trouble", [down(), denied()])
@pytest.mark.parametrize("call", ["cancel", "clean"])
async def test_a_provider_that_does_not_help_is_asked_again_later(
    world: World, call: str, trouble: RemoteError
) -> None:
    await left_open(world, at="before fetch")
    world.vendor.troubles[call] = [trouble] * len(world.vendor.uploads)
    await remains(world).remove()
    assert world.vendor.cleaned == []
    assert JobStage.SUBMITTED in await stages(world)
    await remains(world).remove()
    assert set(world.vendor.cleaned) == set(world.vendor.uploads)


async def test_a_provider_that_is_down_is_asked_once_a_turn(world: World) -> None:
    batch = await world.begin(6)
    for shard in await world.ledger.shards.plan(batch.id):
        record = JobRecord(
            batch_id=batch.id,
            shard=shard.number,
            attempt=1,
            tag=f"tag-{shard.number}",
            provider="p",
            model="m",
            stage=JobStage.SUBMITTED,
            remote_id=f"job-{shard.number}",
        )
        claim = await world.ledger.shards.claim(batch.id, shard.number)
        assert await world.ledger.jobs.put(claim, record)
    assert await world.ledger.batches.move(batch.id, S.EXPIRED, at=int(world.clock.now()))
    assert len(await world.ledger.jobs.unsettled(limit=9)) == 2
    world.vendor.troubles["cancel"] = [down()] * 9
    await remains(world).remove()
    assert len(world.vendor.troubles["cancel"]) == 8


async def test_a_job_that_goes_on_for_a_while_is_seen_to_at_a_later_turn(world: World) -> None:
    await left_open(world, at="before fetch")
    world.vendor.cancel_script = [{"status": S.CANCELLING}]
    await remains(world).remove()
    assert world.vendor.cleaned == []
    world.vendor.cancel_script = [{"status": S.CANCELLED}]
    await remains(world).remove()
    assert set(world.vendor.cleaned) == set(world.vendor.uploads)


async def test_of_a_job_that_is_gone_what_is_known_is_removed(world: World) -> None:
    await left_open(world, at="before fetch")
    gone = RemoteError(Trouble.NOT_FOUND, "The provider 'p' knows no such job.")
    world.vendor.troubles["cancel"] = [gone] * len(world.vendor.uploads)
    await remains(world).remove()
    assert set(world.vendor.cleaned) == set(world.vendor.uploads)


async def test_a_job_that_outlasts_the_patience_of_its_batch_is_still_open(world: World) -> None:
    world.vendor.script = [{"status": S.IN_PROGRESS}]  # it never ends by itself
    world.vendor.cancel_script = [{"status": S.CANCELLING}]
    await world.begin(3)
    async with process(world) as running:

        async def hook(what: str) -> None:
            if what == "before fetch":
                await world.ledger.batches.move(
                    a_batch().id, S.CANCELLING, at=int(world.clock.now())
                )

        world.vendor.hook = hook
        assert await running.run() is Ending.CANCELLED
    assert await stages(world) == [JobStage.SUBMITTED]
    assert world.vendor.cleaned == []


@pytest.mark.parametrize("trouble", [down(), denied()])
async def test_files_that_a_run_could_not_remove_are_removed_later(
    world: World, trouble: RemoteError
) -> None:
    world.vendor.troubles["clean"] = [trouble] * 3
    await world.begin(3)
    async with process(world) as running:
        assert await running.run() is Ending.DONE
    assert await stages(world) == [JobStage.COLLECTED]
    assert await world.results() == world.good(0, 1, 2)
    await remains(world).remove()
    assert world.vendor.cleaned == []  # the batch has not ended yet
    now = int(world.clock.now())
    assert await world.ledger.batches.move(a_batch().id, S.FINALIZING, at=now)
    assert await world.ledger.batches.move(a_batch().id, S.COMPLETED, at=now)
    await remains(world).remove()
    assert world.vendor.cleaned == world.vendor.uploads
    assert world.vendor.cancelled == []
    assert await stages(world) == [JobStage.ENDED]


async def test_files_of_lines_that_run_online_are_removed_later(world: World) -> None:
    world.vendor.troubles["clean"] = [down()] * 3
    world.vendor.rows = lambda lines: [refusal(line, "batch_expired") for line in lines]
    await world.begin(3, rescue=True)
    async with process(world) as running:
        assert await running.run() is Ending.DONE
        assert running.handed_over == [0]
    assert await stages(world) == [JobStage.COLLECTED]


async def test_a_provider_that_never_lets_them_be_removed_is_not_asked_again(world: World) -> None:
    world.vendor.troubles["clean"] = [refused()]
    await world.begin(3)
    async with process(world) as running:
        assert await running.run() is Ending.DONE
    assert await stages(world) == [JobStage.ENDED]


@pytest.mark.parametrize(("troubles", "removed"), [(3, 2), (4, 1)])
async def test_of_an_earlier_job_of_the_shard_they_are_tried_again_at_its_end(
    world: World, troubles: int, removed: int
) -> None:
    """A record holds one job: of an earlier one what cannot be removed then stays, in the log."""
    world.vendor.script = [{"status": S.VALIDATING}, failing(NO_ROOM)]

    async def hook(what: str) -> None:
        if what == "before submit" and world.vendor.made:
            world.vendor.script = [{}]

    world.vendor.hook = hook
    world.vendor.others = 1  # somebody else's job takes up the room
    # The later job's files are removed before those of the earlier one are tried again.
    world.vendor.troubles["clean"] = [down()] * 3 + ([None, down()] if troubles == 4 else [])
    await world.begin(2)
    async with process(world) as running:
        assert await running.run() is Ending.DONE
    first, second = (order.tag for order in world.vendor.orders)
    assert world.vendor.cleaned == [second, first][:removed]
    assert await stages(world) == [JobStage.ENDED]
