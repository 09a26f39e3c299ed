"""Values that the ledger's contract suites store. Not a fixture: plain functions."""

from typing import Any

from batchway.domain.batch import Batch, Usage
from batchway.domain.file import File, Purpose
from batchway.domain.group import Group, GroupTarget
from batchway.domain.remote import JobRecord
from batchway.domain.shard import Mode, Segment, Shard
from batchway.domain.status import BatchStatus
from batchway.ports import Ledger

USAGE = Usage(input_tokens=5, cached_tokens=3, output_tokens=2, reasoning_tokens=1)


def a_file(number: int = 1, **changes: Any) -> File:
    """A file; `number` makes its id and blob."""
    values: dict[str, Any] = {
        "id": f"file-{number:022}",
        "tenant": "blue",
        "bytes": 11,
        "created_at": 1_000,
        "expires_at": None,
        "filename": "requests.jsonl",
        "purpose": Purpose.BATCH,
        "blob": f"files/{number}",
        "sha256": "ab" * 32,
    }
    return File(**{**values, **changes})


def a_batch(number: int = 1, **changes: Any) -> Batch:
    """A batch; `number` makes its id."""
    values: dict[str, Any] = {
        "id": f"batch_{number:032x}",
        "tenant": "blue",
        "endpoint": "/v1/chat/completions",
        "input_file_id": f"file-{number:022}",
        "input_blob": f"files/{number}",
        "completion_window": "24h",
        "status": BatchStatus.VALIDATING,
        "created_at": 1_000,
        "deadline": 87_400,
    }
    return Batch(**{**values, **changes})


def a_shard(number: int = 0, *, batch: int = 1, lines: int = 10, **changes: Any) -> Shard:
    """A shard of `a_batch(batch)`."""
    values: dict[str, Any] = {
        "batch_id": a_batch(batch).id,
        "number": number,
        "group": "vllm",
        "mode": Mode.MANAGED,
        "start": number * 100,
        "end": number * 100 + 100,
        "first_line": number * lines,
        "lines": lines,
    }
    return Shard(**{**values, **changes})


def a_group(name: str = "vllm", **changes: Any) -> Group:
    """The managed group of a provider, whose lines ask for their own models."""
    values: dict[str, Any] = {
        "name": name,
        "mode": Mode.MANAGED,
        "primaries": (GroupTarget(provider=name, model=None),),
    }
    return Group(**{**values, **changes})


def a_segment(
    name: str = "a",
    shard: int = 0,
    *,
    batch: int = 1,
    fence: int = 1,
    lines: int = 3,
    failed: int = 1,
) -> Segment:
    """A segment of `a_shard(shard, batch=batch)`; `name` makes its blob."""
    return Segment(
        batch_id=a_batch(batch).id,
        shard=shard,
        fence=fence,
        blob=f"segments/{batch}/{shard}/{name}",
        bytes=lines * 100,
        lines=lines,
        completed=lines - failed,
        failed=failed,
        usage=USAGE,
    )


def a_job(shard: int = 0, *, batch: int = 1, **changes: Any) -> JobRecord:
    """The first job of `a_shard(shard, batch=batch)`, nothing sent yet."""
    values: dict[str, Any] = {
        "batch_id": a_batch(batch).id,
        "shard": shard,
        "attempt": 0,
        "tag": f"batchway-{batch:032x}-{shard}-0",
        "provider": "openai-main",
        "model": "gpt-4o-mini",
    }
    return JobRecord(**{**values, **changes})


async def begun(ledger: Ledger, *shards: Shard, batch: int = 1) -> str:
    """Add a batch and begin it with these shards; returns its id."""
    added = await ledger.batches.add(a_batch(batch))
    assert await ledger.batches.begin(added.id, at=1_001, model="m", shards=shards)
    return added.id
