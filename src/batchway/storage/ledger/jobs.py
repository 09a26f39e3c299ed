"""Remote jobs of native shards. Owns the table `remote_jobs` and the columns `remote_*` of batches.

    batches.remote_completed = sum of remote_jobs.completed of the batch, 0 once it has ended
    batches.remote_failed    = sum of remote_jobs.failed, likewise

Whoever writes a record holds the row of its shard, and whoever sums holds the row of the batch.
Rows are taken in that order, the ledger's own; a record's row needs no place in it, since nobody
waits for one who does not hold its shard.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import and_, bindparam, case, func, literal, select, tuple_, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from batchway.domain.remote import JobRecord, JobStage
from batchway.domain.shard import Claim, Mode, Segment
from batchway.domain.status import TERMINAL
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Database, Row
from batchway.storage.ledger.text import is_storable

_t: Final = tables.remote_jobs
_b: Final = tables.batches
_s: Final = tables.shards
_RUNNING: Final = [_b.c.status != status.value for status in TERMINAL]
_IDS: Final = (_t.c.remote_id, _t.c.input_file_id, _t.c.output_file_id, _t.c.error_file_id)
_KEY: Final = ("batch_id", "shard")

_OF: Final = select(_t).where(_t.c.batch_id == bindparam("batch_id")).order_by(_t.c.shard)
_HOLD_SHARD: Final = (
    select(_s.c.mode)
    .where(
        _s.c.batch_id == bindparam("batch_id"),
        _s.c.number == bindparam("number"),
        _s.c.fence == bindparam("fence"),
    )
    .with_for_update(key_share=True)
)
_HOLD_BATCH: Final = (
    select(literal(1))
    .select_from(_b)
    .where(_b.c.id == bindparam("batch_id"), *_RUNNING)
    # Not a plain FOR UPDATE: it would wait for every other record's reference to the batch.
    .with_for_update(key_share=True)
)
_SUMS: Final = {
    f"remote_{name}": select(func.coalesce(func.sum(_t.c[name]), 0))
    .where(_t.c.batch_id == bindparam("of_batch"))
    .scalar_subquery()
    for name in ("completed", "failed")
}
_SUM: Final = update(_b).where(_b.c.id == bindparam("of_batch"), *_RUNNING).values(_SUMS)
_TAKE_OFF: Final = (
    update(_t)
    .where(_t.c.batch_id == bindparam("of_batch"), _t.c.shard == bindparam("of_shard"))
    .values(
        {
            name: case(
                (_t.c[name] > bindparam(f"less_{name}"), _t.c[name] - bindparam(f"less_{name}")),
                else_=0,
            )
            for name in ("completed", "failed")
        }
    )
)
_EMPTY: Final = (
    update(_t)
    .where(_t.c.batch_id == bindparam("of_batch"), _t.c.shard == bindparam("of_shard"))
    .values(completed=0, failed=0)
)
# One index each: an OR over four columns leaves the choice to the planner's statistics.
_TENANT_OF: Final = union_all(
    *(
        select(_b.c.tenant)
        .join(_t, _t.c.batch_id == _b.c.id)
        .where(and_(_t.c.provider == bindparam("provider"), column == bindparam("remote_id")))
        for column in _IDS
    )
).limit(1)
_OF_OTHERS: Final = (
    select(_t)
    .join(_b, _t.c.batch_id == _b.c.id)
    .where(
        _b.c.tenant != bindparam("tenant"),
        _t.c.stage.in_([JobStage.SUBMITTING.value, JobStage.SUBMITTED.value]),
        tuple_(_t.c.batch_id, _t.c.shard) > tuple_(bindparam("batch_id"), bindparam("shard")),
    )
    .order_by(_t.c.batch_id, _t.c.shard)
    .limit(bindparam("most"))
)


class SqlRemoteJobs:
    """`ports.RemoteJobs`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._put = database.insert_or_replace(_t, columns=_KEY)

    async def of(self, batch_id: str) -> list[JobRecord]:
        return [_record_of(row) for row in await self._database.rows(_OF, {"batch_id": batch_id})]

    async def put(self, claim: Claim, record: JobRecord) -> bool:
        batch_id, number = claim.shard.batch_id, claim.shard.number
        if (record.batch_id, record.shard) != (batch_id, number):
            raise ValueError(f"{record.tag} is not of shard {number} of {batch_id}")
        held = {"batch_id": batch_id, "number": number, "fence": claim.fence}
        async with self._database.transaction() as connection:
            mode = (await connection.execute(_HOLD_SHARD, held)).scalar_one_or_none()
            if mode is None:
                return False
            values = _record_values(record)
            if mode != Mode.NATIVE.value:
                # Its lines run again, one by one, and a commit takes nothing off any more.
                values |= {"completed": 0, "failed": 0}
            running = await connection.execute(_HOLD_BATCH, {"batch_id": batch_id})
            if running.one_or_none() is None:
                return False
            await connection.execute(self._put, values)
            # A statement after the one that took the batch's row, so that it sees every record
            # that was summed before.
            await connection.execute(_SUM, {"of_batch": batch_id})
        return True

    async def tenant_of(self, provider: str, remote_id: str) -> str | None:
        if not is_storable(remote_id):
            return None
        row = await self._database.row(_TENANT_OF, {"provider": provider, "remote_id": remote_id})
        return None if row is None else row.tenant

    async def of_others(
        self, tenant: str, *, limit: int, after: tuple[str, int] | None = None
    ) -> list[JobRecord]:
        batch_id, shard = after or ("", -1)
        rows = await self._database.rows(
            _OF_OTHERS, {"tenant": tenant, "most": limit, "batch_id": batch_id, "shard": shard}
        )
        return [_record_of(row) for row in rows]


async def take_off(connection: AsyncConnection, segments: Iterable[Segment]) -> None:
    """Within a commit that holds their shards: what is committed is not their jobs' any more.

    The sums are for `renew_sums`, once the rows of the batches are held.
    """
    less = [
        {
            "of_batch": segment.batch_id,
            "of_shard": segment.shard,
            "less_completed": segment.completed,
            "less_failed": segment.failed,
        }
        for segment in segments
    ]
    await connection.execute(_TAKE_OFF, less)


async def empty(connection: AsyncConnection, batch_id: str, shard: int) -> None:
    """Within a transaction that holds this shard: its job has no lines to show any more."""
    await connection.execute(_EMPTY, {"of_batch": batch_id, "of_shard": shard})


async def renew_sums(connection: AsyncConnection, batches: Sequence[str]) -> None:
    """Within a transaction that holds the rows of these batches: sum their records again."""
    await connection.execute(_SUM, [{"of_batch": batch} for batch in batches])


def _record_values(record: JobRecord) -> dict[str, Any]:
    return {**asdict(record), "stage": record.stage.value}


def _record_of(row: Row) -> JobRecord:
    typed: dict[str, Any] = {**row._mapping, "stage": JobStage(row.stage)}
    return JobRecord(**typed)
