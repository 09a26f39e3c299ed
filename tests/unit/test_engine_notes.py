"""The look at the engine's own database before a start."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchway.domain.errors import Unavailable
from batchway.engine.notes import check_file

ROWS = 200


def _rows(file: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute("SELECT count(*), sum(length(note)) FROM notes").fetchone()


def _killed_while_writing(file: Path, killed: Path) -> None:
    """Copy a database, with its journal, out of the middle of a transaction."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("CREATE TABLE notes (note TEXT)")
        database.executemany("INSERT INTO notes VALUES (?)", [("x" * 400,)] * ROWS)
        database.execute("PRAGMA cache_size = 1")  # pages are written before the commit
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE notes SET note = note || 'y'")
        shutil.copy(file, killed)
        shutil.copy(f"{file}-journal", f"{killed}-journal")
        database.execute("ROLLBACK")


def test_what_a_kill_left_half_written_is_rolled_back(tmp_path: Path) -> None:
    killed = tmp_path / "killed.db"
    _killed_while_writing(tmp_path / "engine.db", killed)
    with (
        closing(sqlite3.connect(f"file:{killed}?mode=ro", uri=True)) as database,
        pytest.raises(sqlite3.OperationalError),  # the journal is one to roll back
    ):
        database.execute("SELECT count(*) FROM notes").fetchone()
    check_file(killed)
    assert _rows(killed) == (ROWS, ROWS * 400)


def test_a_new_file_is_none_that_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "engine.db"
    file.touch()
    check_file(file)


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "engine.db"
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(Unavailable, match=r"engine\.db: SQLITE_NOTADB\..*move it away"):
        check_file(file)
