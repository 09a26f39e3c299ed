"""What a failing database looks like: `Unavailable` in plain words, without secrets."""

import asyncio
import os
import random
import sqlite3
import subprocess
import traceback
from pathlib import Path

import psycopg
import pytest
from tests.contract.ledger_values import a_batch, a_shard

from batchway.domain.errors import Unavailable
from batchway.domain.reason import Reason, ReasonKind
from batchway.storage.ledger.address import Address
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.storage.ledger.version import VERSION_TABLE
from batchway.storage.migrations import upgrade

SECRET = "s3cret-word"


def told(error: BaseException) -> str:
    """Everything that a log would show of an error, its causes included."""
    return "".join(traceback.format_exception(error))


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def give(disk: Path, *, like: Path) -> None:
    """Let the owner of `like` have the disk."""
    owner = like.stat()
    os.chown(disk, owner.st_uid, owner.st_gid)


async def fill(ledger: SqlLedger) -> int:
    """Add batches until the disk is full; returns how many went in."""
    for number in range(5_000):
        # Random, or PostgreSQL would compress it.
        batch = a_batch(number, metadata={"k": random.randbytes(5_000).hex()})
        try:
            await ledger.batches.add(batch)
        except Unavailable as error:
            said = (str(error).endswith("has no space left."), error.full)
        else:
            continue
        assert said == (True, True)
        assert number > 5
        return number
    raise AssertionError("the disk never filled")


@pytest.mark.parametrize(
    "url",
    [
        *("", "batchway.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://h/d"),
        f"mysql://user:{SECRET}@host/database",
        f"postgresql://user:{SECRET}@host:port/database",
        f"{SECRET}",
    ],
)
async def test_a_url_of_no_known_shape(url: str) -> None:
    with pytest.raises(ValueError, match="A database URL is sqlite:///") as caught:
        await SqlLedger.open(url)
    assert SECRET not in told(caught.value)


@pytest.mark.parametrize(
    ("url", "label", "asynchronous"),
    [
        (
            "sqlite:///data/batchway.db",
            "SQLite database data/batchway.db",
            "sqlite+aiosqlite:///data/batchway.db",
        ),
        (
            f"postgres://user:{SECRET}@db.internal:5433/ledger?sslmode=require",
            "PostgreSQL database ledger at db.internal",
            "postgresql+psycopg_async://user:***@db.internal:5433/ledger?sslmode=require",
        ),
        (
            "postgresql+psycopg://db/ledger",
            "PostgreSQL database ledger at db",
            "postgresql+psycopg_async://db/ledger",
        ),
    ],
)
def test_an_address(url: str, label: str, asynchronous: str) -> None:
    address = Address.parse(url)
    assert address.label == label
    assert str(address.asynchronous) == asynchronous
    assert SECRET not in repr(address)


async def test_a_server_that_does_not_answer() -> None:
    with pytest.raises(
        Unavailable, match=r"at 127\.0\.0\.1 failed: it cannot be reached"
    ) as caught:
        await SqlLedger.open(f"postgresql://user:{SECRET}@127.0.0.1:1/ledger?connect_timeout=3")
    assert SECRET not in told(caught.value)
    assert not caught.value.full


async def test_a_database_without_tables(postgres_server: str, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.db").close()
    for url in (f"sqlite:///{tmp_path}/empty.db", postgres_server):
        with pytest.raises(Unavailable, match="no Batchway tables yet: run `batchway db upgrade`"):
            await SqlLedger.open(url)


async def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="SQLITE_CANTOPEN"):
        await SqlLedger.open(f"sqlite:///{tmp_path}/no/folder/batchway.db")
    (tmp_path / "notes.txt").write_text("These are notes and no database at all.\n" * 100)
    with pytest.raises(Unavailable, match="SQLITE_NOTADB"):
        await SqlLedger.open(f"sqlite:///{tmp_path}/notes.txt")


