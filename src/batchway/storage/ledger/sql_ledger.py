"""`SqlLedger`: the ledger in SQLite or PostgreSQL.

Owns opening, checking and closing; each noun's rows are in the module of that name. An instance
belongs to one event loop; any number of instances, in any number of threads and processes, may
share one database.
"""

from typing import Final

from sqlalchemy import column, select, table

from batchway.domain.errors import Unavailable
from batchway.storage.ledger import idempotency
from batchway.storage.ledger.address import Address
from batchway.storage.ledger.batches import SqlBatches
from batchway.storage.ledger.database import Database
from batchway.storage.ledger.failures import is_missing_table
from batchway.storage.ledger.files import SqlFiles
from batchway.storage.ledger.jobs import SqlRemoteJobs
from batchway.storage.ledger.keys import SqlKeys
from batchway.storage.ledger.limits import SqlTargetLimits
from batchway.storage.ledger.shards import SqlShards
from batchway.storage.ledger.short import SqlShortBatches
from batchway.storage.ledger.stores import SqlStores
from batchway.storage.ledger.uploads import SqlUploads
from batchway.storage.ledger.version import VERSION_TABLE, require_current

_VERSION: Final = select(column("version_num")).select_from(table(VERSION_TABLE))


class SqlLedger:
    """`ports.Ledger` over SQL. Made by `open`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._files = SqlFiles(database=database)
        self._batches = SqlBatches(database=database)
        self._shards = SqlShards(database=database)
        self._jobs = SqlRemoteJobs(database=database)
        self._uploads = SqlUploads(database=database)
        self._keys = SqlKeys(database=database)
        self._stores = SqlStores(database=database)
        self._limits = SqlTargetLimits(database=database)
        self._short = SqlShortBatches(database=database)

    @classmethod
    async def open(cls, url: str) -> "SqlLedger":
        """Open an upgraded database (`migrations.upgrade`), for the running event loop.

        Raises `ValueError` for a URL of no known shape and `Unavailable` when the database does
        not answer or its schema is not this release's.
        """
        ledger = cls(database=Database(address=Address.parse(url)))
        try:
            await ledger.check()
        except BaseException:
            await ledger.close()
            raise
        return ledger

    @property
    def files(self) -> SqlFiles:
        """File rows."""
        return self._files

    @property
    def batches(self) -> SqlBatches:
        """Batch rows."""
        return self._batches

    @property
    def shards(self) -> SqlShards:
        """Plans, fences and segments."""
        return self._shards

    @property
    def jobs(self) -> SqlRemoteJobs:
        """Remote jobs of native shards."""
        return self._jobs

    @property
    def uploads(self) -> SqlUploads:
        """Upload and part rows."""
        return self._uploads

    @property
    def keys(self) -> SqlKeys:
        """API keys."""
        return self._keys

    @property
    def stores(self) -> SqlStores:
        """The blob store that the database belongs to; for who opens both, not in the port."""
        return self._stores

    @property
    def label(self) -> str:
        """How messages call the database: without user or password."""
        return self._database.label

    @property
    def limits(self) -> SqlTargetLimits:
        """Limits that were found out."""
        return self._limits

    @property
    def short(self) -> SqlShortBatches:
        """Batches that end in one breath."""
        return self._short

    async def check(self) -> None:
        """Raise `Unavailable` unless the database answers and its schema is current."""
        try:
            row = await self._database.row(_VERSION)
        except Unavailable as error:
            cause = error.__cause__
            if not (isinstance(cause, Exception) and is_missing_table(cause)):
                raise
            row = None
        require_current(None if row is None else row.version_num, self._database.label)

    async def probe(self) -> None:
        """Raise `Unavailable` unless the database takes what is written."""
        await idempotency.probe(self._database)

    async def purge_idempotency_keys(self, before: int) -> int:
        """Forget idempotency keys first used before that Unix time; returns how many.

        Clients may count on 30 days, so housekeeping calls it with the time 30 days ago.
        """
        return await idempotency.purge(self._database, before)

    async def close(self) -> None:
        """Give connections back."""
        await self._database.close()
