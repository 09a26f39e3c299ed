"""`ports.RemoteJobs` over every database, and what commits, hand-overs and ends do to it."""

import asyncio
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from tests.contract.ledger_values import a_batch, a_job, a_segment, a_shard, begun

from batchway.domain.batch import BatchError, RequestCounts
from batchway.domain.remote import JobRecord, JobStage
from batchway.domain.run_online import RunOnline
from batchway.domain.shard import Claim, Mode, Segment
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Delivered, Ledger
from batchway.storage.ledger.sql_ledger import SqlLedger

S = BatchStatus
FULL = a_job(
    attempt=3,
    tag="batchway-x-0-3",
    stage=JobStage.SUBMITTED,
    remote_id="batch_remote",
    reference="file-in",
    references=("file-out", "file-err"),
    submitted_at=2**40,
    completed=4,
    failed=2,
)
# The moves that lead from `in_progress` to a status.
ROUTES = {
    S.FINALIZING: [S.FINALIZING],
    S.COMPLETED: [S.FINALIZING, S.COMPLETED],
    S.EXPIRED: [S.EXPIRED],
    S.FAILED: [S.FAILED],
    S.CANCELLING: [S.CANCELLING],
    S.CANCELLED: [S.CANCELLING, S.CANCELLED],
}


async def native(ledger: Ledger, *, shards: int = 1, lines: int = 10, batch: int = 1) -> str:
    """A begun batch of native shards, each of them claimed once."""
    plan = [a_shard(n, batch=batch, lines=lines, mode=Mode.NATIVE) for n in range(shards)]
    batch_id = await begun(ledger, *plan, batch=batch)
    for number in range(shards):
        await ledger.shards.claim(batch_id, number)
    return batch_id


def first(shard: int = 0, *, batch: int = 1, fence: int = 1) -> Claim:
    """The claim that `native` made."""
    return Claim(shard=a_shard(shard, batch=batch, mode=Mode.NATIVE), fence=fence)


async def shown(ledger: Ledger, batch: int = 1) -> tuple[int, int]:
    """Completed and failed lines as a client sees them."""
    found = await ledger.batches.get("blue", a_batch(batch).id)
    assert found is not None
    return found.counts.completed, found.counts.failed


def segment(name: str, completed: int, failed: int, **where: Any) -> Segment:
    return a_segment(name, lines=completed + failed, failed=failed, **where)


# ----------------------------------------------------------------------------- records


@pytest.mark.parametrize("record", [a_job(), FULL, replace(FULL, stage=JobStage.ENDED)])
async def test_a_record_comes_back_as_it_went_in(ledger: Ledger, record: JobRecord) -> None:
    batch_id = await native(ledger)
    assert await ledger.jobs.of(batch_id) == []
    assert await ledger.jobs.put(first(), record)
    assert await ledger.jobs.of(batch_id) == [record]
    assert await ledger.jobs.of("batch_unknown") == []


async def test_a_put_replaces_every_value(ledger: Ledger) -> None:
    batch_id = await native(ledger)
    for record in (FULL, a_job(attempt=4, provider="azure", model="n"), FULL):
        assert await ledger.jobs.put(first(), record)
        assert await ledger.jobs.of(batch_id) == [record]
        assert await shown(ledger) == (record.completed, record.failed)


async def test_records_are_listed_by_shard_and_batch(ledger: Ledger) -> None:
    for batch in (1, 2):
        await native(ledger, shards=12, batch=batch)
    for shard in (11, 2, 0):
        assert await ledger.jobs.put(first(shard), a_job(shard))
    assert await ledger.jobs.put(first(5, batch=2), a_job(5, batch=2))
    assert await ledger.jobs.of(a_batch(1).id) == [a_job(0), a_job(2), a_job(11)]
    assert await ledger.jobs.of(a_batch(2).id) == [a_job(5, batch=2)]


@pytest.mark.parametrize("record", [a_job(1), a_job(0, batch=2)])
async def test_a_record_of_another_shard_is_a_mistake(ledger: Ledger, record: JobRecord) -> None:
    batch_id = await native(ledger, shards=2)
    with pytest.raises(ValueError, match="is not of shard 0"):
        await ledger.jobs.put(first(), record)
    assert await ledger.jobs.of(batch_id) == []


