"""What TrueFoundry documents of `GET /batches/{id}`: request headers, and fields with their types.

Source: truefoundry.com/docs/api-reference/batch/get-batch (2026). `errors` and `metadata` are of
unknown type there; OpenAI's are asked for. Not a fixture: plain values and one check.
"""

import re
from typing import Any, Final

# A value that fits where there is a choice; the provider's name is the test's.
HEADERS: Final = {
    "x-tfy-metadata": '{"team": "search"}',
    "x-tfy-azure-api-version": "2025-04-01-preview",
    "x-tfy-vertex-storage-bucket-name": "batch-files",
    "x-tfy-vertex-region": "europe-west4",
    "x-tfy-provider-model": "gpt-4o-mini",
    "x-tfy-aws-s3-bucket": "batch-files",
    "x-tfy-aws-bedrock-model": "anthropic.claude-3-haiku-20240307-v1:0",
}
_NULLABLE_TEXT: Final = (str, type(None))
_NULLABLE_NUMBER: Final = (int, type(None))
FIELDS: Final[dict[str, tuple[type, ...]]] = {
    "id": (str,),
    "object": (str,),
    "endpoint": (str,),
    "input_file_id": (str,),
    "completion_window": (str,),
    "status": (str,),
    "output_file_id": _NULLABLE_TEXT,
    "error_file_id": _NULLABLE_TEXT,
    "created_at": (int,),
    "in_progress_at": _NULLABLE_NUMBER,
    "expires_at": (int,),
    "finalizing_at": _NULLABLE_NUMBER,
    "completed_at": _NULLABLE_NUMBER,
    "failed_at": _NULLABLE_NUMBER,
    "expired_at": _NULLABLE_NUMBER,
    "cancelling_at": _NULLABLE_NUMBER,
    "cancelled_at": _NULLABLE_NUMBER,
    "request_counts": (dict,),
    "errors": (dict, type(None)),
    "metadata": (dict, type(None)),
}
_ID: Final = re.compile(r"^(batch_|file-)[0-9A-Za-z_-]+$")


def check_fields(batch: dict[str, Any]) -> None:
    """Every documented field is there, with its type; no number is a boolean."""
    found = {name: type(batch[name]) for name in FIELDS}
    assert {name: kind for name, kind in found.items() if kind not in FIELDS[name]} == {}
    counts = batch["request_counts"]
    assert {name: type(counts[name]) for name in ("total", "completed", "failed")} == {
        "total": int,
        "completed": int,
        "failed": int,
    }


def without_chance(batch: dict[str, Any]) -> dict[str, Any]:
    """A batch with ids and moments written as what they are, to compare with a golden copy."""

    def plain(name: str, value: Any) -> Any:
        if name.endswith("_at") and value is not None:
            assert value > 1_600_000_000
            return "a moment"
        match = _ID.match(value) if isinstance(value, str) else None
        return f"{match[1]}..." if match else value

    return {name: plain(name, value) for name, value in batch.items()}
