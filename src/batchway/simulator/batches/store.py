"""A vendor's files, on disk in a folder of the fake's own."""

import shutil
from pathlib import Path

from batchway.simulator.batches.behaviour import Behaviour
from batchway.simulator.batches.clock import Clock
from batchway.simulator.batches.dialects import Dialect
from batchway.simulator.batches.state import StoredFile
from batchway.simulator.batches.vendors import Vendor


class Store:
    """All files, oldest first."""

    def __init__(self, *, folder: Path, vendor: Vendor, clock: Clock) -> None:
        self.files: dict[str, StoredFile] = {}
        self.deletes: list[dict[str, object]] = []
        self._folder = folder
        self._vendor = vendor
        self._clock = clock
        self._count = 0

    def place(self) -> Path:
        """A path for a new file."""
        self._count += 1
        return self._folder / f"{self._count:06}.jsonl"

    def add(
        self,
        path: Path,
        *,
        id: str,
        filename: str,
        purpose: str,
        behaviour: Behaviour,
        keep: int | None = None,
    ) -> StoredFile:
        """Take in a file that has been written; `keep` is for how many seconds it is kept."""
        now = int(self._clock.now())
        uploaded = purpose == self._vendor.purpose
        pending = self._vendor.pending_polls
        if behaviour.pending_polls is not None:
            pending = behaviour.pending_polls
        file = StoredFile(
            id=id,
            path=path,
            bytes=path.stat().st_size,
            filename=filename,
            purpose=purpose,
            created_at=now,
            created=self._clock.now(),
            expires_at=None if keep is None else now + keep,
            # The answer to the upload is a look as well, and the one after the polls is not.
            pending=pending + 2 if uploaded and pending else 0,
        )
        self.files[file.id] = file
        return file

    def delete(self, file: StoredFile, *, needed: bool = False) -> None:
        """Forget a file; its bytes stay for as long as the fake if they are `needed`."""
        del self.files[file.id]
        if not needed:
            file.path.unlink(missing_ok=True)
        self.deletes.append({"id": file.id, "filename": file.filename, "purpose": file.purpose})

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


def output_purpose(dialect: Dialect) -> str:
    """The purpose of a file of results."""
    return "batch-api" if dialect.vendor.name == "together" else "batch_output"
