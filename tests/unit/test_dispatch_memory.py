"""Limits found by `auto` outlive their gate and their process, but not for ever."""

from pathlib import Path

import pytest
from tests.unit.fakes import START, FakeClock, fresh_ledger

from batchway.dispatch.memory import LimitMemory
from batchway.domain.errors import Unavailable
from batchway.ports import TargetLimit

WEEK = 7 * 86_400


async def test_the_next_start_begins_a_little_below(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = FakeClock()
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        memory = LimitMemory(store=ledger.limits, clock=clock)
        await memory.load()
        assert memory.recall("vllm", "qwen") is None
        await memory.save({("vllm", "qwen"): 500, ("ollama", "llama"): 1})
        assert memory.recall("vllm", "qwen") == 450
        later = LimitMemory(store=ledger.limits, clock=clock)
        await later.load()
        assert later.recall("vllm", "qwen") == 450
        assert later.recall("ollama", "llama") == 1
        assert later.recall("vllm", "other") is None


async def test_what_is_found_again_is_renewed_and_the_rest_forgotten_after_a_week(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = FakeClock()
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        memory = LimitMemory(store=ledger.limits, clock=clock)
        await memory.save({("vllm", "a"): 100, ("vllm", "b"): 100})
        clock.time += 2 * 86_400
        await memory.save({("vllm", "a"): 100})
        clock.time = START + WEEK + 1
        assert memory.recall("vllm", "a") == 90
        assert memory.recall("vllm", "b") is None


class Away:
    """A ledger that does not answer."""

    async def put(self, limit: TargetLimit) -> None:
        raise Unavailable("away")

    async def list(self) -> list[TargetLimit]:
        raise Unavailable("away")


async def test_a_ledger_that_is_away_costs_no_batch_anything() -> None:
    memory = LimitMemory(store=Away(), clock=FakeClock())
    await memory.load()
    await memory.save({("vllm", "a"): 100})
    assert memory.recall("vllm", "a") is None
