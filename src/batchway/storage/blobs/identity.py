"""A blob store's own id: by it a database knows its store, wherever that is moved.

    root/batchway-store    32 hexadecimal digits, written once

Owns the file. Does not own what is made of it: whether a database and a store belong together is
decided where both are opened (`bootstrap.opening`).
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from batchway.domain.errors import Unavailable
from batchway.storage.private import FILE_MODE, make_directory

NAME: Final = "batchway-store"
_IDENTITY: Final = re.compile(rb"([0-9a-f]{32})\n?")
_ABSENT: Final = (FileNotFoundError, NotADirectoryError)


def read_identity(root: Path) -> str | None:
    """The id of the store at `root`; `None` where there is no file of one. Makes nothing.

    Raises `Unavailable` for a file that cannot be read or holds something else.
    """
    path = root / NAME
    try:
        content = path.read_bytes()
    except _ABSENT:
        return None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}.") from error
    found = _IDENTITY.fullmatch(content)
    if found is None:
        raise Unavailable(
            f"{path} is damaged: it does not hold the id of a blob store. Restore it from a "
            "backup; or remove it, then run `batchway db adopt-blobs`."
        )
    return found[1].decode()


def write_identity(root: Path, identity: str) -> None:
    """Give the store an id, to stay after a power cut. Raises `Unavailable`."""
    partial = root / f"{NAME}.partial"
    try:
        make_directory(root)
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{identity}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(root / NAME)
        directory = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise Unavailable(
            f"The blob store {root} cannot be written: {error.strerror}. "
            "Give a directory that this user can write to."
        ) from error


def count_present(root: Path, keys: Iterable[str]) -> int:
    """How many of these blobs are files at `root`. Makes nothing."""
    return sum((root / key).is_file() for key in keys)
