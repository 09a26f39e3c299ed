"""Which blob store the database belongs to. Owns the table `stores`, which has at most one row."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from batchway.domain.status import TERMINAL
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Database

_t: Final = tables.stores
_b: Final = tables.batches
_ENDED: Final = [status.value for status in TERMINAL]
_GET: Final = select(_t)
_FORGET: Final = delete(_t)
_INSERT: Final = insert(_t)
# The newest: what is looked for must not have been removed by its age meanwhile.
_FILES: Final = (
    select(tables.files.c.blob).order_by(tables.files.c.seq.desc()).limit(bindparam("most"))
)
_SEGMENTS: Final = (
    select(tables.segments.c.blob).order_by(tables.segments.c.seq.desc()).limit(bindparam("most"))
)
_INPUTS: Final = (
    select(_b.c.input_blob)
    .where(_b.c.input_blob.is_not(None), _b.c.status.not_in(_ENDED))
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """The store that a database belongs to; bytes older than `since` (Unix) are not its own."""

    identity: str
    since: int


class SqlStores:
    """The one store of a database."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def get(self) -> Belonging | None:
        """The store, `None` before the first use."""
        row = await self._database.row(_GET)
        return None if row is None else Belonging(identity=row.identity, since=row.since)

    async def set(self, belonging: Belonging) -> None:
        """Belong to this store from now on, in one transaction."""
        async with self._database.transaction() as connection:
            await connection.execute(_FORGET)
            await connection.execute(
                _INSERT, {"identity": belonging.identity, "since": belonging.since}
            )

    async def known_blobs(self, most: int) -> list[str]:
        """Up to so many blobs of each kind that rows name: they are in the right store."""
        named: list[str] = []
        for query in (_FILES, _SEGMENTS, _INPUTS):
            named += [row[0] for row in await self._database.rows(query, {"most": most})]
        return named
