"""Reads that stand alone, in a few threads.

Owns the thread and the connection that a read runs on. Does not own retries or the translation of
errors (`database`).

One read is one hop to a thread and back. Through the asynchronous drivers it is several: aiosqlite
takes five (cursor, execute, fetch, close, and a lock), three times as much CPU, 2,000 against 6,000
reads a second; SQLAlchemy's greenlets over psycopg took 1.1 to 1.8 ms of CPU a read, where a thread
takes 0.5 to 0.6 ms.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine, Executable

Row = Any  # a row's columns are those of its statement, which no static type follows
Parameters = dict[str, Any] | None


class Reader:
    """Reads in a few threads, over an engine in autocommit with a connection for each.

    A cancelled read goes on in its thread, to its end and unheard.
    """

    def __init__(self, *, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ledger-read")

    async def read(self, statement: Executable, parameters: Parameters) -> Sequence[Row]:
        """Every row. Raises the driver's errors."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, statement, parameters)

    async def close(self) -> None:
        """Wait for the last reads and close every connection."""
        # Not in a thread of the loop: at the end of a process its executor may be gone already.
        self._threads.shutdown()
        self._engine.dispose()

    def _read(self, statement: Executable, parameters: Parameters) -> Sequence[Row]:
        with self._engine.connect() as connection:
            return connection.execute(statement, parameters).all()
