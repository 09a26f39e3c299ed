"""Two ways to run a read that stands alone.

Owns the thread or connection that a read runs on. Does not own retries or the translation of
errors (`database`).

PostgreSQL's driver waits on the event loop. SQLite's cannot: through aiosqlite one statement is
five hops to a thread and back (cursor, execute, fetch, close, and a lock), which costs three times
as much CPU as taking the whole read to a thread at once: 2,000 against 6,000 reads a second.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sqlalchemy import Engine, Executable
from sqlalchemy.ext.asyncio import AsyncEngine

Row = Any  # a row's columns are those of its statement, which no static type follows
Parameters = dict[str, Any] | None


class Reader(Protocol):
    """Runs reads, each on its own."""

    async def read(self, statement: Executable, parameters: Parameters) -> Sequence[Row]:
        """Every row. Raises the driver's errors."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class LoopReader:
    """Reads on the event loop, over an engine in autocommit."""

    def __init__(self, *, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, statement: Executable, parameters: Parameters) -> Sequence[Row]:
        """Every row."""
        async with self._engine.connect() as connection:
            return (await connection.execute(statement, parameters)).all()

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


class ThreadReader:
    """Reads in a few threads, over an engine in autocommit with a connection for each.

    A cancelled read goes on in its thread, to its end and unheard.
    """

    def __init__(self, *, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ledger-read")

    async def read(self, statement: Executable, parameters: Parameters) -> Sequence[Row]:
        """Every row."""
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
