"""What is left behind once every batch has ended: plans, segments, blobs, complaints.

Owns the judgement of a data directory. That of results is `verdict`'s.
"""

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.processes import Server
from tests.chaos.site import damage, look

from batchway.storage.blobs.identity import NAME

_TIDY_SECONDS = 20.0
_TWO_DAYS = 2 * 86_400
_DEFECTS = ("Traceback", "met a defect", "because of a defect", "unexpected")


@dataclass(slots=True, kw_only=True)
class Tidied:
    """`found` is everything that is wrong, `leftovers` what is left by design."""

    found: list[str] = field(default_factory=list[str])
    leftovers: dict[str, int] = field(default_factory=dict[str, int])


def complaints(server: Server) -> list[str]:
    """The first few defects that a server's log tells of."""
    said = [line for line in server.said().splitlines() if any(d in line for d in _DEFECTS)]
    return [f"the log says: {line}" for line in said[:5]]


def tidiness(data: Path, scratch: Path, server: Server) -> Tidied:
    """No plan, no segment; of blobs only those with a row, once the janitor may take the rest.

    The server has ended, is started once more, and ends.
    """
    tidied = Tidied(found=damage(data, scratch))
    site = look(data, scratch)
    if site.planned or site.segment_rows:
        tidied.found.append(f"plans of ended batches are left: {sorted(site.planned)}")
    segments = sorted(key for key in site.blobs if key.startswith("segments/"))
    if segments:
        tidied.found.append(f"{len(segments)} segments of ended batches are left: {segments[:3]}")
    missing = sorted(site.file_rows - site.blobs)
    if missing:
        tidied.found.append(f"files without bytes: {missing[:3]}")
    # By design: bytes of a killed writer, and whole blobs whose row never came, stay for a day.
    parted = site.part_rows
    tidied.leftovers = {
        "unfinished blobs": len(site.unfinished_blobs),
        "blobs without a row": len(site.blobs - site.file_rows - parted),
    }
    _age(data)
    server.start_and_wait()
    deadline = time.monotonic() + _TIDY_SECONDS
    while time.monotonic() < deadline and (_blobs(data) - site.file_rows - parted):
        time.sleep(0.1)
    server.end()
    left = sorted(_blobs(data) - site.file_rows - parted)
    if left:
        tidied.found.append(f"the janitor leaves {len(left)} blobs: {left[:3]}")
    if gone := sorted(site.file_rows - _blobs(data)):
        tidied.found.append(f"the janitor took {len(gone)} blobs too many: {gone[:3]}")
    tidied.found += damage(data, scratch)
    return tidied


def _age(data: Path) -> None:
    """Make every blob two days old, and every announced upload overdue."""
    for path in (data / "blobs").rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime - _TWO_DAYS
            os.utime(path, (then, then))
    with closing(sqlite3.connect(data / "batchway.db")) as ledger, ledger:
        ledger.execute("UPDATE uploads SET expires_at = created_at WHERE status = 'pending'")
        ledger.execute("UPDATE stores SET since = 0")  # or they would be another database's


def _blobs(data: Path) -> set[str]:
    root = data / "blobs"
    # Not `rglob`: it fails on a directory that the server removes meanwhile.
    return {
        (Path(folder) / name).relative_to(root).as_posix()
        for folder, _, names in os.walk(root)
        for name in names
        if name != NAME
    }
