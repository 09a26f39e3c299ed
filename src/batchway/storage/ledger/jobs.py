"""Remote jobs of native shards.

Owns the tables `remote_jobs` and `remote_results`, and the columns `remote_*` of batches.

    batches.remote_completed = sum of remote_jobs.completed of the batch, 0 once it has ended
    batches.remote_failed    = sum of remote_jobs.failed, likewise

A writer of a record holds the row of its shard, and one that sums holds the row of the batch.
Rows are taken in that order, the ledger's own; a record's row needs no place in it, since only a
holder of its shard waits for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Final

from sqlalchemy import (
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from batchway.domain.remote import JobRecord, JobStage
from batchway.domain.shard import Claim, Mode, Segment
from batchway.domain.status import TERMINAL
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Database, Row
from batchway.storage.ledger.text import is_storable

_t: Final = tables.remote_jobs
_r: Final = tables.remote_results
_b: Final = tables.batches
_s: Final = tables.shards
_RUNNING: Final = [_b.c.status != status.value for status in TERMINAL]
_KEY: Final = ("batch_id", "shard")
_RESULT: Final = "result"  # a column beside a record's own


def _with_results(records: Select[Any]) -> Select[Any]:
    """Records in order of batch and shard, one row for each of their results, at least one."""
    found = records.subquery()
    return (
        select(found, _r.c.reference.label(_RESULT))
        .outerjoin(_r, and_(_r.c.batch_id == found.c.batch_id, _r.c.shard == found.c.shard))
        .order_by(found.c.batch_id, found.c.shard, _r.c.position)
    )


_OF: Final = _with_results(select(_t).where(_t.c.batch_id == bindparam("batch_id")))
_FORGET_RESULTS: Final = delete(_r).where(
    _r.c.batch_id == bindparam("of_batch"), _r.c.shard == bindparam("of_shard")
)
_ADD_RESULT: Final = insert(_r)
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
# One index each: an OR over several columns leaves the choice to the planner's statistics.
_TENANT_OF: Final = union_all(
    *(
        select(_b.c.tenant)
        .join(_t, _t.c.batch_id == _b.c.id)
        .where(_t.c.provider == bindparam("provider"), column == bindparam("reference"))
        for column in (_t.c.remote_id, _t.c.reference)
    ),
    select(_b.c.tenant)
    .join(_r, _r.c.batch_id == _b.c.id)
    .where(_r.c.provider == bindparam("provider"), _r.c.reference == bindparam("reference")),
).limit(1)
_OF_OTHERS: Final = _with_results(
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


_UNSETTLED: Final = _with_results(
    select(_t)
    .join(_b, _t.c.batch_id == _b.c.id)
    .where(
        _b.c.status.in_([status.value for status in TERMINAL]),
        _t.c.stage != JobStage.ENDED.value,
        or_(_t.c.stage != JobStage.INTENDED.value, _t.c.submitted_at.is_not(None)),
        tuple_(_t.c.batch_id, _t.c.shard) > tuple_(bindparam("batch_id"), bindparam("shard")),
    )
    .order_by(_t.c.batch_id, _t.c.shard)
    .limit(bindparam("most"))
)
_SETTLE: Final = (
    update(_t)
    .where(
        _t.c.batch_id == bindparam("of_batch"),
        _t.c.shard == bindparam("of_shard"),
        _t.c.tag == bindparam("of_tag"),
        _t.c.batch_id.in_(
            select(_b.c.id).where(
                _b.c.id == bindparam("of_batch"),
                _b.c.status.in_([status.value for status in TERMINAL]),
            )
        ),
    )
    .values(stage=JobStage.ENDED.value, completed=0, failed=0)
)


class SqlRemoteJobs:
    """`ports.RemoteJobs`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._put = database.insert_or_replace(_t, columns=_KEY)

    async def of(self, batch_id: str) -> list[JobRecord]:
        return _records_of(await self._database.rows(_OF, {"batch_id": batch_id}))

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
            await connection.execute(_FORGET_RESULTS, {"of_batch": batch_id, "of_shard": number})
            if record.references:
                await connection.execute(_ADD_RESULT, _result_values(record))
            # A statement after the one that took the batch's row, so that it sees every record
            # that was summed before.
            await connection.execute(_SUM, {"of_batch": batch_id})
        return True

    async def tenant_of(self, provider: str, reference: str) -> str | None:
        if not is_storable(reference):
            return None
        row = await self._database.row(_TENANT_OF, {"provider": provider, "reference": reference})
        return None if row is None else row.tenant

    async def of_others(
        self, tenant: str, *, limit: int, after: tuple[str, int] | None = None
    ) -> list[JobRecord]:
        batch_id, shard = after or ("", -1)
        rows = await self._database.rows(
            _OF_OTHERS, {"tenant": tenant, "most": limit, "batch_id": batch_id, "shard": shard}
        )
        return _records_of(rows)

    async def unsettled(
        self, *, limit: int, after: tuple[str, int] | None = None
    ) -> list[JobRecord]:
        batch_id, shard = after or ("", -1)
        rows = await self._database.rows(
            _UNSETTLED, {"most": limit, "batch_id": batch_id, "shard": shard}
        )
        return _records_of(rows)

    async def settle(self, record: JobRecord) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                _SETTLE,
                {"of_batch": record.batch_id, "of_shard": record.shard, "of_tag": record.tag},
            )


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
    values = {**asdict(record), "stage": record.stage.value}
    del values["references"]
    return values


def _result_values(record: JobRecord) -> list[dict[str, Any]]:
    return [
        {
            "batch_id": record.batch_id,
            "shard": record.shard,
            "position": position,
            "provider": record.provider,
            "reference": reference,
        }
        for position, reference in enumerate(record.references)
    ]


def _records_of(rows: Iterable[Row]) -> list[JobRecord]:
    """The records of rows that `_with_results` gave."""
    records: list[JobRecord] = []
    for _, group in groupby(rows, key=lambda row: (row.batch_id, row.shard)):
        of_one = list(group)
        values: dict[str, Any] = {**of_one[0]._mapping, "stage": JobStage(of_one[0].stage)}
        del values[_RESULT]
        results = tuple(row.result for row in of_one if row.result is not None)
        records.append(JobRecord(**values, references=results))
    return records
