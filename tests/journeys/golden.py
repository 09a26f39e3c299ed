"""What the SDKs must meet on their journey, whole: every documented key, and nothing but those.

Ids and times are normalised by `test_sdks`. Shapes and texts are those of OpenAI's service as far
as they are recorded; the last four keys of a batch are Batchway's own.
"""

from typing import Any, Final

_USUAL: Final = "invalid_request_error"
_INPUT_BYTES: Final = 1_596
_NO_USAGE: Final = (0, 0)
_RESULT_USAGE: Final = (36, 272)  # of the nine lines that succeed
_PARTIAL_USAGE: Final = (8, 87)  # of the two lines that are done before the cancel


def file(name: str, *, size: int = _INPUT_BYTES, purpose: str = "batch") -> dict[str, Any]:
    """A File."""
    return {
        "id": "file-…",
        "object": "file",
        "bytes": size,
        "created_at": "time",
        "expires_at": "time",
        "filename": name,
        "purpose": purpose,
        "status": "processed",
        "status_details": None,
    }


def batch(
    status: str,
    *,
    counts: tuple[int, int, int] = (0, 0, 0),
    usage: tuple[int, int] = _NO_USAGE,
    times: tuple[str, ...] = (),
    **further: Any,
) -> dict[str, Any]:
    """A Batch; `times` are those of its moments that are set."""
    moments = (
        *("in_progress_at", "finalizing_at", "completed_at", "failed_at"),
        *("expired_at", "cancelling_at", "cancelled_at"),
    )
    total, completed, failed = counts
    inputs, outputs = usage
    return {
        "id": "batch_…",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "model": None,
        "errors": None,
        "input_file_id": "file-…",
        "completion_window": "24h",
        "status": status,
        "output_file_id": None,
        "error_file_id": None,
        "created_at": "time",
        "expires_at": "time",
        **{moment: "time" if moment in times else None for moment in moments},
        "request_counts": {"total": total, "completed": completed, "failed": failed},
        "usage": {
            "input_tokens": inputs,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": outputs,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": inputs + outputs,
        },
        "metadata": None,
        "job_name": None,
        "provider": None,
        "tfy_metadata": None,
        "status_details": None,
        **further,
    }


def error(
    kind: str,
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    type: str = _USUAL,
) -> dict[str, Any]:
    """A failed call: the exception's class, OpenAI's envelope, and a single request."""
    return {
        "class": kind,
        "status": status,
        "message": message,
        "type": type,
        "param": param,
        "code": code,
        "request id": True,
        "requests": 1,
    }


FILES: Final[dict[str, Any]] = {
    "from a path": file("input.jsonl"),
    "from bytes with a name": file("naïve ☃.jsonl"),
    "lives for": 3_600,
    "waited for": file("input.jsonl"),
    "retrieved": file("input.jsonl"),
    "first page": {
        "object": "list",
        "data": [file("input.jsonl"), file("naïve ☃.jsonl")],
        "first_id": "file-…",
        "last_id": "file-…",
        "has_more": True,
    },
    "listed": True,
    "pages": 2,
    "content": True,
    "content type": "application/octet-stream",
    "content disposition": 'attachment; filename="input.jsonl"',
    "deleted": {"id": "file-…", "object": "file", "deleted": True},
    "request id": True,
}

_ASKED_FOR: Final[dict[str, Any]] = {
    "metadata": {"team": "tests", "note": "naïve ☃"},
    "job_name": "a journey",
    "provider": "sim",
    "tfy_metadata": {"cost-centre": "42"},
}


def batches(*, tenant: str) -> dict[str, Any]:
    """The second step; the tenant shows in a header."""
    return {
        "created": batch("validating", **_ASKED_FOR),
        "last": batch(
            "completed",
            counts=(10, 9, 1),
            usage=_RESULT_USAGE,
            times=("in_progress_at", "finalizing_at", "completed_at"),
            model="sim/m",
            output_file_id="file-…",
            error_file_id="file-…",
            **_ASKED_FOR,
        ),
        "raw is the same": True,
        "raw status": 200,
        "raw headers": {
            "content-type": "application/json",
            "openai-version": "2020-10-01",
            "openai-organization": tenant,
            "x-content-type-options": "nosniff",
        },
        "raw processing time": True,
        "raw request id": True,
        "request id": True,
        "output file": file("batch_…_output.jsonl", size=8_707, purpose="batch_output"),
        "error file": file("batch_…_error.jsonl", size=340, purpose="batch_output"),
        "results live for": 7_200,
        "first page": [True],
        "first page has more": True,
        "listed": True,
        "pages": 2,
    }


