"""Groups in every database: written when a batch begins, read by its runs, gone with its plan."""

from tests.contract.ledger_values import a_batch, a_group, a_shard, begun

from batchway.domain.group import GroupTarget
from batchway.domain.remote import NativeTraits
from batchway.domain.shard import Mode
from batchway.domain.status import BatchStatus
from batchway.ports import Ledger

S = BatchStatus
ROUTE = a_group(
    "route fast",
    primaries=(
        GroupTarget(provider="a", model="m", weight=9),
        GroupTarget(provider="b", model=None),
    ),
    fallbacks=(GroupTarget(provider="c", model="ü/'\"x"),),
)
NATIVE = a_group(
    "openai/m",
    mode=Mode.NATIVE,
    primaries=(GroupTarget(provider="openai", model="m"),),
    traits=NativeTraits(
        endpoints=frozenset({"/v1/embeddings", "/v1/chat/completions"}),
        max_lines=7,
        max_bytes=8,
        windows=(3_600, 86_400),
        enqueued_tokens=5,
        min_lines=2,
    ),
    rescue=True,
)


async def test_groups_come_back_by_name_as_they_went_in(ledger: Ledger) -> None:
    await ledger.batches.add(a_batch())
    begins = await ledger.batches.begin(
        a_batch().id, at=1_001, model=None, shards=[a_shard()], groups=[ROUTE, a_group(), NATIVE]
    )
    assert begins
    assert await ledger.shards.groups(a_batch().id) == [NATIVE, ROUTE, a_group()]
    assert await ledger.shards.groups(a_batch(2).id) == []


async def test_a_batch_that_does_not_begin_gets_no_groups(ledger: Ledger) -> None:
    await ledger.batches.add(a_batch(status=S.CANCELLING))
    begins = await ledger.batches.begin(
        a_batch().id, at=1_001, model=None, shards=[a_shard()], groups=[ROUTE]
    )
    assert not begins
    assert await ledger.shards.groups(a_batch().id) == []


async def test_groups_go_with_the_plan(ledger: Ledger) -> None:
    for number in (1, 2):
        await ledger.batches.add(a_batch(number))
        await ledger.batches.begin(
            a_batch(number).id,
            at=1_001,
            model=None,
            shards=[a_shard(batch=number)],
            groups=[a_group()],
        )
    await ledger.shards.forget(a_batch(1).id)
    assert await ledger.shards.groups(a_batch(1).id) == []
    assert await ledger.shards.groups(a_batch(2).id) == [a_group()]


async def test_an_old_plan_gets_its_groups_once(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard())
    assert await ledger.shards.groups(batch_id) == []
    await ledger.shards.add_groups(batch_id, [a_group()])
    changed = a_group(primaries=(GroupTarget(provider="vllm", model="other"),))
    await ledger.shards.add_groups(batch_id, [changed, ROUTE])  # of a process with another view
    assert await ledger.shards.groups(batch_id) == [ROUTE, a_group()]


async def test_a_plan_that_is_forgotten_gets_none(ledger: Ledger) -> None:
    batch_id = await begun(ledger, a_shard())
    await ledger.shards.forget(batch_id)
    await ledger.shards.add_groups(batch_id, [a_group()])
    assert await ledger.shards.groups(batch_id) == []
