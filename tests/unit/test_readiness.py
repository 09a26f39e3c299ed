"""Whether a server says that it is ready only when it can write, and how often it tries."""

import asyncio
from pathlib import Path

import pytest
from tests.unit.fakes import FakeClock

from batchway.domain.errors import Unavailable
from batchway.service.readiness import Readiness
from batchway.storage.blobs.local import LocalBlobs


async def test_one_probe_answers_many_for_a_while(tmp_path: Path) -> None:
    clock, asked = FakeClock(), 0
    trouble: list[Exception] = []

    async def probe() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        if trouble:
            raise trouble[0]

    blobs = LocalBlobs(tmp_path)
    readiness = Readiness(checks=(probe,), blobs=blobs, clock=clock)
    await asyncio.gather(*(readiness.check() for _ in range(5)))
    assert asked == 1
    trouble.append(Unavailable("full", full=True))
    await readiness.check()  # not looked at again so soon
    clock.time += 3.0
    for _ in range(3):
        with pytest.raises(Unavailable, match="full"):
            await readiness.check()
    assert asked == 2
    trouble.clear()
    clock.time += 3.0
    await readiness.check()
    assert list(blobs.keys("")) == []


async def test_blobs_that_cannot_be_written(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    readiness = Readiness(checks=(), blobs=blobs, clock=FakeClock())
    (tmp_path / "blobs").rename(tmp_path / "gone")
    with pytest.raises(Unavailable):
        await readiness.check()
