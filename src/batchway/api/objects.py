"""Renders domain values as OpenAI's objects: every key of theirs present, `null` where unset.

The order of keys is that of recorded answers; `tests/contract` holds golden copies. Extensions
come last. Does not own the document that describes them (`api.schemas`).
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from batchway.domain.batch import Batch, BatchError, RequestCounts, Usage
from batchway.domain.file import File
from batchway.domain.upload import Upload, UploadPart
from batchway.domain.window import DEFAULT_WINDOW, window_seconds
from batchway.ports import ArchivedFile, ArchivedJob, Page
from batchway.service.models import Model, Models
from batchway.service.remote import RemoteBatch

T = TypeVar("T")

JsonObject = dict[str, object]
_DAY: Final = 86_400  # every provider's window, unless it says otherwise

# Other words than OpenAI's three, which SDKs wait for, and what they come to.
_FILE_STATUSES: Final = {
    **dict.fromkeys(("uploaded", "uploading", "pending", "running", "processing"), "uploaded"),
    **dict.fromkeys(("error", "failed", "cancelled", "canceled", "deleted"), "error"),
}


def batch_object(batch: Batch) -> JsonObject:
    """A Batch. `expires_at` is the end of its completion window.

    `status_reason` is there only beside a `status_details` of a known kind, `warnings` and
    `run_online` only where there are any: no client of OpenAI's reads them, and golden answers are
    without.
    """
    reason = batch.status_reason
    extension: JsonObject = {} if reason is None else {"status_reason": reason}
    if batch.warnings:
        extension["warnings"] = dict(batch.warnings)
    if batch.run_online:
        extension["run_online"] = [
            {"lines": each.lines, "reason": each.reason} for each in batch.run_online
        ]
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.options.endpoint or batch.endpoint,
        "model": batch.model,
        "errors": None if batch.errors is None else _errors_object(batch.errors),
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": batch.created_at,
        "in_progress_at": batch.in_progress_at,
        "expires_at": batch.deadline,
        "finalizing_at": batch.finalizing_at,
        "completed_at": batch.completed_at,
        "failed_at": batch.failed_at,
        "expired_at": batch.expired_at,
        "cancelling_at": batch.cancelling_at,
        "cancelled_at": batch.cancelled_at,
        "request_counts": _counts_object(batch.counts),
        "usage": _usage_object(batch.usage),
        "metadata": _pairs(batch.metadata),
        "job_name": batch.options.job_name,
        "provider": batch.options.provider or ", ".join(batch.providers) or None,
        "tfy_metadata": _pairs(batch.options.tfy_metadata),
        "status_details": batch.status_details,
        **extension,
    }


def remote_batch_object(batch: RemoteBatch) -> JsonObject:
    """A provider's job as a Batch.

    What is a number or a text in every Batch is one here too, whatever the provider leaves out:
    `created_at` is the earliest moment known (0 for none), `expires_at` the end of the window,
    counts and usage are 0, `input_file_id` is empty.
    """
    job = batch.job
    created_at = _creation_of(job)
    return {
        "id": job.id,
        "object": "batch",
        "endpoint": job.endpoint,
        "model": job.model,
        "errors": None if job.errors is None else _errors_object(job.errors),
        "input_file_id": job.input_file_id or "",
        "completion_window": job.completion_window or DEFAULT_WINDOW,
        "status": job.status,
        "output_file_id": job.output_file_id or None,
        "error_file_id": job.error_file_id or None,
        "created_at": created_at,
        "in_progress_at": job.in_progress_at,
        "expires_at": _expiry_of(job, created_at),
        "finalizing_at": job.finalizing_at,
        "completed_at": job.completed_at,
        "failed_at": job.failed_at,
        "expired_at": job.expired_at,
        "cancelling_at": job.cancelling_at,
        "cancelled_at": job.cancelled_at,
        "request_counts": _counts_object(job.counts or RequestCounts()),
        "usage": _usage_object(job.usage or Usage()),
        "metadata": _pairs(job.metadata),
        "job_name": None,
        "provider": batch.provider,
        "tfy_metadata": None,
        "status_details": None,
    }


def any_batch_object(batch: Batch | RemoteBatch) -> JsonObject:
    """A Batch, wherever it runs."""
    return remote_batch_object(batch) if isinstance(batch, RemoteBatch) else batch_object(batch)


def file_object(file: File) -> JsonObject:
    """A File. `status` is deprecated, but SDKs poll it; ours are always ready."""
    return {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.filename,
        "bytes": file.bytes,
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "status": "processed",
        "status_details": None,
    }


def remote_file_object(file: ArchivedFile) -> JsonObject:
    """A provider's file as a File; its status in OpenAI's words."""
    return {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.filename,
        "bytes": file.bytes,
        "created_at": file.created_at or 0,
        "expires_at": file.expires_at,
        "status": _FILE_STATUSES.get(file.status.lower(), "processed"),
        "status_details": None,
    }


def any_file_object(file: File | ArchivedFile) -> JsonObject:
    """A File, wherever it lives."""
    return remote_file_object(file) if isinstance(file, ArchivedFile) else file_object(file)


def deleted_file_object(file: File) -> JsonObject:
    """The answer to a deletion."""
    return {"object": "file", "id": file.id, "deleted": True}


def upload_object(upload: Upload, file: File | None = None) -> JsonObject:
    """An Upload, with its File once completed."""
    return {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.bytes,
        "created_at": upload.created_at,
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": upload.status,
        "expires_at": upload.expires_at,
        "file": None if file is None else file_object(file),
    }


def part_object(part: UploadPart) -> JsonObject:
    """A part of an Upload."""
    return {
        "id": part.id,
        "object": "upload.part",
        "created_at": part.created_at,
        "upload_id": part.upload_id,
    }


def model_object(model: Model) -> JsonObject:
    """A Model. Nothing here knows when it was made."""
    return {"id": model.id, "object": "model", "created": 0, "owned_by": model.owner}


def models_object(found: Models) -> JsonObject:
    """The list of Models; `providers` and `patterns` are extensions."""
    return {
        "object": "list",
        "data": [model_object(model) for model in found.models],
        "providers": list(found.providers),
        "patterns": list(found.patterns),
    }


def list_object(page: Page[T], render: Callable[[T], JsonObject]) -> JsonObject:
    """A page of a list; `first_id` and `last_id` are null on an empty one."""
    data = [render(item) for item in page.items]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": page.more,
    }


def _errors_object(errors: tuple[BatchError, ...]) -> JsonObject:
    return {
        "object": "list",
        "data": [
            {
                "code": error.code,
                "message": error.message,
                "param": error.param,
                "line": error.line,
            }
            for error in errors
        ],
    }


def _counts_object(counts: RequestCounts) -> JsonObject:
    return {"total": counts.total, "completed": counts.completed, "failed": counts.failed}


def _creation_of(job: ArchivedJob) -> int:
    later = (
        *(job.in_progress_at, job.finalizing_at, job.completed_at, job.failed_at),
        *(job.expired_at, job.cancelling_at, job.cancelled_at),
    )
    known = [moment for moment in later if moment is not None]
    return job.created_at if job.created_at is not None else min(known, default=0)


def _expiry_of(job: ArchivedJob, created_at: int) -> int:
    if job.expires_at is not None:
        return job.expires_at
    seconds = window_seconds(job.completion_window)
    return created_at + (_DAY if seconds is None else seconds)


def _usage_object(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def _pairs(pairs: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if pairs is None else dict(pairs)
