"""`ports.Shards` over every database: plans, fences and commits."""

import asyncio
from dataclasses import replace

import pytest
from tests.contract.ledger_values import USAGE, a_batch, a_segment, a_shard, begun

from batchway.domain.batch import RequestCounts, Usage
from batchway.domain.errors import Conflict
from batchway.domain.shard import Claim, Mode, Segment, Shard
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Ledger

S = BatchStatus


async def counts(ledger: Ledger, batch: int = 1) -> tuple[RequestCounts, Usage]:
    found = await ledger.batches.load(a_batch(batch).id)
    assert found is not None
    return found.counts, found.usage


def tally(total: int, *segments: Segment) -> tuple[RequestCounts, Usage]:
    return (
        RequestCounts(
            total=total,
            completed=sum(segment.completed for segment in segments),
            failed=sum(segment.failed for segment in segments),
        ),
        sum((segment.usage for segment in segments), Usage()),
    )


async def test_a_plan_comes_back_in_order_as_it_went_in(ledger: Ledger) -> None:
    shards = [
        a_shard(0),
        a_shard(1, mode=Mode.NATIVE, group="route fast", models=("b", "a"), start=2**41),
        a_shard(2, models=()),
        a_shard(12, members=bytes(range(256)) * 200),
        *(a_shard(number) for number in range(3, 12)),
    ]
    shards.sort(key=lambda shard: shard.number)
    batch_id = await begun(ledger, *reversed(shards))
    await begun(ledger, a_shard(0, batch=2), batch=2)
    assert await ledger.shards.plan(batch_id) == shards
    assert await ledger.shards.open(batch_id) == shards
    assert await ledger.shards.plan("batch_unknown") == []


async def test_each_claim_grows_the_fence(ledger: Ledger) -> None:
    shard = a_shard(1)
    batch_id = await begun(ledger, a_shard(0), shard)
    for fence in (1, 2, 3):
        assert await ledger.shards.claim(batch_id, 1) == Claim(shard=shard, fence=fence)
    assert await ledger.shards.claim(batch_id, 0) == Claim(shard=a_shard(0), fence=1)


async def test_a_shard_that_is_not_there_cannot_be_claimed(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0))
    with pytest.raises(Conflict):
        await ledger.shards.claim(batch_id, 1)
    await ledger.shards.forget(batch_id)
    with pytest.raises(Conflict):
        await ledger.shards.claim(batch_id, 0)


async def test_a_commit_keeps_segments_and_counts_them(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0), a_shard(1))
    for number in (0, 1):
        await ledger.shards.claim(batch_id, number)
    first = [a_segment("z"), a_segment("a", shard=1, lines=10, failed=10)]
    assert await ledger.shards.commit(first) == []
    assert await counts(ledger) == tally(20, *first)
    assert await ledger.shards.open(batch_id) == [a_shard(0)]
    second = [a_segment("b", lines=4), a_segment("a", lines=3)]
    assert await ledger.shards.commit(second) == []
    assert await counts(ledger) == tally(20, *first, *second)
    assert await ledger.shards.open(batch_id) == []
    assert await ledger.shards.plan(batch_id) == [a_shard(0), a_shard(1)]
    assert await ledger.shards.segments(batch_id, 0) == [first[0], *second]
    assert await ledger.shards.segments(batch_id, 1) == [first[1]]
    assert await ledger.shards.segments(batch_id, 2) == []
    assert await ledger.shards.commit([]) == []


async def test_lines_that_neither_completed_nor_failed_are_done_too(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0))
    await ledger.shards.claim(batch_id, 0)
    expired = replace(a_segment(lines=10), completed=0, failed=0, usage=Usage())
    assert await ledger.shards.commit([expired]) == []
    assert await counts(ledger) == (RequestCounts(total=10), Usage())
    assert await ledger.shards.open(batch_id) == []


