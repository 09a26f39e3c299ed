"""`ports.TargetLimits` over every database."""

from batchway.ports import Ledger, TargetLimit


async def test_the_latest_limit_of_each_target_is_kept(ledger: Ledger) -> None:
    assert await ledger.limits.list() == []
    first = TargetLimit(provider="vllm", model="qwen", limit=256, found_at=1_000)
    other = TargetLimit(provider="vllm", model="a model: with any name", limit=8, found_at=1_001)
    await ledger.limits.put(first)
    await ledger.limits.put(other)
    assert await ledger.limits.list() == [other, first]
    again = TargetLimit(provider="vllm", model="qwen", limit=512, found_at=2_000)
    await ledger.limits.put(again)
    assert await ledger.limits.list() == [other, again]
