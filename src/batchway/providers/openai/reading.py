"""Reading what a provider says of a job or a file, in any spelling seen so far.

Owns tolerance: times as seconds, milliseconds or ISO text; statuses in other case or under another
name; counters that are null or stand at the top level; empty ids; objects inside an envelope. Pure.
"""

import logging
from collections.abc import Collection, Mapping
from typing import Any, Final, cast

from batchway.catalog.openai_family import Quirks
from batchway.dialects.tolerant_json import json_in
from batchway.domain.batch import BatchError, RequestCounts, Usage
from batchway.domain.status import BatchStatus
from batchway.domain.timestamps import unix_seconds
from batchway.ports import ArchivedFile, ArchivedJob
from batchway.providers.http.secrets import bounded, without_secrets

_log: Final = logging.getLogger(__name__)

# Seconds beyond this would be past the year 5000: such a number counts milliseconds.
_MILLISECONDS_FROM: Final = 100_000_000_000
_MOST_ERRORS: Final = 1_000
_MOST_COUNTED: Final = 1 << 53  # beyond it, JSON's own numbers are not exact
_MOST_DIGITS: Final = 16

# Spellings of more than one provider.
_ALIASES: Final[Mapping[str, BatchStatus]] = {
    "inprogress": BatchStatus.IN_PROGRESS,
    "running": BatchStatus.IN_PROGRESS,
    "queued": BatchStatus.VALIDATING,
    "pending": BatchStatus.VALIDATING,
    "canceling": BatchStatus.CANCELLING,
    "canceled": BatchStatus.CANCELLED,
}


def read_object(body: bytes) -> dict[str, Any] | None:
    """The object with an `id` in an answer, out of its envelope; `None` when there is none."""
    found = _fields(json_in(body))
    for key in ("job", "data", "batch", "file"):
        if "id" in found:
            break
        found = _fields(found.get(key)) or found
    return found if _text(found.get("id")) else None


def read_list(body: bytes) -> tuple[list[dict[str, Any]], bool | None] | None:
    """The objects of a list and whether there are more (`None` unknown); `None` for no list.

    Strict: an empty list says that a job does not exist, and one that does would be paid for twice.
    """
    parsed = json_in(body)
    more: object = None
    for _ in range(3):
        if isinstance(parsed, list):
            break
        fields = _fields(parsed)
        more = fields.get("has_more", more)
        parsed = fields.get("data")
        if parsed is None and "data" in fields and {"object", "has_more"} & fields.keys():
            parsed = []  # a list of nothing, as Go writes it
    if not isinstance(parsed, list):
        return None
    items = [_fields(item) for item in cast("list[object]", parsed)]
    return [item for item in items if _text(item.get("id"))], more if isinstance(
        more, bool
    ) else None


def job_of(
    fields: Mapping[str, Any], quirks: Quirks, *, secrets: Collection[str] = ()
) -> ArchivedJob:
    """A job. A status that is not known counts as `in_progress`: it will be asked again.

    `secrets` are cut out of its errors.
    """
    endpoint = _text(fields.get("endpoint")) or ""
    ours = {spelled: known for known, spelled in reversed(list(quirks.endpoints.items()))}
    status = status_of(fields.get("status"), quirks)
    return ArchivedJob(
        id=str(fields["id"]),
        status=status,
        endpoint=ours.get(endpoint, endpoint),
        completion_window=_text(fields.get("completion_window")) or "24h",
        input_file_id=_text(fields.get("input_file_id")),
        output_file_id=_text(fields.get("output_file_id")),
        error_file_id=_text(fields.get("error_file_id")),
        model=_text(fields.get("model")) or _text(fields.get("model_id")),
        created_at=time_of(fields.get("created_at") or fields.get("createdAt")),
        in_progress_at=time_of(fields.get("in_progress_at")),
        expires_at=time_of(fields.get("expires_at") or fields.get("job_deadline")),
        finalizing_at=time_of(fields.get("finalizing_at")),
        completed_at=time_of(fields.get("completed_at")),
        failed_at=time_of(fields.get("failed_at")),
        expired_at=time_of(fields.get("expired_at")),
        cancelling_at=time_of(fields.get("cancelling_at")),
        cancelled_at=time_of(fields.get("cancelled_at")),
        counts=_counts(fields),
        usage=_usage(_fields(fields.get("usage"))),
        errors=_errors(fields, failed=status is BatchStatus.FAILED, secrets=secrets),
        metadata=_metadata(_fields(fields.get("metadata"))),
    )


