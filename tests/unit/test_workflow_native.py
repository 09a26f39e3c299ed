"""`workflows.native`: jobs of a scripted provider over real storage, in nasty orders."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.fakes import a_batch, fresh_ledger
from tests.unit.native_world import (
    BAD_KEY,
    WINDOW,
    World,
    answer,
    answers,
    busy,
    counts,
    denied,
    down,
    end,
    failing,
    nothing,
    process,
    refusal,
    refused,
    run,
    said,
    uncertain,
    until,
)

from batchway.domain.batch import BatchError, RequestCounts
from batchway.domain.remote import JobStage, RemoteError, Trouble
from batchway.domain.run_online import RunOnline
from batchway.domain.shard import Mode
from batchway.domain.status import BatchStatus
from batchway.lines.envelope import LineReader, Request
from batchway.workflows.run import Ending

S = BatchStatus


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield World(ledger, tmp_path)


async def test_a_batch_becomes_jobs_and_results(world: World) -> None:
    await world.begin(7)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(*range(7))
    tag = f"batchway-{a_batch().id.removeprefix('batch_')}"
    assert sorted((order.tag, order.lines, order.since) for order in world.vendor.orders) == [
        (f"{tag}-0-1", 3, None),
        (f"{tag}-1-1", 3, None),
        (f"{tag}-2-1", 1, None),
    ]
    assert {order.window for order in world.vendor.orders} == {86_400}
    assert [record.stage for record in await world.jobs()] == [JobStage.ENDED] * 3
    assert sorted(world.vendor.cleaned) == sorted(order.tag for order in world.vendor.orders)
    assert not list(world.spool_dir.iterdir())
    batch = await world.load()
    assert (batch.counts, batch.status_details) == (RequestCounts(total=7, completed=7), None)


async def test_files_are_kept_where_that_is_asked_for(world: World) -> None:
    world.tuning = replace(world.tuning, keep_files=True)
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert world.vendor.cleaned == []


async def test_rows_are_joined_by_line_and_the_first_one_counts(world: World) -> None:
    def rows(lines: list[dict[str, object]]) -> list[bytes]:
        first, second, third = lines
        foreign = {**first, "custom_id": "r0000000999"}
        between = {**first, "custom_id": "r0000000001"}  # a blank line of the input
        return [
            answer(third),
            answer(first),
            answer(foreign),
            answer(between),
            b"",
            answer(first, 500),
            answer(second)[:-9],
        ]

    world.vendor.rows = rows
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == {**world.good(0, 2), "id-1": (0, "missing_result")}


@pytest.mark.parametrize("find_lag", [0, 2])
async def test_a_lost_answer_finds_the_job(world: World, find_lag: int) -> None:
    world.vendor.lost_answers = 1
    world.vendor.find_lag = find_lag
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert (len(world.vendor.made), len(world.vendor.orders)) == (1, 1)
    assert len(world.vendor.finds) == find_lag + 1
    assert await world.results() == world.good(0, 1, 2)


async def test_a_submission_that_never_happened_is_repeated(world: World) -> None:
    world.vendor.troubles = {"submit": [uncertain()], "find": [down(), None, busy(3.0)]}
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert (len(world.vendor.orders), len(world.vendor.uploads)) == (2, 1)
    assert len({order.tag for order in world.vendor.orders}) == 1
    assert len(world.vendor.made) == 1
    assert len(world.vendor.finds) > 3  # it looked for a while


async def test_no_room_waits_and_says_why(world: World) -> None:
    world.vendor.troubles = {"submit": [busy(4_000.0), busy(), down()]}
    await world.begin(6)
    async with process(world) as made:
        running = asyncio.create_task(made.run())
        await said(world, "The provider 'p' answered 429: full. Batchway goes on trying.")
        made.accounts.capacity("p", "m").ask_again()
        assert await running is Ending.DONE
    assert len(world.vendor.made) == 2
    assert await world.results() == world.good(*range(6))


@pytest.mark.parametrize(
    "error",
    [
        BatchError(code="token_limit_exceeded", message="Enqueued token limit reached."),
        BatchError(
            code="x",
            message="The number of enqueued tokens has surpassed the configured limit of 30K",
        ),
    ],
)
async def test_a_job_that_failed_for_want_of_room_is_made_again(
    world: World, error: BatchError
) -> None:
    world.vendor.script = [{"status": S.VALIDATING}, failing(error)]

    async def hook(what: str) -> None:
        if what == "before submit" and world.vendor.made:
            world.vendor.script = [{}]

    world.vendor.hook = hook
    world.vendor.others = 1  # somebody else's job takes up the room
    await world.begin(2)
    assert await run(world) == (Ending.DONE, [])
    first, second = (order.tag for order in world.vendor.orders)
    assert (first[-2:], second[-2:]) == ("-1", "-2")
    (record,) = await world.jobs()
    assert (record.attempt, record.tag, record.remote_id) == (2, second, "job-1")
    assert world.vendor.cleaned == [first, second]
    assert await world.results() == world.good(0, 1)


def some_rows(lines: list[dict[str, object]]) -> list[bytes]:
    """An answer, a refusal that may pass, one that may not, an expired one, and none."""
    good, bad, worse, late, *_ = lines
    return [answer(good), answer(bad, 503), answer(worse, 400), refusal(late, "batch_expired")]


async def test_without_rescue_every_line_says_what_it_got(world: World) -> None:
    world.vendor.traits = replace(world.vendor.traits, max_lines=5)
    world.account = replace(world.account, traits=world.vendor.traits)
    world.vendor.rows = some_rows
    await world.begin(5)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == {
        **world.good(0),
        "id-1": (503, "r0000000002"),
        "id-2": (400, "r0000000004"),
        "id-3": (0, "batch_expired"),
        "id-4": (0, "missing_result"),
    }
    assert (await world.load()).counts == RequestCounts(total=5, completed=1, failed=4)


async def test_what_may_pass_is_handed_over(world: World) -> None:
    world.vendor.traits = replace(world.vendor.traits, max_lines=5)
    world.account = replace(world.account, traits=world.vendor.traits)
    world.vendor.rows = some_rows
    world.vendor.script = [{"status": S.IN_PROGRESS, "counts": counts(2, 3)}, {}]
    await world.begin(6, rescue=True)
    world.vendor.rows = lambda lines: some_rows(lines) if len(lines) == 5 else answers(lines)
    assert await run(world) == (Ending.DONE, [0])
    assert await world.results() == {**world.good(0, 5), "id-2": (400, "r0000000004")}
    (shard,) = await world.ledger.shards.open(a_batch().id)
    assert (shard.number, shard.mode, shard.lines) == (0, Mode.MANAGED, 5)
    batch = await world.load()
    assert batch.counts == RequestCounts(total=6, completed=2, failed=1)
    why = "Their job at the provider 'p' ended without results for them."
    assert batch.run_online == (RunOnline(lines=3, reason=why),)


async def test_lines_of_a_job_that_failed_say_that_they_run_online_and_why(world: World) -> None:
    failed = BatchError(code="no_role", message="Its account lacks a role.")
    end = {"status": S.FAILED, "errors": (failed,), "in_progress_at": 5}
    world.vendor.script = [{"status": S.IN_PROGRESS}, end]
    world.vendor.rows = lambda _: []
    await world.begin(6, rescue=True)
    ending, handed_over = await run(world)
    assert (ending, sorted(handed_over)) == (Ending.DONE, [0, 1])
    assert (await world.load()).run_online == (RunOnline(lines=6, reason=failed.message),)


@pytest.mark.parametrize(
    ("outcome", "rows", "expected"),
    [
        # it lost the race and ended all the same
        ({"status": S.COMPLETED}, 3, [0, 1, 2]),
        ({"status": S.CANCELLED}, 1, [0]),
        ({"status": S.CANCELLED}, 0, []),
        ({"status": S.FAILED, "errors": ()}, 0, []),
    ],
)
async def test_a_cancelled_batch_keeps_what_there_is(
    world: World, outcome: Mapping[str, object], rows: int, expected: list[int]
) -> None:
    world.vendor.script = [{"status": S.IN_PROGRESS}]
    world.vendor.cancel_script = [{"status": S.CANCELLING}, outcome]
    world.vendor.rows = lambda lines: [
        answer(line) if n < rows else refusal(line, "batch_cancelled")
        for n, line in enumerate(lines)
    ]

    async def hook(what: str) -> None:
        if what == "before fetch":
            await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=1)

    world.vendor.hook = hook
    await world.begin(3, rescue=True)
    assert await run(world) == (Ending.CANCELLED, [])
    assert world.vendor.cancelled == ["job-0"]
    assert await world.results() == world.good(*expected)


async def test_a_batch_cancelled_while_nobody_ran_it_cancels_its_jobs(world: World) -> None:
    world.vendor.script = [{"status": S.IN_PROGRESS}]
    await world.begin(3)
    async with process(world) as first:
        running = asyncio.create_task(first.run())
        await until(lambda: world.vendor.looks.get("job-0", 0) > 1)
        await end(running)
    await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=1)
    assert await run(world) == (Ending.CANCELLED, [])
    assert world.vendor.cancelled == ["job-0"]
    assert await world.results() == world.good(0, 1, 2)


@pytest.mark.parametrize("trouble", [busy, uncertain])
async def test_an_input_whose_job_is_never_made_is_removed(
    world: World, trouble: Callable[[], RemoteError]
) -> None:
    world.vendor.troubles["submit"] = [trouble()] * 100

    async def hook(what: str) -> None:
        if what == "before submit":
            await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=1)

    world.vendor.hook = hook
    await world.begin(3)
    assert await run(world) == (Ending.CANCELLED, [])
    assert world.vendor.cleaned == [f"batchway-{a_batch().id.removeprefix('batch_')}-0-1"]
    assert [record.stage for record in await world.jobs()] == [JobStage.INTENDED]


async def test_a_job_that_never_ends_is_given_up_on(world: World) -> None:
    world.vendor.script = world.vendor.cancel_script = [{"status": S.IN_PROGRESS}]
    world.vendor.rows = lambda lines: [answer(lines[1])]

    async def hook(what: str) -> None:
        if what == "before fetch" and not world.vendor.cancelled:
            world.clock.skip(WINDOW)

    world.vendor.hook = hook
    await world.begin(3)
    assert await run(world) == (Ending.EXPIRED, [])
    assert world.vendor.cancelled == ["job-0"]
    assert await world.results() == world.good(1)


async def test_a_refused_batch_has_failed_with_our_line_numbers(world: World) -> None:
    world.vendor.script = [
        failing(
            BatchError(code="invalid", message="Bad line.", param="body", line=2),
            BatchError(code="model_not_found", message="No such model."),
        )
    ]
    await world.begin(3)
    assert await run(world) == (Ending.FAILED, [])
    batch = await world.load()
    assert batch.status is S.FAILED
    assert batch.errors == (
        BatchError(code="model_not_found", message="No such model."),
        BatchError(code="invalid", message="Bad line.", param="body", line=3),
    )
    assert world.vendor.cleaned == [world.vendor.orders[0].tag]


async def test_a_first_submission_that_is_refused_fails_the_batch(world: World) -> None:
    error, code = refused(), "provider_refused"
    world.vendor.troubles = {"submit": [error]}
    await world.begin(9)
    assert await run(world) == (Ending.FAILED, [])
    batch = await world.load()
    assert batch.errors == (BatchError(code=code, message=error.message),)
    assert len(world.vendor.orders) == 1  # the other jobs were not even tried


async def test_a_part_that_is_refused_becomes_error_lines(world: World) -> None:
    async def hook(what: str) -> None:
        if what == "before fetch" and len(world.vendor.made) < 2:
            # The first job is not decided before the second has been refused.
            world.vendor.script = [{"status": S.VALIDATING}]
        elif what == "before fetch":
            world.vendor.script = [{"status": S.IN_PROGRESS}, {}]

    world.vendor.hook = hook
    world.vendor.troubles = {"submit": [None, refused()]}
    await world.begin(6)
    running = asyncio.create_task(run(world))
    await until(lambda: len(world.vendor.orders) == 2)
    world.vendor.hook = nothing
    world.vendor.script = [{"status": S.IN_PROGRESS}, {}]
    assert await running == (Ending.DONE, [])
    results = await world.results()
    # Jobs are encoded side by side: either may come to the provider as the second.
    good, refused_ones = ((0, 1, 2), (3, 4, 5)) if results["id-0"][0] else ((3, 4, 5), (0, 1, 2))
    bad = {f"id-{n}": (0, "provider_refused") for n in refused_ones}
    assert results == {**world.good(*good), **bad}
    assert (await world.load()).status is S.IN_PROGRESS


@pytest.mark.parametrize(
    ("credential", "advice"),
    [
        ("api_key", f" {BAD_KEY}"),
        ("options", f" {BAD_KEY.replace('api_key', 'options')}"),
        ("", ""),  # the account's own words say it
    ],
)
async def test_a_key_revoked_meanwhile_waits_and_says_why(
    world: World, credential: str, advice: str
) -> None:
    world.tuning = replace(world.tuning, credential=credential)
    denials: list[RemoteError | None] = [denied() for _ in range(10_000)]
    world.vendor.troubles = {"fetch": [None, *denials]}
    world.vendor.script = [{"status": S.IN_PROGRESS}] * 2 + [{}]
    await world.begin(3)
    running = asyncio.create_task(run(world))
    await said(world, f"The provider 'p' answered 401: bad key.{advice} Batchway goes on trying.")
    world.vendor.troubles.clear()
    assert await running == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)


async def test_a_transfer_that_breaks_is_repeated(world: World) -> None:
    world.vendor.troubles = {"results": [uncertain(), down(), uncertain()]}
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)


@pytest.mark.parametrize("call", ["fetch", "results"])
@pytest.mark.parametrize(("times", "lost"), [(6, False), (999, True)])
async def test_what_the_provider_has_lost_is_missing(
    world: World, call: str, times: int, lost: bool
) -> None:
    gone = RemoteError(Trouble.NOT_FOUND, "The provider 'p' knows no such thing.")
    world.vendor.troubles = {call: [gone] * times}
    world.vendor.find_lag = 999
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    missing = {f"id-{n}": (0, "missing_result") for n in range(3)}
    if call == "results":
        first = json.loads(answers(world.vendor.inputs["job-0"])[0])["custom_id"]  # came whole
        missing |= world.good(int(first[1:]) // 2)
    assert await world.results() == (missing if lost else world.good(0, 1, 2))


async def test_files_that_cannot_be_removed_hold_up_nothing(world: World) -> None:
    world.vendor.troubles = {"clean": [down()]}
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)


async def test_a_line_is_read_once_to_send_it_and_once_to_join_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one whose job gave no row for it."""
    world.vendor.rows = lambda lines: [answer(line) for line in lines[1:]]
    await world.begin(6)
    read: Counter[str] = Counter()
    real = LineReader.read

    def counted(reader: LineReader, data: bytes) -> Request | None:
        request = real(reader, data)
        assert request is not None
        read[request.custom_id] += 1
        return request

    monkeypatch.setattr(LineReader, "read", counted)
    assert await run(world) == (Ending.DONE, [])
    assert len(await world.results()) == 6
    assert read == {f"id-{n}": 2 for n in range(6)}