async def test_only_the_newest_fence_writes(ledger: Ledger) -> None:
    batch_id = await native(ledger)
    assert await ledger.jobs.put(first(), FULL)
    newest = await ledger.shards.claim(batch_id, 0)
    stale = replace(FULL, completed=9, remote_id="stale")
    for fence in (newest.fence - 1, newest.fence + 1, 0):
        assert not await ledger.jobs.put(first(fence=fence), stale)
    assert await ledger.jobs.of(batch_id) == [FULL]
    assert await shown(ledger) == (4, 2)
    assert await ledger.jobs.put(newest, a_job())
    assert await ledger.jobs.of(batch_id) == [a_job()]


async def test_a_shard_that_is_not_there_takes_no_record(ledger: Ledger) -> None:
    batch_id = await native(ledger)
    assert not await ledger.jobs.put(first(7), a_job(7))
    assert not await ledger.jobs.put(first(batch=2), a_job(batch=2))
    assert await ledger.batches.move(batch_id, S.EXPIRED, at=2)
    await ledger.shards.forget(batch_id)
    assert not await ledger.jobs.put(first(), a_job())
    assert await ledger.jobs.of(batch_id) == []


async def test_records_outlive_the_plan(ledger: Ledger) -> None:
    batch_id = await native(ledger)
    assert await ledger.jobs.put(first(), FULL)
    assert await ledger.batches.move(batch_id, S.EXPIRED, at=2)
    await ledger.shards.forget(batch_id)
    assert await ledger.shards.leftovers() == []
    assert await ledger.jobs.of(batch_id) == [FULL]
    assert await ledger.jobs.tenant_of("openai-main", "file-out") == "blue"


# ----------------------------------------------------------------------------- whose job it is


async def test_any_id_of_a_record_names_its_tenant(ledger: Ledger) -> None:
    await native(ledger)
    red = await ledger.batches.add(a_batch(2, tenant="red"))
    shard = a_shard(0, batch=2, mode=Mode.NATIVE)
    assert await ledger.batches.begin(red.id, at=2, model="m", shards=[shard])
    claim = await ledger.shards.claim(red.id, 0)
    assert await ledger.jobs.put(first(), FULL)
    theirs = a_job(batch=2, remote_id="batch_red", reference="file-red", provider="azure")
    assert await ledger.jobs.put(claim, theirs)
    tenant_of = ledger.jobs.tenant_of
    for name in ("batch_remote", "file-in", "file-out", "file-err"):
        assert await tenant_of("openai-main", name) == "blue"
        assert await tenant_of("azure", name) is None
    assert await tenant_of("azure", "batch_red") == await tenant_of("azure", "file-red") == "red"
    for unknown in ("", "batch_other", "batch_%", FULL.tag, "BATCH_REMOTE"):
        assert await tenant_of("openai-main", unknown) is None
    # What no database takes as a text is nobody's.
    for odd in ("batch_remote\0", "\ud800"):
        assert await tenant_of("openai-main", odd) is None


async def test_what_others_have_at_providers(ledger: Ledger) -> None:
    batch_id = await native(ledger, shards=4)
    assert await ledger.jobs.put(first(0), a_job(0, stage=JobStage.INTENDED))
    running = [
        a_job(number, stage=JobStage.SUBMITTED, remote_id=f"batch_{number}") for number in (1, 2)
    ]
    for number, record in enumerate(running, 1):
        assert await ledger.jobs.put(first(number), record)

    asked = a_job(3, stage=JobStage.SUBMITTING)
    assert await ledger.jobs.put(first(3), asked)

    assert await ledger.jobs.of_others("red", limit=9) == [*running, asked]
    assert await ledger.jobs.of_others("red", limit=1) == running[:1]
    assert await ledger.jobs.of_others("red", limit=9, after=(batch_id, 1)) == [running[1], asked]
    assert await ledger.jobs.of_others("red", limit=9, after=(batch_id, 3)) == []
    assert await ledger.jobs.of_others("blue", limit=9) == []
    assert await ledger.jobs.put(first(1), a_job(1, stage=JobStage.ENDED))
    assert await ledger.jobs.of_others("red", limit=9) == [running[1], asked]
    # Its batch has ended, but such a job may have results that nobody has seen.
    assert await ledger.batches.move(batch_id, S.EXPIRED, at=2)
    assert await ledger.jobs.of_others("red", limit=9) == [running[1], asked]


