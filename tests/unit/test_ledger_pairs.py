"""A list by metadata reads the batches that have the pair, not every batch of the tenant."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from batchway.storage.ledger.pairs import with_pairs
from batchway.storage.ledger.tables import batches
from batchway.storage.migrations import upgrade


@pytest.mark.parametrize("metadata", [{"team": "a"}, {"team": "a", "run": "1"}])
def test_the_plan_begins_with_a_pair(tmp_path: Path, metadata: dict[str, str]) -> None:
    upgrade(f"sqlite:///{tmp_path}/batchway.db")
    query, seq = with_pairs(select(batches), metadata)
    page = query.where(seq < 9).order_by(seq.desc())
    statement = str(page.compile(dialect=sqlite.dialect()))
    with sqlite3.connect(tmp_path / "batchway.db") as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {statement}", ["x"] * str(statement).count("?")
        )
        steps = [str(row[3]) for row in plan]
    assert steps[0].startswith("SEARCH batch_metadata_")
    assert "USING PRIMARY KEY (tenant=? AND key=? AND value=? AND batch_seq<?)" in steps[0]
    assert all("USING PRIMARY KEY (tenant=? AND key=? AND value=?" in step for step in steps[:-1])
    assert steps[-1] == "SEARCH batches USING INTEGER PRIMARY KEY (rowid=?)"
    assert "TEMP B-TREE" not in str(steps)  # nothing is sorted
