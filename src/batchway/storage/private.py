"""Files and directories that are for this user alone: prompts, results and digests of keys.

Owns the modes, 0600 and 0700, whatever the umask of the process is. Does not own who writes what.
"""

import os
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
# What SQLite puts beside a database, with the database's own mode.
_BESIDE: Final = ("", "-wal", "-shm", "-journal")


def make_directory(path: Path) -> None:
    """Make a directory and those above it that are missing; one that exists is left as it is.

    Raises `OSError`.
    """
    try:
        path.mkdir(mode=DIRECTORY_MODE)
    except FileNotFoundError:
        make_directory(path.parent)
        path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    except FileExistsError:
        if not path.is_dir():
            raise


def make_database(path: Path) -> None:
    """Make an empty SQLite database, or take others' rights from one of ours that is there.

    SQLite gives its log and its shared memory the rights that the database has. Raises `OSError`.
    """
    make_directory(path.parent)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    for suffix in _BESIDE:
        tighten(path.with_name(path.name + suffix))


def tighten(path: Path) -> None:
    """Take the rights of others from what is ours; harmless for what is not there or not ours."""
    with suppress(OSError):
        found = path.stat()
        if found.st_mode & _OTHERS and found.st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)


def tighten_directory(path: Path, *, known: Collection[str]) -> None:
    """Do so with a directory that holds nothing but files of ours, by how their names begin.

    A directory that is shared with something else (`data_dir: .`) stays open to it.
    """
    with suppress(OSError):
        if all(entry.name.startswith(tuple(known)) for entry in os.scandir(path)):
            tighten(path)
