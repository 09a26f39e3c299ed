"""Groups and a configuration that changes meanwhile; batches from before there were any."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.fakes import fresh_ledger
from tests.unit.native_world import World, process, run
from tests.unit.test_workflow_managed import Site, site_of, well

from batchway.domain.batch import Batch, BatchOptions, RequestCounts
from batchway.domain.group import Group, GroupTarget
from batchway.domain.remote import JobStage
from batchway.domain.routing import Account, Choice, Route, RouteTarget
from batchway.domain.shard import Mode
from batchway.workflows.plan.groups import GroupReader
from batchway.workflows.run import Ending


def a_route(*targets: str) -> dict[str, Route]:
    """The route `fast` to the model `big` at each of these."""
    return {
        "fast": Route(targets=tuple(RouteTarget(provider=name, model="big") for name in targets))
    }


def forget_groups(directory: Path) -> None:
    """As if the batch had begun before there were groups."""
    with sqlite3.connect(directory / "batchway.db") as connection:
        assert connection.execute("DELETE FROM groups").rowcount


def sent(site: Site) -> Counter[tuple[str, str]]:
    """How many lines went where: provider and model."""
    return Counter(
        (url.split("/")[2], json.loads(body)["model"]) for _, url, body in site.transport.sent
    )


async def ends(site: Site, batch: Batch) -> Ending:
    async with asyncio.timeout(20):
        return await (await site.new_run(await site.load(batch.id))).run()


async def waits(site: Site, batch: Batch) -> str:
    """What a batch says in a life in which nothing of it can be sent."""
    run = await site.new_run(await site.load(batch.id))
    running = asyncio.create_task(run.run())
    async with asyncio.timeout(20):
        while (said := (await site.load(batch.id)).status_details) is None:  # noqa: ASYNC110 - none
            await asyncio.sleep(0.02)
    run.stop(Ending.STOPPED)
    assert await running is Ending.STOPPED
    return said


# ----------------------------------------------------------------------------- managed


@pytest.fixture
async def site(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    async with site_of(tmp_path, tmp_path_factory, a=well, b=well, c=well) as made:
        yield made


async def test_a_route_that_changed_changes_no_batch_that_runs(site: Site) -> None:
    site.configure("a", "b", "c", routes=a_route("a"))
    batch = await site.begin(1, ["fast"] * 6 + ["c/x", "c/y"])
    site.configure("a", "b", "c", routes=a_route("b"))
    assert await ends(site, batch) is Ending.DONE
    assert sent(site) == {("a", "big"): 6, ("c", "x"): 1, ("c", "y"): 1}
    later = await site.begin(2, ["fast"])
    assert await ends(site, later) is Ending.DONE
    assert sent(site)["b", "big"] == 1


async def test_lines_go_to_the_targets_that_are_left(site: Site) -> None:
    site.configure("a", "b", routes=a_route("a", "b"))
    batch = await site.begin(1, ["fast"] * 40)
    site.configure("b", "c")  # and the route is gone
    assert await ends(site, batch) is Ending.DONE
    assert sent(site) == {("b", "big"): 40}


async def test_a_batch_whose_every_target_is_gone_waits_and_names_them(site: Site) -> None:
    site.configure("a", "b", routes=a_route("a", "b"))
    batch = await site.begin(1, ["fast"] * 4)
    site.configure("c", routes=a_route("c"))
    said = await waits(site, batch)
    assert said.startswith("None of the providers 'a', 'b' that this batch was accepted for is")
    assert sent(site) == {}
    site.configure("a", "c")
    assert await ends(site, batch) is Ending.DONE
    assert sent(site) == {("a", "big"): 4}


async def test_many_models_are_one_row(site: Site) -> None:
    batch = await site.begin(1, [f"a/m{n}" for n in range(60)])
    assert await site.ledger.shards.groups(batch.id) == [
        Group(name="a", mode=Mode.MANAGED, primaries=(GroupTarget(provider="a", model=None),))
    ]
    assert await ends(site, batch) is Ending.DONE
    assert sent(site) == {("a", f"m{n}"): 1 for n in range(60)}


# ----------------------------------------------------------------------------- old batches


async def test_an_old_batch_gets_its_groups_the_first_time_it_is_run(
    site: Site, tmp_path: Path
) -> None:
    site.configure("a", "b", routes=a_route("a"))
    batch = await site.begin(1, ["fast"] * 3 + ["b/x"])
    expected = await site.ledger.shards.groups(batch.id)
    forget_groups(tmp_path)
    await GroupReader(ledger=site.ledger, routing=site.routing).of(batch)
    kept = await site.ledger.shards.groups(batch.id)
    assert kept == [
        replace(group, primaries=(GroupTarget(provider="b", model=None),))
        if group.name == "b"
        else group
        for group in expected
    ]
    site.configure("a", "b", "c", routes=a_route("c"))
    assert await ends(site, batch) is Ending.DONE
    assert sent(site) == {("a", "big"): 3, ("b", "x"): 1}


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (["a/m"], "The provider 'a' that this batch was accepted for is not configured any more"),
        (["fast"], "The route 'fast' that this batch was accepted for is not configured any more"),
    ],
)
async def test_an_old_batch_whose_destination_is_gone_waits_for_it(
    site: Site, tmp_path: Path, models: list[str], said: str
) -> None:
    site.configure("a", "b", routes=a_route("b"))
    batch = await site.begin(1, models)
    forget_groups(tmp_path)
    site.configure("b", "c")
    assert (await waits(site, batch)).startswith(said)
    assert await site.ledger.shards.groups(batch.id) == []
    site.configure("a", "b", routes=a_route("b"))
    assert await ends(site, batch) is Ending.DONE
    assert (await site.load(batch.id)).counts == RequestCounts(total=1, completed=1)


async def test_an_old_batch_whose_key_may_not_use_the_provider_any_more(
    site: Site, tmp_path: Path
) -> None:
    batch = await site.begin(1, ["a/m"])
    forget_groups(tmp_path)
    options = BatchOptions(allowed_providers=frozenset({"b"}))
    reader = GroupReader(ledger=site.ledger, routing=site.routing)
    groups = await reader.of(replace(batch, options=options))
    assert groups.known == {}
    assert groups.withheld["a"].startswith("The key of this batch may not use the provider 'a'")


# ----------------------------------------------------------------------------- native


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield World(ledger, tmp_path)


async def test_a_provider_that_was_set_to_managed_changes_no_batch_that_runs(world: World) -> None:
    await world.begin(3, rescue=True)
    world.account = Account(mode=Choice.MANAGED, traits=world.vendor.traits)
    assert await run(world) == (Ending.DONE, [])
    assert len(world.vendor.orders) == 1
    assert await world.results() == world.good(0, 1, 2)


async def test_an_old_native_batch_is_run_as_it_would_be_today(
    world: World, tmp_path: Path
) -> None:
    await world.begin(3)
    forget_groups(tmp_path)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)
    [group] = await world.ledger.shards.groups((await world.load()).id)
    assert (group.name, group.mode, group.primaries) == (
        "p/m",
        Mode.NATIVE,
        (GroupTarget(provider="p", model="m"),),
    )


async def test_an_old_native_batch_of_a_provider_that_is_managed_today_is_handed_over(
    world: World, tmp_path: Path
) -> None:
    await world.begin(3)
    forget_groups(tmp_path)
    world.account = Account()
    assert await run(world) == (Ending.DONE, [0])
    [shard] = await world.ledger.shards.open((await world.load()).id)
    assert (shard.mode, world.vendor.orders) == (Mode.MANAGED, [])


async def test_an_old_native_batch_on_an_endpoint_without_jobs_today_waits(
    world: World, tmp_path: Path
) -> None:
    await world.begin(3)
    forget_groups(tmp_path)
    world.account = Account(mode=Choice.NATIVE)
    async with process(world) as made:
        running = asyncio.create_task((await made.new_run(await world.load())).run())
        async with asyncio.timeout(10):
            while (said := (await world.load()).status_details) is None:  # noqa: ASYNC110 - none
                await asyncio.sleep(0.002)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert said.startswith("The provider 'p' is set to run on its batch API, which does not run")
    assert [job.stage for job in await world.jobs() if job.stage is not JobStage.INTENDED] == []
