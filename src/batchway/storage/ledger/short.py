"""`ports.ShortBatches`: group commits of batches that end in one breath, and who starts next."""

from typing import Any, Final

from sqlalchemy import Connection, Integer, bindparam, delete, exists, func, select, update

from batchway.domain.batch import Batch
from batchway.domain.shard import Claim
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Begun, Completed, Finished
from batchway.storage.ledger import tables
from batchway.storage.ledger.batch_rows import batch_of, online_values, usage_values
from batchway.storage.ledger.database import Database
from batchway.storage.ledger.files import INSERT_FILE, file_values
from batchway.storage.ledger.group_rows import group_json
from batchway.storage.ledger.shards import INSERT_SHARD, shard_values

_b: Final = tables.batches
_s: Final = tables.shards
_f: Final = tables.files
_FIRST_FENCE: Final = 1

# The turn of a batch within its tenant: every tenant's first, then every tenant's second.
_TURN: Final = (
    func.row_number()
    .over(partition_by=_b.c.tenant, order_by=(_b.c.deadline, _b.c.seq))
    .label("turn")
)
_OPEN: Final = (
    select(_b.c.seq.label("open_seq"), _TURN)
    .where(_b.c.status.in_([s.value for s in BatchStatus if s not in TERMINAL]))
    .subquery()
)
_WAITING: Final = (
    select(*(column for column in _b.c if column.key != "seq"))
    .join(_OPEN, _b.c.seq == _OPEN.c.open_seq)
    .order_by(_OPEN.c.turn, _b.c.deadline, _b.c.seq)
    .limit(bindparam("limit", type_=Integer))
)
_BEGIN: Final = (
    update(_b)
    .where(_b.c.id == bindparam("of_batch"), _b.c.status == BatchStatus.VALIDATING.value)
    .values(
        status=BatchStatus.IN_PROGRESS.value,
        in_progress_at=bindparam("at"),
        total=bindparam("lines"),
        model=bindparam("of_model"),
        providers=bindparam("of_providers", type_=_b.c.providers.type),
        warnings=bindparam("of_warnings", type_=_b.c.warnings.type),
        run_online=bindparam("of_run_online", type_=_b.c.run_online.type),
    )
)
_UNPLAN: Final = delete(_s).where(
    _s.c.batch_id == bindparam("of_batch"),
    _s.c.number == bindparam("of_number"),
    _s.c.fence == bindparam("of_fence"),
    _s.c.done == 0,
)
_FINALIZE: Final = (
    update(_b)
    .where(_b.c.id == bindparam("of_batch"), _b.c.status == BatchStatus.IN_PROGRESS.value)
    .values(status=BatchStatus.FINALIZING.value, finalizing_at=bindparam("at"))
)
_COMPLETE: Final = (
    update(_b)
    .where(_b.c.id == bindparam("of_batch"), _b.c.status == BatchStatus.FINALIZING.value)
    .values(
        {
            "status": BatchStatus.COMPLETED.value,
            "completed_at": bindparam("at"),
            **{
                name: bindparam(f"of_{name}")
                for name in (
                    "completed",
                    "failed",
                    "output_file_id",
                    "error_file_id",
                    "input_tokens",
                    "cached_tokens",
                    "output_tokens",
                    "reasoning_tokens",
                )
            },
        }
    )
    # Asked for here: a read of its own after each batch costs more than any of these statements.
    .returning(exists().where(_f.c.blob == _b.c.input_blob).correlate(_b))
)


class _RefusedError(Exception):
    """A finish of its own transaction was refused half-way: nothing of it may stay."""


class SqlShortBatches:
    """`ports.ShortBatches`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def waiting(self, limit: int) -> list[Batch]:
        return [batch_of(row) for row in await self._database.rows(_WAITING, {"limit": limit})]

    async def begin(self, begun: Begun) -> Claim | None:
        shard = begun.shard
        change = {
            "of_batch": shard.batch_id,
            "at": begun.at,
            "lines": shard.lines,
            "of_model": begun.model,
            "of_providers": sorted(set(begun.providers)),
            "of_warnings": dict(begun.warnings) or None,
            "of_run_online": online_values(begun.run_online),
        }
        planned = shard_values(shard, only_group=group_json(begun.group))
        planned["fence"] = _FIRST_FENCE

        def apply(connection: Connection) -> bool:
            if connection.execute(_BEGIN, change).rowcount != 1:
                return False
            connection.execute(INSERT_SHARD, planned)
            return True

        begins = await self._database.group(apply)
        return Claim(shard=shard, fence=_FIRST_FENCE) if begins else None

    async def finish(self, finished: Finished) -> Completed | None:
        claim = finished.claim
        batch: dict[str, Any] = {"of_batch": claim.shard.batch_id}
        shard = batch | {"of_number": claim.shard.number, "of_fence": claim.fence}
        moved = batch | {"at": finished.at}
        output, error = finished.output, finished.error
        ended = moved | {
            "of_completed": finished.delivered.completed,
            "of_failed": finished.delivered.failed,
            "of_output_file_id": None if output is None else output.id,
            "of_error_file_id": None if error is None else error.id,
            **{f"of_{name}": value for name, value in usage_values(finished.usage).items()},
        }
        files = [file_values(file) for file in (output, error) if file is not None]

        def apply(connection: Connection) -> Completed | None:
            # The shard first, as a commit of segments takes it: the two never deadlock.
            if connection.execute(_UNPLAN, shard).rowcount != 1:
                return None
            if connection.execute(_FINALIZE, moved).rowcount != 1:
                raise _RefusedError
            input_named = connection.execute(_COMPLETE, ended).scalar_one()
            if files:
                connection.execute(INSERT_FILE, files)
            return Completed(input_named=input_named)

        try:
            return await self._database.group(apply)
        except _RefusedError:
            return None
