"""One Batchway for each database: a lock in the database that ends with its process.

    SQLite      flock of `<database>.lock` beside the file that every link and path leads to
    PostgreSQL  a session's advisory lock, on a connection that is for nothing else

Owns taking the lock, watching it and saying who has it. Does not own what a process does that has
lost it: `watch` raises. Commands that only read or write a row (`keys`) work beside the owner.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from batchway.domain.errors import Unavailable
from batchway.storage.file_lock import FileLock
from batchway.storage.ledger.address import Address
from batchway.storage.ledger.engines import postgres_connect
from batchway.storage.ledger.failures import CAUGHT, translate

_log: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 5.0
# A server hears of a killed client at once, and may take a moment to end its session.
_PATIENCE: Final = 3.0
_AGAIN_SECONDS: Final = 0.2
# Any number does, as long as every release uses the same one.
_PARAMETERS: Final = {"lock": 0x6274_7779}
_NAME: Final = "batchway owner "
_ADVICE: Final = "Stop it, or give this one a database of its own."

# A session that says nothing must not be ended for that, and one whose host is gone must not
# keep the lock for the two hours that TCP takes by default.
_SETTINGS: Final = text(
    "SELECT set_config(s.name, w.value, false) FROM (VALUES ('idle_session_timeout', '0'), "
    "('tcp_keepalives_idle', '20'), ('tcp_keepalives_interval', '5'), "
    "('tcp_keepalives_count', '4'), ('tcp_user_timeout', '40000')) AS w (name, value) "
    "JOIN pg_settings s ON s.name = w.name"
)
# Of the database and not of a schema in it: the engine's tables are in one for all of them.
_TAKE: Final = text("SELECT pg_try_advisory_lock(:lock, 0)")
_PID: Final = text("SELECT pg_backend_pid()")
_HELD: Final = text(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 "
    "AND classid = :lock AND objid = 0 AND pid = pg_backend_pid() AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)
_HOLDER: Final = text(
    "SELECT l.pid, coalesce(a.application_name, '') FROM pg_locks l "
    "LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 "
    "AND l.classid = :lock AND l.objid = 0 AND l.database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)
_END: Final = text("SELECT pg_terminate_backend(:pid)")


class Owner(Protocol):
    """The right to run a database's batches, held from `acquire` to `release`."""

    def acquire(self) -> None:
        """Take it, without waiting for long. Raises `Unavailable`, naming who has it. Blocks."""
        ...

    async def watch(self) -> None:
        """Look after it for ever. Raises `Unavailable` once another process has it."""
        ...

    def release(self) -> None:
        """Give it back; harmless when it is not held. Blocks."""
        ...


def new_owner(url: str) -> Owner:
    """The right to a database of either kind. Nothing is taken yet. Raises `ValueError`."""
    address = Address.parse(url)
    return FileOwner(path=address.path) if address.path is not None else SessionOwner(address)


class FileOwner:
    """The right to a SQLite database."""

    def __init__(self, *, path: Path) -> None:
        # As SQLite does: its write-ahead log lies beside the file that links lead to.
        self._path = Path(os.path.realpath(path))
        self._lock = FileLock(
            self._path.with_name(self._path.name + ".lock"),
            what=f"The SQLite database {path}",
            advice=_ADVICE,
        )

    def acquire(self) -> None:
        if self._path.exists() and self._path.stat().st_nlink > 1:
            # Each name would have a lock and a write-ahead log of its own.
            raise Unavailable(
                f"The SQLite database {self._path} has a second name (a hard link), by which "
                "another process could open it unnoticed and damage it. Remove the other name."
            )
        self._lock.acquire()

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if not await asyncio.to_thread(self._renew):
                raise Unavailable(
                    f"The lock of the SQLite database {self._path} was removed and another "
                    "Batchway has taken the database over: this one stops."
                )

    def release(self) -> None:
        self._lock.release()

    def _renew(self) -> bool:
        """Whether the lock is held, after its file was removed too."""
        if self._lock.is_held or not self._path.parent.is_dir():
            return True
        self._lock.release()
        try:
            self._lock.acquire()
        except Unavailable as error:
            _log.error("lost the lock of %s: %s", self._path, error)
            return False
        return True


