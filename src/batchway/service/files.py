"""Files: receiving, finding, reading and forgetting them.

Owns the checks a file gets on its way in and when its bytes may go. Does not own how bytes come
over the wire (`api.multipart`) nor where they end up (`ports.Blobs`).
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from batchway.domain.errors import ApiError, ApiText, Unavailable
from batchway.domain.file import (
    DOWNLOADABLE,
    ExpiresAfter,
    File,
    Purpose,
)
from batchway.domain.idempotency import idempotency_key
from batchway.domain.ids import Ids, is_file_id
from batchway.domain.keys import Principal
from batchway.ports import Blobs, Clock, IdempotencyMismatch, Ledger, Order, Page
from batchway.service.filename import clean_filename
from batchway.service.incoming import Incoming
from batchway.service.jsonl import check_first_line, check_jsonl_name
from batchway.service.limits import MIB, Limits
from batchway.telemetry import event

BATCH_FILE_SECONDS: Final = 30 * 86_400
BLOB_PREFIX: Final = "files/"
_SLICE: Final = 500

_log = logging.getLogger("batchway.files")


def file_id_of(incoming: Incoming) -> str:
    """The id that the file of these bytes will have: its blob is named after it."""
    return incoming.key.removeprefix(BLOB_PREFIX)


def file_expires_at(purpose: Purpose, created_at: int, seconds: int | None) -> int | None:
    """When a file goes by itself: as asked, else after 30 days for batch input, else never."""
    if seconds is not None:
        return created_at + seconds
    return created_at + BATCH_FILE_SECONDS if purpose is Purpose.BATCH else None


class FileService:
    """Use cases of Files. Everything is by tenant: foreign ids answer as unknown ones."""

    def __init__(
        self, *, ledger: Ledger, blobs: Blobs, clock: Clock, ids: Ids, limits: Limits
    ) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._limits = limits

    def receive(self, *, too_large: ApiText = ApiText.FILE_TOO_LARGE) -> Incoming:
        """Start taking the bytes of a new file; use it with `async with`, end with `keep`."""
        return Incoming(
            blobs=self._blobs,
            key=BLOB_PREFIX + self._ids.file(),
            limit=self._limits.file_bytes,
            too_large=too_large,
        )

    async def keep(
        self,
        principal: Principal,
        incoming: Incoming,
        *,
        filename: str,
        purpose: Purpose,
        expires_after: ExpiresAfter | None = None,
        key: str | None = None,
    ) -> File:
        """Turn received bytes into a File, row last.

        With an idempotency `key` seen before, the bytes are dropped and the file of that time is
        the answer. Raises `ApiError`, `Unavailable`; then nothing is kept.
        """
        name = clean_filename(filename)
        await incoming.flush()
        if purpose is Purpose.BATCH:
            await asyncio.to_thread(_check_batch_input, name, incoming)
        seconds = None if expires_after is None else expires_after.seconds
        seen = idempotency_key(key, "file", incoming.sha256, purpose, name, seconds)
        await incoming.commit()
        created_at = int(self._clock.now())
        file = File(
            id=file_id_of(incoming),
            tenant=principal.tenant,
            bytes=incoming.size,
            created_at=created_at,
            expires_at=file_expires_at(purpose, created_at, seconds),
            filename=name,
            purpose=purpose,
            blob=incoming.key,
            sha256=incoming.sha256,
        )
        try:
            kept = await self._ledger.files.add(file, idempotency=seen)
        except IdempotencyMismatch as error:
            await self.drop_bytes(file.blob)
            raise ApiError(ApiText.IDEMPOTENCY_MISMATCH, key=key) from error
        except Exception:
            await self.drop_bytes(file.blob)
            raise
        if kept.id != file.id:
            await self.drop_bytes(file.blob)
            return kept
        event(
            _log,
            "file created",
            file=file.id,
            bytes=file.bytes,
            purpose=file.purpose.value,
            tenant=principal.tenant,
            key=principal.key_name,
        )
        return kept

    async def find(self, principal: Principal, file_id: str) -> File | None:
        """The file, if there is one."""
        # Ids of another shape never reach the database: it may not take their characters.
        if not is_file_id(file_id):
            return None
        file = await self._ledger.files.get(principal.tenant, file_id)
        if file is None or (file.expires_at is not None and file.expires_at <= self._clock.now()):
            return None
        return file

    async def get(self, principal: Principal, file_id: str) -> File:
        """The file. Raises `ApiError`."""
        if not file_id.startswith("file"):
            raise ApiError(ApiText.MALFORMED_ID, param="file_id", given=file_id, prefix="file")
        file = await self.find(principal, file_id)
        if file is None:
            raise ApiError(ApiText.UNKNOWN_FILE, id=file_id)
        return file

    async def page(
        self,
        principal: Principal,
        *,
        purpose: str | None,
        limit: int,
        after: str | None,
        order: Order,
    ) -> Page[File]:
        """A page of files by creation. Raises `ApiError` for an unknown cursor.

        A `purpose` that no file here can have is an empty page.

        Read in slices: the 10,000 files that a page may hold would stop the event loop for a
        fifth of a second.
        """
        items: list[File] = []
        more = True
        while more and len(items) < limit:
            cursor = items[-1].id if items else after
            piece = None
            if cursor is None or is_file_id(cursor):
                piece = await self._ledger.files.page(
                    principal.tenant,
                    purpose=purpose,
                    limit=min(_SLICE, limit - len(items)),
                    after=cursor,
                    order=order,
                )
            if piece is not None:
                items.extend(piece.items)
                more = piece.more
            elif items:
                items.pop()  # it was removed since its slice was read, and follows on from nothing
            else:
                raise ApiError(ApiText.UNKNOWN_CURSOR, given=after)
        return Page(items=tuple(items), more=more)

    async def remove(self, principal: Principal, file_id: str) -> File:
        """Forget a file at once; its bytes stay while a running batch reads them."""
        await self.get(principal, file_id)
        removed = await self._ledger.files.remove(principal.tenant, file_id)
        if removed is None:  # removed twice at the same time
            raise ApiError(ApiText.UNKNOWN_FILE, id=file_id)
        event(
            _log,
            "file deleted",
            file=removed.id,
            tenant=principal.tenant,
            key=principal.key_name,
        )
        await self.drop_bytes(removed.blob)
        return removed

    async def downloadable(self, principal: Principal, file_id: str) -> File:
        """The file, if its content may be read and is there. Raises `ApiError`, `Unavailable`."""
        file = await self.get(principal, file_id)
        if file.purpose not in DOWNLOADABLE:
            raise ApiError(ApiText.NOT_DOWNLOADABLE, purpose=file.purpose)
        size = await asyncio.to_thread(self._blobs.size, file.blob)
        if size is not None and size >= file.bytes:
            return file
        if await self._ledger.files.get(principal.tenant, file_id) is None:
            raise ApiError(ApiText.UNKNOWN_FILE, id=file_id)  # removed between the two looks
        _log.error("%s has %s of %d bytes in %s", file.id, size or 0, file.bytes, file.blob)
        raise ApiError(ApiText.BYTES_MISSING, id=file.id)

    async def content(
        self, file: File, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """Bytes [`start`, `end`) in pieces of at most 1 MiB. Raises `Unavailable`."""
        stop = file.bytes if end is None else min(end, file.bytes)
        while start < stop:
            piece = await asyncio.to_thread(self._read, file, start, min(MIB, stop - start))
            start += len(piece)
            yield piece

    async def expire(self, limit: int = 100) -> int:
        """Forget up to `limit` files whose time has come, of every tenant; returns how many."""
        due = await self._ledger.files.expired(int(self._clock.now()), limit)
        for file in due:
            if await self._ledger.files.remove(file.tenant, file.id) is not None:
                await self.drop_bytes(file.blob)
        return len(due)

    async def drop_bytes(self, blob: str) -> None:
        """Remove a blob that no file row and no running batch needs.

        Also called after a failed insert, which may have happened although its answer was lost:
        only what no row names may go. A failure leaves the bytes to the sweep of orphans.
        """
        try:
            if not await self._ledger.files.blob_in_use(blob):
                await asyncio.to_thread(self._blobs.delete, blob)
        except Unavailable:
            _log.warning("bytes not removed, left to the sweep: %s", blob)

    def _read(self, file: File, start: int, length: int) -> bytes:
        try:
            piece = self._blobs.read(file.blob, start, length)
        except KeyError as error:
            raise Unavailable(f"the bytes of {file.id} are missing") from error
        if not piece:
            raise Unavailable(f"{file.id} ends at byte {start}, not at {file.bytes}")
        return piece


def _check_batch_input(filename: str, incoming: Incoming) -> None:
    # The bytes first: what they are says more than a name does.
    check_first_line(incoming.head, size=incoming.size)
    check_jsonl_name(filename)
