"""`workflows.starter` in virtual time: who runs when, how many at once, and one story a batch."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.unit.dispatch_world import VirtualClock, in_virtual_time
from tests.unit.fakes import a_batch

from batchway.domain.batch import Batch
from batchway.domain.errors import Unavailable
from batchway.domain.status import BatchStatus
from batchway.ports import Ledger, Story
from batchway.workflows.starter import Starter

S = BatchStatus


class World:
    """A starter, and everything around it in memory. A batch that ended leaves `waiting`."""

    def __init__(self, *, most_running: int = 1_000) -> None:
        self.waiting_now: list[Batch] = []
        self.looks = 0
        self.trouble: Exception | None = None
        self.large: set[str] = set()
        self.breath: dict[str, float] = {}  # seconds of a sprint, and whether it ends the batch
        self.left: set[str] = set()
        self.dead: set[str] = set()  # held up by their provider after a second
        self.sprinted: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.chapters: list[str] = []
        self.started: list[str] = []
        self.engine_runs: set[str] = set()
        self.stopped = False
        self.held_up: set[str] = set()
        self.starter = Starter(
            ledger=cast(Ledger, self),
            engine=self,
            clock=VirtualClock(),
            story=self,
            sprints=_Sprints(self),
            most_running=most_running,
            held_up=self.held_up,
        )

    @property
    def short(self) -> "World":
        return self

    async def waiting(self, limit: int) -> list[Batch]:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        await asyncio.sleep(0.001)
        return self.waiting_now[:limit]

    def end(self, batch_id: str) -> None:
        self.waiting_now = [batch for batch in self.waiting_now if batch.id != batch_id]

    # The engine.

    async def launch(self, story: Story) -> None: ...
    async def prune(self, before: float) -> None: ...
    async def close(self) -> None: ...

    async def start(self, batch_id: str) -> None:
        self.started.append(batch_id)
        self.engine_runs.add(batch_id)

    async def running(self) -> frozenset[str]:
        return frozenset(self.engine_runs)

    # The ordinary chapters.

    async def ingest(self, batch_id: str) -> None:
        self.chapters.append(f"ingest {batch_id}")

    async def execute(self, batch_id: str) -> None:
        self.chapters.append(f"execute {batch_id}")

    async def finalize(self, batch_id: str) -> None:
        self.chapters.append(f"finalize {batch_id}")
        self.end(batch_id)

    # The test.

    def add(self, count: int, **changes: Any) -> list[str]:
        first = len(self.waiting_now) + 1
        made = [a_batch(first + number, **changes) for number in range(count)]
        self.waiting_now += made
        return [batch.id for batch in made]

    def play(self, seconds: float, *events: tuple[float, Callable[[], object]]) -> None:
        """Run the starter for so long; `events` happen meanwhile, each after its pause."""

        async def main() -> None:
            running = asyncio.create_task(self.starter.run())
            for pause, event in events:
                await asyncio.sleep(pause)
                event()
            await asyncio.sleep(seconds)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        in_virtual_time(main())


class _Sprints:
    def __init__(self, world: World) -> None:
        self._world = world

    async def fits(self, batch: Batch) -> bool:
        return batch.id not in self._world.large

    async def run(self, batch: Batch) -> bool:
        world = self._world
        world.sprinted.append(batch.id)
        world.at_once += 1
        world.most_at_once = max(world.most_at_once, world.at_once)
        try:
            if batch.id in world.dead:
                await asyncio.sleep(1.0)
                world.held_up.add(batch.id)
            await asyncio.sleep(world.breath.get(batch.id, 0.1))
        finally:
            world.at_once -= 1
        if batch.id in world.left:
            return False
        world.end(batch.id)
        return True

    def stop(self) -> None:
        self._world.stopped = True


def test_batches_start_in_the_order_of_the_ledger_and_a_few_at_once() -> None:
    world = World()
    ids = world.add(500)
    world.play(10.0)
    assert world.sprinted == ids
    assert world.waiting_now == []
    assert world.most_at_once == 24
    assert world.started == []


def test_a_batch_that_is_created_starts_at_once() -> None:
    world = World()
    world.play(0.01, (1.0, lambda: (world.add(1), world.starter.wake())))
    assert len(world.sprinted) == 1


def test_one_whose_wake_up_was_lost_is_found_by_the_sweep() -> None:
    world = World()
    world.play(5.5, (1.0, lambda: world.add(1)))
    assert len(world.sprinted) == 1


def test_while_batches_are_created_only_a_few_start() -> None:
    world = World()

    def create() -> None:
        world.add(1)
        world.starter.wake()

    world.play(0.0, *[(0.005, create)] * 200)
    assert 0 < world.most_at_once <= 4
    world = World()
    world.play(3.0, *[(0.005, create)] * 200)
    assert world.most_at_once == 24  # then there is nothing to give way to
    assert world.waiting_now == []


def test_no_more_run_than_the_setting_allows() -> None:
    world = World(most_running=3)
    ids = world.add(10)
    world.breath = dict.fromkeys(ids[:3], 60.0)
    world.play(30.0)
    assert world.sprinted == ids[:3]
    world = World(most_running=3)
    world.add(10)
    world.engine_runs = {"batch_other1", "batch_other2"}
    world.play(5.0)
    assert world.most_at_once == 1
    assert world.waiting_now == []


def test_batches_that_last_make_room_for_those_behind_them_and_become_durable() -> None:
    world = World()
    ids = world.add(100)
    world.breath = dict.fromkeys(ids[:50], 300.0)
    world.play(20.0)
    assert world.sprinted == ids
    assert [batch.id for batch in world.waiting_now] == ids[:50]
    assert sorted(world.started) == ids[:50]


def test_batches_that_only_wait_take_no_place_from_others() -> None:
    world = World(most_running=20)
    ids = world.add(150)
    world.dead = set(ids[:100])
    world.breath = dict.fromkeys(ids[:100], 3_600.0)
    world.play(15.0)
    assert world.sprinted == ids
    assert [batch.id for batch in world.waiting_now] == ids[:100]


def test_those_that_only_wait_are_bounded_too() -> None:
    world = World(most_running=3)
    ids = world.add(100)
    world.dead = set(ids)
    world.breath = dict.fromkeys(ids, 3_600.0)
    world.play(120.0)
    assert len(world.sprinted) == 30


@pytest.mark.parametrize("chapter", ["ingest", "execute", "finalize"])
def test_the_engines_story_waits_for_the_one_that_runs_here(chapter: str) -> None:
    world = World()
    (batch_id,) = world.add(1)
    world.breath[batch_id] = 30.0
    world.left.add(batch_id)
    joined: list[float] = []

    async def main() -> None:
        running = asyncio.create_task(world.starter.run())
        while not world.started:  # noqa: ASYNC110 - the engine's double has no event
            await asyncio.sleep(0.5)
        # As the engine does: the first chapter, or after a restart whichever comes next.
        await getattr(world.starter, chapter)(batch_id)
        joined.append(asyncio.get_running_loop().time())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    in_virtual_time(main())
    assert joined[0] >= 30.0
    mine = [f"{chapter} {batch_id}" for chapter in ("ingest", "execute", "finalize")]
    assert world.chapters == [*mine, f"{chapter} {batch_id}"]


def test_a_batch_that_leaves_its_sprint_goes_on_by_the_chapters_in_this_process() -> None:
    world = World()
    (batch_id,) = world.add(1)
    world.left.add(batch_id)
    world.play(1.0)
    assert world.chapters == [f"{name} {batch_id}" for name in ("ingest", "execute", "finalize")]
    assert world.started == []


@pytest.mark.parametrize("status", [S.IN_PROGRESS, S.FINALIZING, S.CANCELLING])
def test_what_an_earlier_life_began_goes_on_by_the_chapters(status: BatchStatus) -> None:
    world = World()
    world.add(1, status=status)
    world.play(1.0)
    assert world.sprinted == []
    assert len(world.chapters) == 3


def test_a_large_batch_is_the_engines_and_started_once() -> None:
    world = World()
    (batch_id,) = world.add(1)
    world.large.add(batch_id)
    world.play(20.0, (1.0, world.starter.wake))
    assert world.started == [batch_id]


def test_one_that_the_engine_does_not_take_up_is_started_again() -> None:
    world = World()
    (batch_id,) = world.add(1)
    world.large.add(batch_id)

    async def start(given: str) -> None:
        world.started.append(given)  # alive in an executor that is gone: the engine looks longer

    world.start = start  # type: ignore[method-assign] - an engine that only notes
    world.play(21.0)
    assert world.started == [batch_id] * 5


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        (Unavailable("it is away"), "could not start batches, will try again: it is away"),
        (ValueError("x"), "could not start batches because of a defect, will try again"),
    ],
)
def test_a_ledger_that_fails_is_asked_again(
    caplog: pytest.LogCaptureFixture, trouble: Exception, text: str
) -> None:
    world = World()
    world.trouble = trouble
    world.add(1)
    world.play(6.0, (2.0, lambda: setattr(world, "trouble", None)))
    assert text in caplog.text
    assert len(world.sprinted) == 1


def test_a_defect_in_one_batch_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    world = World()
    ids = world.add(3)

    async def execute(batch_id: str) -> None:
        raise ValueError("x")

    world.execute = execute  # type: ignore[method-assign] - a chapter with a defect
    world.left.add(ids[1])
    world.play(1.0)
    assert [batch.id for batch in world.waiting_now] == [ids[1]]
    assert f"batch {ids[1]} met a defect" in caplog.text


def test_at_the_end_nothing_starts_and_what_runs_is_told() -> None:
    world = World()
    (batch_id,) = world.add(1)
    world.breath[batch_id] = 2.0
    seen: list[frozenset[str]] = []

    async def main() -> None:
        running = asyncio.create_task(world.starter.run())
        await asyncio.sleep(1.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        world.starter.stop()
        world.add(1)
        seen.append(await world.starter.running())
        await asyncio.sleep(2.0)
        seen.append(await world.starter.running())

    in_virtual_time(main())
    assert seen == [frozenset({batch_id}), frozenset()]
    assert world.stopped
    assert world.sprinted == [batch_id]
