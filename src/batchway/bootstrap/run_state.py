"""The directory that a run keeps its state in: whose it is, and its end.

    run.json    what it belongs to, so that it is never mixed up with another run
    *.removed   a directory that is being removed

Owns these. What else is in it is the ledger's and the store's.
"""

import shutil
from pathlib import Path
from typing import Final

import msgspec

from batchway.bootstrap.run_files import put_in_place
from batchway.storage.blobs.lock import DataLock

_MARKER: Final = "run.json"


class Marker(msgspec.Struct, kw_only=True):
    """What a run's directory belongs to."""

    batch_id: str
    input_sha256: str
    endpoint: str
    provider: str | None


def marker_of(state: Path) -> Marker | None:
    """The marker of a directory; `None` of one that is new."""
    path = state / _MARKER
    return msgspec.json.decode(path.read_bytes(), type=Marker) if path.exists() else None


def mark(state: Path, marker: Marker) -> None:
    """Write a directory's marker: whole, or not at all."""
    path = state / _MARKER
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(marker))
    put_in_place(partial, path)


def remove_remains(state: Path) -> None:
    """Remove what an earlier run was killed in the middle of removing."""
    shutil.rmtree(_doomed(state), ignore_errors=True)


def remove_state(state: Path) -> None:
    """Remove a run's directory, unless a run is at work in it (`Unavailable`).

    It is renamed first: killed half-way through the removal, a run would otherwise leave a marker
    without its ledger, and the next one would pay for the whole file again.
    """
    lock = DataLock(state)
    lock.acquire()
    doomed = _doomed(state)
    shutil.rmtree(doomed, ignore_errors=True)
    state.rename(doomed)
    lock.release()
    shutil.rmtree(doomed)


def _doomed(state: Path) -> Path:
    return state.with_name(state.name + ".removed")
