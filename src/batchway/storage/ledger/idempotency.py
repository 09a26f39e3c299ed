"""Idempotency keys: one key of a tenant makes one object of a kind, however often it is sent.

Owns the `once` table. Rows are kept until `SqlLedger.purge_idempotency_keys` removes them.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from batchway.domain.idempotency import IdempotencyKey
from batchway.ports import IdempotencyMismatch
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Database

_t: Final = tables.idempotency_keys
_PROBE_BYTES: Final = 16 << 10
_FIND: Final = select(_t.c.fingerprint, _t.c.object_id, _t.c.snapshot).where(
    _t.c.tenant == bindparam("tenant"),
    _t.c.kind == bindparam("kind"),
    _t.c.key == bindparam("key"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What the key made when it was first used."""

    object_id: str
    snapshot: dict[str, Any] | None


class IdempotencyKeys:
    """Keys of one kind of object (`file`, `batch`)."""

    def __init__(self, *, database: Database, kind: str) -> None:
        self._kind = kind
        self._take = database.insert_or_skip(_t, columns=("tenant", "kind", "key"))

    async def take(
        self,
        connection: AsyncConnection,
        *,
        tenant: str,
        idempotency: IdempotencyKey,
        object_id: str,
        at: int,
        snapshot: dict[str, Any] | None = None,
    ) -> Earlier | None:
        """Take the key within the caller's transaction; `None` means that it was free.

        Of two transactions taking one key the second waits for the first to end, and then sees
        what it committed. Raises `IdempotencyMismatch` when the key was used for something else.
        """
        name = {"tenant": tenant, "kind": self._kind, "key": idempotency.key}
        row = {
            **name,
            "fingerprint": idempotency.fingerprint,
            "object_id": object_id,
            "snapshot": snapshot,
            "created_at": at,
        }
        if (await connection.execute(self._take, row)).rowcount == 1:
            return None
        earlier = (await connection.execute(_FIND, name)).one()
        if earlier.fingerprint != idempotency.fingerprint:
            raise IdempotencyMismatch
        return Earlier(object_id=earlier.object_id, snapshot=earlier.snapshot)

    async def find(
        self, database: Database, *, tenant: str, idempotency: IdempotencyKey
    ) -> str | None:
        """What the key made, without taking it. Raises `IdempotencyMismatch` as `take` does."""
        name = {"tenant": tenant, "kind": self._kind, "key": idempotency.key}
        earlier = await database.row(_FIND, name)
        if earlier is None:
            return None
        if earlier.fingerprint != idempotency.fingerprint:
            raise IdempotencyMismatch
        return earlier.object_id


async def probe(database: Database) -> None:
    """Write as much as a request may, to see whether it can be written. One row, again and again.

    Not rolled back: SQLite writes to its disk when it commits.
    """
    row = {
        "tenant": "",
        "kind": "probe",
        "key": "readiness",
        "fingerprint": "",
        "object_id": "",
        "snapshot": {"filler": "-" * _PROBE_BYTES},
        "created_at": 0,
    }
    columns = ("tenant", "kind", "key")
    await database.write(database.insert_or_replace(_t, columns=columns), row)


async def purge(database: Database, before: int) -> int:
    """Forget keys first used before that Unix time; returns how many."""
    return await database.write(
        delete(_t).where(_t.c.created_at < bindparam("before")), {"before": before}
    )
