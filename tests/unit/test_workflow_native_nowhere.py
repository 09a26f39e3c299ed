"""Accounts that take a model's name for none of theirs: its lines are refused, once, in words."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.unit.fakes import a_batch, fresh_ledger
from tests.unit.native_world import FakeJobs, Process, World, process, said

from batchway.domain.call import Call
from batchway.domain.remote import JobStage
from batchway.domain.status import BatchStatus
from batchway.workflows.run import Ending

S = BatchStatus
NO_WAY_BACK = (
    "The provider 'p' is configured in a way that it takes no jobs of a part of this batch any "
    "more: configure it as it was and restart, or cancel the batch. Its requests wait."
)


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield World(ledger, tmp_path)


def knows_no(world: World, *models: str) -> None:
    """The provider's account raises for these models, as the port lets it."""
    vendor = world.vendor

    def jobs(call: Call) -> FakeJobs:
        if call.model in models:
            raise ValueError("The name of the model cannot stand in an address.")
        return FakeJobs(vendor, call)

    vendor.jobs = jobs  # type: ignore[method-assign]


async def test_a_batch_of_nothing_else_fails(world: World) -> None:
    knows_no(world, "odd")
    await world.begin(4, models=("odd",))
    async with process(world) as made:
        assert await made.run() is Ending.FAILED
    batch = await world.load()
    assert batch.status is S.FAILED
    assert [(error.code, error.message) for error in batch.errors or ()] == [
        (
            "model_not_found",
            "The provider 'p' takes no job of this model: its name leads to no address there.",
        )
    ]
    assert world.vendor.uploads == []


async def test_lines_of_other_models_are_run(world: World) -> None:
    knows_no(world, "odd")
    await world.begin(4, models=("m", "odd"))
    async with process(world) as made:
        assert await made.run() is Ending.DONE
        assert made.handed_over == []
    lines = {"id-1": (0, "model_not_found"), "id-3": (0, "model_not_found")}
    assert await world.results() == world.good(0, 2) | lines
    assert len(world.vendor.made) == 1


async def test_where_lines_may_run_online_they_are_tried_there(world: World) -> None:
    knows_no(world, "odd")
    await world.begin(4, rescue=True, models=("m", "odd"))
    async with process(world) as made:
        assert await made.run() is Ending.DONE
        assert len(made.handed_over) == 1
    assert await world.results() == world.good(0, 2)


async def test_a_job_that_was_made_waits_for_the_configuration_of_then(world: World) -> None:
    await world.begin(3)
    async with process(world) as first:
        died = RuntimeError("the process ends here")

        async def hook(what: str) -> None:
            if what == "before fetch":
                raise died

        world.vendor.hook = hook
        with pytest.raises(RuntimeError):
            await Process.run(first)

    async def nothing(_what: str) -> None:
        pass

    world.vendor.hook = nothing
    knows_no(world, "m")
    async with process(world) as second:
        running = asyncio.create_task(Process.run(second))
        await said(world, NO_WAY_BACK)
        await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=int(world.clock.now()))
        assert await running is Ending.CANCELLED
    assert [record.stage for record in await world.jobs()] == [JobStage.SUBMITTED]


async def test_jobs_of_no_such_endpoint_wait_for_the_configuration(world: World) -> None:
    world.vendor.jobs = lambda call: None  # type: ignore[method-assign,assignment,return-value]
    await world.begin(3)
    async with process(world) as made:
        running = asyncio.create_task(Process.run(made))
        await said(world, NO_WAY_BACK)
        await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=int(world.clock.now()))
        assert await running is Ending.CANCELLED
