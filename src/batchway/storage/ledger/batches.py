"""Batch rows. Owns the `batches` table and every move of a status; the graph is `domain.status`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    bindparam,
    false,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from batchway.domain.batch import Batch, BatchError
from batchway.domain.file import File
from batchway.domain.group import Group
from batchway.domain.idempotency import IdempotencyKey
from batchway.domain.reason import Reason, lasting, text_of
from batchway.domain.run_online import RunOnline
from batchway.domain.shard import Shard
from batchway.domain.status import TERMINAL, TIMESTAMP, BatchStatus, sources_of
from batchway.ports import BatchFilter, Delivered, Page
from batchway.storage.ledger import tables
from batchway.storage.ledger.batch_rows import (
    batch_of,
    batch_values,
    error_values,
    online_values,
    reason_values,
)
from batchway.storage.ledger.database import Database
from batchway.storage.ledger.files import INSERT_FILE, file_values
from batchway.storage.ledger.group_rows import INSERT_GROUP, group_values
from batchway.storage.ledger.idempotency import IdempotencyKeys
from batchway.storage.ledger.pairs import INSERT_PAIR, pair_values, with_pairs
from batchway.storage.ledger.shards import INSERT_SHARD, shard_values
from batchway.storage.ledger.text import has_item, is_storable

_t: Final = tables.batches
_COLUMNS: Final = [column for column in _t.c if column.key != "seq"]
_MINE: Final = (_t.c.id == bindparam("id"), _t.c.tenant == bindparam("tenant"))
_IDS_AT_ONCE: Final = 1_000  # SQLite bounds the parameters of a statement

_INSERT: Final = insert(_t).inline()  # nobody wants `seq` back
_GET: Final = select(*_COLUMNS).where(*_MINE)
_LOAD: Final = select(*_COLUMNS).where(_t.c.id == bindparam("id"))
_SEQ: Final = select(_t.c.seq).where(*_MINE)
_ALL: Final = select(*_COLUMNS).limit(bindparam("limit"))
_EVERY: Final = BatchFilter()
_UNFINISHED: Final = (
    select(_t.c.id)
    .where(_t.c.status.in_([s.value for s in BatchStatus if s not in TERMINAL]))
    .order_by(_t.c.deadline, _t.c.seq)
)
_STATUSES: Final = select(_t.c.id, _t.c.status).where(_t.c.id.in_(bindparam("ids", expanding=True)))
_DESCRIBE: Final = (
    update(_t)
    .where(_t.c.id == bindparam("batch_id"))
    .values(
        status_details=bindparam("details"),
        waited_for=func.coalesce(bindparam("reason", type_=Text), _t.c.waited_for),
        waited_kind=func.coalesce(bindparam("kind", type_=Text), _t.c.waited_kind),
    )
)


class SqlBatches:
    """`ports.Batches`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._idempotency = IdempotencyKeys(database=database, kind="batch")

    async def add(self, batch: Batch, *, idempotency: IdempotencyKey | None = None) -> Batch:
        if idempotency is None:
            values, pairs = batch_values(batch), pair_values(batch)
            await self._database.group(lambda connection: _add(connection, values, pairs))
            return batch
        async with self._database.transaction() as connection:
            earlier = await self._idempotency.take(
                connection,
                tenant=batch.tenant,
                idempotency=idempotency,
                object_id=batch.id,
                at=batch.created_at,
            )
            if earlier is not None:
                found = await connection.execute(_LOAD, {"id": earlier.object_id})
                return batch_of(found.one())
            await connection.execute(_INSERT, batch_values(batch))
            if pairs := pair_values(batch):
                await connection.execute(INSERT_PAIR, pairs)
        return batch

    async def made(self, tenant: str, idempotency: IdempotencyKey) -> Batch | None:
        object_id = await self._idempotency.find(
            self._database, tenant=tenant, idempotency=idempotency
        )
        return None if object_id is None else await self.load(object_id)

    async def get(self, tenant: str, batch_id: str) -> Batch | None:
        row = await self._database.row(_GET, {"id": batch_id, "tenant": tenant})
        return None if row is None else batch_of(row)

    async def load(self, batch_id: str) -> Batch | None:
        row = await self._database.row(_LOAD, {"id": batch_id})
        return None if row is None else batch_of(row)

    async def page(
        self,
        tenant: str,
        *,
        limit: int,
        after: str | None,
        where: BatchFilter = _EVERY,
    ) -> Page[Batch] | None:
        parameters: dict[str, Any] = {"tenant": tenant, "limit": limit + 1}
        query, seq = with_pairs(_ALL, where.metadata)
        query = query.where(*self._conditions(where)).order_by(seq.desc())
        if after is not None:
            cursor = await self._database.row(_SEQ, {"id": after, "tenant": tenant})
            if cursor is None:
                return None
            query = query.where(seq < cursor.seq)
        rows = await self._database.rows(query, parameters)
        return Page(items=tuple(batch_of(row) for row in rows[:limit]), more=len(rows) > limit)

    async def unfinished(self) -> list[str]:
        return [row.id for row in await self._database.rows(_UNFINISHED)]

    async def statuses(self, batch_ids: Sequence[str]) -> Mapping[str, BatchStatus]:
        found: dict[str, BatchStatus] = {}
        for at in range(0, len(batch_ids), _IDS_AT_ONCE):
            ids = list(batch_ids[at : at + _IDS_AT_ONCE])
            rows = await self._database.rows(_STATUSES, {"ids": ids})
            found.update((row.id, BatchStatus(row.status)) for row in rows)
        return found

    async def move(
        self,
        batch_id: str,
        after: BatchStatus,
        *,
        at: int,
        before: frozenset[BatchStatus] | None = None,
        errors: Sequence[BatchError] | None = None,
    ) -> bool:
        changes = {} if errors is None else {"errors": error_values(errors)}
        async with self._database.transaction() as connection:
            return await _swap(connection, batch_id, after, at=at, before=before, **changes)

    async def begin(
        self,
        batch_id: str,
        *,
        at: int,
        model: str | None,
        shards: Sequence[Shard],
        groups: Sequence[Group] = (),
        providers: Sequence[str] = (),
        warnings: Mapping[str, int] | None = None,
        run_online: Sequence[RunOnline] = (),
    ) -> bool:
        changes: dict[str, Any] = {
            "total": sum(shard.lines for shard in shards),
            "model": model,
            "providers": sorted(set(providers)),
            "warnings": dict(warnings or {}) or None,
            "run_online": online_values(run_online),
        }
        async with self._database.transaction() as connection:
            if not await _swap(connection, batch_id, BatchStatus.IN_PROGRESS, at=at, **changes):
                return False
            if shards:
                await connection.execute(INSERT_SHARD, [shard_values(shard) for shard in shards])
            if groups:
                values = [group_values(batch_id, group) for group in groups]
                await connection.execute(INSERT_GROUP, values)
        return True

    async def finish(
        self,
        batch_id: str,
        after: BatchStatus,
        *,
        at: int,
        output: File | None,
        error: File | None,
        delivered: Delivered | None = None,
        errors: Sequence[BatchError] | None = None,
        details: str | None = None,
    ) -> bool:
        if after not in TERMINAL:
            raise ValueError(f"{after} does not end a batch")
        changes: dict[str, Any] = {
            "status_details": details,
            "output_file_id": None if output is None else output.id,
            "error_file_id": None if error is None else error.id,
        }
        if delivered is not None:
            changes |= {"completed": delivered.completed, "failed": delivered.failed}
        if errors is not None:
            changes["errors"] = error_values(errors)
        files = [file_values(file) for file in (output, error) if file is not None]
        async with self._database.transaction() as connection:
            if not await _swap(connection, batch_id, after, at=at, **changes):
                return False
            if files:
                await connection.execute(INSERT_FILE, files)
        return True

    async def describe(self, batch_id: str, reasons: Sequence[Reason]) -> None:
        kept = reason_values(lasting(reasons))
        await self._database.write(
            _DESCRIBE,
            {
                "batch_id": batch_id,
                "details": text_of(reasons),
                "reason": kept["waited_for"],
                "kind": kept["waited_kind"],
            },
        )

    def _conditions(self, where: BatchFilter) -> list[ColumnElement[bool]]:
        """The filter in SQL. What a client sent is a parameter, never part of a statement."""
        found: list[ColumnElement[bool]] = []
        if where.status is not None:
            found.append(_t.c.status == where.status.value)
        if where.provider is not None:
            found.append(self._database.holds(_t.c.providers, has_item(where.provider)))
        if where.endpoint is not None:
            known = is_storable(where.endpoint)
            found.append(_t.c.endpoint == where.endpoint if known else false())
        if where.created_after is not None:
            found.append(_t.c.created_at > where.created_after)
        if where.created_before is not None:
            found.append(_t.c.created_at < where.created_before)
        return found


def _add(connection: Connection, values: dict[str, Any], pairs: list[dict[str, str]]) -> None:
    connection.execute(_INSERT, values)
    if pairs:
        connection.execute(INSERT_PAIR, pairs)


async def _swap(
    connection: AsyncConnection,
    batch_id: str,
    after: BatchStatus,
    *,
    at: int,
    before: frozenset[BatchStatus] | None = None,
    **changes: Any,
) -> bool:
    """The one statement that changes a status. Where the graph has no edge it matches no row."""
    sources = sources_of(after) if before is None else sources_of(after) & before
    if not sources:
        return False
    if after in TERMINAL:
        # What the providers reported is in the files by now, or never will be.
        changes |= {"remote_completed": 0, "remote_failed": 0}
    swap = (
        update(_t)
        .where(_t.c.id == batch_id, _t.c.status.in_([source.value for source in sources]))
        .values({"status": after.value, TIMESTAMP[after]: at, **changes})
    )
    return (await connection.execute(swap)).rowcount == 1
