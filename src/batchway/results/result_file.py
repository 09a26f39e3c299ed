"""The row of a result file. Owns its name, place and lifetime; does not write it."""

from typing import Final

from batchway.domain.batch import Batch
from batchway.domain.file import File, Purpose

_LIFETIME: Final = 30 * 86_400


def blob_of(file_id: str) -> str:
    """Where the bytes of a result file live."""
    return f"files/{file_id}"


def result_file(batch: Batch, file_id: str, *, ok: bool, bytes: int, now: int) -> File:
    """The File of a batch's results (`ok`) or errors, made at `now`."""
    return File(
        id=file_id,
        tenant=batch.tenant,
        bytes=bytes,
        created_at=now,
        expires_at=now + (batch.output_expires_after or _LIFETIME),
        filename=f"{batch.id}_{'output' if ok else 'error'}.jsonl",
        purpose=Purpose.BATCH_OUTPUT,
        blob=blob_of(file_id),
        sha256="",
    )
