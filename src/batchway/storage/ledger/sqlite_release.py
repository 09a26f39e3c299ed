"""Which SQLite is new enough. Owns the numbers and the sentence; opens nothing.

The ledger needs `RETURNING` (3.35). The engine asks `unixepoch('subsec')` (3.42), and does so from
Python 3.12 on only: SQLite belongs to the Python that runs, and older Pythons carry older ones.
"""

import sqlite3
import sys
from typing import Final

from batchway.domain.errors import Unavailable

_OF_THE_LEDGER: Final = (3, 35, 0)
_OF_THE_ENGINE: Final = (3, 42, 0)
_PICKY_PYTHON: Final = (3, 12)


def require_sqlite(
    found: tuple[int, ...] = sqlite3.sqlite_version_info,
    python: tuple[int, ...] = sys.version_info[:2],
) -> None:
    """Raise `Unavailable` unless the SQLite of this Python is new enough."""
    needed = _OF_THE_ENGINE if python >= _PICKY_PYTHON else _OF_THE_LEDGER
    if found < needed:
        raise Unavailable(
            f"Batchway needs SQLite {_shown(needed)} or newer with Python {_shown(python)}, which "
            f"comes here with SQLite {_shown(found)}. Use a Python with a newer SQLite (such as "
            "`uv python install 3.12`), or set `database` to a PostgreSQL database."
        )


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version[:2]))
