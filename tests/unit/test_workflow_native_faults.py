"""`workflows.native` against providers, and what stands before them, that answer wrongly."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from tests.unit.fakes import a_batch, fresh_ledger
from tests.unit.native_world import (
    BAD_KEY,
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
    refused,
    run,
    said,
    until,
)

from batchway.domain.batch import BatchError
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.remote import JobRecord, JobStage, RemoteError, Trouble
from batchway.domain.shard import Claim
from batchway.domain.status import BatchStatus
from batchway.results.segments import merged
from batchway.workflows.native.capacity import GOES_ON, Refused
from batchway.workflows.native.waiting import waits
from batchway.workflows.run import Ending

S = BatchStatus
UNFETCHED = {f"id-{n}": (0, "result_not_fetched") for n in range(3)}
MISSING = {f"id-{n}": (0, "missing_result") for n in range(3)}


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield World(ledger, tmp_path)


Lines = list[dict[str, object]]


def empty(_: Lines) -> list[bytes]:
    return []


def page(_: Lines) -> list[bytes]:
    return [b"<html>", b"</html>"]


def error_body(_: Lines) -> list[bytes]:
    return [b'{"error": {"message": "try later"}}']


def two(lines: Lines) -> list[bytes]:
    return answers(lines[:2])


def two_and_a_page(lines: Lines) -> list[bytes]:
    return [answer(lines[0]), answer(lines[1]), b"<html>"]


def torn(lines: Lines) -> list[bytes]:
    return [answer(lines[0]), answer(lines[1]), answer(lines[2])[:-30]]


class Downloads:
    """Rows that are bad for the first `times` downloads."""

    def __init__(self, world: World, bad: Callable[[Lines], list[bytes]], times: int) -> None:
        self.count = 0
        self._bad = bad
        self._times = times
        world.vendor.rows = self._rows

    def _rows(self, lines: Lines) -> list[bytes]:
        self.count += 1
        return self._bad(lines) if self.count <= self._times else answers(lines)


# ----------------------------------------------------------------------------- results


@pytest.mark.parametrize("bad", [empty, page, error_body, torn])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("rescue", [False, True])
async def test_results_that_come_short_are_fetched_again(
    world: World, bad: Callable[[Lines], list[bytes]], known: bool, rescue: bool
) -> None:
    world.vendor.script = [{"status": S.COMPLETED, "counts": counts(3) if known else None}]
    downloads = Downloads(world, bad, 1)
    await world.begin(3, rescue=rescue)
    assert await run(world) == (Ending.DONE, [])
    assert downloads.count == 2
    assert await world.results() == world.good(0, 1, 2)
    assert len(world.vendor.cleaned) == 1


@pytest.mark.parametrize("rescue", [False, True])
@pytest.mark.parametrize(("bad", "given"), [(empty, 0), (torn, 2), (two_and_a_page, 2)])
async def test_nothing_is_deleted_that_was_not_collected(
    world: World, bad: Callable[[Lines], list[bytes]], given: int, rescue: bool
) -> None:
    world.vendor.script = [{"status": S.COMPLETED, "counts": counts(3)}]
    downloads = Downloads(world, bad, 99)
    await world.begin(3, rescue=rescue)
    running = asyncio.create_task(run(world))
    await said(
        world,
        f"The provider 'p' gave {given} of the 3 results that it counts. Batchway goes on trying.",
    )
    assert await running == (Ending.DONE, [0] if rescue else [])
    assert downloads.count >= 3  # for minutes, not for a number of quick tries
    assert world.vendor.cleaned == []
    good = world.good(*range(given))
    assert await world.results() == (good if rescue else {**UNFETCHED, **good})
    assert [record.stage for record in await world.jobs()] == [JobStage.ENDED]


async def test_failed_rows_that_never_come_are_waited_for_less(world: World) -> None:
    world.vendor.script = [{"status": S.COMPLETED, "counts": counts(2, 1)}]
    downloads = Downloads(world, two, 99)
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert 3 <= downloads.count <= 5
    assert world.vendor.cleaned == []
    assert await world.results() == {**world.good(0, 1), "id-2": (0, "result_not_fetched")}


@pytest.mark.parametrize("status", [S.EXPIRED, S.CANCELLED])
async def test_lines_that_were_not_got_to_are_not_waited_for(
    world: World, status: BatchStatus
) -> None:
    world.vendor.script = [{"status": status, "counts": counts(2, 1)}]
    downloads = Downloads(world, two, 99)
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert (downloads.count, len(world.vendor.cleaned)) == (1, 1)


async def test_files_of_a_job_without_its_results_are_kept(world: World) -> None:
    gone = RemoteError(Trouble.NOT_FOUND, "The provider 'p' knows no such thing.")
    world.vendor.troubles = {"results": [gone] * 999}
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    first = json.loads(answers(world.vendor.inputs["job-0"])[0])["custom_id"]  # came whole
    kept = world.good(int(first[1:]) // 2)
    assert (await world.results(), world.vendor.cleaned) == ({**MISSING, **kept}, [])


async def test_what_was_not_collected_is_kept_by_a_later_life_as_well(world: World) -> None:
    world.vendor.script = [{"status": S.COMPLETED, "counts": counts(3)}]
    Downloads(world, empty, 99)
    original = world.ledger.jobs.put
    killed, never = asyncio.Event(), asyncio.Event()

    async def put_or_die(claim: Claim, record: JobRecord) -> bool:
        if await world.results():  # the lines have their errors, and nothing else was done
            killed.set()
            await never.wait()
        return await original(claim, record)

    world.ledger.jobs.put = put_or_die  # type: ignore[method-assign]  # the moment of the kill
    await world.begin(3)
    async with process(world) as first:
        running = asyncio.create_task(first.run())
        await asyncio.wait_for(killed.wait(), 10)
        await end(running)
    world.ledger.jobs.put = original  # type: ignore[method-assign]  # as it was
    assert await run(world) == (Ending.DONE, [])
    assert (await world.results(), world.vendor.cleaned) == (UNFETCHED, [])


async def test_the_words_of_a_provider_are_not_multiplied(world: World) -> None:
    long = BatchError(code="c" * 5_000, message="m" * 5_000)
    world.vendor.script = [failing(long)]
    await world.begin(3)
    assert await run(world) == (Ending.FAILED, [])
    errors = (await world.load()).errors
    assert errors is not None
    (error,) = errors
    assert (len(error.code), len(error.message)) == (100, 1_000)


async def test_nor_by_the_lines_of_a_job(world: World) -> None:
    long = BatchError(code="c" * 5_000, message="m" * 5_000)
    world.vendor.script = [{"status": S.IN_PROGRESS, "in_progress_at": 1}, failing(long)]
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    segments = await world.ledger.shards.segments(a_batch().id, 0)
    errors = [json.loads(record)["error"] for _, _, record in merged(world.blobs, segments)]
    assert errors == [{"code": "c" * 100, "message": "m" * 1_000}] * 3


async def test_that_a_failed_job_costs_the_online_price_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    error = BatchError(code="bucket_denied", message="Give the account the role.")
    world.vendor.script = [{"status": S.IN_PROGRESS, "in_progress_at": 1}, failing(error)]
    await world.begin(3, rescue=True)
    assert await run(world) == (Ending.DONE, [0])
    (told,) = [each for each in caplog.records if "online price" in each.getMessage()]
    assert told.levelname == "WARNING"
    assert "job 0 failed (bucket_denied)" in told.getMessage()


# ----------------------------------------------------------------------------- submissions


@pytest.mark.parametrize("error", [busy, refused, denied, down])
@pytest.mark.parametrize("find", [[], [down(), busy(5.0)]])
async def test_a_refusal_of_a_job_that_was_made_makes_no_second(
    world: World, error: Callable[[], RemoteError], find: list[RemoteError | None]
) -> None:
    async def hook(what: str) -> None:
        if what == "after submit":
            world.vendor.hook = nothing
            raise error()

    world.vendor.hook = hook
    world.vendor.troubles = {"find": find}
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    assert (len(world.vendor.made), len(world.vendor.orders)) == (1, 1)
    assert await world.results() == world.good(0, 1, 2)


async def test_a_cancelled_batch_cancels_a_job_that_was_refused_and_made(world: World) -> None:
    async def hook(what: str) -> None:
        if what == "after submit":
            await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=1)
            raise busy()

    world.vendor.hook = hook
    world.vendor.script = [{"status": S.IN_PROGRESS}]
    await world.begin(3)
    assert await run(world) == (Ending.CANCELLED, [])
    assert world.vendor.cancelled == ["job-0"]


async def test_a_wrong_key_that_may_not_look_either_waits(world: World) -> None:
    world.vendor.troubles = {"submit": [denied()] * 3, "find": [denied()] * 9}
    await world.begin(3)
    running = asyncio.create_task(run(world))
    await said(world, f"The provider 'p' answered 401: bad key. {BAD_KEY} Batchway goes on trying.")
    assert await running == (Ending.DONE, [])
    assert await world.results() == world.good(0, 1, 2)


async def test_an_input_that_is_still_processed_holds_up_its_job_alone(world: World) -> None:
    pending = RemoteError(Trouble.NOT_YET, "The file is still being processed.", retry_after=10.0)
    world.vendor.troubles = {"submit": [pending] * 10_000}
    await world.begin(3)
    async with process(world) as made:
        running = asyncio.create_task(made.run())
        await said(world, "The file is still being processed. Batchway goes on trying.")
        await until(lambda: len(world.vendor.orders) >= 3)
        assert made.accounts.capacity("p", "m").closed_for == 0
        world.vendor.troubles.clear()
        assert await running is Ending.DONE
    assert len(world.vendor.made) == 1
    assert len(world.vendor.uploads) == 1


async def test_a_batch_is_cancelled_while_its_input_is_processed(world: World) -> None:
    pending = RemoteError(Trouble.NOT_YET, "Still being processed.", retry_after=50_000.0)
    world.vendor.troubles = {"submit": [pending]}
    await world.begin(3)
    running = asyncio.create_task(run(world))
    await said(world, "Still being processed. Batchway goes on trying.")
    await world.ledger.batches.move(a_batch().id, S.CANCELLING, at=1)
    assert await running == (Ending.CANCELLED, [])
    assert world.vendor.cleaned == [world.vendor.orders[0].tag]


async def test_submissions_that_hang_hold_up_no_collection(world: World) -> None:
    hanging = 0
    release, collected = asyncio.Event(), asyncio.Event()

    async def hook(what: str) -> None:
        nonlocal hanging
        if what == "before submit" and world.vendor.orders:
            hanging += 1
            await release.wait()
        elif what == "before fetch" and hanging < 4:
            world.vendor.script = [{"status": S.IN_PROGRESS}]
        elif what == "before fetch":
            world.vendor.script = [{}]
        elif what == "before clean":
            collected.set()

    world.vendor.hook = hook
    await world.begin(15)  # five jobs, the first one ahead
    running = asyncio.create_task(run(world))
    await asyncio.wait_for(collected.wait(), 10)
    assert not release.is_set()
    release.set()
    assert await running == (Ending.DONE, [])
    assert await world.results() == world.good(*range(15))


async def test_one_batch_does_not_read_what_another_was_told(world: World) -> None:
    await world.begin(3)
    async with process(world) as made:
        capacity = made.accounts.capacity("p", "m")
        capacity.close(retry_after=100.0)  # another batch's job was refused
        running = asyncio.create_task(made.run())
        await said(
            world,
            "The provider 'p' takes no more jobs of the model 'm' at present. "
            "Batchway goes on trying.",
        )
        capacity.ask_again()
        assert await running is Ending.DONE


@pytest.mark.parametrize(
    ("tenant", "told"),
    [
        (a_batch().tenant, "The role x is missing: add it. Batchway goes on trying."),
        (
            "another",
            "The provider 'p' refuses jobs of the model 'm' (403): something about its account is "
            "to be mended. Batchway goes on trying.",
        ),
    ],
)
async def test_a_second_batch_reads_what_its_account_was_refused_for(
    world: World, tenant: str, told: str
) -> None:
    await world.begin(3)
    why = Reason(
        kind=ReasonKind.ACCOUNT, sentence="The role x is missing: add it.", promise=GOES_ON
    )
    async with process(world) as made:
        capacity = made.accounts.capacity("p", "m")
        capacity.close(retry_after=100.0, status=403, refused=Refused(tenant=tenant, reason=why))
        running = asyncio.create_task(made.run())
        await said(world, told)
        assert (await world.load()).status_reason is ReasonKind.ACCOUNT
        capacity.ask_again()
        assert await running is Ending.DONE


async def test_a_refusal_waits_for_a_job_that_has_no_room(world: World) -> None:
    world.vendor.troubles = {"submit": [busy(), refused()]}
    await world.begin(2, models=["a", "b"])
    assert await run(world) == (Ending.DONE, [])
    found = sorted((await world.results()).values())
    assert [status for status, _ in found] == [0, 200]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("It is full", "It is full. Batchway goes on trying."),
        ("It is full.", "It is full. Batchway goes on trying."),
        ("Full!", "Full! Batchway goes on trying."),
    ],
)
def test_what_is_waited_for_is_a_sentence(message: str, expected: str) -> None:
    assert str(waits(RemoteError(Trouble.BUSY, message), credential="api_key")) == expected


# ----------------------------------------------------------------------------- the input


@pytest.mark.parametrize(("times", "brought"), [(1, 2), (5, 6), (6, 6)])
async def test_an_input_that_is_gone_is_brought_again(
    world: World, times: int, brought: int
) -> None:
    """But not for ever: a provider that loses each of them refuses the job."""
    gone = 0

    async def hook(what: str) -> None:
        nonlocal gone
        if what == "before submit" and gone < times:
            gone += 1
            world.vendor.brought.clear()

    world.vendor.hook = hook
    await world.begin(3)
    taken = times <= 5
    assert await run(world) == (Ending.DONE if taken else Ending.FAILED, [])
    assert len(world.vendor.uploads) == brought
    assert await world.results() == (world.good(0, 1, 2) if taken else {})