async def test_a_commit_spans_batches(ledger: Ledger) -> None:
    await begun(ledger, a_shard(0, batch=2), batch=2)
    await begun(ledger, a_shard(0))
    for number in (1, 2):
        await ledger.shards.claim(a_batch(number).id, 0)
    segments = [a_segment(batch=2), a_segment(batch=1), a_segment("b", batch=2)]
    assert await ledger.shards.commit(segments) == []
    assert await counts(ledger, 1) == tally(10, segments[1])
    assert await counts(ledger, 2) == tally(10, segments[0], segments[2])


async def test_a_superseded_claim_is_harmless(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0))
    old = await ledger.shards.claim(batch_id, 0)
    assert await ledger.shards.commit([a_segment("before", fence=old.fence)]) == []
    new = await ledger.shards.claim(batch_id, 0)
    stale = a_segment("stale", fence=old.fence)
    assert await ledger.shards.commit([stale]) == [stale]
    future = a_segment("future", fence=new.fence + 1)
    assert await ledger.shards.commit([future]) == [future]
    fresh = a_segment("fresh", fence=new.fence)
    assert await ledger.shards.commit([fresh]) == []
    kept = [a_segment("before", fence=old.fence), fresh]
    assert await ledger.shards.segments(batch_id, 0) == kept
    assert await counts(ledger) == tally(10, *kept)


async def test_a_mixed_commit_takes_the_newest_only(ledger: Ledger) -> None:
    batch_id = await begun(ledger, *(a_shard(number) for number in range(3)))
    for number in range(3):
        await ledger.shards.claim(batch_id, number)
    await ledger.shards.claim(batch_id, 1)
    mixed = [
        a_segment(shard=1, fence=1),
        a_segment(shard=0, fence=1),
        a_segment("unknown", shard=7, fence=1),
        a_segment("b", shard=1, fence=2),
        a_segment("c", shard=1, fence=1),
        a_segment("other", batch=9),
    ]
    assert await ledger.shards.commit(mixed) == [mixed[0], mixed[2], mixed[4], mixed[5]]
    assert await ledger.shards.segments(batch_id, 0) == [mixed[1]]
    assert await ledger.shards.segments(batch_id, 1) == [mixed[3]]
    assert await counts(ledger) == tally(30, mixed[1], mixed[3])


@pytest.mark.parametrize(
    "too_many",
    [
        [a_segment("b", lines=8)],
        [a_segment("b", lines=4), a_segment("c", lines=4)],
        [a_segment("b", lines=1), a_segment("c", shard=1, lines=11)],
    ],
)
async def test_more_lines_than_the_shard_has_are_duplicates(
    ledger: Ledger, too_many: list[Segment]
) -> None:
    batch_id = await begun(ledger, a_shard(0), a_shard(1))
    for number in (0, 1):
        await ledger.shards.claim(batch_id, number)
    first = a_segment("a", lines=3)
    assert await ledger.shards.commit([first]) == []
    with pytest.raises(Conflict, match="duplicates"):
        await ledger.shards.commit(too_many)
    assert await ledger.shards.segments(batch_id, 0) == [first]
    assert await ledger.shards.segments(batch_id, 1) == []
    assert await counts(ledger) == tally(20, first)
    assert await ledger.shards.commit([a_segment("d", lines=7)]) == []


async def test_a_commit_that_was_not_answered_can_be_repeated(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0), a_shard(1))
    for number in (0, 1):
        await ledger.shards.claim(batch_id, number)
    first, second = a_segment("a"), a_segment("b", shard=1)
    assert await ledger.shards.commit([first]) == []
    assert await ledger.shards.commit([first, second]) == []
    # Not refused either when the shard has been taken over since: it is in, and its blob is read.
    await ledger.shards.claim(batch_id, 0)
    assert await ledger.shards.commit([first]) == []
    assert await ledger.shards.segments(batch_id, 0) == [first]
    assert await counts(ledger) == tally(20, first, second)