CANCELLING: Final[dict[str, Any]] = {
    "first": batch(
        "cancelling",
        counts=(5, 2, 0),
        usage=_PARTIAL_USAGE,
        times=("in_progress_at", "cancelling_at"),
        model="sim/m",
        provider="sim",
    ),
    "second": "cancelling",
    "last": batch(
        "cancelled",
        counts=(5, 2, 0),
        usage=_PARTIAL_USAGE,
        times=("in_progress_at", "cancelling_at", "cancelled_at"),
        model="sim/m",
        provider="sim",
        output_file_id="file-…",
        error_file_id="file-…",
    ),
    "third is the same": True,
    "done": ["r-0000", "r-0001"],
    "not done": [
        [
            f"hang-{number}",
            None,
            {
                "code": "batch_cancelled",
                "message": "This request was not executed: the batch was cancelled.",
            },
        ]
        for number in range(3)
    ],
}

_UPLOAD: Final[dict[str, Any]] = {
    "id": "upload_…",
    "object": "upload",
    "bytes": _INPUT_BYTES,
    "created_at": "time",
    "expires_at": "time",
    "filename": "parts.jsonl",
    "purpose": "batch",
}

UPLOADS: Final[dict[str, Any]] = {
    "created": {**_UPLOAD, "status": "pending", "file": None},
    "part": {
        "id": "part_…",
        "object": "upload.part",
        "created_at": "time",
        "upload_id": "upload_…",
    },
    "parts": 3,
    "completed": {**_UPLOAD, "status": "completed", "file": file("parts.jsonl")},
    "content": True,
    "cancelled": "cancelled",
}

ERRORS: Final[dict[str, Any]] = {
    "not jsonl": error(
        "BadRequestError",
        400,
        "Invalid file format for Batch API. Must be .jsonl. Line 1 is not JSON: every line is one "
        "JSON object, a request.",
    ),
    "bad purpose": error(
        "BadRequestError",
        400,
        "'fun' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] "
        "- 'purpose'",
        param="purpose",
    ),
    "bad endpoint": error(
        "BadRequestError",
        400,
        "Invalid value: '/v1/nothing'. Supported values are: '/v1/chat/completions', "
        "'/v1/completions', '/v1/embeddings', '/v1/responses', and '/v1/moderations'.",
        param="endpoint",
        code="invalid_value",
    ),
    "bad window": error(
        "BadRequestError",
        400,
        "Invalid value: 'soon'. Supported values are: '24h', and any whole minutes, hours or days "
        "from '1m' to '30d'.",
        param="completion_window",
        code="invalid_value",
    ),
    "bad metadata": error(
        "BadRequestError",
        400,
        "Invalid type for 'metadata.tags': expected a string, but got an array instead.",
        param="metadata.tags",
        code="invalid_type",
    ),
    "bad file id": error(
        "BadRequestError",
        400,
        "Invalid 'input_file_id': 'wrong-id'. Expected an ID that begins with 'file'.",
        param="input_file_id",
        code="invalid_value",
    ),
    "bad batch id": error(
        "BadRequestError",
        400,
        "Invalid 'batch_id': 'invalid'. Expected an ID that begins with 'batch'.",
        param="batch_id",
        code="invalid_value",
    ),
    "unknown file": error("NotFoundError", 404, "No such File object: file-…", param="id"),
    "unknown content": error("NotFoundError", 404, "No such File object: file-…", param="id"),
    "unknown batch": error("NotFoundError", 404, "No batch found with id 'batch_…'."),
    "unknown cursor": error(
        "BadRequestError",
        400,
        "Invalid 'after': 'batch_…' does not name an object of this list.",
        param="after",
        code="invalid_value",
    ),
    "cancel of a completed batch": error(
        "ConflictError", 409, "Cannot cancel a batch with status 'completed'."
    ),
    "wrong key": error(
        "AuthenticationError",
        401,
        "Incorrect API key provided: ****. Ask whoever runs this Batchway for a key, or make one "
        "with `batchway keys create`.",
        code="invalid_api_key",
    ),
    "provider not allowed": error(
        "PermissionDeniedError",
        403,
        "This API key may not use the provider 'other'.",
        param="x-tfy-provider-name",
        code="provider_not_allowed",
        type="permission_error",
    ),
}

# The upstream's own error, as it must stand in the error file.
NOT_FOUND: Final[dict[str, Any]] = {
    "error": {
        "message": "The model `simulated` does not exist or you do not have access to it.",
        "type": _USUAL,
        "param": None,
        "code": "model_not_found",
    }
}
