"""`ports.ShortBatches` over every database: three commits, each shared, each with its outcome."""

import asyncio
from dataclasses import replace

import pytest
from tests.contract.ledger_values import (
    USAGE,
    a_batch,
    a_file,
    a_group,
    a_segment,
    a_shard,
    begun,
)

from batchway.domain.batch import RequestCounts
from batchway.domain.errors import Conflict
from batchway.domain.run_online import RunOnline
from batchway.domain.shard import Claim
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Begun, Completed, Delivered, Finished, Ledger

S = BatchStatus
ONLINE = RunOnline(lines=10, reason="No jobs.")


def a_begin(batch: int = 1) -> Begun:
    return Begun(
        shard=a_shard(batch=batch),
        group=a_group(),
        at=1_001,
        model="m",
        providers=("vllm", "b", "vllm"),
        warnings={"seed": 10},
        run_online=(ONLINE,),
    )


def a_finish(batch: int = 1, *, fence: int = 1) -> Finished:
    number = batch * 10
    return Finished(
        claim=Claim(shard=a_shard(batch=batch), fence=fence),
        at=1_002,
        output=a_file(number),
        error=a_file(number + 1),
        delivered=Delivered(completed=7, failed=3),
        usage=USAGE,
    )


async def test_a_short_batch_from_begin_to_finish(ledger: Ledger) -> None:
    batch = a_batch()
    await ledger.batches.add(batch)
    claim = await ledger.short.begin(a_begin())
    assert claim == Claim(shard=a_shard(), fence=1)
    running = replace(
        batch,
        status=S.IN_PROGRESS,
        in_progress_at=1_001,
        model="m",
        counts=RequestCounts(total=10),
        providers=("b", "vllm"),
        warnings={"seed": 10},
        run_online=(ONLINE,),
    )
    assert await ledger.batches.load(batch.id) == running
    assert await ledger.shards.open(batch.id) == [a_shard()]
    assert await ledger.shards.groups(batch.id) == [a_group()]
    finish = a_finish()
    assert await ledger.short.finish(finish) == Completed(input_named=False)
    assert await ledger.batches.load(batch.id) == replace(
        running,
        status=S.COMPLETED,
        finalizing_at=1_002,
        completed_at=1_002,
        output_file_id=a_file(10).id,
        error_file_id=a_file(11).id,
        counts=RequestCounts(total=10, completed=7, failed=3),
        usage=USAGE,
    )
    assert await ledger.shards.plan(batch.id) == []
    assert await ledger.shards.groups(batch.id) == []
    assert await ledger.files.get("blue", a_file(10).id) == a_file(10)
    assert await ledger.files.get("blue", a_file(11).id) == a_file(11)
    assert not await ledger.short.finish(finish)  # whose answer was lost


@pytest.mark.parametrize("status", [s for s in S if s is not S.VALIDATING])
async def test_only_a_batch_in_validation_begins(ledger: Ledger, status: BatchStatus) -> None:
    batch = await ledger.batches.add(a_batch(status=status))
    assert await ledger.short.begin(a_begin()) is None
    assert await ledger.batches.load(batch.id) == batch
    assert await ledger.shards.plan(batch.id) == []


@pytest.mark.parametrize("status", [S.CANCELLING, S.FINALIZING, *sorted(TERMINAL)])
async def test_a_batch_that_moved_on_does_not_finish(ledger: Ledger, status: BatchStatus) -> None:
    batch_id = await begun(ledger, a_shard())
    await ledger.shards.claim(batch_id, 0)
    if status is S.COMPLETED:
        await ledger.batches.move(batch_id, S.FINALIZING, at=1_001)
    if status is S.CANCELLED:
        await ledger.batches.move(batch_id, S.CANCELLING, at=1_001)
    assert await ledger.batches.move(batch_id, status, at=1_001)
    before = await ledger.batches.load(batch_id)
    assert not await ledger.short.finish(a_finish())
    assert await ledger.batches.load(batch_id) == before
    assert await ledger.shards.plan(batch_id) == [a_shard()]
    assert await ledger.files.get("blue", a_file(10).id) is None