async def test_what_ended_batches_left_open(ledger: Ledger) -> None:
    batch_id = await native(ledger, shards=5)
    other = await native(ledger, batch=2)
    brought = a_job(0, stage=JobStage.BROUGHT, reference="file-in")
    submitted = a_job(1, stage=JobStage.SUBMITTED, remote_id="x", references=("o", "e"))
    sent = a_job(2, stage=JobStage.INTENDED, submitted_at=9)
    for record in (brought, submitted, sent):
        assert await ledger.jobs.put(first(record.shard), record)
    assert await ledger.jobs.put(first(3), a_job(3, stage=JobStage.ENDED))
    assert await ledger.jobs.put(first(4), a_job(4, stage=JobStage.INTENDED, submitted_at=None))
    running = replace(brought, batch_id=other)
    assert await ledger.jobs.put(first(batch=2), running)
    assert await ledger.jobs.unsettled(limit=9) == []
    await ledger.jobs.settle(running)  # its batch goes on
    assert await ledger.jobs.of(other) == [running]

    assert await ledger.batches.move(batch_id, S.EXPIRED, at=2)
    assert await ledger.jobs.unsettled(limit=9) == [brought, submitted, sent]
    assert await ledger.jobs.unsettled(limit=1) == [brought]
    assert await ledger.jobs.unsettled(limit=9, after=(batch_id, 1)) == [sent]
    await ledger.jobs.settle(replace(sent, tag="of an earlier attempt"))
    assert await ledger.jobs.unsettled(limit=9) == [brought, submitted, sent]
    await ledger.jobs.settle(submitted)
    assert await ledger.jobs.unsettled(limit=9) == [brought, sent]
    assert (await ledger.jobs.of(batch_id))[1] == replace(submitted, stage=JobStage.ENDED)


# ----------------------------------------------------------------------------- counts


async def test_a_batch_shows_what_is_committed_and_what_jobs_report(ledger: Ledger) -> None:
    batch_id = await native(ledger, shards=3)
    put = ledger.jobs.put
    assert await put(first(0), a_job(0, completed=4, failed=1))
    assert await put(first(1), a_job(1, completed=2, failed=3))
    assert await shown(ledger) == (6, 4)
    assert await put(first(0), a_job(0, completed=1))
    assert await shown(ledger) == (3, 3)
    assert await ledger.shards.commit([segment("a", 5, 1, shard=2)]) == []
    assert await shown(ledger) == (8, 4)
    [found] = [await ledger.batches.load(batch_id)]
    assert found is not None
    assert found.counts == RequestCounts(total=30, completed=8, failed=4)
    page = await ledger.batches.page("blue", limit=1, after=None)
    assert page is not None
    assert page.items == (found,)


@pytest.mark.parametrize(
    ("committed", "reported", "expected"),
    [
        ((0, 0), (12, 0), (10, 0)),
        ((0, 0), (0, 12), (0, 10)),
        ((0, 0), (8, 8), (8, 2)),
        ((6, 2), (5, 5), (8, 2)),
        ((7, 3), (5, 5), (7, 3)),
        ((3, 1), (4, 2), (7, 3)),
    ],
)
async def test_never_more_lines_than_there_are(
    ledger: Ledger, committed: tuple[int, int], reported: tuple[int, int], expected: tuple[int, int]
) -> None:
    await native(ledger)
    if sum(committed):
        assert await ledger.shards.commit([segment("a", *committed)]) == []
    record = a_job(completed=reported[0], failed=reported[1])
    assert await ledger.jobs.put(first(), record)
    assert await ledger.jobs.of(a_batch().id) == [record]
    assert await shown(ledger) == expected


async def test_a_commit_takes_what_it_adds_off_the_job(ledger: Ledger) -> None:
    batch_id = await native(ledger, shards=2)
    one, other = a_job(0, completed=6, failed=3), a_job(1, completed=5)
    assert await ledger.jobs.put(first(0), one)
    assert await ledger.jobs.put(first(1), other)
    assert await ledger.shards.commit([segment("a", 2, 1)]) == []
    assert await ledger.jobs.of(batch_id) == [replace(one, completed=4, failed=2), other]
    assert await shown(ledger) == (11, 3)
    # Two of one shard in a commit; more failures than the job reported.
    assert await ledger.shards.commit([segment("b", 3, 0), segment("c", 1, 3)]) == []
    assert await ledger.jobs.of(batch_id) == [replace(one, completed=0, failed=0), other]
    assert await shown(ledger) == (11, 4)
    # Repeated because its answer was lost: nothing is taken off twice.
    assert await ledger.jobs.put(first(0), one)
    assert await ledger.shards.commit([segment("b", 3, 0)]) == []
    assert await ledger.jobs.of(batch_id) == [one, other]
    await ledger.shards.claim(batch_id, 1)
    stale = segment("stale", 5, 0, shard=1)
    assert await ledger.shards.commit([stale]) == [stale]
    assert await ledger.jobs.of(batch_id) == [one, other]