async def test_a_retracted_segment_makes_its_lines_open_again(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0), a_shard(1))
    for number in (0, 1):
        await ledger.shards.claim(batch_id, number)
    lost, kept = a_segment("a", lines=6, failed=2), a_segment("b", lines=4)
    other = a_segment("a", shard=1, lines=10)
    assert await ledger.shards.commit([lost, kept, other]) == []
    assert await ledger.shards.retract(lost)
    assert not await ledger.shards.retract(lost)
    assert await ledger.shards.open(batch_id) == [a_shard(0)]
    assert await ledger.shards.segments(batch_id, 0) == [kept]
    now, used = await counts(ledger)
    assert now == tally(20, kept, other)[0]
    assert used == tally(20, lost, kept, other)[1]
    assert await ledger.shards.commit([a_segment("c", lines=6, failed=0)]) == []
    assert await ledger.shards.open(batch_id) == []
    assert (await counts(ledger))[0] == RequestCounts(total=20, completed=18, failed=2)


async def test_nothing_is_retracted_unless_the_batch_runs(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0))
    await ledger.shards.claim(batch_id, 0)
    segment = a_segment("a", lines=10)
    assert await ledger.shards.commit([segment]) == []
    assert await ledger.batches.move(batch_id, S.FINALIZING, at=1_002)
    assert not await ledger.shards.retract(segment)
    assert await ledger.shards.open(batch_id) == []
    assert await ledger.shards.segments(batch_id, 0) == [segment]
    assert await counts(ledger) == tally(10, segment)


async def test_one_blob_twice_in_a_commit_is_a_mistake(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0))
    await ledger.shards.claim(batch_id, 0)
    with pytest.raises(Conflict):
        await ledger.shards.commit([a_segment(), a_segment()])
    assert await ledger.shards.segments(batch_id, 0) == []
    assert await counts(ledger) == tally(10)


@pytest.mark.parametrize("status", list(BatchStatus))
async def test_an_ended_batch_takes_no_more_results(ledger: Ledger, status: S) -> None:
    batch_id = await begun(ledger, a_shard(0))
    await begun(ledger, a_shard(0, batch=2), batch=2)
    for number in (1, 2):
        await ledger.shards.claim(a_batch(number).id, 0)
    route = {
        S.FINALIZING: [S.FINALIZING],
        S.COMPLETED: [S.FINALIZING, S.COMPLETED],
        S.EXPIRED: [S.EXPIRED],
        S.CANCELLING: [S.CANCELLING],
        S.CANCELLED: [S.CANCELLING, S.CANCELLED],
    }.get(status, [])
    for after in route:
        assert await ledger.batches.move(batch_id, after, at=3)
    segments = [a_segment(), a_segment(batch=2)]
    ended = bool(route) and status in TERMINAL
    assert await ledger.shards.commit(segments) == (segments[:1] if ended else [])
    assert await counts(ledger) == tally(10, *([] if ended else segments[:1]))
    assert await counts(ledger, 2) == tally(10, segments[1])


