"""Connections to one database, from one event loop.

Owns two pools: readers, whose statements stand alone (autocommit, so a read costs no BEGIN and no
ROLLBACK), and writers, whose statements are one transaction. Translates every driver error.
Does not know any table.

SQLite: WAL lets readers go on beside the one writer. The writing pool holds a single connection,
so that writers of this loop queue fairly here; other loops and processes wait in SQLite's busy
handler. Writers say BEGIN IMMEDIATE: a transaction that reads first and upgrades later fails with
SQLITE_BUSY at once, whatever the busy timeout.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import Connection, Delete, Executable, Insert, Select, Update, event
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.schema import Table

from batchway.storage.ledger.address import Address
from batchway.storage.ledger.failures import CAUGHT, translate

_BUSY_SECONDS: Final = 30
_POSTGRES_CONNECT: Final = {
    "connect_timeout": 10,
    # Notice a database host that vanished without a word: TCP alone would wait for hours.
    "keepalives_idle": 30,
    "tcp_user_timeout": 30_000,
}

Row = Any  # a row's columns are those of its statement, which no static type follows
Statement = Select[Any] | Insert | Update | Delete


class Database:
    """The pools of one `SqlLedger`."""

    def __init__(self, *, address: Address) -> None:
        self.label = address.label
        self._sqlite = address.sqlite
        if address.sqlite:
            self._reader, self._writer = _sqlite_engines(address)
        else:
            self._reader, self._writer = _postgres_engines(address)

    async def rows(
        self, statement: Executable, parameters: dict[str, Any] | None = None
    ) -> Sequence[Row]:
        """Every row of a read that stands alone.

        A pooled connection may have died with the database's last restart; a read that finds so
        is tried once more, on a new connection.
        """
        try:
            try:
                return await self._read(statement, parameters)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await self._read(statement, parameters)
        except CAUGHT as error:
            raise translate(error, self.label) from error

    async def row(
        self, statement: Executable, parameters: dict[str, Any] | None = None
    ) -> Row | None:
        """The first row of a read that stands alone, if any."""
        rows = await self.rows(statement, parameters)
        return rows[0] if rows else None

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """One writing transaction: committed at the end of the block, rolled back by an error."""
        try:
            async with self._writer.begin() as connection:
                yield connection
        except CAUGHT as error:
            raise translate(error, self.label) from error

    async def write(self, statement: Statement, parameters: dict[str, Any] | None = None) -> int:
        """Run one writing statement as a transaction; returns how many rows it touched."""
        async with self.transaction() as connection:
            result = await connection.execute(statement, parameters)
            return result.rowcount

    def insert_or_skip(self, table: Table, *, columns: Sequence[str], where: Any = None) -> Insert:
        """An INSERT that does nothing where a row with the same `columns` is there already."""
        insert = sqlite_insert(table) if self._sqlite else postgresql_insert(table)
        skipping = insert.on_conflict_do_nothing(index_elements=list(columns), index_where=where)
        # SQLAlchemy counts the rows of an INSERT only when told to.
        return skipping.inline().execution_options(preserve_rowcount=True)

    async def close(self) -> None:
        """Close every connection."""
        await self._reader.dispose()
        await self._writer.dispose()

    async def _read(
        self, statement: Executable, parameters: dict[str, Any] | None
    ) -> Sequence[Row]:
        async with self._reader.connect() as connection:
            return (await connection.execute(statement, parameters)).all()


def _options() -> dict[str, Any]:
    return {
        # Values hold what clients sent; errors and their tracebacks must not.
        "hide_parameters": True,
        "json_serializer": json.JSONEncoder(separators=(",", ":")).encode,
        "pool_use_lifo": True,
        "pool_timeout": _BUSY_SECONDS,
    }


def _sqlite_engines(address: Address) -> tuple[AsyncEngine, AsyncEngine]:
    connect = {"timeout": _BUSY_SECONDS, "isolation_level": None, "cached_statements": 256}
    reader = create_async_engine(
        address.asynchronous,
        connect_args=connect,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        pool_size=4,
        max_overflow=0,
        **_options(),
    )
    writer = create_async_engine(
        address.asynchronous,
        connect_args=connect,
        pool_size=1,
        max_overflow=0,
        **_options(),
    )
    event.listen(reader.sync_engine, "connect", _sqlite_connected)
    event.listen(writer.sync_engine, "connect", _sqlite_connected)
    event.listen(writer.sync_engine, "begin", _begin_immediate)
    return reader, writer


def _postgres_engines(address: Address) -> tuple[AsyncEngine, AsyncEngine]:
    connect = {k: v for k, v in _POSTGRES_CONNECT.items() if k not in address.url.query}
    reader = create_async_engine(
        address.asynchronous,
        connect_args=connect,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        pool_size=5,
        max_overflow=5,
        **_options(),
    )
    writer = create_async_engine(
        address.asynchronous,
        connect_args=connect,
        # Compare-and-swap relies on it: under a stricter level, which a server may default to,
        # the loser of a race would fail instead of seeing the winner's row.
        isolation_level="READ COMMITTED",
        pool_size=5,
        max_overflow=5,
        **_options(),
    )
    return reader, writer


def _sqlite_connected(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # FULL: a commit that was answered survives power loss, which WAL's default does not promise.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
