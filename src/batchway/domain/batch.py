"""A Batch and the values inside it. Status moves are drawn in `status`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.run_online import RunOnline
from batchway.domain.status import BatchStatus

# What metadata may hold: pairs, and characters of a key and of a value. OpenAI's own numbers.
MOST_PAIRS: Final = 16
LONGEST_KEY: Final = 64
LONGEST_VALUE: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """Lines of a batch. Expired and cancelled lines are counted in `total` only."""

    total: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that the upstreams reported, summed over lines."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchError:
    """One entry of `errors.data`: why validation failed. `line` is 1-based."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """What a client asked for beyond OpenAI's fields, remembered with the batch.

    `provider` is the provider that was asked for; `tfy_metadata` are TrueFoundry's pairs, kept
    beside OpenAI's; `overrides` are the batch's own settings at its provider; `job_name` is a name;
    `allowed_providers` is what the creating key could use, so that validation can hold lines to it;
    `endpoint` is the batch's as the client wrote it, where that was without `/v1`.
    """

    provider: str | None = None
    job_name: str | None = None
    tfy_metadata: Mapping[str, str] | None = None
    overrides: Overrides = NO_OVERRIDES
    allowed_providers: frozenset[str] | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch as the ledger holds it. Every `..._at` is in Unix seconds, `None` where unset.

    `deadline` (always set) is when the completion window ends; `input_blob` names the input's
    bytes so that deleting the File during a run cannot take them away (`None` when there was no
    such input file at creation, or none that a batch reads); `providers` are those that its lines
    may go to, once it runs.
    `status_details` is why it waits, or waited when it ended; `waited_for` the last such reason,
    without promises, kept when it goes on. `warnings` are, by name, the parameters that were left
    out because they change nothing where the lines run, and of how many lines; `run_online` tells
    of lines that run online although their mode prefers jobs.
    """

    id: str
    tenant: str
    endpoint: str
    input_file_id: str
    input_blob: str | None
    completion_window: str
    status: BatchStatus
    created_at: int
    deadline: int
    model: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    in_progress_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    counts: RequestCounts = field(default_factory=RequestCounts)
    usage: Usage = field(default_factory=Usage)
    errors: tuple[BatchError, ...] | None = None
    metadata: Mapping[str, str] | None = None
    output_expires_after: int | None = None
    options: BatchOptions = field(default_factory=BatchOptions)
    status_details: str | None = None
    waited_for: Reason | None = None
    providers: tuple[str, ...] = ()
    warnings: Mapping[str, int] = field(default_factory=dict[str, int])
    run_online: tuple[RunOnline, ...] = ()

    @property
    def status_reason(self) -> ReasonKind | None:
        """What kind of reason `status_details` is, where that is known."""
        if self.status_details is None or self.waited_for is None:
            return None
        kind = self.waited_for.kind
        return None if kind is ReasonKind.OTHER else kind
