"""Databases and blob stores for the contract suites: every implementation, all real.

The PostgreSQL server starts once a session (once a worker under xdist), and each test finds its
tables empty.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import psycopg
import pytest
from tests import postgres

from batchway.ports import Blobs
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.storage.ledger.tables import metadata
from batchway.storage.migrations import upgrade


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of a running PostgreSQL server, its database `postgres` empty."""
    return postgres.postgres_url()


@pytest.fixture(scope="session")
def upgraded_postgres() -> str:
    """The URL of an upgraded database, shared by the tests of a session."""
    return postgres.upgraded_url()


@pytest.fixture(scope="session")
def upgraded_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An upgraded, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(upgraded_sqlite: Path, tmp_path: Path) -> str:
    """An upgraded, empty SQLite database."""
    path = tmp_path / "batchway.db"
    shutil.copyfile(upgraded_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(upgraded_postgres: str) -> str:
    """An upgraded, empty PostgreSQL database."""
    names = ", ".join(table.name for table in metadata.sorted_tables)
    with psycopg.connect(upgraded_postgres, options="-c lock_timeout=10s") as connection:
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY".encode())
    return upgraded_postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """An upgraded, empty database of each kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return request.getfixturevalue(name)


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncGenerator[SqlLedger]:
    """A ledger."""
    opened = await SqlLedger.open(ledger_url)
    yield opened
    await opened.close()


@pytest.fixture
async def other_ledger(ledger_url: str) -> AsyncGenerator[SqlLedger]:
    """A second ledger over the database of `ledger`, as another process would have."""
    opened = await SqlLedger.open(ledger_url)
    yield opened
    await opened.close()


@pytest.fixture(params=["local"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """A blob store of each kind, empty."""
    assert request.param == "local"
    return LocalBlobs(tmp_path / f"blobs-{secrets.token_hex(4)}")


@pytest.fixture
def tiny_disk() -> Generator[Path]:
    """A file system of one megabyte, where a server of another user can reach it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system that can be filled needs root")
    path = Path(tempfile.mkdtemp(prefix="batchway-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], check=False
    )
    if mounted.returncode != 0:
        path.rmdir()
        pytest.skip("this sandbox does not let root mount")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)
    path.rmdir()


@pytest.fixture
def read_only_disk(tiny_disk: Path) -> Path:
    """A directory in which nobody, root included, can write; `blobs` and `kept` are in it."""
    (tiny_disk / "blobs" / "tmp").mkdir(parents=True)
    (tiny_disk / "blobs" / "kept").write_bytes(b"kept")
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    return tiny_disk
