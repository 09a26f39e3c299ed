"""The stored keys, the database's schema and its blob store, for the command line."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from batchway.bootstrap.parts import SystemClock, new_ids, prepare_database
from batchway.service.keys import KeyService
from batchway.settings import Settings
from batchway.storage import migrations
from batchway.storage.ledger.sql_ledger import SqlLedger


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncGenerator[KeyService]:
    """The stored API keys. Works beside a running server. Raises `Unavailable`."""
    await asyncio.to_thread(prepare_database, settings)
    ledger = await SqlLedger.open(settings.database_url)
    try:
        yield KeyService(keys=ledger.keys, clock=SystemClock(), ids=new_ids())
    finally:
        await ledger.close()


def upgrade_database(settings: Settings) -> str:
    """Create or upgrade the database; returns its schema number. Raises `Unavailable`."""
    prepare_database(settings)
    return migrations.current(settings.database_url) or ""
