"""What a kill hit, read from the data directory that the dead process left.

The databases are read from copies: opening SQLite's files would repair them, and whether the next
start can do that by itself is the question.
"""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from batchway.storage.blobs.identity import NAME

ENDED = ("completed", "failed", "expired", "cancelled")
_SEGMENT = b"BWS1"
_RESULT = b'{"id":"batch_req_'


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the ledger knows of a remote job of a batch that has not ended."""

    tag: str
    stage: str
    remote_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One look at a data directory. `results` is how many answered lines are in the ledger.

    `handed_over` are batches that have both a remote job and open managed lines.
    """

    statuses: dict[str, str] = field(default_factory=dict[str, str])
    results: int = 0
    planned: frozenset[str] = frozenset()  # batches that have plan rows
    segment_rows: frozenset[str] = frozenset()
    file_rows: frozenset[str] = frozenset()
    part_rows: frozenset[str] = frozenset()
    blobs: frozenset[str] = frozenset()
    unfinished_blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    result_blobs: frozenset[str] = frozenset()
    jobs: tuple[Sent, ...] = ()
    handed_over: frozenset[str] = frozenset()

    def phases(self, earlier: "Site") -> Counter[str]:
        """What was going on: batches by status, and the traces of half-done work."""
        found = Counter(s for s in self.statuses.values() if s not in ENDED)
        for name, head in self.unfinished_blobs.items():
            if name not in earlier.unfinished_blobs:
                found["writing a segment" if head == _SEGMENT else "writing a blob"] += 1
        for key in self.blobs - earlier.blobs:
            if key.startswith("segments/") and key not in self.segment_rows:
                found["segment without its row"] += 1
            elif key in self.result_blobs and key not in self.file_rows:
                found["result file without its row"] += 1
            elif key.startswith("files/") and key not in self.file_rows:
                found["input file without its row"] += 1
        ended = {batch for batch, status in self.statuses.items() if status in ENDED}
        found["cleaning up"] += len(ended & self.planned)
        return +found


def look(data: Path, scratch: Path) -> Site:
    """Look at a directory that no process is using."""
    blobs = data / "blobs"
    keys = {path.relative_to(blobs).as_posix(): path for path in blobs.rglob("*") if path.is_file()}
    whole = {key: path for key, path in keys.items() if not key.startswith("tmp/") and key != NAME}
    with closing(sqlite3.connect(_copied(data / "batchway.db", scratch))) as ledger:
        # The table that the last migration makes.
        if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'remote_jobs'").fetchall():
            return Site()  # killed before the tables were there

        def column(query: str) -> frozenset[str]:
            return frozenset(row[0] for row in ledger.execute(query))

        sent = ledger.execute(
            "SELECT j.tag, j.stage, j.remote_id FROM remote_jobs j JOIN batches b "
            f"ON b.id = j.batch_id WHERE b.status NOT IN {ENDED}"
        )
        return Site(
            jobs=tuple(Sent(tag=tag, stage=stage, remote_id=job) for tag, stage, job in sent),
            handed_over=column(
                "SELECT DISTINCT s.batch_id FROM shards s JOIN remote_jobs j "
                "ON j.batch_id = s.batch_id AND j.shard = s.number WHERE s.mode = 'managed'"
            ),
            statuses=dict(ledger.execute("SELECT id, status FROM batches").fetchall()),
            results=ledger.execute("SELECT coalesce(sum(completed), 0) FROM batches").fetchone()[0],
            planned=column("SELECT DISTINCT batch_id FROM shards"),
            segment_rows=column("SELECT blob FROM segments"),
            file_rows=column("SELECT blob FROM files"),
            part_rows=column("SELECT blob FROM upload_parts"),
            blobs=frozenset(whole),
            unfinished_blobs={
                key: path.read_bytes()[: len(_SEGMENT)]
                for key, path in keys.items()
                if key.startswith("tmp/")
            },
            result_blobs=frozenset(
                key
                for key, path in whole.items()
                if key.startswith("files/") and _begins(path, _RESULT)
            ),
        )


def damage(data: Path, scratch: Path) -> list[str]:
    """What SQLite's own check says about every database of a directory, beyond "ok"."""
    found: list[str] = []
    for path in sorted(data.glob("*.db")):
        with closing(sqlite3.connect(_copied(path, scratch))) as database:
            said = [row[0] for row in database.execute("PRAGMA integrity_check")]
            said += [str(row) for row in database.execute("PRAGMA foreign_key_check")]
        found += [f"{path.name}: {line}" for line in said if line != "ok"]
    return found


def _copied(path: Path, scratch: Path) -> Path:
    scratch.mkdir(exist_ok=True)
    copy = scratch / path.name
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
    for suffix in ("", "-wal", "-journal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    return copy


def _begins(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start