class SessionOwner:
    """The right to a PostgreSQL database."""

    def __init__(self, address: Address, *, patience: float = _PATIENCE) -> None:
        self._address = address
        self._patience = patience
        # By this name the next one can say who holds the database, and this one knows itself.
        self._name = f"{_NAME}{socket.gethostname()[:24]} {os.getpid()} {secrets.token_hex(3)}"
        self._engine: Engine | None = None
        self._connection: Connection | None = None

    def acquire(self) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                if self._take():
                    return
                holder = self._holder()
            except CAUGHT as error:
                self._drop()
                raise translate(error, self._address.label) from error
            self._drop()
            if time.monotonic() >= until:
                raise Unavailable(
                    f"The {self._address.label} is in use by another Batchway{holder}. {_ADVICE}"
                )
            time.sleep(_AGAIN_SECONDS)

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """See to it that the lock is held. Blocks; raises `Unavailable` when another has it."""
        try:
            if self._is_held():
                return
        except CAUGHT as error:
            _log.warning("the connection that holds the %s is lost", self._address.label)
            _log.debug("because of %s", type(error).__name__)
        self._drop()
        try:
            taken = self._take()
            holder = "" if taken else self._holder()
        except CAUGHT:
            # The database is away, for others too. Everything that writes to it waits.
            self._drop()
            return
        if taken:
            _log.warning("the %s is held again", self._address.label)
            return
        self._drop()
        if holder:
            raise Unavailable(
                f"The {self._address.label} was taken over by another Batchway{holder} while this "
                "one had lost its connection: this one stops."
            )

    def release(self) -> None:
        self._drop()

    def _take(self) -> bool:
        """A new connection that has the lock, or has seen that another one does."""
        connection = self._connect()
        connection.execute(_SETTINGS)
        if _is_pooled(connection, self._connect_beside):
            self._drop()
            raise Unavailable(
                f"The {self._address.label} is behind a connection pooler (PgBouncer in "
                "transaction mode, for one) that hands its sessions around, so no lock holds "
                "there. Give `database` the server's own address, or one that pools by session."
            )
        return bool(connection.execute(_TAKE, _PARAMETERS).scalar_one())

    def _is_held(self) -> bool:
        if self._connection is None:
            return False
        return self._connection.execute(_HELD, _PARAMETERS).first() is not None

    def _holder(self) -> str:
        """Who has the lock, to go on a sentence; empty when it is a lost session of ours."""
        if self._connection is None:
            return ""
        row = self._connection.execute(_HOLDER, _PARAMETERS).first()
        if row is None:
            return ""  # given back meanwhile
        pid, name = row
        if name == self._name:
            self._connection.execute(_END, {"pid": pid})
            return ""
        words = str(name).removeprefix(_NAME).split(" ")
        if len(words) < 2 or not str(name).startswith(_NAME):
            return f" (session {pid} of the server)"
        return f", process {words[1]} on {words[0]}"

    def _connect(self) -> Connection:
        self._drop()
        self._connection = self._connect_beside()
        return self._connection

    def _connect_beside(self) -> Connection:
        if self._engine is None:
            self._engine = create_engine(
                self._address.synchronous,
                poolclass=NullPool,
                hide_parameters=True,
                isolation_level="AUTOCOMMIT",
                connect_args={
                    **postgres_connect(self._address),
                    "application_name": self._name,
                },
            )
        return self._engine.connect()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except CAUGHT as error:
                _log.debug("a lost connection did not close: %s", type(error).__name__)


def _is_pooled(connection: Connection, connect: Callable[[], Connection]) -> bool:
    """Whether statements of one connection may run in different sessions of the server.

    A pooler tells clients a process id of its own making. One that pools by session is fine, and
    known by this: while a second client is in a transaction, the first keeps its session.
    """
    driver: Any = connection.connection.dbapi_connection
    first = connection.execute(_PID).scalar_one()
    if first == driver.info.backend_pid:
        return False
    with connect() as second:
        second.exec_driver_sql("BEGIN")
        try:
            return first == second.execute(_PID).scalar_one() or (
                first != connection.execute(_PID).scalar_one()
            )
        finally:
            second.exec_driver_sql("ROLLBACK")
