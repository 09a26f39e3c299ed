"""Upload and part rows. Owns the tables `uploads` and `upload_parts`; does not touch bytes.

pending --> completed | cancelled | expired
"""

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from batchway.domain.file import File, Purpose
from batchway.domain.upload import Upload, UploadPart, UploadStatus
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Database, Row
from batchway.storage.ledger.files import INSERT_FILE, file_values

_t: Final = tables.uploads
_p: Final = tables.upload_parts
_PENDING: Final = UploadStatus.PENDING.value

_INSERT: Final = insert(_t)
_INSERT_PART: Final = insert(_p)
_GET: Final = select(_t).where(_t.c.id == bindparam("id"), _t.c.tenant == bindparam("tenant"))
# The shared lock makes a part and the upload's end exclude each other on PostgreSQL, while parts
# of one upload still go in side by side. On SQLite the transaction itself does.
_HOLD: Final = (
    select(_t.c.id)
    .where(_t.c.id == bindparam("id"), _t.c.status == _PENDING)
    .with_for_update(read=True)
)
_PARTS: Final = select(_p).where(_p.c.upload_id == bindparam("upload_id"))
_END: Final = (
    update(_t)
    .where(_t.c.id == bindparam("upload_id"), _t.c.status == _PENDING)
    .values(status=bindparam("after"), file_id=bindparam("of_file"))
)
_OVERDUE: Final = (
    select(_t)
    .where(_t.c.status == _PENDING, _t.c.expires_at <= bindparam("now"))
    .order_by(_t.c.expires_at)
    .limit(bindparam("limit"))
)
_FORGET: Final = delete(_p).where(_p.c.upload_id == bindparam("upload_id"))


class SqlUploads:
    """`ports.Uploads`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def add(self, upload: Upload) -> None:
        await self._database.write(_INSERT, _values(upload))

    async def get(self, tenant: str, upload_id: str) -> Upload | None:
        row = await self._database.row(_GET, {"id": upload_id, "tenant": tenant})
        return None if row is None else _upload_of(row)

    async def add_part(self, part: UploadPart) -> bool:
        async with self._database.transaction() as connection:
            held = await connection.execute(_HOLD, {"id": part.upload_id})
            if held.one_or_none() is None:
                return False
            await connection.execute(_INSERT_PART, asdict(part))
        return True

    async def parts(self, upload_id: str) -> list[UploadPart]:
        rows = await self._database.rows(_PARTS, {"upload_id": upload_id})
        return [
            UploadPart(
                id=row.id,
                upload_id=row.upload_id,
                created_at=row.created_at,
                bytes=row.bytes,
                blob=row.blob,
            )
            for row in rows
        ]

    async def complete(self, upload_id: str, file: File) -> bool:
        async with self._database.transaction() as connection:
            if not await _end(connection, upload_id, UploadStatus.COMPLETED, file_id=file.id):
                return False
            await connection.execute(INSERT_FILE, file_values(file))
        return True

    async def close(self, upload_id: str, *, expired: bool) -> bool:
        after = UploadStatus.EXPIRED if expired else UploadStatus.CANCELLED
        async with self._database.transaction() as connection:
            return await _end(connection, upload_id, after, file_id=None)

    async def overdue(self, now: int, limit: int) -> list[Upload]:
        rows = await self._database.rows(_OVERDUE, {"now": now, "limit": limit})
        return [_upload_of(row) for row in rows]

    async def forget_parts(self, upload_id: str) -> None:
        await self._database.write(_FORGET, {"upload_id": upload_id})


async def _end(
    connection: AsyncConnection, upload_id: str, after: UploadStatus, *, file_id: str | None
) -> bool:
    values = {"upload_id": upload_id, "after": after.value, "of_file": file_id}
    return (await connection.execute(_END, values)).rowcount == 1


def _values(upload: Upload) -> dict[str, Any]:
    return {
        **asdict(upload),
        "purpose": upload.purpose.value,
        "status": upload.status.value,
    }


def _upload_of(row: Row) -> Upload:
    return Upload(
        id=row.id,
        tenant=row.tenant,
        bytes=row.bytes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        filename=row.filename,
        mime_type=row.mime_type,
        purpose=Purpose(row.purpose),
        status=UploadStatus(row.status),
        file_expires_after=row.file_expires_after,
        file_id=row.file_id,
    )
