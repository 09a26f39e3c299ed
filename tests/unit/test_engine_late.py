"""An engine that is loaded when the first story needs it."""

import asyncio

import pytest

from batchway.engine.late import LateEngine
from batchway.ports import Story


class FakeEngine:
    """Remembers what was asked of it."""

    def __init__(self, *, fail: int = 0) -> None:
        self.asked: list[str] = []
        self._fail = fail

    async def launch(self, story: Story) -> None:
        await asyncio.sleep(0)
        self.asked.append("launch")
        if self._fail:
            self._fail -= 1
            raise OSError("no database")

    async def start(self, batch_id: str) -> None:
        self.asked.append(f"start {batch_id}")

    async def running(self) -> frozenset[str]:
        return frozenset({"batch_1"})

    async def prune(self, before: float) -> None:
        self.asked.append("prune")

    async def close(self) -> None:
        self.asked.append("close")


class NoStory:
    """A story that nobody runs here."""

    async def ingest(self, batch_id: str) -> None: ...
    async def execute(self, batch_id: str) -> None: ...
    async def finalize(self, batch_id: str) -> None: ...


async def test_an_idle_engine_is_never_loaded() -> None:
    loaded: list[FakeEngine] = []

    def load() -> FakeEngine:
        loaded.append(FakeEngine())
        return loaded[-1]

    late = LateEngine(load=load)
    await late.launch(NoStory())
    assert await late.running() == frozenset()
    await late.prune(0)
    await late.close()
    await late.start("batch_1")  # a start that comes while the process ends
    assert loaded == []


async def test_stories_that_start_together_launch_one_engine() -> None:
    engine = FakeEngine()
    late = LateEngine(load=lambda: engine)
    await late.launch(NoStory())
    await asyncio.gather(late.start("a"), late.start("b"))
    assert await late.running() == frozenset({"batch_1"})
    await late.prune(0)
    await late.close()
    assert engine.asked == ["launch", "start a", "start b", "prune", "close"]


async def test_a_launch_that_fails_is_tried_again_by_the_next_start() -> None:
    engine = FakeEngine(fail=1)
    late = LateEngine(load=lambda: engine)
    await late.launch(NoStory())
    with pytest.raises(OSError, match="no database"):
        await late.start("a")
    await late.start("a")
    assert engine.asked == ["launch", "launch", "start a"]
