"""The engine's own database: what is said when it cannot be used, and a quick look at one file.

Owns neither its tables nor its place.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from batchway.domain.errors import Unavailable


def unusable(shown: str | None, cause: str) -> Unavailable:
    """The error for a database that the engine cannot use; `shown` never holds a password."""
    return Unavailable(
        f"The engine cannot use {shown}: {cause}. Nothing but its own notes is in there: move it "
        "away, and batches go on from the ledger."
    )


def check_file(file: Path) -> None:
    """Raise `Unavailable` when a SQLite file is damaged: at the start, before the engine's launch.

    The engine is launched when the first long batch needs it; nobody would read an error then. What
    a kill left half written is rolled back, as it is whenever SQLite may write.
    """
    try:
        # For reading only, SQLite would refuse a file with a journal to roll back, damaged or not.
        with closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__
        raise unusable(str(file), name) from error