async def test_a_commit_across_batches_and_modes(ledger: Ledger) -> None:
    await native(ledger, batch=1)
    await begun(ledger, a_shard(0, batch=2), batch=2)
    await ledger.shards.claim(a_batch(2).id, 0)
    await native(ledger, batch=3)
    for batch in (1, 3):
        assert await ledger.jobs.put(first(batch=batch), a_job(batch=batch, completed=9))
    segments = [segment("a", 4, 0, batch=batch) for batch in (3, 2, 1)]
    assert await ledger.shards.commit(segments) == []
    for batch, expected in ((1, (9, 0)), (2, (4, 0)), (3, (9, 0))):
        assert await shown(ledger, batch) == expected
    for batch in (1, 3):
        assert await ledger.jobs.of(a_batch(batch).id) == [a_job(batch=batch, completed=5)]


async def test_a_native_shard_without_a_record_commits_too(ledger: Ledger) -> None:
    await native(ledger)
    assert await ledger.shards.commit([segment("a", 2, 1)]) == []
    assert await shown(ledger) == (2, 1)


async def test_lines_that_neither_completed_nor_failed_leave_the_job_alone(ledger: Ledger) -> None:
    await native(ledger)
    record = a_job(completed=6, failed=1)
    assert await ledger.jobs.put(first(), record)
    expired = replace(a_segment(lines=3), completed=0, failed=0)
    assert await ledger.shards.commit([expired]) == []
    assert await ledger.jobs.of(a_batch().id) == [record]
    assert await shown(ledger) == (6, 1)


# ----------------------------------------------------------------------------- handing over


async def test_a_shard_is_handed_over_under_its_newest_fence(ledger: Ledger) -> None:
    batch_id = await native(ledger, shards=2)
    record = replace(FULL, completed=6, failed=3)
    assert await ledger.jobs.put(first(0), record)
    assert await ledger.jobs.put(first(1), a_job(1, completed=2))
    assert await ledger.shards.commit([segment("a", 4, 1)]) == []
    claim = await ledger.shards.claim(batch_id, 0)
    assert not await ledger.shards.hand_over(first(0))
    assert not await ledger.shards.hand_over(first(7))
    plan = await ledger.shards.plan(batch_id)
    assert [shard.mode for shard in plan] == [Mode.NATIVE] * 2
    assert await ledger.shards.hand_over(claim, because="Too few.")
    assert await ledger.shards.hand_over(claim, because="Too few.")
    told = await ledger.batches.load(batch_id)
    assert told is not None
    assert told.run_online == (RunOnline(lines=plan[0].lines - 5, reason="Too few."),)
    assert await ledger.shards.plan(batch_id) == [replace(plan[0], mode=Mode.MANAGED), plan[1]]
    assert await ledger.shards.open(batch_id) == await ledger.shards.plan(batch_id)
    # What the job reported beyond what is committed runs again, and is not shown twice.
    none = replace(record, completed=0, failed=0)
    assert await ledger.jobs.of(batch_id) == [none, a_job(1, completed=2)]
    assert await shown(ledger) == (6, 1)
    # The runner's last word on the job; its counts come too late.
    ended = replace(record, stage=JobStage.ENDED)
    assert await ledger.jobs.put(claim, ended)
    assert await ledger.jobs.of(batch_id) == [
        replace(ended, completed=0, failed=0),
        a_job(1, completed=2),
    ]
    assert await shown(ledger) == (6, 1)
    taken = await ledger.shards.claim(batch_id, 0)
    assert taken.shard.mode is Mode.MANAGED
    assert await ledger.shards.commit([segment("b", 5, 0, fence=taken.fence)]) == []
    assert await shown(ledger) == (11, 1)
    assert await ledger.shards.open(batch_id) == [plan[1]]


