"""How connections are made: drivers, pools, pragmas and timeouts of each database.

Owns every setting of an engine. Does not run statements of the ledger.

SQLite: WAL lets readers go on beside the one writer. The writing pool holds a single connection,
so that writers of this loop queue fairly here; other loops and processes wait in SQLite's busy
handler. Writers say BEGIN IMMEDIATE: a transaction that reads first and upgrades later fails with
SQLITE_BUSY at once, whatever the busy timeout.
"""

import sqlite3
from typing import Any, Final

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchway.storage.ledger.address import Address
from batchway.storage.ledger.text import encode

SQLITE_READERS: Final = 4
POSTGRES_READERS: Final = 8
_BUSY_SECONDS: Final = 30


class SqliteConnection(sqlite3.Connection):
    """Gives its lock back when it is closed."""

    def close(self) -> None:
        """Roll back and close."""
        # A statement that was not read to its end (its task was cancelled) keeps the database's
        # connection open, and the write lock with it, for as long as anything refers to it.
        if self.in_transaction:
            self.rollback()
        super().close()


_SQLITE_CONNECT: Final = {
    "factory": SqliteConnection,
    "timeout": _BUSY_SECONDS,
    # Without an isolation level the driver leaves BEGIN to us.
    "isolation_level": None,
    # A pool hands connections from thread to thread, to one at a time.
    "check_same_thread": False,
}
_POSTGRES_CONNECT: Final = {
    "connect_timeout": 10,
    # Notice a database host that vanished without a word: TCP alone would wait for hours.
    "keepalives_idle": 30,
    "tcp_user_timeout": 30_000,
}
# A read that stands alone needs no BEGIN, no ROLLBACK and nothing undone afterwards.
_ALONE: Final = {
    "isolation_level": "AUTOCOMMIT",
    "skip_autocommit_rollback": True,
    "pool_reset_on_return": None,
}


def sqlite_reader(address: Address) -> Engine:
    """Synchronous, for the threads of a `Reader`."""
    engine = create_engine(
        address.synchronous,
        connect_args=_SQLITE_CONNECT,
        poolclass=QueuePool,
        pool_size=SQLITE_READERS,
        max_overflow=0,
        **_ALONE,
        **_options(),
    )
    event.listen(engine, "connect", _sqlite_connected)
    return engine


def sqlite_grouped(address: Address) -> Engine:
    """One connection for a `GroupWriter`, whose transactions are writing ones from their start."""
    engine = create_engine(
        address.synchronous,
        connect_args=_SQLITE_CONNECT,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        **_options(),
    )
    event.listen(engine, "connect", _sqlite_connected)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def sqlite_writer(address: Address) -> AsyncEngine:
    """One connection, whose transactions are writing ones from their first statement."""
    engine = create_async_engine(
        address.asynchronous,
        connect_args=_SQLITE_CONNECT,
        pool_size=1,
        max_overflow=0,
        **_options(),
    )
    event.listen(engine.sync_engine, "connect", _sqlite_connected)
    event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


def postgres_reader(address: Address) -> Engine:
    """Synchronous and in autocommit, for the threads of a `Reader`."""
    return create_engine(
        address.synchronous,
        connect_args=postgres_connect(address),
        pool_size=POSTGRES_READERS,
        max_overflow=0,
        **_ALONE,
        **_options(),
    )


def postgres_grouped(address: Address) -> Engine:
    """One connection for a `GroupWriter`."""
    return create_engine(
        address.synchronous,
        connect_args=postgres_connect(address),
        isolation_level="READ COMMITTED",  # see `postgres_writer`
        pool_size=1,
        max_overflow=0,
        **_options(),
    )


def postgres_writer(address: Address) -> AsyncEngine:
    """Up to ten connections for transactions."""
    return create_async_engine(
        address.asynchronous,
        connect_args=postgres_connect(address),
        # Compare-and-swap relies on it: under a stricter level, which a server may default to,
        # the loser of a race would fail instead of seeing the winner's row.
        isolation_level="READ COMMITTED",
        # Reads are tried again when the database was restarted meanwhile; a transaction cannot be,
        # so its connection is asked first. Writers are not on the hot path.
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=5,
        **_options(),
    )


def postgres_connect(address: Address) -> dict[str, Any]:
    """What the URL does not say itself."""
    return {k: v for k, v in _POSTGRES_CONNECT.items() if k not in address.url.query}


def _options() -> dict[str, Any]:
    return {
        # Values hold what clients sent; errors and their tracebacks must not.
        "hide_parameters": True,
        "json_serializer": encode,
        "pool_use_lifo": True,
        "pool_timeout": _BUSY_SECONDS,
    }


def _sqlite_connected(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # FULL: a commit that was answered survives power loss, which WAL's default does not promise.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
