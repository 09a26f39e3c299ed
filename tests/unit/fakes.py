"""Test doubles and values for the unit tests of workflows and dispatch. Plain classes, no fixtures.

The ledger and the blob store are the real ones (SQLite, a local directory); what is doubled here
is time, chance, the engine, and storage that fails on command.
"""

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.domain.batch import Batch, Usage
from batchway.domain.call import Call
from batchway.domain.errors import Unavailable
from batchway.domain.file import File, Purpose
from batchway.domain.group import Group
from batchway.domain.shard import Claim, Mode, Segment, Shard
from batchway.domain.status import BatchStatus
from batchway.ports import Blobs, BlobWriter, Clock, Dialect, Ledger, Shards, Story
from batchway.results.line_result import LineResult
from batchway.results.segments import encode
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.storage.migrations import upgrade
from batchway.workflows.details import StatusDetails
from batchway.workflows.run import Ending, Run
from batchway.workflows.watch import Watch

CHAT = "/v1/chat/completions"
START = 1_000_000  # Unix seconds at which a FakeClock starts
DAY = 86_400


@asynccontextmanager
async def fresh_ledger(
    directory: Path, factory: pytest.TempPathFactory
) -> AsyncGenerator[SqlLedger]:
    """An empty SQLite ledger, copied from one that is upgraded once a session."""
    template = factory.getbasetemp() / "upgraded.db"
    if not template.exists():
        upgrade(f"sqlite:///{template}")
    path = directory / "batchway.db"
    shutil.copyfile(template, path)
    ledger = await SqlLedger.open(f"sqlite:///{path}")
    try:
        yield ledger
    finally:
        await ledger.close()


class FakeClock:
    """`ports.Clock` that moves only when told, or by being slept on."""

    def __init__(self, now: float = START, *, step: float = 0.0) -> None:
        self.time = now
        self.step = step  # what every look at `monotonic` costs
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        self.time += self.step
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


def dialect_of(_provider: str, call: Call, _mode: Mode) -> Dialect:
    """Every provider speaks OpenAI's."""
    return OpenAIDialect(endpoint=call.endpoint, model=call.model)


class Watched:
    """A run with a watch of its own, as `Execution` has one for all of its runs."""

    def __init__(
        self, run: Run, *, batch: Batch, ledger: Ledger, clock: Clock, details: StatusDetails
    ) -> None:
        self._run = run
        self._watch = Watch(
            batch=batch, batches=ledger.batches, clock=clock, details=details, run=run
        )

    async def run(self) -> Ending:
        return await self._watch.over(self._run.run())

    def stop(self, ending: Ending) -> None:
        self._run.stop(ending)


def counted_bytes() -> Callable[[int], bytes]:
    """Random bytes that are not: the first call gives 00 00 .., the second 01 01 .., and so on."""
    numbers = itertools.count()
    return lambda size: bytes([next(numbers) % 256]) * size


def counted_names(prefix: str) -> Callable[[], str]:
    """`prefix0`, `prefix1`, ..."""
    numbers = itertools.count()
    return lambda: f"{prefix}{next(numbers)}"


