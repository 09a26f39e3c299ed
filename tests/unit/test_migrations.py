"""Migrations: they make exactly the tables, from nothing, however many processes try at once."""

import json
import logging
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from tests import postgres
from tests.fork_server import spawn

from batchway.domain.batch import RequestCounts
from batchway.domain.errors import Unavailable
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.remote import JobRecord, JobStage
from batchway.domain.status import BatchStatus
from batchway.ports import BatchFilter, Page
from batchway.storage.ledger.address import Address
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.storage.ledger.tables import metadata
from batchway.storage.ledger.version import HEAD, VERSION_TABLE
from batchway.storage.migrations import check, config, current, upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/folder/batchway.db"
    server = postgres.postgres_url()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS empty")
        connection.execute("CREATE DATABASE empty")
    return server.replace("/postgres?", "/empty?")


def differences(url: str) -> list[Any]:
    """What Alembic would change to make the database equal to the tables."""
    engine = create_engine(Address.parse(url).synchronous)
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        found = compare_metadata(context, metadata)
    engine.dispose()
    return found


def set_version(url: str, version: str) -> None:
    engine = create_engine(Address.parse(url).synchronous)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :v"), {"v": version})
    engine.dispose()


def test_the_newest_script_is_the_head() -> None:
    scripts = ScriptDirectory.from_config(config())
    assert scripts.get_heads() == [HEAD]
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)
    assert all(len(revision) == 4 and revision.isdigit() for revision in revisions)


def test_migrations_make_the_tables(url: str) -> None:
    assert current(url) is None
    upgrade(url)
    assert current(url) == HEAD
    check(url)
    assert differences(url) == []
    upgrade(url)
    assert differences(url) == []