def file_of(fields: Mapping[str, Any]) -> ArchivedFile:
    """A file."""
    status = _text(fields.get("status"))
    if status is None:
        status = "pending" if fields.get("Processed") is False else "processed"
    size = fields.get("bytes", fields.get("size"))
    return ArchivedFile(
        id=str(fields["id"]),
        bytes=_count(size) or 0,
        filename=_text(fields.get("filename")) or "",
        purpose=_text(fields.get("purpose")) or "",
        created_at=time_of(fields.get("created_at") or fields.get("createdAt")),
        expires_at=time_of(fields.get("expires_at")),
        status=status.lower(),
    )


def status_of(value: object, quirks: Quirks) -> BatchStatus:
    """OpenAI's word for a provider's."""
    word = (_text(value) or "").lower()
    known = quirks.statuses.get(word) or _ALIASES.get(word)
    if known is not None:
        return known
    try:
        return BatchStatus(word)
    except ValueError:
        _log.warning("a remote job has the unknown status %r: taken as in_progress", word[:40])
        return BatchStatus.IN_PROGRESS


def time_of(value: object) -> int | None:
    """Unix seconds; `None` for nothing, zero, and dates before 1970 (Go's zero time)."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return unix_seconds(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not 0 < value < _MILLISECONDS_FROM * 1000:
        return None  # larger ones cannot even be divided
    seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
    return int(seconds)


def _counts(fields: Mapping[str, Any]) -> RequestCounts | None:
    counts = _fields(fields.get("request_counts")) or fields
    numbers = [_count(counts.get(name)) for name in ("total", "completed", "failed")]
    if all(number is None for number in numbers):
        return None
    total, completed, failed = (number or 0 for number in numbers)
    return RequestCounts(total=total, completed=completed, failed=failed)


def _usage(fields: Mapping[str, Any]) -> Usage | None:
    if not fields:
        return None
    return Usage(
        input_tokens=_count(fields.get("input_tokens")) or 0,
        cached_tokens=_count(_fields(fields.get("input_tokens_details")).get("cached_tokens")) or 0,
        output_tokens=_count(fields.get("output_tokens")) or 0,
        reasoning_tokens=_count(
            _fields(fields.get("output_tokens_details")).get("reasoning_tokens")
        )
        or 0,
    )


def _errors(
    fields: Mapping[str, Any], *, failed: bool, secrets: Collection[str]
) -> tuple[BatchError, ...] | None:
    given: object = fields.get("errors")
    given = _fields(given).get("data", given)
    if not given and failed:
        given = fields.get("error")
    if not given:
        return None
    items = cast("list[object]", given) if isinstance(given, list) else [given]
    return tuple(_error(item, secrets) for item in items[:_MOST_ERRORS]) or None


def _error(item: object, secrets: Collection[str]) -> BatchError:
    # A message may come to stand in every line of its job: bounded, and without our credentials.
    fields = _fields(item)
    said = item if isinstance(item, str) else _text(fields.get("message")) or ""
    return BatchError(
        code=bounded(_text(fields.get("code")), secrets) or "batch_failed",
        message=without_secrets(said, secrets) or "The provider does not say why.",
        param=bounded(_text(fields.get("param")), secrets),
        line=_count(fields.get("line")) or None,
    )


def _metadata(fields: Mapping[str, Any]) -> dict[str, str] | None:
    return {key: value for key, value in fields.items() if isinstance(value, str)} or None


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        # Python reads no number of thousands of digits.
        value = int(value) if len(value) <= _MOST_DIGITS else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_COUNTED else None


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() < 64 else None
    return value if isinstance(value, str) and value else None