class MemoryBlob:
    """`ports.BlobReader` over bytes, for one blob of any key."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.longest = 0  # bytes that a single read asked for

    def read(self, key: str, start: int, length: int) -> bytes:
        self.longest = max(self.longest, length)
        return self.data[start : start + length]


class FailingBlobs:
    """`ports.Blobs` whose next `commits` commits and `deletes` deletions fail."""

    def __init__(self, real: Blobs) -> None:
        self._real = real
        self.commits = 0
        self.deletes = 0
        self.opened: Callable[[str], None] = lambda key: None  # called with each new blob's key

    def read(self, key: str, start: int, length: int) -> bytes:
        return self._real.read(key, start, length)

    def writer(self, key: str) -> BlobWriter:
        self.opened(key)
        writer = self._real.writer(key)
        return _FailingWriter(self, writer)

    def size(self, key: str) -> int | None:
        return self._real.size(key)

    def delete(self, key: str) -> None:
        if self.deletes:
            self.deletes -= 1
            raise Unavailable("no deletion today")
        self._real.delete(key)

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        return self._real.keys(prefix)

    def sweep(self, before: float) -> int:
        return self._real.sweep(before)


class _FailingWriter:
    def __init__(self, blobs: FailingBlobs, real: BlobWriter) -> None:
        self._blobs = blobs
        self._real = real

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._real.write(data)

    def commit(self) -> None:
        if self._blobs.commits:
            self._blobs.commits -= 1
            self._real.abort()
            raise Unavailable("no space", full=True)
        self._real.commit()

    def abort(self) -> None:
        self._real.abort()


class FailingShards:
    """`ports.Shards` whose next commits fail: `before` they reach the ledger, or `after`.

    Both may be set; `before` comes first. `hold`, when set, is awaited before each commit.
    """

    def __init__(self, real: Shards) -> None:
        self._real = real
        self.before = 0
        self.after = 0
        self.hold: asyncio.Event | None = None
        self.called = asyncio.Event()
        self.calls: list[list[Segment]] = []

    async def plan(self, batch_id: str) -> list[Shard]:
        return await self._real.plan(batch_id)

    async def open(self, batch_id: str) -> list[Shard]:
        return await self._real.open(batch_id)

    async def groups(self, batch_id: str) -> list[Group]:
        return await self._real.groups(batch_id)

    async def add_groups(self, batch_id: str, groups: Sequence[Group]) -> None:
        await self._real.add_groups(batch_id, groups)

    async def claim(self, batch_id: str, number: int) -> Claim:
        return await self._real.claim(batch_id, number)

    async def segments(self, batch_id: str, number: int) -> list[Segment]:
        return await self._real.segments(batch_id, number)

    async def commit(self, segments: Sequence[Segment]) -> list[Segment]:
        self.calls.append(list(segments))
        self.called.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.before:
            self.before -= 1
            raise Unavailable("the ledger is away")
        refused = await self._real.commit(segments)
        if self.after:
            self.after -= 1
            raise Unavailable("the answer was lost")
        return refused

    async def retract(self, segment: Segment) -> bool:
        return await self._real.retract(segment)

    async def hand_over(self, claim: Claim, *, because: str = "") -> bool:
        return await self._real.hand_over(claim, because=because)

    async def forget(self, batch_id: str) -> None:
        await self._real.forget(batch_id)

    async def leftovers(self) -> list[str]:
        return await self._real.leftovers()


class FakeEngine:
    """`ports.Engine` that only notes what it is told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.pruned: list[float] = []
        self.at_work: frozenset[str] = frozenset()
        self.trouble: Exception | None = None

    async def launch(self, story: Story) -> None:
        raise NotImplementedError

    async def start(self, batch_id: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.started.append(batch_id)

    async def running(self) -> frozenset[str]:
        return self.at_work

    async def prune(self, before: float) -> None:
        self.pruned.append(before)

    async def close(self) -> None:
        raise NotImplementedError


# ----------------------------------------------------------------------------- values


def chat(custom_id: str, model: str = "m", **body: object) -> bytes:
    """An input line for chat completions, without its newline."""
    return json.dumps(
        {
            "custom_id": custom_id,
            "method": "POST",
            "url": CHAT,
            "body": {"model": model, "messages": [], **body},
        }
    ).encode()


def a_file(number: int = 1, **changes: Any) -> File:
    """A file; `number` makes its id and blob."""
    values: dict[str, Any] = {
        "id": f"file-{number:022}",
        "tenant": "blue",
        "bytes": 11,
        "created_at": START,
        "expires_at": None,
        "filename": "requests.jsonl",
        "purpose": Purpose.BATCH,
        "blob": f"files/{number}",
        "sha256": "ab" * 32,
    }
    return File(**{**values, **changes})


def a_batch(number: int = 1, **changes: Any) -> Batch:
    """A batch over `a_file(number)`."""
    values: dict[str, Any] = {
        "id": f"batch_{number:032x}",
        "tenant": "blue",
        "endpoint": CHAT,
        "input_file_id": f"file-{number:022}",
        "input_blob": f"files/{number}",
        "completion_window": "24h",
        "status": BatchStatus.VALIDATING,
        "created_at": START,
        "deadline": START + DAY,
    }
    return Batch(**{**values, **changes})


def a_result(line: int, *, ok: bool = True, record: bytes | None = None) -> LineResult:
    """A result whose record tells its line."""
    return LineResult(
        line=line,
        ok=ok,
        record=record if record is not None else b'{"line":%d}' % line,
        usage=Usage(input_tokens=10, cached_tokens=3, output_tokens=2, reasoning_tokens=1),
    )


def store(blobs: Blobs, key: str, data: bytes) -> None:
    """Write a blob."""
    writer = blobs.writer(key)
    writer.write(data)
    writer.commit()


def a_segment(claim: Claim, results: Sequence[LineResult], name: str, size: int) -> Segment:
    """The row of a segment with these results."""
    usage = Usage()
    for result in results:
        usage += result.usage
    return Segment(
        batch_id=claim.shard.batch_id,
        shard=claim.shard.number,
        fence=claim.fence,
        blob=f"segments/{claim.shard.batch_id}/{claim.shard.number}-{claim.fence}-{name}",
        bytes=size,
        lines=len(results),
        completed=sum(result.ok for result in results),
        failed=sum(not result.ok for result in results),
        usage=usage,
    )


async def commit_results(
    ledger: Ledger, blobs: Blobs, shard: Shard, *results: LineResult, name: str = "a"
) -> None:
    """Claim the shard and commit one segment, as a run would."""
    claim = await ledger.shards.claim(shard.batch_id, shard.number)
    data = encode(results)
    segment = a_segment(claim, results, name, len(data))
    store(blobs, segment.blob, data)
    assert await ledger.shards.commit([segment]) == []
