"""The collector: results wait here for at most a second, then become committed segments.

    results --add--> buffer of their shard --flush--> segment blob --> one ledger transaction

One collector serves every shard of the process, so that a hundred batches cost one transaction a
second and not a hundred. Owns durability of results and the bound on results in memory. Does not
know what a record says.

A buffer may be *held* for an interval: results of a short batch that ends by then are taken out by
`take` and delivered without ever being a segment.

When storage fails nothing is dropped: results stay where they are, `room` makes the sources wait,
and the flush is tried again until it succeeds. A claim whose fence was overtaken is reported
through `Buffer.lost`, and its results are dropped: the newer runner has or will have its own.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from batchway.domain.batch import Usage
from batchway.domain.errors import Conflict, Unavailable
from batchway.domain.shard import Claim, Segment
from batchway.ports import Blobs, Clock, Shards
from batchway.results.line_result import LineResult

_log: Final = logging.getLogger(__name__)
_RETRY_SECONDS: Final = 2.0
_MOST_SEGMENTS: Final = 200
_SLICE: Final = 0.25  # of an interval: what was held is committed no later than this


@dataclass(slots=True, kw_only=True)
class Buffer:
    """Results of one claim that are not committed yet."""

    claim: Claim
    results: list[LineResult] = field(default_factory=list[LineResult])
    bytes: int = 0
    sealed: bool = False  # a flush holds results of this buffer
    lost: bool = False
    held_until: float | None = None  # on the monotonic clock; no flush takes results before
    flushed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def empty(self) -> bool:
        """Whether everything added so far is committed (or dropped, when lost)."""
        return not self.results and not self.sealed


@dataclass(slots=True, kw_only=True)
class _Sealed:
    """Results on their way into the ledger; `segment` once their blob is written."""

    buffer: Buffer
    results: list[LineResult]
    bytes: int
    segment: Segment | None = None


class Collector:
    """Collects and commits. Belongs to one event loop; `run` must be running on it."""

    def __init__(
        self,
        *,
        blobs: Blobs,
        shards: Shards,
        clock: Clock,
        new_name: Callable[[], str],
        encode: Callable[[Sequence[LineResult]], bytes],
        interval: float = 1.0,
        flush_bytes: int = 16 << 20,
        most_bytes: int = 64 << 20,
    ) -> None:
        self._blobs = blobs
        self._shards = shards
        self._clock = clock
        self._new_name = new_name
        self._encode = encode
        self._interval = interval
        self._flush_bytes = min(flush_bytes, most_bytes)  # who waits for room needs a flush
        self._most_bytes = most_bytes
        self._buffers: dict[tuple[str, int, int], Buffer] = {}
        self._sealed: list[_Sealed] = []
        self._bytes = 0
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._flushing = asyncio.Lock()
        self.trouble: str | None = None  # why the last flush failed, for `status_details`

    def open(self, claim: Claim, *, held: bool = False) -> Buffer:
        """Start collecting for a claim; `held` leaves it out of flushes for an interval."""
        until = self._clock.monotonic() + self._interval if held else None
        buffer = Buffer(claim=claim, held_until=until)
        self._buffers[_key(claim)] = buffer
        return buffer

    def add(self, buffer: Buffer, result: LineResult) -> None:
        """Take a result. Never blocks; sources look at `full` before they read on."""
        if buffer.lost:
            return
        size = len(result.record)
        buffer.results.append(result)
        buffer.bytes += size
        self._bytes += size
        if self._bytes >= self._flush_bytes:
            self._full.set()
            if self._bytes >= self._most_bytes:
                self._room.clear()

    @property
    def full(self) -> bool:
        """Whether sources must wait for `room` before they read on."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Wait until results in memory are below the limit."""
        await self._room.wait()

    def take(self, buffer: Buffer) -> list[LineResult] | None:
        """Every result of a held claim, which is forgotten; `None` if a flush was quicker."""
        if buffer.held_until is None or buffer.sealed or buffer.lost:
            return None
        results = buffer.results
        self.drop(buffer)
        return results

    async def drain(self, buffer: Buffer) -> bool:
        """Wait until all that was added is committed; `False` when the claim was lost."""
        buffer.held_until = None
        while not buffer.empty and not buffer.lost:
            buffer.flushed.clear()
            self._full.set()
            await buffer.flushed.wait()
        self._buffers.pop(_key(buffer.claim), None)
        return not buffer.lost

    def drop(self, buffer: Buffer) -> None:
        """Forget a claim and whatever of it is not committed, or comes later."""
        buffer.lost = True  # else a late result would take room for ever
        self._release(buffer)
        self._buffers.pop(_key(buffer.claim), None)

    async def run(self) -> None:
        """Flush once an interval, or sooner when much has gathered. Runs until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._patience()):
                    await self._full.wait()
            except TimeoutError:
                pass
            self._full.clear()
            if not await self.flush():
                await self._clock.sleep(_RETRY_SECONDS)

    async def flush(self) -> bool:
        """Commit everything gathered so far; `False` when storage failed and nothing is lost."""
        async with self._flushing:
            if not self._sealed:
                self._seal()
            if not self._sealed:
                return True
            try:
                for sealed in self._sealed:
                    if sealed.segment is None:
                        sealed.segment = await asyncio.to_thread(
                            self._write, sealed.buffer.claim, sealed.results
                        )
                refused = await self._commit(
                    [sealed.segment for sealed in self._sealed if sealed.segment]
                )
            except Unavailable as error:
                # What was sealed stays sealed, under the same segment names: the commit may have
                # arrived although its answer did not, and repeating it is harmless only so.
                if self.trouble is None:
                    _log.warning("results cannot be stored, will try again: %s", error)
                self.trouble = str(error)
                return False
            self._settle(refused)
            await self._discard(refused)
            if self.trouble is not None:
                _log.warning("results can be stored again")
                self.trouble = None
            return True

    async def settle(self) -> bool:
        """Commit until nothing waits, for the end of the process; `False` when storage fails."""
        for buffer in self._buffers.values():
            buffer.held_until = None
        while self._sealed or any(buffer.results for buffer in self._buffers.values()):
            if not await self.flush():
                return False
        return True

    async def _commit(self, segments: list[Segment]) -> list[Segment]:
        """Commit together, some hundred at a time, which is what SQLite takes in one statement."""
        refused: list[Segment] = []
        for start in range(0, len(segments), _MOST_SEGMENTS):
            refused += await self._commit_some(segments[start : start + _MOST_SEGMENTS])
        return refused

    async def _commit_some(self, segments: list[Segment]) -> list[Segment]:
        """Commit together; when one of them cannot be, alone, so that it spoils no other batch."""
        try:
            return await self._shards.commit(segments)
        except Conflict:
            refused: list[Segment] = []
            for segment in segments:
                try:
                    refused += await self._shards.commit([segment])
                except Conflict as error:
                    # A defect of ours: its runner is stopped as if the claim were lost, and the
                    # lines without a result are run again under a new one.
                    _log.error("segment %s does not fit its shard: %s", segment.blob, error)
                    refused.append(segment)
            return refused

    def _patience(self) -> float:
        """Seconds to the next flush, by which nothing that was held is much older than others."""
        held = [b.held_until for b in self._buffers.values() if b.held_until is not None]
        if not held:
            return self._interval
        due = min(held) - self._clock.monotonic()
        return min(self._interval, max(_SLICE * self._interval, due))

    def _seal(self) -> None:
        now = self._clock.monotonic()
        for buffer in self._buffers.values():
            if buffer.held_until is not None:
                if now < buffer.held_until and self._bytes < self._flush_bytes:
                    continue
                buffer.held_until = None
            if buffer.results:
                self._sealed.append(
                    _Sealed(buffer=buffer, results=buffer.results, bytes=buffer.bytes)
                )
                buffer.results, buffer.bytes, buffer.sealed = [], 0, True

    def _settle(self, refused: Sequence[Segment]) -> None:
        gone = {segment.blob for segment in refused}
        for sealed in self._sealed:
            buffer = sealed.buffer
            buffer.sealed = False
            self._bytes -= sealed.bytes
            if sealed.segment and sealed.segment.blob in gone:
                buffer.lost = True
                self._release(buffer)
            buffer.flushed.set()
        self._sealed = []
        if self._bytes < self._most_bytes:
            self._room.set()

    def _write(self, claim: Claim, results: list[LineResult]) -> Segment:
        data = self._encode(results)
        shard = claim.shard
        segment = Segment(
            batch_id=shard.batch_id,
            shard=shard.number,
            fence=claim.fence,
            blob=f"segments/{shard.batch_id}/{shard.number}-{claim.fence}-{self._new_name()}",
            bytes=len(data),
            lines=len(results),
            completed=sum(result.ok for result in results),
            failed=sum(not result.ok for result in results),
            usage=_sum(results),
        )
        writer = self._blobs.writer(segment.blob)
        try:
            writer.write(data)
            writer.commit()
        finally:
            writer.abort()
        return segment

    async def _discard(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            try:
                await asyncio.to_thread(self._blobs.delete, segment.blob)
            except Unavailable as error:
                # The janitor removes segments that no ledger row names.
                _log.info("segment %s is left for the janitor: %s", segment.blob, error)

    def _release(self, buffer: Buffer) -> None:
        self._bytes -= buffer.bytes
        buffer.results, buffer.bytes = [], 0
        if self._bytes < self._most_bytes:
            self._room.set()


def _key(claim: Claim) -> tuple[str, int, int]:
    return claim.shard.batch_id, claim.shard.number, claim.fence


def _sum(results: Sequence[LineResult]) -> Usage:
    inputs = cached = outputs = reasoning = 0
    for result in results:
        usage = result.usage
        inputs += usage.input_tokens
        cached += usage.cached_tokens
        outputs += usage.output_tokens
        reasoning += usage.reasoning_tokens
    return Usage(
        input_tokens=inputs,
        cached_tokens=cached,
        output_tokens=outputs,
        reasoning_tokens=reasoning,
    )
