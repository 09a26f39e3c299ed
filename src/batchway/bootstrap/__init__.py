"""The composition root: the only place that names concrete classes and joins them.

parts   settings -> providers, limits, stories
work    the thread that runs batches
http    `serve`
files   `run` and `check`, without a server
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from batchway.bootstrap.parts import SystemClock, new_ids, prepare_database
from batchway.service.keys import KeyService
from batchway.settings import Settings
from batchway.storage import migrations
from batchway.storage.ledger.sql_ledger import SqlLedger

from batchway.bootstrap.files import (  # isort: skip
    CannotRun,
    CheckSummary,
    RunRequest,
    RunResult,
    check_file,
    errors_beside,
    remove_state,
    run_file,
)

__all__ = [
    "CannotRun",
    "CheckSummary",
    "RunRequest",
    "RunResult",
    "check_file",
    "errors_beside",
    "open_keys",
    "remove_state",
    "run_file",
    "serve",
    "upgrade_database",
]


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve HTTP and run batches until interrupted. See `bootstrap.http`."""
    from batchway.bootstrap.http import serve  # noqa: PLC0415 - FastAPI is slow to import

    serve(settings, announce=announce)


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
