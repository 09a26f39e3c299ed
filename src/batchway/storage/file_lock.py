"""`FileLock`: one process at a time, by the kernel's own lock of a file (flock).

The lock ends with its process, however that ends; the pid in the file is for people. Does not
protect against other hosts on a network file system that ignores flock.
"""

import importlib
import os
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Final

from batchway.domain.errors import Unavailable
from batchway.storage.private import FILE_MODE, make_directory, tighten

_PID_BYTES: Final = 20


class FileLock:
    """An exclusive lock, held from `acquire` to `release`.

    `what` is what the lock is for, as sentences name it ("The data directory /srv/batchway");
    `advice` is what to do about another process that holds it.
    """

    def __init__(self, path: Path, *, what: str, advice: str) -> None:
        self._path = path
        self._what = what
        self._advice = advice
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, making the file if need be; harmless when held by this object.

        Raises `Unavailable`, naming the process that holds it, without waiting.
        """
        while self._descriptor is None:
            descriptor = self._lock()
            if self._is_in_place(descriptor):
                self._descriptor = descriptor
                return
            # Somebody removed the file between our opening and our locking it.
            os.close(descriptor)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held.

        The file stays: removing it could take it from under a process that just opened it.
        """
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def is_held(self) -> bool:
        """Whether the lock is ours: the file was neither removed nor replaced since."""
        return self._descriptor is not None and self._is_in_place(self._descriptor)

    def _lock(self) -> int:
        fcntl = _fcntl()
        try:
            make_directory(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise self._cannot(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, _PID_BYTES, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise Unavailable(
                f"{self._what} is in use by another Batchway, process {holder or 'unknown'}. "
                f"{self._advice}"
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise self._cannot(error) from error
        with suppress(OSError):  # on a full disk the lock holds without saying whose it is
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        tighten(self._path)  # an earlier release made it readable to everybody
        return descriptor

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except OSError:
            return False

    def _cannot(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self._what} cannot be locked: {error.strerror}.")


def _fcntl() -> ModuleType:
    try:
        return importlib.import_module("fcntl")
    except ImportError as error:
        raise Unavailable(
            "This platform has no file locks (fcntl), without which two processes could share a "
            "data directory by mistake. Run Batchway on Linux, macOS or WSL."
        ) from error
