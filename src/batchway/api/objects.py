"""Renders domain values as OpenAI's objects: every key present, `null` where unset.

The order of keys is that of recorded answers; `tests/contract` holds golden copies. Extensions
come last. Does not own the document that describes them (`api.schemas`).
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from batchway.domain.batch import Batch, BatchError, Usage
from batchway.domain.file import File
from batchway.domain.upload import Upload, UploadPart
from batchway.ports import Page

T = TypeVar("T")

JsonObject = dict[str, object]


def batch_object(batch: Batch) -> JsonObject:
    """A Batch. `expires_at` is the end of its completion window."""
    counts = batch.counts
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
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
        "request_counts": {
            "total": counts.total,
            "completed": counts.completed,
            "failed": counts.failed,
        },
        "usage": _usage_object(batch.usage),
        "metadata": _pairs(batch.metadata),
        "job_name": batch.options.job_name,
        "provider": batch.options.provider,
        "tfy_metadata": _pairs(batch.options.tfy_metadata),
        "status_details": batch.status_details,
    }


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