async def test_a_managed_shard_may_be_handed_over(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0))
    claim = await ledger.shards.claim(batch_id, 0)
    assert await ledger.shards.hand_over(claim)
    assert await ledger.shards.plan(batch_id) == [a_shard(0)]
    assert await shown(ledger) == (0, 0)


# ----------------------------------------------------------------------------- ends


@pytest.mark.parametrize("status", sorted(ROUTES))
async def test_an_end_drops_what_jobs_report(ledger: Ledger, status: S) -> None:
    batch_id = await native(ledger, shards=2)
    await native(ledger, batch=2)
    record, other = a_job(completed=5, failed=2), a_job(batch=2, completed=3)
    assert await ledger.jobs.put(first(), record)
    assert await ledger.jobs.put(first(batch=2), other)
    assert await ledger.shards.commit([segment("a", 1, 1, shard=1)]) == []
    for after in ROUTES[status]:
        assert await ledger.batches.move(batch_id, after, at=3)
    ended = status in TERMINAL
    assert await shown(ledger) == ((1, 1) if ended else (6, 3))
    late = a_job(completed=9, remote_id="late")
    assert await ledger.jobs.put(first(), late) is not ended
    assert await ledger.jobs.of(batch_id) == [record if ended else late]
    # Whatever sums the records again leaves an ended batch as it is.
    assert await ledger.shards.hand_over(first(1))
    assert await shown(ledger) == ((1, 1) if ended else (10, 1))
    assert await shown(ledger, 2) == (3, 0)


@pytest.mark.parametrize("delivered", [None, Delivered(completed=7, failed=1)])
async def test_a_finish_drops_what_jobs_report(ledger: Ledger, delivered: Delivered | None) -> None:
    batch_id = await native(ledger)
    assert await ledger.jobs.put(first(), a_job(completed=5, failed=2))
    assert await ledger.shards.commit([segment("a", 4, 2)]) == []
    assert await ledger.jobs.put(first(), a_job(completed=2, failed=2))
    assert await shown(ledger) == (6, 4)
    assert await ledger.batches.finish(
        batch_id, S.EXPIRED, at=9, output=None, error=None, delivered=delivered
    )
    assert await shown(ledger) == ((4, 2) if delivered is None else (7, 1))
    assert not await ledger.jobs.put(first(), a_job(completed=9))
    assert await shown(ledger) == ((4, 2) if delivered is None else (7, 1))


async def test_a_batch_that_the_provider_refuses_fails_with_errors(ledger: Ledger) -> None:
    batch_id = await native(ledger)
    assert await ledger.jobs.put(first(), a_job(stage=JobStage.SUBMITTED, failed=1))
    before = await ledger.batches.load(batch_id)
    assert before is not None
    errors = [BatchError(code="invalid_request", message="no such model", line=3)]
    assert await ledger.batches.move(batch_id, S.FAILED, at=8, errors=errors)
    assert await ledger.batches.load(batch_id) == replace(
        before,
        status=S.FAILED,
        failed_at=8,
        errors=tuple(errors),
        counts=RequestCounts(total=10),
    )
    assert await ledger.shards.leftovers() == [batch_id]


# ----------------------------------------------------------------------------- side by side


async def test_puts_of_many_shards_add_up(ledger: Ledger, other_ledger: Ledger) -> None:
    batch_id = await native(ledger, shards=8, lines=100)

    async def polls(one: Ledger, shard: int) -> None:
        for done in range(1, 9):
            record = a_job(shard, completed=done * 5, failed=done)
            assert await one.jobs.put(first(shard), record)

    await asyncio.gather(*(polls((ledger, other_ledger)[n % 2], n) for n in range(8)))
    assert await ledger.jobs.of(batch_id) == [a_job(n, completed=40, failed=8) for n in range(8)]
    assert await shown(ledger) == (320, 64)


async def test_puts_beside_commits_are_exact(ledger: Ledger, other_ledger: Ledger) -> None:
    """Whatever order they come in: the batch shows its commits and the sum of its records."""
    batch_id = await native(ledger, shards=4, lines=1_000)

    async def polls(one: Ledger) -> None:
        for turn in range(10):
            for shard in range(4):
                record = a_job(shard, completed=40 + turn, failed=10)
                assert await one.jobs.put(first(shard), record)

    async def commits(one: Ledger) -> None:
        for turn in range(20):
            segments = [segment(f"s{turn}", 3, 1, shard=shard) for shard in range(4)]
            assert await one.shards.commit(segments) == []

    await asyncio.gather(polls(ledger), commits(other_ledger), polls(other_ledger))
    records = await ledger.jobs.of(batch_id)
    assert await shown(ledger) == (
        4 * 20 * 3 + sum(record.completed for record in records),
        4 * 20 * 1 + sum(record.failed for record in records),
    )
    # Each was last put at 49 and 10, and lost at most what was committed.
    assert all(record.completed <= 49 and record.failed <= 10 for record in records)


