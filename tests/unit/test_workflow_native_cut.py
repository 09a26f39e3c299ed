"""Jobs that are larger than what an account may ever enqueue: cut, remembered, run online."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.fakes import FakeClock, a_batch, fresh_ledger
from tests.unit.native_world import World, answer, process, refusal, run, said

from batchway.dialects.openai.job_error import EnqueuedLimit, enqueued_limit, means_file_unseen
from batchway.domain.batch import BatchError
from batchway.domain.remote import JobStage, RemoteError, Trouble
from batchway.domain.status import BatchStatus
from batchway.workflows.native.fit import Fit
from batchway.workflows.run import Ending

S = BatchStatus
BARE = "Enqueued token limit reached for m in organization org-gpt-4."


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        world = World(ledger, tmp_path)
        world.vendor.traits = replace(world.vendor.traits, max_lines=8)
        world.account = replace(world.account, traits=world.vendor.traits)
        yield world


class Quota:
    """An account that may enqueue so many lines; says so at the creation, or when the job fails."""

    def __init__(self, world: World, *, lines: int, late: bool = False, words: str = BARE) -> None:
        self.world = world
        self.tried: list[int] = []
        self._lines = lines
        self._late = late
        self._words = words
        world.vendor.hook = self.watch
        world.vendor.script = [{}]

    async def watch(self, what: str) -> None:
        vendor = self.world.vendor
        if what == "before submit":
            return
        if what == "after submit":
            job_id, job = list(vendor.made.items())[-1]
            held = [other for other in vendor.made.values() if other.status not in S_ENDED]
            size = sum(len(vendor.inputs[other.id]) for other in held)
            self.tried.append(len(vendor.inputs[job_id]))
            if size <= self._lines:
                return
            error = BatchError(code="token_limit_exceeded", message=self._words)
            vendor.made[job_id] = replace(job, status=S.FAILED, errors=(error,))
            if not self._late:
                vendor.tags[job_id] = ""  # no job was made
                raise RemoteError(
                    Trouble.BUSY, self._words, code="token_limit_exceeded", status=400
                )


S_ENDED = {S.FAILED, S.COMPLETED, S.CANCELLED, S.EXPIRED}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lines", [1, 2, 3, 7])
async def test_a_job_that_never_fits_is_cut(world: World, lines: int, late: bool) -> None:
    quota = Quota(world, lines=lines, late=late)
    await world.begin(8)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(*range(8))
    taken = [size for size in quota.tried if size <= lines]
    assert sum(taken) == 8
    assert len(set(world.vendor.tags.values()) - {""}) >= len(taken)  # each under its own tag
    assert [record.stage for record in await world.jobs()] == [JobStage.ENDED]


@pytest.mark.parametrize("rescue", [False, True])
async def test_what_is_left_may_be_less_than_a_job_takes(world: World, rescue: bool) -> None:
    """It runs online where that is allowed; else the provider says what it thinks of it."""
    traits = world.vendor.traits = replace(world.vendor.traits, min_lines=2)
    world.account = replace(world.account, traits=traits)

    def rows(lines: list[dict[str, object]]) -> list[bytes]:
        found = [answer(line) for line in lines]
        if len(world.vendor.made) == 1:
            found[-1] = refusal(lines[-1], "insufficient_quota")
        return found

    world.vendor.rows = rows
    await world.begin(3, rescue=rescue)
    assert await run(world) == (Ending.DONE, [0] if rescue else [])
    assert await world.results() == world.good(*range(2 if rescue else 3))
    assert [order.lines for order in world.vendor.orders] == ([3] if rescue else [3, 1])


async def test_a_size_is_remembered_for_the_account_and_the_model(world: World) -> None:
    quota = Quota(world, lines=4)
    await world.begin(16)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(*range(16))
    assert [size for size in quota.tried if size > 4] == [8]


async def test_nothing_is_cut_while_others_take_up_the_room(world: World) -> None:
    quota = Quota(world, lines=7)
    world.vendor.others = 1
    await world.begin(8)
    running = asyncio.create_task(run(world))
    await said(world, f"{BARE} Batchway goes on trying.")
    assert set(quota.tried) == {8}
    world.vendor.others = 0
    assert await running == (Ending.DONE, [])
    assert await world.results() == world.good(*range(8))


async def test_others_are_not_waited_for_for_ever(world: World) -> None:
    Quota(world, lines=7)
    world.vendor.others = 1
    await world.begin(8)
    running = asyncio.create_task(run(world))
    await said(world, f"{BARE} Batchway goes on trying.")
    world.clock.skip(3_600)
    assert await running == (Ending.DONE, [])
    assert await world.results() == world.good(*range(8))


async def test_a_limit_that_is_named_is_planned_by(world: World) -> None:
    quota = Quota(world, lines=4, words="Limit: 115 enqueued tokens.")
    world.vendor.others = 1  # no matter: the job is larger than the limit
    await world.begin(8)
    assert await run(world) == (Ending.DONE, [])
    assert quota.tried[0] == 8
    assert max(quota.tried[1:]) <= 4
    assert await world.results() == world.good(*range(8))


@pytest.mark.parametrize("rescue", [False, True])
async def test_a_single_line_that_does_not_fit(world: World, rescue: bool) -> None:
    quota = Quota(world, lines=2)

    async def hook(what: str) -> None:
        await quota.watch(what)
        job_id, job = list(world.vendor.made.items())[-1] if world.vendor.made else ("", None)
        lines = world.vendor.inputs.get(job_id, [])
        if what == "after submit" and job and any(x["custom_id"] == "r0000000012" for x in lines):
            error = BatchError(code="token_limit_exceeded", message=BARE)
            world.vendor.made[job_id] = replace(job, status=S.FAILED, errors=(error,))

    world.vendor.hook = hook
    await world.begin(8, rescue=rescue)
    assert await run(world) == (Ending.DONE, [0] if rescue else [])
    others = world.good(0, 1, 2, 3, 4, 5, 7)
    refused = {} if rescue else {"id-6": (0, "token_limit_exceeded")}
    assert await world.results() == others | refused


async def test_all_lines_run_online_where_not_a_single_one_fits(world: World) -> None:
    quota = Quota(world, lines=0, late=True)
    await world.begin(8, rescue=True)
    assert await run(world) == (Ending.DONE, [0])
    assert quota.tried == [8, 4, 2, 1, 1, 1]


async def test_an_account_that_takes_nothing_at_all_waits(world: World) -> None:
    Quota(world, lines=0)
    await world.begin(2)
    running = asyncio.create_task(run(world))
    await said(world, f"{BARE} Batchway goes on trying.")
    Quota(world, lines=8)
    assert await running == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1)


async def test_killed_between_parts_nobody_pays_twice(world: World) -> None:
    Quota(world, lines=2, late=True)
    await world.begin(8)
    for _ in range(12):
        async with process(world) as made:
            running = asyncio.create_task(made.run())
            await asyncio.sleep(0.03)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(*range(8))
    vendor = world.vendor
    ran = [job.id for job in vendor.made.values() if job.status is S.COMPLETED]
    sent = [str(line["custom_id"]) for job_id in ran for line in vendor.inputs[job_id]]
    assert sorted(sent) == sorted(set(sent))


async def test_cancelled_between_parts(world: World) -> None:
    quota = Quota(world, lines=2)

    async def hook(what: str) -> None:
        await quota.watch(what)
        if what == "before clean" and len(quota.tried) > 4:
            await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=1)

    world.vendor.hook = hook
    await world.begin(8)
    assert await run(world) == (Ending.CANCELLED, [])
    found = await world.results()
    assert found == world.good(*range(len(found)))
    assert 0 < len(found) < 8


# ----------------------------------------------------------------------------- sizes and words


def test_a_fit_is_halved_and_forgotten_after_a_day() -> None:
    clock = FakeClock()
    fit = Fit(clock=clock)
    assert (fit.tokens, fit.lines) == (None, None)
    fit.learn(tokens=1_000, lines=10, limit=EnqueuedLimit())
    assert fit.tokens == 500
    fit.learn(tokens=1_000, lines=10, limit=EnqueuedLimit(tokens=900))
    assert fit.tokens == 500
    fit.learn(tokens=400, lines=4, limit=EnqueuedLimit(tokens=900))  # the estimate is too low
    assert fit.tokens == 200
    fit.learn(tokens=200, lines=4, limit=EnqueuedLimit(requests=3))
    assert (fit.tokens, fit.lines) == (200, 3)
    clock.time += 86_401
    assert (fit.tokens, fit.lines) == (None, None)


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (None, "Enqueued token limit reached for gpt-4.1-mini in organization org-1. "
         "Limit: 90,000 enqueued tokens. Please try again.", EnqueuedLimit(tokens=90_000)),
        ("token_limit_exceeded", "The number of enqueued tokens has surpassed the configured "
         "limit of 30K for the deployment 'd'.", EnqueuedLimit(tokens=30_000)),
        ("token_limit_exceeded", "No.", EnqueuedLimit()),
        ("EnqueuedTokensExceeded", "x", EnqueuedLimit()),
        (None, "Too many: the limit of enqueued requests is exceeded. Limit: 500 requests",
         EnqueuedLimit(requests=500)),
        ("request_limit_exceeded", "maximum of 1.5M requests", EnqueuedLimit(requests=1_500_000)),
        (None, "Enqueued token limit 2_000_000 exceeded", EnqueuedLimit(tokens=2_000_000)),
        ("insufficient_quota", "Enqueued token limit reached.", None),
        ("rate_limit_exceeded", "Rate limit reached.", None),
        (None, "Too many batches.", None),
    ],
)  # fmt: skip
def test_limits_of_what_may_be_enqueued(
    code: str | None, message: str, expected: EnqueuedLimit | None
) -> None:
    assert enqueued_limit(code, message) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Cannot find file file-abc, or organization org-x does not have access to it.", True),
        ("No such File object: file-abc", True),
        ("The file 'file-abc' does not exist", True),
        ("Input file with id assistant-1 was not found.", True),
        ("Invalid file format for Batch API. Must be .jsonl", False),
        ("The deployment was not found.", False),
        ("model gpt-9 does not exist", False),
        ("", False),
    ],
)
def test_a_file_that_is_not_seen_yet(message: str, expected: bool) -> None:
    assert means_file_unseen(message) is expected