def schema(path: Path) -> list[tuple[str, str]]:
    """SQLite's own record of the schema, where Alembic does not see everything."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name != ?",
            (VERSION_TABLE,),
        ).fetchall()
    return sorted((name, " ".join(sorted(sql.replace(",", " ").split()))) for name, sql in rows)


def test_the_tables_are_equal_to_the_letter(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/migrated.db")
    engine = create_engine(f"sqlite:///{tmp_path}/made.db")
    metadata.create_all(engine)
    engine.dispose()
    assert schema(tmp_path / "migrated.db") == schema(tmp_path / "made.db")


def test_the_write_ahead_log_is_on(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/batchway.db")
    with sqlite3.connect(tmp_path / "batchway.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_many_processes_at_once(url: str, tmp_path: Path) -> None:
    script = "import sys; from batchway.storage.migrations import upgrade; upgrade(sys.argv[1])"
    (tmp_path / "upgrades.py").write_text(script)
    with (tmp_path / "log").open("wb") as log:
        processes = [
            spawn(
                ["-m", "upgrades", url],
                cwd=tmp_path,
                env=os.environ,
                stdout=log.fileno(),
                stderr=log.fileno(),
            )
            for _ in range(6)
        ]
        codes = [process.wait(150) for process in processes]
    assert codes == [0] * 6, (tmp_path / "log").read_text()
    assert differences(url) == []


def test_asking_makes_no_file(tmp_path: Path) -> None:
    assert current(f"sqlite:///{tmp_path}/none.db") is None
    with pytest.raises(Unavailable, match="run `batchway db upgrade`"):
        check(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_newer_database_is_left_alone(url: str) -> None:
    upgrade(url)
    set_version(url, "9999")
    for call in (upgrade, check):
        with pytest.raises(Unavailable, match=r"made by a newer Batchway.*: upgrade Batchway"):
            call(url)
    assert current(url) == "9999"


def test_an_older_database_asks_for_the_upgrade(url: str) -> None:
    upgrade(url)
    set_version(url, "0000")
    with pytest.raises(Unavailable, match=r"has schema 0000.*run `batchway db upgrade`"):
        check(url)


def test_a_failed_upgrade_leaves_nothing(url: str) -> None:
    engine = create_engine(Address.parse(url).synchronous)
    path = Address.parse(url).path
    if path is not None:
        path.parent.mkdir(parents=True)
    with engine.begin() as connection:
        # Somebody else's table, in the way of one of the last.
        connection.execute(text("CREATE TABLE uploads (theirs INTEGER)"))
    with pytest.raises(Unavailable):
        upgrade(url)
    assert current(url) is None
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE uploads"))
    engine.dispose()
    upgrade(url)
    assert differences(url) == []


METADATA = {"team": "a", "ü\0": 'x"y', ":": ","}


def first_schema(url: str) -> None:
    """A database as the first release left it, with two batches and the shards of one."""
    address = Address.parse(url)
    if address.path is not None:
        address.path.parent.mkdir(parents=True)
    engine = create_engine(address.synchronous)
    with engine.begin() as connection:
        command.upgrade(config(connection), "0001")
        options: dict[str, Any] = {
            "provider": None,
            "job_name": None,
            "tfy_metadata": None,
            "overrides": {},
            "allowed_providers": None,
        }
        for number, metadata in ((1, METADATA), (2, None)):
            connection.execute(
                text(
                    "INSERT INTO batches (id, tenant, endpoint, input_file_id, completion_window, "
                    "status, created_at, deadline, total, completed, failed, input_tokens, "
                    "cached_tokens, output_tokens, reasoning_tokens, metadata, options) VALUES "
                    "(:id, 'blue', '/v1/chat/completions', 'file-1', '24h', 'in_progress', 1, 2, "
                    "10, 3, 1, 5, 4, 3, 2, :metadata, :options)"
                ),
                {
                    "id": f"batch_{number}",
                    "metadata": metadata and json.dumps(metadata, separators=(",", ":")),
                    "options": json.dumps(options),
                },
            )
        for shard in (0, 1):
            connection.execute(
                text(
                    "INSERT INTO shards (batch_id, number, group_name, mode, start_byte, end_byte, "
                    "first_line, lines, fence, done) VALUES "
                    "('batch_1', :shard, 'vllm', 'managed', 0, 9, 0, 5, 7, 2)"
                ),
                {"shard": shard},
            )
    engine.dispose()


async def test_a_database_of_the_first_schema_goes_on(url: str) -> None:
    first_schema(url)
    assert current(url) == "0001"
    with pytest.raises(Unavailable, match="run `batchway db upgrade`"):
        check(url)
    upgrade(url)
    assert differences(url) == []
    ledger = await SqlLedger.open(url)
    page = await ledger.batches.page("blue", limit=5, after=None)
    assert page is not None
    newer, older = page.items
    assert (older.id, newer.id) == ("batch_1", "batch_2")
    assert (older.metadata, newer.metadata) == (METADATA, None)
    assert older.counts == newer.counts == RequestCounts(total=10, completed=3, failed=1)
    assert [shard.number for shard in await ledger.shards.plan("batch_1")] == [0, 1]
    for key, value in METADATA.items():
        found = BatchFilter(metadata={key: value})
        assert await ledger.batches.page("blue", limit=5, after=None, where=found) == Page(
            items=(older,), more=False
        )
    # It runs on: what was planned is claimed, committed and ended by this release.
    claim = await ledger.shards.claim("batch_1", 0)
    assert claim.fence == 8
    record = JobRecord(
        batch_id="batch_1", shard=0, attempt=0, tag="t", provider="p", model="m", completed=2
    )
    assert await ledger.shards.hand_over(claim)
    assert await ledger.jobs.put(claim, record)
    assert await ledger.jobs.of("batch_1") == [replace(record, completed=0)]
    assert await ledger.batches.move("batch_1", BatchStatus.EXPIRED, at=3)
    await ledger.close()


AWAY = "The provider 'x' has been unreachable since 10:00:00 UTC"


@pytest.mark.parametrize(
    ("details", "waited_for", "kept"),
    [
        (
            f"{AWAY}; it is tried again at least once a minute.",
            f"{AWAY}; it is tried again at least once a minute.",
            f"{AWAY}.",
        ),
        (
            None,
            "Batchway cannot write to its storage at the moment; it will go on. The provider 'v' "
            "says wait! Batchway goes on trying.",
            "Batchway cannot write to its storage at the moment. The provider 'v' says wait!",
        ),
        # Told by a release that did not remember it yet.
        (
            "An internal error interrupted this batch. It will be tried again.",
            None,
            "An internal error interrupted this batch.",
        ),
        (f"{AWAY}.", f"{AWAY}; it is tried again at least once a minute.", f"{AWAY}."),
        (None, None, None),
    ],
)
async def test_what_batches_waited_for_loses_its_promises(
    url: str, details: str | None, waited_for: str | None, kept: str | None
) -> None:
    first_schema(url)
    engine = create_engine(Address.parse(url).synchronous)
    with engine.begin() as connection:
        command.upgrade(config(connection), "0006")
        connection.execute(
            text("UPDATE batches SET status_details = :d, waited_for = :w WHERE id = 'batch_1'"),
            {"d": details, "w": waited_for},
        )
    engine.dispose()
    upgrade(url)
    ledger = await SqlLedger.open(url)
    batch = await ledger.batches.load("batch_1")
    other = await ledger.batches.load("batch_2")
    await ledger.close()
    assert batch is not None
    assert other is not None
    reason = None if kept is None else Reason(kind=ReasonKind.OTHER, sentence=kept)
    assert (batch.status_details, batch.waited_for, batch.status_reason) == (details, reason, None)
    assert other.waited_for is None


# Of each stage of the sixth schema: what its record had, and what it is now.
SIXTH: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "intended": ({}, {}),
    "intended, tried": ({"submitted_at": 5}, {"submitted_at": 5}),
    "submitting": ({"submitted_at": 5}, {"submitted_at": 5}),
    "submitted": (
        {"remote_id": "b1", "input_file_id": "in-1", "submitted_at": 5, "completed": 1},
        {"remote_id": "b1", "reference": "in-1", "submitted_at": 5, "completed": 1},
    ),
    "submitted, both": (
        {"remote_id": "b2", "input_file_id": "in-2", "output_file_id": "o2", "error_file_id": "e2"},
        {"remote_id": "b2", "reference": "in-2", "references": ("o2", "e2")},
    ),
    "collected": (
        {"remote_id": "b3", "output_file_id": "o3", "error_file_id": "o3"},
        {"remote_id": "b3", "references": ("o3",)},
    ),
    "ended": (
        {"remote_id": "b4", "error_file_id": "e4"},
        {"remote_id": "b4", "references": ("e4",)},
    ),
}


async def test_jobs_of_the_sixth_schema_go_on(url: str) -> None:
    first_schema(url)
    engine = create_engine(Address.parse(url).synchronous)
    expected: list[JobRecord] = []
    with engine.begin() as connection:
        command.upgrade(config(connection), "0006")
        for shard, (stage, (was, is_)) in enumerate(SIXTH.items()):
            record: dict[str, Any] = {
                "batch_id": "batch_1",
                "shard": shard,
                "attempt": 1,
                "tag": f"tag-{shard}",
                "provider": "p",
                "model": "m",
                "stage": stage.partition(",")[0],
                "completed": 0,
                "failed": 0,
            }
            columns = record | was
            names = ", ".join(columns)
            values = ", ".join(f":{name}" for name in columns)
            connection.execute(
                text(f"INSERT INTO remote_jobs ({names}) VALUES ({values})"),
                columns,
            )
            typed: dict[str, Any] = record | is_ | {"stage": JobStage(record["stage"])}
            expected.append(JobRecord(**typed))
    engine.dispose()
    upgrade(url)
    assert differences(url) == []
    ledger = await SqlLedger.open(url)
    assert await ledger.jobs.of("batch_1") == expected
    for reference in ("b1", "in-1", "b2", "in-2", "o2", "e2", "b3", "o3", "b4", "e4"):
        assert await ledger.jobs.tenant_of("p", reference) == "blue"
    claim = await ledger.shards.claim("batch_1", 1)
    assert await ledger.shards.hand_over(claim)
    brought = replace(expected[1], stage=JobStage.BROUGHT, reference="in-9", references=("x", "y"))
    assert await ledger.jobs.put(claim, brought)
    assert (await ledger.jobs.of("batch_1"))[1] == brought
    await ledger.close()


def test_an_upgrade_that_fails_halfway_leaves_the_first_schema(url: str) -> None:
    first_schema(url)
    engine = create_engine(Address.parse(url).synchronous)
    with engine.begin() as connection:
        # Somebody else's index, in the way of the last step.
        connection.execute(text("CREATE INDEX ix_batches_tenant_status_seq ON batches (model)"))
    with pytest.raises(Unavailable):
        upgrade(url)
    assert current(url) == "0001"
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_batches_tenant_status_seq"))
    engine.dispose()
    upgrade(url)
    assert differences(url) == []


def test_logging_stays_as_the_application_made_it(url: str) -> None:
    root, alembic = logging.getLogger(), logging.getLogger("alembic")
    before = (root.level, list(root.handlers), alembic.level, list(alembic.handlers))
    mine = logging.getLogger("batchway.test")
    upgrade(url)
    assert (root.level, list(root.handlers), alembic.level, list(alembic.handlers)) == before
    assert not mine.disabled


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be made: Not a directory"):
        upgrade(f"sqlite:///{tmp_path}/file/folder/batchway.db")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("These are notes and no database at all.\n" * 100)
    with pytest.raises(Unavailable, match="SQLITE_NOTADB"):
        upgrade(f"sqlite:///{tmp_path}/notes.txt")


def test_a_server_that_does_not_answer() -> None:
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        upgrade("postgresql://batchway:s3cret@127.0.0.1:1/batchway")
    assert "s3cret" not in str(caught.value)
