"""A runner that was frozen and comes back after another took its batch over changes nothing."""

import asyncio
import random
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.chaos.orders import ENDPOINT, Order, order
from tests.chaos.processes import Simulator
from tests.chaos.runners import Ice, Stop, frozen, runner
from tests.chaos.trial import seed
from tests.chaos.verdict import faults

from batchway.api.objects import batch_object
from batchway.bootstrap.parts import new_ids
from batchway.domain.batch import Batch
from batchway.domain.file import File, Purpose
from batchway.domain.status import BatchStatus
from batchway.ports import Blobs
from batchway.settings import Settings
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger

LINES = 150


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a simulator with some trouble."""
    simulator = Simulator(
        log=tmp_path_factory.mktemp("upstream") / "simulator.log",
        latency="lognormal:0.05,0.5",
        status_rates="500=0.02",
        truncate_rate=0.01,
    )
    simulator.start()
    yield simulator.url
    simulator.kill()


async def submit(url: str, blobs: Blobs, asked: Order) -> str:
    """Put a batch into the ledger; its id."""
    ids, now = new_ids(), int(time.time())
    file_id, batch_id = ids.file(), ids.batch()
    writer = blobs.writer(f"files/{file_id}")
    writer.write(asked.data)
    writer.commit()
    ledger = await SqlLedger.open(url)
    await ledger.files.add(
        File(
            id=file_id,
            tenant=asked.tenant,
            bytes=len(asked.data),
            created_at=now,
            expires_at=None,
            filename="in.jsonl",
            purpose=Purpose.BATCH,
            blob=f"files/{file_id}",
            sha256="",
        )
    )
    await ledger.batches.add(
        Batch(
            id=batch_id,
            tenant=asked.tenant,
            endpoint=ENDPOINT,
            input_file_id=file_id,
            input_blob=f"files/{file_id}",
            completion_window="24h",
            status=BatchStatus.VALIDATING,
            created_at=now,
            deadline=now + 86_400,
        )
    )
    await ledger.close()
    return batch_id


async def wrong(ledger: SqlLedger, blobs: Blobs, batch_id: str, asked: Order) -> list[str]:
    """Everything that is wrong with the batch."""
    batch = await ledger.batches.load(batch_id)
    assert batch is not None

    async def content(file_id: str | None) -> bytes | None:
        file = None if file_id is None else await ledger.files.get(asked.tenant, file_id)
        return None if file is None else blobs.read(file.blob, 0, file.bytes)

    output, errors = await content(batch.output_file_id), await content(batch.error_file_id)
    return faults(asked, batch_object(batch), output, errors)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("stop", list(Stop))
async def test_a_frozen_runner_that_comes_back_is_harmless(
    ledger_url: str, tmp_path: Path, upstream: str, stop: Stop, number: int
) -> None:
    chosen = seed()
    print(f"CHAOS_SEED={chosen}")
    dice = random.Random(f"{chosen} {stop} {number}")
    settings = Settings.model_validate(
        {
            "data_dir": tmp_path,
            "providers": [
                {
                    "name": "sim",
                    "type": "openai-compatible",
                    "base_url": upstream,
                    "limits": {"concurrency": 16, "max_attempts": 20},
                }
            ],
            "execution": {"commit_interval": 0.1, "shard_lines_min": 60, "shard_lines_max": 60},
        }
    )
    blobs = LocalBlobs(settings.blob_dir)
    asked = order(tag="fence", tenant="blue", model="gpt-4o-mini", start=number * 99, count=LINES)
    batch_id = await submit(ledger_url, blobs, asked)
    ice = Ice(at=stop, after=dice.randrange(4))
    async with (
        runner(settings, url=ledger_url, ice=ice) as older,
        runner(settings, url=ledger_url) as newer,
    ):
        await older.dispatch.story.ingest(batch_id)
        slow = asyncio.create_task(older.dispatch.story.execute(batch_id))
        await frozen(ice)
        quick = asyncio.create_task(newer.dispatch.story.execute(batch_id))
        # Thawed when the other has done a little, half or all of it, or has ended the batch.
        thaw_at = dice.choice([1, 3, LINES, LINES])
        while newer.ledger.shards.commits < thaw_at and not quick.done():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.005)
        if thaw_at < LINES or dice.random() < 0.5:
            ice.thaw()
        await quick
        await newer.dispatch.story.finalize(batch_id)
        ice.thaw()
        await slow  # finds that it has lost the batch, and that the batch has ended
        await older.dispatch.story.finalize(batch_id)
        assert await wrong(newer.ledger, blobs, batch_id, asked) == []
        assert await newer.ledger.shards.plan(batch_id) == []
        assert [key for key, _ in blobs.keys("segments/")] == []
        assert newer.ledger.shards.refused == []
        if stop is not Stop.COMMITTED:
            assert older.ledger.shards.refused != []
