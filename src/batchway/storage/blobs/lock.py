"""`DataLock`: one process at a time per data directory.

Owns `<directory>/batchway.lock`. The lock is the kernel's (flock), so it ends with its process
however that ends; the pid in the file is for people. Does not protect against other hosts on a
network file system that ignores flock.
"""

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Final

from batchway.domain.errors import Unavailable

_NAME: Final = "batchway.lock"


class DataLock:
    """An exclusive lock of a data directory, held from `acquire` to `release`."""

    def __init__(self, path: Path) -> None:
        self._directory = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, making the directory if need be; harmless when held by this object.

        Raises `Unavailable`, naming the process that holds it, without waiting.
        """
        if self._descriptor is not None:
            return
        fcntl = _fcntl()
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                self._directory / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        except OSError as error:
            raise Unavailable(
                f"The data directory {self._directory} cannot be locked: {error.strerror}."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise Unavailable(
                f"The data directory {self._directory} is in use by another Batchway, process "
                f"{holder or 'unknown'}. Stop it, or give this one a directory of its own."
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise Unavailable(
                f"The data directory {self._directory} cannot be locked: {error.strerror}."
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; harmless when it is not held.

        The file stays: removing it could take it from under a process that just opened it.
        """
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _fcntl() -> ModuleType:
    try:
        return importlib.import_module("fcntl")
    except ImportError as error:
        raise Unavailable(
            "This platform has no file locks (fcntl), without which two processes could share a "
            "data directory by mistake. Run Batchway on Linux, macOS or WSL."
        ) from error
