"""`workflows.native.verdict`: every event in every state of its drawing, of a job and the batch."""

import asyncio
from itertools import product

import pytest
from tests.unit.fakes import FakeClock

from batchway.domain.batch import BatchError
from batchway.workflows.native.ending import HaltedError, RunEnding
from batchway.workflows.native.verdict import Verdict
from batchway.workflows.run import Ending

ERROR = BatchError(code="bad", message="Bad.")
JOB, OTHER = 0, 1  # the job that the events are of, and one that stays undecided

# A batch fails by a refusal, and with no job undecided.
STATES = [
    *product(("absent", "undecided", "refused"), ("open", "accepted")),
    ("refused", "failed"),
]
EVENTS = ("open", "withdraw", "accept", "refuse")


class World:
    """A verdict in some state, with the refusals that wait in it."""

    def __init__(self) -> None:
        self.run = RunEnding(clock=FakeClock())
        self.verdict = Verdict(run=self.run)
        self.waiting: list[asyncio.Task[bool]] = []

    async def refuse(self) -> None:
        self.waiting.append(asyncio.ensure_future(self.verdict.refuse(JOB, [ERROR])))
        await asyncio.sleep(0)

    async def event(self, event: str) -> None:
        match event:
            case "open":
                self.verdict.open(JOB)
            case "withdraw":
                self.verdict.withdraw(JOB)
            case "accept":
                self.verdict.accept()
            case _:
                await self.refuse()
        for _ in range(3):
            await asyncio.sleep(0)

    async def reach(self, job: str, batch: str) -> None:
        """That state, by the shortest way; `OTHER` is undecided unless the batch has failed."""
        if batch != "failed":
            self.verdict.open(OTHER)
        if batch == "accepted":
            self.verdict.accept()
        if job == "undecided":
            self.verdict.open(JOB)
        if job == "refused" or batch == "failed":
            await self.event("refuse")


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(("job", "batch"), STATES)
async def test_every_event_in_every_state(job: str, batch: str, event: str) -> None:
    world = World()
    await world.reach(job, batch)
    await world.event(event)
    refused = job == "refused" or event == "refuse"
    accepted = batch == "accepted" or (event == "accept" and batch != "failed")
    assert (world.run.ending is Ending.FAILED) is (batch == "failed")
    assert bool(world.verdict.errors) is refused
    for waiting in world.waiting:
        if batch == "failed":
            with pytest.raises(HaltedError):
                await waiting
        elif accepted:
            assert await waiting is True  # its lines become error lines
        else:
            assert not waiting.done()
            waiting.cancel()
    # The other job is all that is left to decide, unless this one is open again.
    world.verdict.withdraw(OTHER)
    undecided = event == "open" or (job == "undecided" and event not in {"withdraw", "refuse"})
    assert world.verdict.rejected is (not undecided and not accepted and event != "accept")


@pytest.mark.parametrize("ending", [Ending.CANCELLED, Ending.EXPIRED])
async def test_a_run_that_winds_down_decides_nothing(ending: Ending) -> None:
    world = World()
    world.verdict.open(OTHER)
    await world.refuse()
    world.run.stop(ending)
    assert await world.waiting[0] is False


async def test_the_last_undecided_job_decides() -> None:
    world = World()
    world.verdict.open(OTHER)
    await world.refuse()
    world.verdict.withdraw(OTHER)
    with pytest.raises(HaltedError):
        await world.waiting[0]
    assert world.run.ending is Ending.FAILED
