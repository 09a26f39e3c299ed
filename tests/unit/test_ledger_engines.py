"""`storage.ledger.engines`: a connection that is closed gives its lock back."""

import sqlite3
from pathlib import Path

from batchway.storage.ledger.engines import SqliteConnection


def test_a_statement_that_was_not_read_to_its_end_keeps_no_lock(tmp_path: Path) -> None:
    """As a cancelled claim leaves it: its task's traceback may refer to the cursor for long."""
    path = tmp_path / "x.db"
    left = sqlite3.connect(path, isolation_level=None, factory=SqliteConnection)
    left.execute("CREATE TABLE t (x INTEGER)")
    left.execute("INSERT INTO t VALUES (1), (2)")
    left.execute("BEGIN IMMEDIATE")
    cursor = left.execute("UPDATE t SET x = x + 1 RETURNING x")
    left.close()
    other = sqlite3.connect(path, isolation_level=None, timeout=0.0)
    other.execute("BEGIN IMMEDIATE")
    assert other.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]
    other.close()
    del cursor
