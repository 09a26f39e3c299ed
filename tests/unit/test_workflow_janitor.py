"""`workflows.janitor`: each chore, and that none holds up another."""

import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.parts import new_services
from tests.unit.fakes import (
    DAY,
    START,
    FailingBlobs,
    FakeClock,
    FakeEngine,
    a_batch,
    a_file,
    fresh_ledger,
    store,
)

from batchway.domain.file import Purpose
from batchway.domain.ids import Ids
from batchway.domain.shard import Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.domain.upload import Upload, UploadPart, UploadStatus
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.janitor import Janitor

S = BatchStatus
OLD = START - 2 * DAY


class Bench:
    """A janitor over real storage and an engine that notes."""

    def __init__(self, ledger: SqlLedger, root: Path) -> None:
        self.ledger = ledger
        self.root = root
        self.blobs = FailingBlobs(LocalBlobs(root))
        self.engine = FakeEngine()
        self.clock = FakeClock()
        self.cleaned: list[str] = []
        services = new_services(
            ledger=ledger, blobs=self.blobs, clock=self.clock, ids=Ids(random_bytes=os.urandom)
        )
        self.janitor = Janitor(
            ledger=ledger,
            blobs=self.blobs,
            engine=self.engine,
            clock=self.clock,
            clean=self.clean,
            chores={
                "remove expired files": services.files.expire,
                "expire uploads": services.uploads.expire,
            },
        )

    async def clean(self, batch_id: str) -> None:
        self.cleaned.append(batch_id)
        await self.ledger.shards.forget(batch_id)

    def store(self, *keys: str, written: float = OLD) -> None:
        for key in keys:
            store(self.blobs, key, b"x")
            os.utime(self.root / key, (written, written))

    def keys(self) -> list[str]:
        return [key for key, _ in self.blobs.keys("")]


@pytest.fixture
async def bench(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bench]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield Bench(ledger, tmp_path / "blobs")


def an_upload(number: int, expires_at: int, status: UploadStatus = UploadStatus.PENDING) -> Upload:
    return Upload(
        id=f"upload_{number}",
        tenant="blue",
        bytes=1,
        created_at=OLD,
        expires_at=expires_at,
        filename="x.jsonl",
        mime_type="application/jsonl",
        purpose=Purpose.BATCH,
        status=status,
    )


def a_part(upload: int, number: int) -> UploadPart:
    return UploadPart(
        id=f"part_{upload}{number}",
        upload_id=f"upload_{upload}",
        created_at=OLD,
        bytes=1,
        blob=f"uploads/upload_{upload}/part_{number}",
    )


# ----------------------------------------------------------------------------- tidying


async def test_expired_files_go_unless_a_batch_reads_them(bench: Bench) -> None:
    files = [
        a_file(1, expires_at=START),
        a_file(2, expires_at=START + 1),
        a_file(3, expires_at=None),
        a_file(4, expires_at=START - 1, tenant="red"),
    ]
    for file in files:
        await bench.ledger.files.add(file)
        bench.store(file.blob, written=START)
    await bench.ledger.batches.add(a_batch(4, status=S.IN_PROGRESS))
    await bench.janitor.do_chores()
    left = [await bench.ledger.files.get(file.tenant, file.id) for file in files]
    assert left == [None, files[1], files[2], None]
    assert bench.keys() == ["files/2", "files/3", "files/4"]


async def test_overdue_uploads_expire_with_their_parts(bench: Bench) -> None:
    for number, expires_at in ((1, START), (2, START + 1)):
        await bench.ledger.uploads.add(an_upload(number, expires_at))
        for part in (a_part(number, 1), a_part(number, 2)):
            assert await bench.ledger.uploads.add_part(part)
            bench.store(part.blob)
    await bench.janitor.do_chores()
    assert await bench.ledger.uploads.get("blue", "upload_1") == an_upload(
        1, START, UploadStatus.EXPIRED
    )
    assert await bench.ledger.uploads.get("blue", "upload_2") == an_upload(2, START + 1)
    assert await bench.ledger.uploads.parts("upload_1") == []
    assert len(await bench.ledger.uploads.parts("upload_2")) == 2
    assert bench.keys() == ["uploads/upload_2/part_1", "uploads/upload_2/part_2"]


async def test_ended_batches_with_leftovers_are_cleaned(bench: Bench) -> None:
    for number in (1, 2):
        batch = await bench.ledger.batches.add(a_batch(number))
        shard = Shard(
            batch_id=batch.id,
            number=0,
            group="g",
            mode=Mode.MANAGED,
            start=0,
            end=1,
            first_line=0,
            lines=1,
        )
        assert await bench.ledger.batches.begin(batch.id, at=START, model=None, shards=[shard])
    ended = a_batch(2).id
    assert await bench.ledger.batches.finish(ended, S.EXPIRED, at=START, output=None, error=None)
    await bench.janitor.do_chores()
    await bench.janitor.do_chores()
    assert bench.cleaned == [ended]


async def test_old_bytes_that_no_row_names_go(bench: Bench) -> None:
    await bench.ledger.files.add(a_file(1))
    await bench.ledger.batches.add(a_batch(2))
    await bench.ledger.batches.add(a_batch(3, status=S.COMPLETED))
    await bench.ledger.uploads.add(an_upload(1, START + DAY))
    await bench.ledger.uploads.add_part(a_part(1, 1))
    running, ended = a_batch(2).id, a_batch(3).id
    bench.store(
        "files/1",  # has a row
        "files/2",  # a batch reads it
        "files/3",
        f"segments/{running}/0-1-a",
        f"segments/{ended}/0-1-a",
        "segments/batch_unknown/0-1-a",
        "uploads/upload_1/part_1",  # has a row
        "uploads/upload_1/part_2",
        "uploads/upload_unknown/part_1",
    )
    bench.store(
        "files/young", f"segments/{ended}/0-1-young", "uploads/upload_1/young", written=START
    )
    await bench.janitor.do_chores()
    assert bench.keys() == [
        "files/1",
        "files/2",
        "files/young",
        f"segments/{running}/0-1-a",
        f"segments/{ended}/0-1-young",
        "uploads/upload_1/part_1",
        "uploads/upload_1/young",
    ]


async def test_bytes_of_abandoned_writers_go(bench: Bench) -> None:
    for name in ("old", "young"):
        (bench.root / "tmp" / name).write_bytes(b"x")
    os.utime(bench.root / "tmp" / "old", (OLD, OLD))
    os.utime(bench.root / "tmp" / "young", (START, START))
    await bench.janitor.do_chores()
    assert [path.name for path in (bench.root / "tmp").iterdir()] == ["young"]


async def test_the_engine_is_pruned_of_what_is_a_week_old(bench: Bench) -> None:
    await bench.janitor.do_chores()
    assert bench.engine.pruned == [START - 7 * DAY]


async def test_a_failing_chore_does_not_hold_up_the_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.store("files/orphan", "files/other")
    bench.blobs.deletes = 1
    with caplog.at_level(logging.WARNING):
        await bench.janitor.do_chores()
    assert caplog.messages == ["could not remove orphaned bytes, will try again: no deletion today"]
    assert bench.engine.pruned == [START - 7 * DAY]
