"""Batches as column values and back. Owns the mapping only; pure."""

from collections.abc import Sequence
from typing import Any, Final

from batchway.domain.batch import Batch, BatchError, BatchOptions, RequestCounts, Usage
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.run_online import RunOnline
from batchway.domain.status import BatchStatus
from batchway.storage.ledger.database import Row

# Fields that are columns of the same name and type.
_PLAIN: Final = (
    "id",
    "tenant",
    "endpoint",
    "input_file_id",
    "input_blob",
    "completion_window",
    "created_at",
    "deadline",
    "model",
    "output_file_id",
    "error_file_id",
    "in_progress_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
    "metadata",
    "output_expires_after",
    "status_details",
)


def batch_values(batch: Batch) -> dict[str, Any]:
    """A batch as column values."""
    values = {name: getattr(batch, name) for name in _PLAIN}
    metadata = batch.metadata
    return {
        **values,
        "metadata": None if metadata is None else dict(metadata),
        "status": batch.status.value,
        "total": batch.counts.total,
        "completed": batch.counts.completed,
        "failed": batch.counts.failed,
        **usage_values(batch.usage),
        "errors": None if batch.errors is None else error_values(batch.errors),
        "options": _option_values(batch.options),
        "warnings": dict(batch.warnings) or None,
        "run_online": online_values(batch.run_online),
        **reason_values(batch.waited_for),
    }


def batch_of(row: Row) -> Batch:
    """The batch of a row that has every column."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _PLAIN}
    return Batch(
        **values,
        status=BatchStatus(row.status),
        counts=_counts_of(row),
        usage=usage_of(row),
        errors=None if row.errors is None else tuple(BatchError(**e) for e in row.errors),
        options=_options_of(row.options),
        waited_for=_reason_of(row),
        providers=tuple(row.providers or ()),
        warnings=row.warnings or {},
        run_online=online_of(row.run_online),
    )


def error_values(errors: Sequence[BatchError]) -> list[dict[str, Any]]:
    """Validation errors as JSON."""
    return [
        {"code": e.code, "message": e.message, "param": e.param, "line": e.line} for e in errors
    ]


def online_values(told: Sequence[RunOnline]) -> list[dict[str, Any]] | None:
    """Lines that run online, as JSON."""
    return [{"lines": each.lines, "reason": each.reason} for each in told] or None


def online_of(values: Sequence[dict[str, Any]] | None) -> tuple[RunOnline, ...]:
    """The same of a row."""
    return tuple(RunOnline(**each) for each in values or ())


def reason_values(waited_for: Reason | None) -> dict[str, str | None]:
    """What a batch waited for as column values."""
    if waited_for is None:
        return {"waited_for": None, "waited_kind": None}
    return {"waited_for": waited_for.sentence, "waited_kind": waited_for.kind.value}


def _reason_of(row: Row) -> Reason | None:
    if row.waited_for is None:
        return None
    try:
        kind = ReasonKind(row.waited_kind or "other")
    except ValueError:
        kind = ReasonKind.OTHER  # told by a later release
    return Reason(kind=kind, sentence=row.waited_for)


def usage_values(usage: Usage) -> dict[str, int]:
    """Token counts as column values."""
    return {
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def usage_of(row: Row) -> Usage:
    """Token counts of a row."""
    return Usage(
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
    )


def _counts_of(row: Row) -> RequestCounts:
    """What is committed, and as much of what providers report as there are other lines."""
    left = max(0, row.total - row.completed - row.failed)
    completed = min(row.remote_completed, left)
    failed = min(row.remote_failed, left - completed)
    return RequestCounts(
        total=row.total, completed=row.completed + completed, failed=row.failed + failed
    )


def _option_values(options: BatchOptions) -> dict[str, Any]:
    tfy, allowed = options.tfy_metadata, options.allowed_providers
    return {
        "provider": options.provider,
        "job_name": options.job_name,
        "tfy_metadata": None if tfy is None else dict(tfy),
        "overrides": options.overrides.named(),
        "allowed_providers": None if allowed is None else sorted(allowed),
        "endpoint": options.endpoint,
    }


def _options_of(values: dict[str, Any]) -> BatchOptions:
    allowed, overrides = values["allowed_providers"], values["overrides"]
    typed: dict[str, Any] = {
        **values,
        # The one value without any, which the hot path knows by its identity.
        "overrides": Overrides(**overrides) if overrides else NO_OVERRIDES,
        "allowed_providers": None if allowed is None else frozenset(allowed),
    }
    return BatchOptions(**typed)