async def test_forgetting_and_leftovers(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        await begun(ledger, a_shard(0, batch=number), a_shard(1, batch=number), batch=number)
        await ledger.shards.claim(a_batch(number).id, 0)
        assert await ledger.shards.commit([a_segment(batch=number)]) == []
    assert await ledger.shards.leftovers() == []
    for number in (1, 3):
        assert await ledger.batches.move(a_batch(number).id, S.EXPIRED, at=9)
    assert await ledger.shards.leftovers() == [a_batch(1).id, a_batch(3).id]
    before = await ledger.batches.load(a_batch(1).id)
    await ledger.shards.forget(a_batch(1).id)
    assert await ledger.shards.leftovers() == [a_batch(3).id]
    assert await ledger.shards.plan(a_batch(1).id) == []
    assert await ledger.shards.segments(a_batch(1).id, 0) == []
    assert await ledger.batches.load(a_batch(1).id) == before
    late = a_segment("late")
    assert await ledger.shards.commit([late]) == [late]
    await ledger.shards.forget(a_batch(1).id)
    assert len(await ledger.shards.plan(a_batch(2).id)) == 2
    assert len(await ledger.shards.segments(a_batch(2).id, 0)) == 1


async def test_a_large_plan_and_a_large_commit(ledger: Ledger) -> None:
    shards = [a_shard(number) for number in range(2_000)]
    batch_id = await begun(ledger, *shards)
    for number in range(60):
        await ledger.shards.claim(batch_id, number)
    segments = [a_segment(shard=number) for number in range(60)]
    assert await ledger.shards.commit(segments) == []
    assert await counts(ledger) == tally(20_000, *segments)
    assert await ledger.shards.open(batch_id) == shards


async def test_commits_of_two_ledgers_to_the_same_batches_add_up(
    ledger: Ledger, other_ledger: Ledger
) -> None:
    for number in (1, 2):
        await begun(ledger, *(a_shard(n, batch=number, lines=40) for n in (0, 1)), batch=number)
        for shard in (0, 1):
            await ledger.shards.claim(a_batch(number).id, shard)

    async def commits(one: Ledger, name: str, *, reverse: bool) -> None:
        for turn in range(10):
            pairs = sorted(((b, s) for b in (1, 2) for s in (0, 1)), reverse=reverse)
            segments = [a_segment(f"{name}{turn}", s, batch=b, lines=2) for b, s in pairs]
            assert await one.shards.commit(segments) == []

    # In opposite orders: they would deadlock if rows were locked as they come.
    await asyncio.gather(
        commits(ledger, "a", reverse=False), commits(other_ledger, "b", reverse=True)
    )
    for number in (1, 2):
        found, usage = await counts(ledger, number)
        assert found == RequestCounts(total=80, completed=40, failed=40)
        assert usage.input_tokens == 40 * USAGE.input_tokens
        assert await ledger.shards.open(a_batch(number).id) == []


async def test_a_takeover_beside_commits_never_lets_a_stale_one_in(
    ledger: Ledger, other_ledger: Ledger
) -> None:
    batch_id = await begun(ledger, a_shard(0, lines=1_000))
    claim = await ledger.shards.claim(batch_id, 0)
    shard: Shard = claim.shard

    async def runner(one: Ledger, name: str) -> list[Segment]:
        """Commits under a claim until refused, then claims anew; returns what went in."""
        fence = (await one.shards.claim(batch_id, shard.number)).fence
        inside: list[Segment] = []
        for turn in range(25):
            segment = a_segment(f"{name}{turn}", fence=fence)
            if await one.shards.commit([segment]):
                fence = (await one.shards.claim(batch_id, shard.number)).fence
            else:
                inside.append(segment)
        return inside

    inside = await asyncio.gather(runner(ledger, "a"), runner(other_ledger, "b"))
    kept = await ledger.shards.segments(batch_id, 0)
    assert sorted(kept, key=repr) == sorted([*inside[0], *inside[1]], key=repr)
    # Fences only grow along the order of commit: nothing stale came after something newer.
    assert [segment.fence for segment in kept] == sorted(segment.fence for segment in kept)
    assert await counts(ledger) == tally(1_000, *kept)


async def test_commit_against_the_end_of_its_batch(ledger: Ledger, other_ledger: Ledger) -> None:
    for number in range(1, 16):
        batch_id = await begun(ledger, a_shard(0, batch=number), batch=number)
        await ledger.shards.claim(batch_id, 0)
        segment = a_segment(batch=number)
        refused, ended = await asyncio.gather(
            ledger.shards.commit([segment]), other_ledger.batches.move(batch_id, S.EXPIRED, at=5)
        )
        assert ended
        kept = [] if refused else [segment]
        assert await ledger.shards.segments(batch_id, 0) == kept
        assert await counts(ledger, number) == tally(10, *kept)


async def test_commit_against_forget(ledger: Ledger, other_ledger: Ledger) -> None:
    for number in range(1, 16):
        batch_id = await begun(ledger, a_shard(0, batch=number), batch=number)
        await ledger.shards.claim(batch_id, 0)
        await asyncio.gather(
            ledger.shards.commit([a_segment(batch=number)]), other_ledger.shards.forget(batch_id)
        )
        assert await ledger.shards.plan(batch_id) == []
        assert await ledger.shards.segments(batch_id, 0) == []
