"""`DataLock`: one process at a time per data directory, by `<directory>/batchway.lock`."""

from pathlib import Path
from typing import Final

from batchway.storage.file_lock import FileLock

_NAME: Final = "batchway.lock"


class DataLock(FileLock):
    """An exclusive lock of a data directory, held from `acquire` to `release`."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path / _NAME,
            what=f"The data directory {path}",
            advice="Stop it, or give this one a directory of its own.",
        )
