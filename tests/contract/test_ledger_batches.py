"""`ports.Batches` over every database: values, lists, and every (status, event) pair."""

from dataclasses import replace

import pytest
from tests.contract.ledger_values import USAGE, a_batch, a_file, a_shard, begun

from batchway.domain.batch import Batch, BatchError, BatchOptions, RequestCounts
from batchway.domain.errors import Conflict
from batchway.domain.overrides import Overrides
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.run_online import RunOnline
from batchway.domain.status import TERMINAL, TIMESTAMP, BatchStatus, may_move
from batchway.ports import Delivered, Ledger, Page

S = BatchStatus
EVERY = list(BatchStatus)
ERRORS = (
    BatchError(code="invalid_json_line", message="This line is not JSON.", line=7),
    BatchError(code="empty_file", message="Nothing – 空.", param="input_file_id"),
)
FULL = a_batch(
    status=S.FAILED,
    input_blob=None,
    model="m",
    output_file_id="file-o",
    error_file_id="file-e",
    in_progress_at=1,
    finalizing_at=2,
    completed_at=3,
    failed_at=4,
    expired_at=5,
    cancelling_at=6,
    cancelled_at=7,
    counts=RequestCounts(total=30, completed=20, failed=10),
    usage=USAGE,
    errors=ERRORS,
    metadata={"team": "a", "note": "ü 文 \u0000 \"'"},
    output_expires_after=3_600,
    options=BatchOptions(
        provider="openai-main",
        job_name="nightly",
        tfy_metadata={"k": "v"},
        overrides=Overrides(vertex_region="eu"),
        allowed_providers=frozenset({"openai-main", "vllm"}),
    ),
    status_details="waits for vllm",
)


@pytest.mark.parametrize(
    "batch",
    [
        a_batch(),
        FULL,
        a_batch(metadata={}, errors=(), options=BatchOptions(allowed_providers=frozenset())),
        a_batch(usage=replace(USAGE, input_tokens=2**40), options=BatchOptions(tfy_metadata={})),
    ],
)
async def test_a_batch_comes_back_as_it_went_in(ledger: Ledger, batch: Batch) -> None:
    assert await ledger.batches.add(batch) == batch
    found = await ledger.batches.get("blue", batch.id)
    assert found == batch
    assert await ledger.batches.load(batch.id) == batch


async def test_the_same_id_twice_is_a_conflict(ledger: Ledger) -> None:
    await ledger.batches.add(a_batch())
    with pytest.raises(Conflict):
        await ledger.batches.add(a_batch(tenant="red"))


async def test_a_foreign_batch_answers_as_an_unknown_one(ledger: Ledger) -> None:
    batch = await ledger.batches.add(a_batch())
    assert await ledger.batches.get("red", batch.id) is None
    assert await ledger.batches.get("blue", "batch_unknown") is None
    assert await ledger.batches.load("batch_unknown") is None
    assert await ledger.batches.page("red", limit=5, after=batch.id) is None
    assert await ledger.batches.page("red", limit=5, after=None) == Page(items=(), more=False)


async def test_pages_are_newest_first_though_times_are_equal(ledger: Ledger) -> None:
    added: list[Batch] = []
    for number in (5, 3, 9, 1, 7):
        added.append(await ledger.batches.add(a_batch(number)))
        await ledger.batches.add(a_batch(number + 100, tenant="red"))
    newest = tuple(added[::-1])
    page = await ledger.batches.page("blue", limit=2, after=None)
    assert page == Page(items=newest[:2], more=True)
    page = await ledger.batches.page("blue", limit=2, after=newest[1].id)
    assert page == Page(items=newest[2:4], more=True)
    page = await ledger.batches.page("blue", limit=1, after=newest[3].id)
    assert page == Page(items=newest[4:], more=False)
    page = await ledger.batches.page("blue", limit=2, after=newest[4].id)
    assert page == Page(items=(), more=False)
    assert await ledger.batches.page("blue", limit=2, after="batch_unknown") is None


async def test_unfinished_are_oldest_deadline_first(ledger: Ledger) -> None:
    for number, status in enumerate(EVERY):
        await ledger.batches.add(a_batch(number, status=status, deadline=100 - number))
    expected = [a_batch(n).id for n, status in enumerate(EVERY) if status not in TERMINAL]
    assert await ledger.batches.unfinished() == expected[::-1]


