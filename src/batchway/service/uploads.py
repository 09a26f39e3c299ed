"""Uploads: a file sent in parts, then joined.

Owns the life of an Upload (drawn in `domain.upload`). A part is an `Incoming` of its own; joining
copies the parts into the file's blob piece by piece, then one transaction makes the file appear.
Source: platform.openai.com/docs/api-reference/uploads.
"""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from batchway.domain.errors import ApiError, ApiText, Unavailable
from batchway.domain.file import File, Purpose
from batchway.domain.ids import Ids
from batchway.domain.keys import Principal
from batchway.domain.upload import Upload, UploadPart, UploadStatus
from batchway.ports import Blobs, Clock, Ledger
from batchway.service.commands import NewUpload
from batchway.service.filename import clean_filename
from batchway.service.files import BLOB_PREFIX, FileService, file_expires_at
from batchway.service.incoming import Incoming
from batchway.service.jsonl import check_first_line, check_jsonl_name
from batchway.service.limits import MIB, Limits
from batchway.telemetry import event

PARTS_PREFIX: Final = "uploads/"

_log = logging.getLogger("batchway.uploads")


class UploadService:
    """Use cases of Uploads. Everything is by tenant: foreign ids answer as unknown ones."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        blobs: Blobs,
        clock: Clock,
        ids: Ids,
        limits: Limits,
        files: FileService,
    ) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._files = files

    async def create(self, principal: Principal, new: NewUpload) -> Upload:
        """Announce a file of so many bytes. Raises `ApiError`."""
        filename = clean_filename(new.filename)
        if new.purpose is Purpose.BATCH:
            check_jsonl_name(filename)
        now = int(self._clock.now())
        upload = Upload(
            id=self._ids.upload(),
            tenant=principal.tenant,
            bytes=new.bytes,
            created_at=now,
            expires_at=now + self._limits.upload_seconds,
            filename=filename,
            mime_type=new.mime_type,
            purpose=new.purpose,
            status=UploadStatus.PENDING,
            file_expires_after=None if new.expires_after is None else new.expires_after.seconds,
        )
        await self._ledger.uploads.add(upload)
        event(
            _log,
            "upload created",
            upload=upload.id,
            bytes=upload.bytes,
            tenant=principal.tenant,
            key=principal.key_name,
        )
        return upload

    async def pending(self, principal: Principal, upload_id: str) -> Upload:
        """The upload, which still takes changes. Raises `ApiError`."""
        upload = await self._get(principal, upload_id)
        if upload.status is not UploadStatus.PENDING:
            raise _not_pending(upload)
        return upload

    def receive_part(self, upload: Upload) -> Incoming:
        """Start taking the bytes of a part; use it with `async with`, end with `keep_part`."""
        return Incoming(
            blobs=self._blobs,
            key=f"{PARTS_PREFIX}{upload.id}/{self._ids.part()}",
            # More than a file may hold is never a part of one.
            limit=min(self._limits.part_bytes, self._limits.upload_bytes),
            too_large=ApiText.PART_TOO_LARGE,
        )

    async def keep_part(self, upload: Upload, incoming: Incoming) -> UploadPart:
        """Turn received bytes into a part, row last. Raises `ApiError`, `Unavailable`."""
        await incoming.commit()
        part = UploadPart(
            id=incoming.key.rsplit("/", 1)[-1],
            upload_id=upload.id,
            created_at=int(self._clock.now()),
            bytes=incoming.size,
            blob=incoming.key,
        )
        try:
            added = await self._ledger.uploads.add_part(part)
        except Exception:
            # Even if the row is there after all: nobody was told its id, so nobody can name it.
            await self._delete(part.blob)
            raise
        if not added:
            await self._delete(part.blob)
            raise _not_pending(await self._again(upload))
        return part

    async def complete(
        self,
        principal: Principal,
        upload: Upload,
        *,
        part_ids: Sequence[str],
        md5: str | None = None,
    ) -> tuple[Upload, File]:
        """Join the parts of a pending upload in the order given; `md5` is their digest in hex.

        Raises `ApiError`; then the upload stays pending.
        """
        parts = await self._choose(upload, part_ids)
        async with Incoming(
            blobs=self._blobs,
            key=BLOB_PREFIX + self._ids.file(),
            limit=self._limits.upload_bytes,
            too_large=ApiText.FILE_TOO_LARGE,
        ) as incoming:
            digest = await self._join(parts, incoming, md5=md5 is not None)
            if md5 is not None and digest != md5.strip().lower():
                raise ApiError(ApiText.UPLOAD_CHECKSUM_MISMATCH, given=digest, expected=md5)
            if upload.purpose is Purpose.BATCH:
                await asyncio.to_thread(check_first_line, incoming.head, size=incoming.size)
            await incoming.commit()
        now = int(self._clock.now())
        file = File(
            id=incoming.key.removeprefix(BLOB_PREFIX),
            tenant=upload.tenant,
            bytes=incoming.size,
            created_at=now,
            expires_at=file_expires_at(upload.purpose, now, upload.file_expires_after),
            filename=upload.filename,
            purpose=upload.purpose,
            blob=incoming.key,
            sha256=incoming.sha256,
        )
        try:
            completed = await self._ledger.uploads.complete(upload.id, file)
        except Exception:
            await self._files.drop_bytes(file.blob)
            raise
        if not completed:
            await self._files.drop_bytes(file.blob)
            raise _not_pending(await self._again(upload))
        event(
            _log,
            "upload completed",
            upload=upload.id,
            file=file.id,
            bytes=file.bytes,
            tenant=principal.tenant,
            key=principal.key_name,
        )
        await self._drop_parts(upload.id)
        return replace(upload, status=UploadStatus.COMPLETED, file_id=file.id), file

    async def cancel(self, principal: Principal, upload_id: str) -> Upload:
        """Give a pending upload up; its parts go. Raises `ApiError`."""
        upload = await self.pending(principal, upload_id)
        if not await self._ledger.uploads.close(upload.id, expired=False):
            raise _not_pending(await self._again(upload))
        event(
            _log,
            "upload cancelled",
            upload=upload.id,
            tenant=principal.tenant,
            key=principal.key_name,
        )
        await self._drop_parts(upload.id)
        return replace(upload, status=UploadStatus.CANCELLED)

    async def expire(self, limit: int = 100) -> int:
        """Close up to `limit` pending uploads whose time has come; returns how many."""
        due = await self._ledger.uploads.overdue(int(self._clock.now()), limit)
        for upload in due:
            if await self._ledger.uploads.close(upload.id, expired=True):
                await self._drop_parts(upload.id)
        return len(due)

    async def _get(self, principal: Principal, upload_id: str) -> Upload:
        if not upload_id.startswith("upload"):
            raise ApiError(
                ApiText.MALFORMED_ID, param="upload_id", given=upload_id, prefix="upload"
            )
        upload = None
        if _is_plain(upload_id):
            upload = await self._ledger.uploads.get(principal.tenant, upload_id)
        if upload is None:
            raise ApiError(ApiText.UNKNOWN_UPLOAD, id=upload_id)
        if upload.status is UploadStatus.PENDING and upload.expires_at <= self._clock.now():
            return replace(upload, status=UploadStatus.EXPIRED)  # the sweep will write it down
        return upload

    async def _again(self, upload: Upload) -> Upload:
        """What became of an upload that is no longer pending."""
        found = await self._ledger.uploads.get(upload.tenant, upload.id)
        return upload if found is None else found

    async def _choose(self, upload: Upload, names: Sequence[str]) -> list[UploadPart]:
        """The named parts in order, which must hold exactly the bytes announced."""
        known = {part.id: part for part in await self._ledger.uploads.parts(upload.id)}
        chosen: dict[str, UploadPart] = {}
        for name in names:
            if name not in known:
                raise ApiError(ApiText.UNKNOWN_PART, part=name, id=upload.id)
            if name in chosen:
                raise ApiError(
                    ApiText.INVALID_PARAMETER,
                    param="part_ids",
                    reason=f"the part '{name}' is named twice.",
                )
            chosen[name] = known[name]
        size = sum(part.bytes for part in chosen.values())
        if size != upload.bytes:
            raise ApiError(ApiText.UPLOAD_SIZE_MISMATCH, given=size, expected=upload.bytes)
        return list(chosen.values())

    async def _join(self, parts: Sequence[UploadPart], incoming: Incoming, *, md5: bool) -> str:
        """Copy parts, a piece at a time; returns the MD5 in hex (of nothing unless asked for)."""
        digest = hashlib.md5(usedforsecurity=False)  # the checksum that clients of OpenAI send
        for part in parts:
            start = 0
            while start < part.bytes:
                piece = await asyncio.to_thread(self._read, part, start)
                if md5:
                    await asyncio.to_thread(digest.update, piece)
                await incoming.write(piece)
                start += len(piece)
        await incoming.flush()
        return digest.hexdigest()

    def _read(self, part: UploadPart, start: int) -> bytes:
        try:
            piece = self._blobs.read(part.blob, start, min(MIB, part.bytes - start))
        except KeyError as error:
            raise Unavailable(f"the bytes of {part.id} are missing") from error
        if not piece:
            raise Unavailable(f"{part.id} ends at byte {start}, not at {part.bytes}")
        return piece

    async def _delete(self, blob: str) -> None:
        try:
            await asyncio.to_thread(self._blobs.delete, blob)
        except Unavailable:
            _log.warning("bytes not removed, left to the sweep: %s", blob)

    async def _drop_parts(self, upload_id: str) -> None:
        """Remove the parts of an ended upload. What fails is left to the sweep of orphans."""
        try:
            for part in await self._ledger.uploads.parts(upload_id):
                await asyncio.to_thread(self._blobs.delete, part.blob)
            await self._ledger.uploads.forget_parts(upload_id)
        except Unavailable:
            _log.warning("parts not removed, left to the sweep: %s", upload_id)


def _not_pending(upload: Upload) -> ApiError:
    return ApiError(ApiText.UPLOAD_NOT_PENDING, id=upload.id, status=upload.status)


def _is_plain(upload_id: str) -> bool:
    """Ids of another shape never reach the database: it may not take their characters."""
    return upload_id.isascii() and upload_id.isprintable() and len(upload_id) <= 64
