"""`workflows.watch`: what ends a run from outside, and what is written meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes import DAY, START, FakeClock, a_batch, fresh_ledger

from batchway.domain.errors import Unavailable
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.status import BatchStatus
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.details import StatusDetails
from batchway.workflows.run import Ending
from batchway.workflows.watch import Watch

S = BatchStatus


class Told:
    """A run that ends when told, and has something to say until then."""

    def __init__(self, details: StatusDetails) -> None:
        self._details = details
        self.described = 0
        self.stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    async def run(self) -> Ending:
        return await self.stopped

    def stop(self, ending: Ending) -> None:
        if not self.stopped.done():
            self.stopped.set_result(ending)

    def describe(self) -> None:
        self.described += 1
        self._details.tell("run", Reason(kind=ReasonKind.OTHER, sentence="It waits."))


class Seen:
    """A batch in progress, watched."""

    def __init__(self, ledger: SqlLedger) -> None:
        self.ledger = ledger
        self.clock = FakeClock()
        self.details = StatusDetails(batches=ledger.batches, batch=a_batch())
        self.run = Told(self.details)

    async def over(self, **changes: Any) -> Ending:
        watch = Watch(
            batch=a_batch(**changes),
            batches=self.ledger.batches,
            clock=self.clock,
            details=self.details,
            run=self.run,
        )
        async with asyncio.timeout(5):
            return await watch.over(self.run.run())


@pytest.fixture
async def seen(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Seen]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        await ledger.batches.add(a_batch())
        await ledger.batches.begin(a_batch().id, at=START, model="m", shards=[])
        yield Seen(ledger)


async def test_it_looks_once_a_second_until_the_window_ends(seen: Seen) -> None:
    ending = await seen.over(deadline=START + 3)
    assert (ending, seen.clock.slept[:3]) == (Ending.EXPIRED, [1.0, 1.0, 1.0])
    assert seen.run.described == 3
    batch = await seen.ledger.batches.load(a_batch().id)
    assert batch is not None
    assert batch.status_details == "It waits."


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([S.CANCELLING], Ending.CANCELLED),
        ([S.FINALIZING], Ending.LOST),
        ([S.FINALIZING, S.COMPLETED], Ending.LOST),
    ],
)
async def test_a_status_that_moved_ends_the_run(
    seen: Seen, moves: list[BatchStatus], expected: Ending
) -> None:
    for status in moves:
        assert await seen.ledger.batches.move(a_batch().id, status, at=START)
    assert await seen.over() is expected


async def test_a_batch_that_was_cancelled_does_not_expire(seen: Seen) -> None:
    assert await seen.ledger.batches.move(a_batch().id, S.CANCELLING, at=START)
    assert await seen.over(status=S.CANCELLING, deadline=START) is Ending.CANCELLED


async def test_a_ledger_that_is_away_ends_nothing(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_ids: object) -> object:
        raise Unavailable("The database is away.")

    monkeypatch.setattr(seen.ledger.batches, "statuses", away)
    assert await seen.over(deadline=START + 5) is Ending.EXPIRED
    assert seen.run.described == 0


async def test_a_defect_of_the_watch_stops_the_run_and_is_raised(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_ids: object) -> object:
        raise RuntimeError("a defect")

    monkeypatch.setattr(seen.ledger.batches, "statuses", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        await seen.over(deadline=START + DAY)
    assert seen.run.stopped.result() is Ending.STOPPED
