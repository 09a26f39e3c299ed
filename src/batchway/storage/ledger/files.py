"""File rows. Owns the `files` table; does not touch bytes."""

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import bindparam, delete, exists, insert, literal, or_, select, tuple_

from batchway.domain.file import File, Purpose
from batchway.domain.idempotency import IdempotencyKey
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Order, Page
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Database, Row
from batchway.storage.ledger.idempotency import IdempotencyKeys

_t: Final = tables.files
_b: Final = tables.batches
_COLUMNS: Final = [column for column in _t.c if column.key != "seq"]
_MINE: Final = (_t.c.id == bindparam("id"), _t.c.tenant == bindparam("tenant"))

INSERT_FILE: Final = insert(_t).inline()  # nobody wants `seq` back
_GET: Final = select(*_COLUMNS).where(*_MINE)
_PLACE: Final = select(_t.c.created_at, _t.c.seq).where(*_MINE)
# The clock may be set back, and a file is added some time after its second: `seq` alone is not
# the order of `created_at`.
_BY_AGE: Final = tuple_(_t.c.created_at, _t.c.seq)
_REMOVE: Final = delete(_t).where(*_MINE).returning(*_COLUMNS)
_EXPIRED: Final = (
    select(*_COLUMNS)
    .where(_t.c.expires_at <= bindparam("now"))
    .order_by(_t.c.expires_at)
    .limit(bindparam("limit"))
)
_RUNNING: Final = [status.value for status in BatchStatus if status not in TERMINAL]
_IN_USE: Final = select(literal(1)).where(
    or_(
        exists().where(_t.c.blob == bindparam("blob")),
        exists().where(_b.c.input_blob == bindparam("blob"), _b.c.status.in_(_RUNNING)),
    )
)


def file_values(file: File) -> dict[str, Any]:
    """A file as column values, which are plain JSON too."""
    return {**asdict(file), "purpose": file.purpose.value}


def file_of(row: Row) -> File:
    """The file of a row that has every column but `seq`."""
    return file_from(dict(row._mapping))


def file_from(values: dict[str, Any]) -> File:
    """The file of `file_values`."""
    typed: dict[str, Any] = {**values, "purpose": Purpose(values["purpose"])}
    return File(**typed)


class SqlFiles:
    """`ports.Files`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._idempotency = IdempotencyKeys(database=database, kind="file")

    async def add(self, file: File, *, idempotency: IdempotencyKey | None = None) -> File:
        async with self._database.transaction() as connection:
            values = file_values(file)
            if idempotency is not None:
                earlier = await self._idempotency.take(
                    connection,
                    tenant=file.tenant,
                    idempotency=idempotency,
                    object_id=file.id,
                    at=file.created_at,
                    snapshot=values,
                )
                if earlier is not None and earlier.snapshot is not None:
                    return file_from(earlier.snapshot)
            await connection.execute(INSERT_FILE, values)
        return file

    async def get(self, tenant: str, file_id: str) -> File | None:
        row = await self._database.row(_GET, {"id": file_id, "tenant": tenant})
        return None if row is None else file_of(row)

    async def page(
        self, tenant: str, *, purpose: str | None, limit: int, after: str | None, order: Order
    ) -> Page[File] | None:
        query = select(*_COLUMNS).where(_t.c.tenant == tenant).limit(limit + 1)
        if purpose is not None:
            query = query.where(_t.c.purpose == purpose)
        if after is not None:
            cursor = await self._database.row(_PLACE, {"id": after, "tenant": tenant})
            if cursor is None:
                return None
            place = tuple_(literal(cursor.created_at), literal(cursor.seq))
            query = query.where(place < _BY_AGE if order is Order.ASC else place > _BY_AGE)
        ascending = order is Order.ASC
        for column in (_t.c.created_at, _t.c.seq):
            query = query.order_by(column.asc() if ascending else column.desc())
        rows = await self._database.rows(query)
        return Page(items=tuple(file_of(row) for row in rows[:limit]), more=len(rows) > limit)

    async def remove(self, tenant: str, file_id: str) -> File | None:
        async with self._database.transaction() as connection:
            result = await connection.execute(_REMOVE, {"id": file_id, "tenant": tenant})
            row = result.one_or_none()
        return None if row is None else file_of(row)

    async def expired(self, now: int, limit: int) -> list[File]:
        rows = await self._database.rows(_EXPIRED, {"now": now, "limit": limit})
        return [file_of(row) for row in rows]

    async def blob_in_use(self, blob: str) -> bool:
        return await self._database.row(_IN_USE, {"blob": blob}) is not None