async def test_a_schema_that_changes_under_an_open_ledger(sqlite_url: str) -> None:
    ledger = await SqlLedger.open(sqlite_url)
    await ledger.check()
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(Unavailable, match="upgrade Batchway"):
        await ledger.check()
    await ledger.close()


async def test_a_table_that_is_gone_is_an_outage_and_keeps_values_out_of_logs(
    sqlite_url: str,
) -> None:
    ledger = await SqlLedger.open(sqlite_url)
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    connection.execute("DROP TABLE batches")
    connection.close()
    for call in (
        ledger.batches.add(a_batch(metadata={"k": SECRET})),
        ledger.batches.describe("b", [Reason(kind=ReasonKind.OTHER, sentence=SECRET)]),
        ledger.batches.get(SECRET, "b"),
    ):
        with pytest.raises(Unavailable, match="SQLITE_ERROR") as caught:
            await call
        assert SECRET not in told(caught.value)
    await ledger.close()


async def test_a_full_sqlite_disk(tiny_disk: Path) -> None:
    url = f"sqlite:///{tiny_disk}/batchway.db"
    upgrade(url)
    ledger = await SqlLedger.open(url)
    added = await fill(ledger)
    # What was answered is there, and a little more room is enough to go on.
    for number in range(added):
        assert await ledger.batches.load(a_batch(number).id) is not None
    assert await ledger.batches.load(a_batch(added).id) is None
    remount(tiny_disk, "size=4m")
    await ledger.batches.add(a_batch(added))
    await ledger.close()


async def test_a_read_only_sqlite_disk(tiny_disk: Path) -> None:
    url = f"sqlite:///{tiny_disk}/batchway.db"
    upgrade(url)
    remount(tiny_disk, "ro")
    with pytest.raises(Unavailable) as caught:
        await (await SqlLedger.open(url)).batches.add(a_batch())
    assert not caught.value.full


async def test_a_server_that_was_restarted(postgres_url: str) -> None:
    ledger = await SqlLedger.open(postgres_url)
    batch = await ledger.batches.add(a_batch())
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    # Nothing that waits in a pool is trusted: neither a read nor a write notices.
    assert await ledger.batches.get("blue", batch.id) == batch
    assert await ledger.batches.begin(batch.id, at=1, model=None, shards=[a_shard(0)])
    await ledger.close()


async def test_a_connection_that_breaks_within_a_transaction(postgres_url: str) -> None:
    ledger = await SqlLedger.open(postgres_url)
    batch = await ledger.batches.add(a_batch())
    async with await psycopg.AsyncConnection.connect(postgres_url) as holder:
        await holder.execute("SELECT 1 FROM batches FOR UPDATE")
        begin = asyncio.create_task(
            ledger.batches.begin(batch.id, at=1, model=None, shards=[a_shard(0)])
        )
        async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
            kill = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            while (await (await other.execute(kill)).fetchone()) is None:
                assert not begin.done()
        with pytest.raises(Unavailable):
            await begin
    assert await ledger.batches.load(batch.id) == batch
    assert await ledger.batches.begin(batch.id, at=1, model=None, shards=[a_shard(0)])
    await ledger.close()


async def test_a_full_postgres_disk(postgres_server: str, tiny_disk: Path) -> None:
    remount(tiny_disk, "size=12m")  # an empty database takes 8
    url = postgres_server.replace("/postgres?", "/brimful?")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        give(tiny_disk, like=Path(row[0]))
        connection.execute(f"CREATE TABLESPACE tiny LOCATION '{tiny_disk}'".encode())
        connection.execute("CREATE DATABASE brimful TABLESPACE tiny")
        upgrade(url)
        ledger = await SqlLedger.open(url)
        added = await fill(ledger)
        assert await ledger.batches.load(a_batch(added - 1).id) is not None
        assert await ledger.batches.load(a_batch(added).id) is None
        await ledger.close()
        connection.execute("DROP DATABASE brimful")
        connection.execute("DROP TABLESPACE tiny")
