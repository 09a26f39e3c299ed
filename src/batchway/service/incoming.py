"""A blob that a client is sending: its bytes, on their way from the socket to the blob store.

    receiving --write--> receiving --commit--> committed
        |                    |
        +------abort---------+--> aborted        (leaving `async with` uncommitted aborts)

Owns buffering, hashing and the size limit. Does not own what the bytes mean, nor any row.
"""

import asyncio
import hashlib
from threading import Lock
from types import TracebackType
from typing import Final, Self

from batchway.domain.errors import ApiError, ApiText
from batchway.ports import Blobs, BlobWriter
from batchway.service.jsonl import end_of_first_line
from batchway.service.limits import MIB

# Smaller pieces mean more hand-overs to threads; larger ones, more memory for each upload.
_PIECE: Final = 256 << 10
_HEAD: Final = MIB


class Incoming:
    """Takes pieces of any size and writes them about 256 KiB at a time, in threads.

    Every write, commit and abort runs under one lock, since a cancelled request leaves its thread
    writing: an abort must come after that write, not during it.
    """

    def __init__(self, *, blobs: Blobs, key: str, limit: int, too_large: ApiText) -> None:
        self.key: Final = key
        self.size = 0
        self._blobs = blobs
        self._limit = limit
        self._too_large = too_large
        self._pending: list[bytes | memoryview] = []
        self._pending_size = 0
        self._writer: BlobWriter | None = None
        self._sha256 = hashlib.sha256()
        self._head = bytearray()
        self._first_line_ended = False
        self._lock = Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.abort()

    @property
    def head(self) -> bytes:
        """The first line, or 1 MiB of it, once flushed."""
        return bytes(self._head)

    @property
    def sha256(self) -> str:
        """Digest of everything flushed, in hex."""
        return self._sha256.hexdigest()

    def expect(self, size: int) -> None:
        """Refuse at once when at least `size` bytes are sure to come and that is too many."""
        if size > self._limit:
            raise ApiError(self._too_large, limit=self._limit)

    async def write(self, data: bytes | memoryview) -> None:
        """Append. Raises `ApiError` beyond the limit, `Unavailable` when the store fails."""
        self.size += len(data)
        if self.size > self._limit:
            raise ApiError(self._too_large, limit=self._limit)
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= _PIECE:
            await self.flush()

    async def flush(self) -> None:
        """Hand everything written so far to the store."""
        pieces, self._pending, self._pending_size = self._pending, [], 0
        await asyncio.to_thread(self._append, pieces)

    async def commit(self) -> None:
        """Make the blob durable and visible."""
        await self.flush()
        await asyncio.to_thread(self._commit)

    async def abort(self) -> None:
        """Drop everything, unless it was committed. Safe at any time and any number of times."""
        if self._closed:
            return
        # Shielded: a queued thread of a cancelled task never runs, and would leave the bytes.
        await asyncio.shield(asyncio.to_thread(self._abort))

    def _append(self, pieces: list[bytes | memoryview]) -> None:
        data = b"".join(pieces)
        with self._lock:
            if self._closed:
                return
            if self._writer is None:
                self._writer = self._blobs.writer(self.key)
            self._sha256.update(data)
            if not self._first_line_ended and len(self._head) < _HEAD:
                self._keep_head(data)
            self._writer.write(data)

    def _keep_head(self, data: bytes) -> None:
        """Keep what belongs to the first line: of 200 uploads at once all else adds up."""
        self._head += data[: _HEAD - len(self._head)]
        end = end_of_first_line(self._head)
        if end is not None:
            self._first_line_ended = True
            del self._head[end:]

    def _commit(self) -> None:
        with self._lock:
            if self._closed or self._writer is None:
                return
            self._writer.commit()
            self._closed = True

    def _abort(self) -> None:
        with self._lock:
            if not self._closed and self._writer is not None:
                self._writer.abort()
            self._closed = True