async def test_statuses_of_many(ledger: Ledger) -> None:
    for number, status in enumerate(EVERY):
        await ledger.batches.add(a_batch(number, status=status))
    ids = [a_batch(number).id for number in range(2_500)]
    assert await ledger.batches.statuses(ids) == dict(zip(ids, EVERY, strict=False))
    assert await ledger.batches.statuses([]) == {}


@pytest.mark.parametrize("before", EVERY)
async def test_every_move_from(ledger: Ledger, before: S) -> None:
    for number, after in enumerate(EVERY):
        batch = await ledger.batches.add(a_batch(number, status=before))
        made = await ledger.batches.move(batch.id, after, at=1_234)
        assert made is may_move(before, after), (before, after)
        moved = replace(batch, status=after, **{TIMESTAMP[after]: 1_234}) if made else batch
        assert await ledger.batches.load(batch.id) == moved
        # The same event again finds its own trace and does nothing.
        assert not await ledger.batches.move(batch.id, after, at=9_999)
        assert await ledger.batches.load(batch.id) == moved


@pytest.mark.parametrize("before", EVERY)
async def test_every_begin_from(ledger: Ledger, before: S) -> None:
    batch = await ledger.batches.add(a_batch(status=before))
    shards = [
        a_shard(0, lines=7, models=("a", "b")),
        a_shard(1, lines=5),
    ]
    warnings = {"seed": 12, "ü'\"": 1}
    online = (RunOnline(lines=3, reason="No jobs."), RunOnline(lines=1, reason="ü'\""))
    begun = await ledger.batches.begin(
        batch.id, at=5, model="m", shards=shards, warnings=warnings, run_online=online
    )
    assert begun is (before is S.VALIDATING)
    expected = replace(
        batch,
        status=S.IN_PROGRESS,
        in_progress_at=5,
        model="m",
        counts=RequestCounts(total=12),
        warnings=warnings,
        run_online=online,
    )
    assert await ledger.batches.load(batch.id) == (expected if begun else batch)
    assert await ledger.shards.plan(batch.id) == (shards if begun else [])
    assert not await ledger.batches.begin(batch.id, at=6, model="n", shards=shards)
    assert await ledger.shards.plan(batch.id) == (shards if begun else [])


async def test_a_begin_that_fails_leaves_nothing(ledger: Ledger) -> None:
    batch = await ledger.batches.add(a_batch())
    with pytest.raises(Conflict):
        await ledger.batches.begin(batch.id, at=5, model="m", shards=[a_shard(0), a_shard(0)])
    assert await ledger.batches.load(batch.id) == batch
    assert await ledger.shards.plan(batch.id) == []


@pytest.mark.parametrize("after", sorted(TERMINAL))
@pytest.mark.parametrize("before", EVERY)
async def test_every_finish_from(ledger: Ledger, before: S, after: S) -> None:
    batch = await ledger.batches.add(a_batch(status=before))
    output, error = a_file(1), a_file(2)
    made = await ledger.batches.finish(batch.id, after, at=9, output=output, error=error)
    assert made is may_move(before, after)
    names = {"output_file_id": output.id, "error_file_id": error.id, TIMESTAMP[after]: 9}
    ended = replace(batch, status=after, **names) if made else batch
    assert await ledger.batches.load(batch.id) == ended
    for file in (output, error):
        assert await ledger.files.get("blue", file.id) == (file if made else None)
    again = await ledger.batches.finish(batch.id, after, at=10, output=a_file(3), error=None)
    assert not again
    assert await ledger.batches.load(batch.id) == ended
    assert await ledger.files.get("blue", a_file(3).id) is None


async def test_a_finish_without_files(ledger: Ledger) -> None:
    batch = await ledger.batches.add(a_batch(status=S.FINALIZING))
    assert await ledger.batches.finish(batch.id, S.COMPLETED, at=9, output=None, error=None)
    expected = replace(batch, status=S.COMPLETED, completed_at=9)
    assert await ledger.batches.load(batch.id) == expected


async def test_a_finish_may_say_what_was_delivered(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard(0))
    error = BatchError(code="input_lost", message="2 of them.", param="input_file_id")
    assert await ledger.batches.finish(
        batch_id,
        S.EXPIRED,
        at=1_002,
        output=None,
        error=None,
        delivered=Delivered(completed=5, failed=3),
        errors=[error],
    )
    found = await ledger.batches.load(batch_id)
    assert found is not None
    assert found.counts == RequestCounts(total=10, completed=5, failed=3)
    assert found.errors == (error,)


