"""The ledger's schema through time: Alembic, driven from here, without an `alembic.ini`.

Owns bringing a database to this release's schema. Synchronous: run before any event loop, or in
a thread. There are no downgrades: restore a backup instead.

To add a revision: change `ledger.tables`, copy the newest module in `versions`, write `upgrade`
by hand, raise `ledger.version.HEAD`. `tests/unit/test_migrations.py` compares the outcome with
the tables on both databases.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, column, create_engine, inspect, select, table, text
from sqlalchemy.pool import NullPool

from batchway.domain.errors import Unavailable
from batchway.storage.ledger.address import Address
from batchway.storage.ledger.failures import CAUGHT, translate
from batchway.storage.ledger.sqlite_release import require_sqlite
from batchway.storage.ledger.version import (
    HEAD,
    VERSION_TABLE,
    require_current,
    require_not_newer,
)
from batchway.storage.private import make_database

if TYPE_CHECKING:
    from alembic.config import Config  # slow and large; most starts find nothing to upgrade

_BUSY_SECONDS: Final = 20
# Any number does, as long as every release uses the same one.
_ADVISORY_LOCK: Final = 0x6261_7463_6877


def upgrade(url: str) -> None:
    """Bring the database to this release's schema, creating it if need be.

    All or nothing, and harmless when another process does the same at the same time. Raises
    `Unavailable` when the database does not answer or a newer Batchway has upgraded it.
    """
    address = Address.parse(url)
    if address.sqlite:
        _prepare_file(address)
    with _connected(address) as connection, connection.begin():
        # Whoever comes second waits here, and then finds nothing left to do.
        if address.sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _ADVISORY_LOCK})
        version = _version(connection)
        require_not_newer(version, address.label)
        if version != HEAD:
            from alembic import command  # noqa: PLC0415 - said at the top

            command.upgrade(config(connection), "head")


def current(url: str) -> str | None:
    """The database's schema number, `None` when it has no Batchway tables."""
    address = Address.parse(url)
    if address.path is not None and not address.path.exists():
        return None  # asking must not create the file
    with _connected(address) as connection, connection.begin():
        return _version(connection)


def check(url: str) -> None:
    """Raise `Unavailable` with advice unless the schema is this release's."""
    require_current(current(url), Address.parse(url).label)


def config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration; `env.py` takes the connection from it."""
    from alembic.config import Config  # noqa: PLC0415 - said at the top

    made = Config()
    made.set_main_option("script_location", "batchway.storage:migrations")
    made.attributes["connection"] = connection
    return made


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))


def _prepare_file(address: Address) -> None:
    """Make folder and file, and turn the write-ahead log on: it is a property of the file."""
    path = address.path
    if path is None:
        return
    require_sqlite()
    try:
        make_database(path)
    except OSError as error:
        raise Unavailable(
            f"The {address.label} cannot be made: {error.strerror} ({path.parent})."
        ) from error
    with _connected(address) as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")


@contextmanager
def _connected(address: Address) -> Generator[Connection]:
    engine = _engine(address)
    try:
        with engine.connect() as connection:
            yield connection
    except CAUGHT as error:
        raise translate(error, address.label) from error
    finally:
        engine.dispose()


def _engine(address: Address) -> Engine:
    if not address.sqlite:
        return create_engine(address.synchronous, poolclass=NullPool, hide_parameters=True)
    return create_engine(
        address.synchronous,
        poolclass=NullPool,
        hide_parameters=True,
        # Without an isolation level the driver leaves BEGIN to us.
        connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None},
    )
