"""What a provider shows late or not any more, and an account's bad hour: they spend no line."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.fakes import a_batch, fresh_ledger
from tests.unit.native_world import (
    World,
    answer,
    answers,
    counts,
    end,
    failing,
    process,
    run,
    said,
    uncertain,
    until,
)

from batchway.domain.batch import BatchError
from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.routing import Account
from batchway.domain.status import BatchStatus
from batchway.workflows.native.accounts import NativeAccounts
from batchway.workflows.run import Ending

S = BatchStatus
LONG = "The provider 'p' gave 0 of the 3 results that it counts. Batchway goes on trying."


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield World(ledger, tmp_path)


@pytest.mark.parametrize("rescue", [False, True])
@pytest.mark.parametrize(
    "early",
    [
        {"counts": counts(3), "references": ()},
        {"counts": None, "references": ()},
        {"counts": counts(0), "references": ()},
    ],
)
async def test_a_job_is_complete_before_its_output_is_shown(
    world: World, rescue: bool, early: Mapping[str, object]
) -> None:
    world.vendor.script = [{"status": S.COMPLETED, **early}]
    shown = asyncio.Event()

    async def hook(what: str) -> None:
        looks = world.vendor.looks.get("job-0", 0)
        if what == "before fetch" and looks > 3 and not shown.is_set():
            shown.set()
            job = world.vendor.made["job-0"]
            world.vendor.made["job-0"] = replace(job, references=("out",), counts=counts(3))

    def rows(lines: list[dict[str, object]]) -> list[bytes]:
        return answers(lines) if world.vendor.made["job-0"].references else []

    world.vendor.hook, world.vendor.rows = hook, rows
    await world.begin(3, rescue=rescue)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)
    assert len(world.vendor.orders) == 1


async def test_the_look_under_the_tag_comes_before_a_line_goes_without(world: World) -> None:
    world.vendor.script = [{"status": S.COMPLETED, "counts": counts(3)}]
    world.vendor.rows = lambda _: []

    async def hook(what: str) -> None:
        if what == "before find":  # the list knows more than the job's own address
            world.vendor.rows = answers
            job = world.vendor.made["job-0"]
            world.vendor.made["job-0"] = replace(job, references=("out",))

    world.vendor.hook = hook
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)


@pytest.mark.parametrize("ending", [Ending.CANCELLED, Ending.EXPIRED])
async def test_what_was_run_is_never_told_to_be_not_executed(world: World, ending: Ending) -> None:
    world.vendor.script = [{"status": S.COMPLETED, "counts": counts(3)}]
    world.vendor.rows = lambda _: []
    await world.begin(3)
    async with process(world) as made:
        native = await made.new_run(await world.load())
        running = asyncio.create_task(native.run())
        await said(world, LONG)
        native.stop(ending)
        assert await running is ending
    assert await world.results() == {f"id-{n}": (0, "result_not_fetched") for n in range(3)}
    segments = await world.ledger.shards.segments(a_batch().id, 0)
    assert segments


async def test_whole_rows_are_kept_when_a_transfer_breaks(world: World) -> None:
    world.vendor.troubles = {"results": [uncertain()] * 10_000}
    world.vendor.rows = lambda lines: [answer(line) for line in lines]
    await world.begin(3)
    async with process(world) as made:
        running = asyncio.create_task(made.run())
        async with asyncio.timeout(10):
            while await world.results() != world.good(0):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.002)
        await end(running)
    world.vendor.troubles = {}
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)


# ----------------------------------------------------------------------------- accounts

BROKE = BatchError(code="billing_hard_limit_reached", message="Billing hard limit reached.")
ADVICE = (
    "The account at the provider 'p' has no credit left, or is at a spending limit of its own "
    "(billing_hard_limit_reached): add credit or raise the limit there. Batchway goes on trying."
)


@pytest.mark.parametrize("rescue", [False, True])
async def test_an_account_without_credit_waits(world: World, rescue: bool) -> None:
    error = RemoteError(
        Trouble.BUSY,
        "The provider 'p' answered 429: You exceeded your current quota.",
        code="insufficient_quota",
        status=429,
    )
    world.vendor.troubles = {"submit": [error, error]}
    await world.begin(3, rescue=rescue)
    running = asyncio.create_task(run(world))
    await said(
        world,
        "The provider 'p' answered 429: You exceeded your current quota. Add credit or raise the "
        "limit of the account at the provider (insufficient_quota). Batchway goes on trying.",
    )
    assert await running == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)


@pytest.mark.parametrize("rescue", [False, True])
async def test_a_job_that_ran_out_of_credit_is_gone_on_with(world: World, rescue: bool) -> None:
    """Its rows are kept; the others go into another job when there is credit."""
    world.vendor.script = [{"status": S.IN_PROGRESS}, failing(BROKE)]
    world.vendor.failed_rows = 1
    world.vendor.rows = lambda lines: [answer(line) for line in lines]
    sent: list[int] = []

    async def hook(what: str) -> None:
        if what == "after submit":
            sent.append(world.vendor.orders[-1].lines)
            if len(sent) == 2:
                world.vendor.script = [{}]

    world.vendor.hook = hook
    await world.begin(3, rescue=rescue)
    async with process(world) as made:
        capacity = made.accounts.capacity("p", "m")
        running = asyncio.create_task(made.run())
        await until(lambda: str(capacity.reason(a_batch().tenant)) == ADVICE)
        assert (await running, made.handed_over) == (Ending.DONE, [])
    assert sent == [3, 2]
    assert await world.results() == world.good(0, 1, 2)


@pytest.mark.parametrize("rescue", [False, True])
@pytest.mark.parametrize(
    ("status", "code"), [(401, "invalid_api_key"), (429, "insufficient_quota")]
)
async def test_rows_that_tell_of_the_account_are_no_results(
    world: World, rescue: bool, status: int, code: str
) -> None:
    def rows(lines: list[dict[str, object]]) -> list[bytes]:
        if len(world.vendor.made) > 1:
            return answers(lines)
        error = {"error": {"code": code, "message": "No."}}
        response = {"status_code": status, "request_id": "r", "body": error}
        bad = [{"custom_id": line["custom_id"], "response": response} for line in lines[1:]]
        return [answer(lines[0]), *(json.dumps(row).encode() for row in bad)]

    world.vendor.rows = rows
    await world.begin(3, rescue=rescue)
    assert await run(world) == (Ending.DONE, [])
    assert [order.lines for order in world.vendor.orders] == [3, 2]
    assert await world.results() == world.good(0, 1, 2)


# ----------------------------------------------------------------------------- configuration


@pytest.mark.parametrize("submitted", [False, True])
async def test_a_provider_that_is_renamed_and_back(world: World, submitted: bool) -> None:
    world.vendor.script = [{"status": S.IN_PROGRESS}]
    await world.begin(3)
    if submitted:
        async with process(world) as made:
            running = asyncio.create_task(made.run())
            await until(lambda: bool(world.vendor.looks))
            await end(running)
    mine, world.account = world.account, Account()
    async with process(world) as made:
        made.accounts = NativeAccounts(accounts={}, clock=world.clock, draw=lambda: 0.5)
        renamed = await made.new_run(await world.load())
        running = asyncio.create_task(renamed.run())
        async with asyncio.timeout(10):
            while "configured" not in ((await world.load()).status_details or ""):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.002)
        assert made.handed_over == []
        await end(running)
    world.account = mine
    world.vendor.script = [{}]
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)
    assert len(world.vendor.orders) == 1


# ----------------------------------------------------------------------------- logs


async def test_logs_tell_changes_once_and_no_words(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secret = RemoteError(
        Trouble.BUSY, "The provider 'p' answered 503: you said PROMPT.", status=503, code="busy"
    )
    world.vendor.troubles = {"fetch": [secret] * 5, "submit": [secret] * 3}
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    told = [record.getMessage() for record in caplog.records]
    assert sum("job 0 waits (busy, status 503, code busy)" in line for line in told) == 2
    assert sum("takes no job of the model m: busy" in line for line in told) == 1
    assert sum("takes jobs of the model m again" in line for line in told) == 1
    assert sum("job 0 goes on" in line for line in told) == 2
    assert sum("job 0 is job-0 at p (submitted, 3 lines" in line for line in told) == 1
    assert sum("job job-0 is completed" in line for line in told) == 1
    assert not any("PROMPT" in line for line in told)
