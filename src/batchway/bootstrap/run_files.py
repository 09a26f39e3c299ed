"""The files of a run: its input into the store, its results out of it.

Owns bytes and names on disk. Does not own which they are (`run`).
"""

import hashlib
import os
from pathlib import Path
from typing import Final

from batchway.domain.file import File
from batchway.ports import Blobs

_PIECE: Final = 1 << 20


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_in(blobs: Blobs, key: str, path: Path) -> int:
    """Keep a file as a blob; its size in bytes."""
    writer = blobs.writer(key)
    size = 0
    try:
        with path.open("rb") as file:
            while data := file.read(_PIECE):
                writer.write(data)
                size += len(data)
        writer.commit()
    finally:
        writer.abort()
    return size


def copy_out(blobs: Blobs, file: File | None, path: Path) -> Path | None:
    """Write a result file under a temporary name first: a reader never sees half of it."""
    if file is None:
        return None
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as target:
        for offset in range(0, file.bytes, _PIECE):
            target.write(blobs.read(file.blob, offset, _PIECE))
        target.flush()
        os.fsync(target.fileno())
    put_in_place(partial, path)
    return path


def put_in_place(partial: Path, path: Path) -> None:
    """Rename, and see to it that the rename survives a power cut: the run's state goes next."""
    partial.replace(path)
    if os.name == "nt":
        return  # a directory cannot be opened there
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
