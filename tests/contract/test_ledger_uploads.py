"""`ports.Uploads` over every database."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.ledger_values import a_file

from batchway.domain.errors import Conflict
from batchway.domain.file import Purpose
from batchway.domain.upload import Upload, UploadPart, UploadStatus
from batchway.ports import Ledger

PENDING = UploadStatus.PENDING
ENDS = [UploadStatus.COMPLETED, UploadStatus.CANCELLED, UploadStatus.EXPIRED]


def an_upload(number: int = 1, **changes: Any) -> Upload:
    values: dict[str, Any] = {
        "id": f"upload_{number:032x}",
        "tenant": "blue",
        "bytes": 11,
        "created_at": 1_000,
        "expires_at": 4_600,
        "filename": "requests.jsonl",
        "mime_type": "text/jsonl",
        "purpose": Purpose.BATCH,
        "status": PENDING,
    }
    return Upload(**{**values, **changes})


def a_part(number: int = 1, upload: int = 1) -> UploadPart:
    return UploadPart(
        id=f"part_{number:032x}",
        upload_id=an_upload(upload).id,
        created_at=1_001,
        bytes=5,
        blob=f"parts/{number}",
    )


async def ended(ledger: Ledger, upload: Upload, after: UploadStatus) -> bool:
    match after:
        case UploadStatus.COMPLETED:
            return await ledger.uploads.complete(upload.id, a_file())
        case _:
            return await ledger.uploads.close(upload.id, expired=after is UploadStatus.EXPIRED)


@pytest.mark.parametrize("upload", [an_upload(), an_upload(file_expires_after=3_600)])
async def test_an_upload_comes_back_as_it_went_in(ledger: Ledger, upload: Upload) -> None:
    await ledger.uploads.add(upload)
    assert await ledger.uploads.get("blue", upload.id) == upload
    assert await ledger.uploads.get("red", upload.id) is None
    assert await ledger.uploads.get("blue", "upload_unknown") is None


@pytest.mark.parametrize("after", ENDS)
async def test_a_pending_upload_ends_once(ledger: Ledger, after: UploadStatus) -> None:
    upload = an_upload()
    await ledger.uploads.add(upload)
    assert await ended(ledger, upload, after)
    file_id = a_file().id if after is UploadStatus.COMPLETED else None
    expected = replace(upload, status=after, file_id=file_id)
    assert await ledger.uploads.get("blue", upload.id) == expected
    for again in ENDS:
        assert not await ended(ledger, upload, again)
    assert await ledger.uploads.get("blue", upload.id) == expected
    assert (await ledger.files.get("blue", a_file().id) is not None) is (file_id is not None)


async def test_completing_writes_the_file_with_it_or_nothing(ledger: Ledger) -> None:
    await ledger.uploads.add(an_upload())
    await ledger.files.add(a_file())
    with pytest.raises(Conflict):
        await ledger.uploads.complete(an_upload().id, a_file())
    assert await ledger.uploads.get("blue", an_upload().id) == an_upload()


async def test_unknown_uploads_do_not_end(ledger: Ledger) -> None:
    for after in ENDS:
        assert not await ended(ledger, an_upload(9), after)
    assert await ledger.files.get("blue", a_file().id) is None


async def test_parts_go_in_while_the_upload_is_pending(ledger: Ledger) -> None:
    await ledger.uploads.add(an_upload(1))
    await ledger.uploads.add(an_upload(2))
    assert await ledger.uploads.add_part(a_part(1))
    assert await ledger.uploads.add_part(a_part(2))
    assert await ledger.uploads.add_part(a_part(3, upload=2))
    assert not await ledger.uploads.add_part(a_part(4, upload=3))
    parts = await ledger.uploads.parts(an_upload(1).id)
    assert sorted(parts, key=lambda part: part.id) == [a_part(1), a_part(2)]
    await ledger.uploads.forget_parts(an_upload(1).id)
    assert await ledger.uploads.parts(an_upload(1).id) == []
    assert await ledger.uploads.parts(an_upload(2).id) == [a_part(3, upload=2)]


@pytest.mark.parametrize("after", ENDS)
async def test_no_part_goes_into_an_ended_upload(ledger: Ledger, after: UploadStatus) -> None:
    await ledger.uploads.add(an_upload())
    assert await ended(ledger, an_upload(), after)
    assert not await ledger.uploads.add_part(a_part())
    assert await ledger.uploads.parts(an_upload().id) == []


async def test_a_part_and_the_end_exclude_each_other(ledger: Ledger, other_ledger: Ledger) -> None:
    for number in range(20):
        upload = an_upload(number)
        await ledger.uploads.add(upload)
        added, closed = await asyncio.gather(
            other_ledger.uploads.add_part(a_part(number, upload=number)),
            ledger.uploads.close(upload.id, expired=False),
        )
        assert closed
        assert len(await ledger.uploads.parts(upload.id)) == (1 if added else 0)


async def test_only_one_end_wins(ledger: Ledger, other_ledger: Ledger) -> None:
    for number in range(10):
        upload = an_upload(number)
        await ledger.uploads.add(upload)
        won = await asyncio.gather(
            ledger.uploads.complete(upload.id, a_file(number)),
            other_ledger.uploads.close(upload.id, expired=True),
            other_ledger.uploads.close(upload.id, expired=False),
        )
        assert sorted(won) == [False, False, True]
        assert (await ledger.files.get("blue", a_file(number).id) is not None) is won[0]


async def test_overdue_uploads_of_every_tenant(ledger: Ledger) -> None:
    for number, (tenant, expires, status) in enumerate(
        [
            ("blue", 30, PENDING),
            ("red", 10, PENDING),
            ("blue", 20, PENDING),
            ("blue", 31, PENDING),
            ("blue", 5, UploadStatus.CANCELLED),
        ]
    ):
        await ledger.uploads.add(
            an_upload(number, tenant=tenant, expires_at=expires, status=status)
        )
    overdue = await ledger.uploads.overdue(30, 10)
    assert [upload.id for upload in overdue] == [an_upload(n).id for n in (1, 2, 0)]
    assert await ledger.uploads.overdue(30, 1) == overdue[:1]