async def test_of_two_runners_the_superseded_one_is_harmless(
    ledger: Ledger, other_ledger: Ledger
) -> None:
    batch_id = await native(ledger)

    async def runner(one: Ledger, name: str) -> list[str]:
        """Puts under a claim until refused, then claims anew; returns what was accepted."""
        claim = await one.shards.claim(batch_id, 0)
        accepted: list[str] = []
        for turn in range(25):
            tag = f"{claim.fence:04}-{name}{turn:02}"
            if await one.jobs.put(claim, a_job(tag=tag, completed=claim.fence % 7)):
                accepted.append(tag)
                [record] = await one.jobs.of(batch_id)
                # Never an older fence's over a newer one's.
                assert record.tag[:4] >= tag[:4]
            else:
                claim = await one.shards.claim(batch_id, 0)
        return accepted

    one, other = await asyncio.gather(runner(ledger, "a"), runner(other_ledger, "b"))
    [record] = await ledger.jobs.of(batch_id)
    assert record.tag in (*one[-1:], *other[-1:])
    assert record.tag[:4] == max(tag[:4] for tag in (*one, *other))
    assert await shown(ledger) == (record.completed, 0)


async def test_put_against_the_end_of_its_batch(ledger: Ledger, other_ledger: Ledger) -> None:
    for number in range(1, 16):
        batch_id = await native(ledger, batch=number)
        kept, ended = await asyncio.gather(
            ledger.jobs.put(first(batch=number), a_job(batch=number, completed=5)),
            other_ledger.batches.move(batch_id, S.EXPIRED, at=5),
        )
        assert ended
        record = a_job(batch=number, completed=5)
        assert await ledger.jobs.of(batch_id) == ([record] if kept else [])
        assert await shown(ledger, number) == (0, 0)


async def test_what_a_put_finds_when_its_turn_comes(postgres_url: str) -> None:
    """PostgreSQL alone lets a batch change between two statements of a put."""
    ledger = await SqlLedger.open(postgres_url)
    ended = await native(ledger, batch=1)
    running = await native(ledger, batch=2, shards=3)
    assert await ledger.jobs.put(first(2, batch=2), a_job(2, batch=2, completed=4))
    puts: list[asyncio.Task[bool]] = []
    async with await psycopg.AsyncConnection.connect(postgres_url) as holder:
        await holder.execute("UPDATE batches SET status = 'expired' WHERE id = %s", [ended])
        await holder.execute("UPDATE batches SET status_details = 'x' WHERE id = %s", [running])
        for claim in (first(batch=1), first(0, batch=2), first(1, batch=2)):
            record = a_job(claim.shard.number, batch=2 - (not puts), completed=3)
            puts.append(asyncio.create_task(ledger.jobs.put(claim, record)))
        async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while (await (await other.execute(waiting)).fetchone()) != (3,):
                assert not any(put.done() for put in puts)
            puts.append(asyncio.create_task(ledger.shards.hand_over(first(2, batch=2))))
            while (await (await other.execute(waiting)).fetchone()) != (4,):
                assert not any(put.done() for put in puts)
        await holder.commit()
    assert await asyncio.gather(*puts) == [False, True, True, True]
    assert await ledger.jobs.of(ended) == []
    assert await shown(ledger, 1) == (0, 0)
    # Each has seen the others' records, though all began before any of them was there.
    assert await shown(ledger, 2) == (6, 0)
    await ledger.close()


async def test_put_against_hand_over(ledger: Ledger, other_ledger: Ledger) -> None:
    for number in range(1, 16):
        batch_id = await native(ledger, batch=number)
        assert await asyncio.gather(
            ledger.jobs.put(first(batch=number), a_job(batch=number, completed=5)),
            other_ledger.shards.hand_over(first(batch=number)),
        ) == [True, True]
        assert await ledger.jobs.of(batch_id) == [a_job(batch=number)]
        assert await shown(ledger, number) == (0, 0)
