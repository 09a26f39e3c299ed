"""Connections to one database, from one event loop.

Owns two pools: readers, whose statements stand alone (autocommit, so a read costs no BEGIN and no
ROLLBACK), and writers, whose statements are one transaction. Translates every driver error.
Does not know any table, nor how connections are made (`engines`).
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Executable,
    Insert,
    Select,
    Text,
    Update,
    cast,
    func,
    or_,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.schema import Table

from batchway.storage.ledger.address import Address
from batchway.storage.ledger.engines import (
    POSTGRES_READERS,
    SQLITE_READERS,
    postgres_grouped,
    postgres_reader,
    postgres_writer,
    sqlite_grouped,
    sqlite_reader,
    sqlite_writer,
)
from batchway.storage.ledger.failures import CAUGHT, translate
from batchway.storage.ledger.group import GroupWriter
from batchway.storage.ledger.readers import Reader, Row

T = TypeVar("T")
Statement = Select[Any] | Insert | Update | Delete


class Database:
    """The pools of one `SqlLedger`."""

    def __init__(self, *, address: Address) -> None:
        self.label = address.label
        self._sqlite = address.sqlite
        if address.sqlite:
            self._reader = Reader(engine=sqlite_reader(address), threads=SQLITE_READERS)
            self._writer = sqlite_writer(address)
            self._group = GroupWriter(engine=sqlite_grouped(address))
        else:
            self._reader = Reader(engine=postgres_reader(address), threads=POSTGRES_READERS)
            self._writer = postgres_writer(address)
            self._group = GroupWriter(engine=postgres_grouped(address))

    async def rows(
        self, statement: Executable, parameters: dict[str, Any] | None = None
    ) -> Sequence[Row]:
        """Every row of a read that stands alone.

        A pooled connection may have died with the database's last restart; a read that finds so
        is tried once more, on a new connection.
        """
        try:
            try:
                return await self._reader.read(statement, parameters)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await self._reader.read(statement, parameters)
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

    async def group(self, change: Callable[[Connection], T]) -> T:
        """Make a change in one transaction with those that arrive at the same time.

        `change` runs in a thread and must be harmless to run again after a rollback.
        """
        try:
            return await self._group.submit(change)
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

    def insert_or_replace(self, table: Table, *, columns: Sequence[str]) -> Insert:
        """An INSERT that replaces the values of a row with the same `columns`."""
        insert = sqlite_insert(table) if self._sqlite else postgresql_insert(table)
        kept = {column.key: insert.excluded[column.key] for column in table.c}
        for name in columns:
            del kept[name]
        return insert.on_conflict_do_update(index_elements=list(columns), set_=kept).inline()

    def holds(self, column: ColumnElement[Any], texts: Sequence[str]) -> ColumnElement[bool]:
        """Whether a column's text has one of `texts` in it, to the letter.

        Not LIKE: SQLite's ignores case.
        """
        at = func.instr if self._sqlite else func.strpos
        return or_(*(at(cast(column, Text), text) > 0 for text in texts))

    async def close(self) -> None:
        """Close every connection."""
        await self._group.close()
        await self._reader.close()
        await self._writer.dispose()
