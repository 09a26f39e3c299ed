"""What a driver's error means to the rest of the system.

    IntegrityError                       -> Conflict      (a row with that id is there already)
    SQLITE_FULL, ENOSPC, PG 53100        -> Unavailable   full=True
    every other database error, timeouts -> Unavailable, with what to do where that is known

Owns the translation. Messages name the database and the error's code, never SQL, values or
passwords.
"""

import errno
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from batchway.domain.errors import Conflict, Unavailable

# SQLite reports a disk that fills while it grows its shared memory as these, not as SQLITE_FULL.
_SQLITE_FULL: Final = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"})
_POSTGRES_FULL: Final = "53100"
_MISSING_TABLE: Final = "42P01"

# By the beginning of the error's name. What is not here is named by its code alone.
_PLIGHTS: Final = {
    "SQLITE_NOTADB": "is damaged or no SQLite database: restore it from a backup",
    "SQLITE_CORRUPT": "is damaged: restore it from a backup",
    "SQLITE_BUSY": "is locked by another program: close what has it open",
    "SQLITE_LOCKED": "is locked by another program: close what has it open",
    "SQLITE_READONLY": "cannot be written: it or its directory is read-only for this user",
    "SQLITE_CANTOPEN": "cannot be opened: this user may not read it, or not write beside it",
    "SQLITE_PERM": "cannot be opened: this user may not read it",
    "SQLITE_IOERR": "cannot be read or written: its disk reports an error",
}

# What is caught around every statement: what drivers raise, a pool without a free connection, and
# what comes of connecting. Not all of SQLAlchemy: a mistake of ours must not look like an outage.
CAUGHT: Final = (DBAPIError, PoolTimeout, OSError)


def translate(error: Exception, label: str) -> Conflict | Unavailable:
    """The domain error for what a database call raised; raise it `from error`."""
    if isinstance(error, IntegrityError):
        return Conflict(f"The {label} holds a row that contradicts this change.")
    if isinstance(error, PoolTimeout):
        return Unavailable(f"The {label} is overloaded: no connection became free in time.")
    if _is_full(error):
        return Unavailable(f"The {label} has no space left.", full=True)
    code = getattr(getattr(error, "orig", None), "sqlite_errorname", None) or ""
    for beginning, plight in _PLIGHTS.items():
        if code.startswith(beginning):
            return Unavailable(f"The {label} {plight} ({code}).")
    return Unavailable(f"The {label} failed: {_code(error)}.")


def is_missing_table(error: Exception) -> bool:
    """Whether a statement failed because its table does not exist."""
    if not isinstance(error, DBAPIError):
        return False
    origin = error.orig
    return getattr(origin, "sqlstate", None) == _MISSING_TABLE or "no such table" in str(origin)


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    origin = getattr(error, "orig", None)
    if getattr(origin, "sqlstate", None) == _POSTGRES_FULL:
        return True
    return getattr(origin, "sqlite_errorname", None) in _SQLITE_FULL


def _code(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    sqlite = getattr(origin, "sqlite_errorname", None)
    sqlstate = getattr(origin, "sqlstate", None)
    if sqlite:
        return str(sqlite)
    if sqlstate:
        return f"SQLSTATE {sqlstate}"
    if getattr(error, "connection_invalidated", False) or type(origin).__name__ in (
        "OperationalError",
        "ConnectionTimeout",
    ):
        return "it cannot be reached, or dropped the connection"
    return type(origin).__name__