async def test_a_finish_tells_whether_a_file_still_names_the_input(ledger: Ledger) -> None:
    blob = a_batch().input_blob
    assert blob is not None
    await ledger.files.add(replace(a_file(90), blob=blob))
    await ledger.files.add(replace(a_file(91), blob="files/another"))
    for number in (1, 2):
        await ledger.batches.add(a_batch(number, input_blob=blob))
        await ledger.short.begin(a_begin(number))
    assert await ledger.short.finish(a_finish(1)) == Completed(input_named=True)
    assert await ledger.files.remove("blue", a_file(90).id) is not None
    assert await ledger.short.finish(a_finish(2)) == Completed(input_named=False)


async def test_an_overtaken_claim_does_not_finish(ledger: Ledger) -> None:
    await ledger.batches.add(a_batch())
    await ledger.short.begin(a_begin())
    newer = await ledger.shards.claim(a_batch().id, 0)
    assert newer.fence == 2
    assert not await ledger.short.finish(a_finish())
    assert await ledger.shards.commit([a_segment(fence=1)]) == [a_segment(fence=1)]
    assert await ledger.short.finish(a_finish(fence=2))


async def test_a_batch_with_a_committed_segment_does_not_finish_so(ledger: Ledger) -> None:
    await ledger.batches.add(a_batch())
    await ledger.short.begin(a_begin())
    await ledger.shards.commit([a_segment()])
    assert not await ledger.short.finish(a_finish())
    found = await ledger.batches.load(a_batch().id)
    assert found is not None
    assert found.counts == RequestCounts(total=10, completed=2, failed=1)


async def test_what_arrives_together_has_an_outcome_each(ledger: Ledger) -> None:
    """One begin that comes too late, one create whose id is taken, one finish of a cancelled."""
    for number in range(1, 31):
        await ledger.batches.add(a_batch(number))
    for number in range(1, 11):
        await ledger.short.begin(a_begin(number))
    await ledger.batches.move(a_batch(5).id, S.CANCELLING, at=1_001)
    await ledger.batches.move(a_batch(15).id, S.CANCELLING, at=1_001)
    finishes = [ledger.short.finish(a_finish(number)) for number in range(1, 11)]
    begins = [ledger.short.begin(a_begin(number)) for number in range(11, 21)]
    adds = [ledger.batches.add(a_batch(number)) for number in range(25, 41)]
    outcomes = await asyncio.gather(*finishes, *begins, *adds, return_exceptions=True)
    assert [end is not None for end in outcomes[:10]] == [n != 5 for n in range(1, 11)]
    assert [begin is not None for begin in outcomes[10:20]] == [n != 15 for n in range(11, 21)]
    assert [isinstance(added, Conflict) for added in outcomes[20:]] == [
        n <= 30 for n in range(25, 41)
    ]
    statuses = await ledger.batches.statuses([a_batch(number).id for number in range(1, 41)])
    assert [statuses[a_batch(number).id] for number in (1, 5, 11, 15, 31, 40)] == [
        S.COMPLETED,
        S.CANCELLING,
        S.IN_PROGRESS,
        S.CANCELLING,
        S.VALIDATING,
        S.VALIDATING,
    ]


async def test_two_processes_write_in_groups_side_by_side(
    ledger: Ledger, other_ledger: Ledger
) -> None:
    async def create(into: Ledger, numbers: range) -> None:
        await asyncio.gather(*(into.batches.add(a_batch(number)) for number in numbers))

    await asyncio.gather(create(ledger, range(1, 201)), create(other_ledger, range(201, 401)))
    begins = [
        (ledger if number % 2 else other_ledger).short.begin(a_begin(number % 400 + 1))
        for number in range(800)
    ]
    claims = await asyncio.gather(*begins)
    assert sum(claim is not None for claim in claims) == 400  # each by one of the two


async def test_those_who_wait_take_turns_by_tenant_and_then_by_deadline(ledger: Ledger) -> None:
    batches = [
        a_batch(1, tenant="blue", deadline=300),
        a_batch(2, tenant="blue", deadline=200),
        a_batch(3, tenant="blue", deadline=200),
        a_batch(4, tenant="blue", deadline=100, status=S.COMPLETED),
        a_batch(5, tenant="red", deadline=900),
        a_batch(6, tenant="red", deadline=900, status=S.CANCELLING),
        a_batch(7, tenant="green", deadline=50, status=S.IN_PROGRESS),
    ]
    for batch in batches:
        await ledger.batches.add(batch)
    order = [batches[at - 1] for at in (7, 2, 5, 3, 6, 1)]
    assert await ledger.short.waiting(100) == order
    assert await ledger.short.waiting(3) == order[:3]