async def test_a_finish_whose_file_cannot_be_kept_leaves_the_batch(ledger: Ledger) -> None:
    batch = await ledger.batches.add(a_batch(status=S.FINALIZING))
    await ledger.files.add(a_file(2))
    with pytest.raises(Conflict):
        await ledger.batches.finish(
            batch.id, S.COMPLETED, at=9, output=a_file(1), error=a_file(2, bytes=12)
        )
    assert await ledger.batches.load(batch.id) == batch
    assert await ledger.files.get("blue", a_file(1).id) is None


@pytest.mark.parametrize("after", sorted(set(EVERY) - TERMINAL))
async def test_a_finish_must_end_the_batch(ledger: Ledger, after: S) -> None:
    batch = await ledger.batches.add(a_batch(status=S.IN_PROGRESS))
    with pytest.raises(ValueError, match="does not end"):
        await ledger.batches.finish(batch.id, after, at=9, output=None, error=None)


async def test_before_narrows_and_never_widens(ledger: Ledger) -> None:
    batch = await ledger.batches.add(a_batch(status=S.IN_PROGRESS))
    move = ledger.batches.move
    assert not await move(batch.id, S.EXPIRED, at=1, before=frozenset({S.VALIDATING}))
    assert not await move(batch.id, S.EXPIRED, at=1, before=frozenset())
    assert not await move(batch.id, S.COMPLETED, at=1, before=frozenset({S.IN_PROGRESS}))
    assert await ledger.batches.load(batch.id) == batch
    assert await move(batch.id, S.EXPIRED, at=1, before=frozenset({S.VALIDATING, S.IN_PROGRESS}))


async def test_a_move_sets_errors_and_an_unknown_batch_has_none(ledger: Ledger) -> None:
    batch = await ledger.batches.add(a_batch())
    assert await ledger.batches.move(batch.id, S.FAILED, at=4, errors=ERRORS)
    expected = replace(batch, status=S.FAILED, failed_at=4, errors=ERRORS)
    assert await ledger.batches.load(batch.id) == expected
    assert not await ledger.batches.move("batch_unknown", S.FAILED, at=4, errors=ERRORS)


async def test_a_lost_move_does_not_set_errors(ledger: Ledger) -> None:
    batch = await ledger.batches.add(a_batch(status=S.CANCELLED))
    assert not await ledger.batches.move(batch.id, S.FAILED, at=4, errors=ERRORS)
    assert await ledger.batches.load(batch.id) == batch


async def test_describe(ledger: Ledger) -> None:
    batch = await ledger.batches.add(a_batch())
    slot = Reason(kind=ReasonKind.CAPACITY, sentence="waits for a slot")
    await ledger.batches.describe(batch.id, [slot])
    found = await ledger.batches.load(batch.id)
    assert found == replace(batch, status_details="waits for a slot", waited_for=slot)
    await ledger.batches.describe(batch.id, [])
    assert await ledger.batches.load(batch.id) == replace(batch, waited_for=slot)
    await ledger.batches.describe("batch_unknown", [slot])


async def test_what_is_kept_of_reasons_promises_nothing(ledger: Ledger) -> None:
    batch = await ledger.batches.add(a_batch())
    full = Reason(kind=ReasonKind.CAPACITY, sentence="It is full.", promise="It goes on.")
    key = Reason(kind=ReasonKind.ACCOUNT, sentence="The key is wrong.", promise="it goes on.")
    await ledger.batches.describe(batch.id, [full, key])
    found = await ledger.batches.load(batch.id)
    assert found is not None
    assert found == replace(
        batch,
        status_details="It is full. It goes on. The key is wrong; it goes on.",
        waited_for=Reason(kind=ReasonKind.ACCOUNT, sentence="It is full. The key is wrong."),
    )
    assert found.status_reason is ReasonKind.ACCOUNT
    await ledger.batches.describe(batch.id, [])
    found = await ledger.batches.load(batch.id)
    assert found is not None
    assert found.status_reason is None


async def test_a_reason_survives_being_added(ledger: Ledger) -> None:
    full = Reason(kind=ReasonKind.CAPACITY, sentence="It is full.")
    batch = await ledger.batches.add(a_batch(status_details="It is full.", waited_for=full))
    assert await ledger.batches.load(batch.id) == batch
