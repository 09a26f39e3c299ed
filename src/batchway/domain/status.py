"""The eight statuses of a batch and the only moves between them.

    validating --> in_progress --> finalizing --> completed
        |  |  \\         |  |            |   \\
        |  |   \\        |  +--> expired |    +--> expired
        |  |    +-> cancelling --> cancelled
        |  +------> expired
        +---------> failed   (also from in_progress: a provider's own validation refused it all)

Owns the graph. Does not own who makes a move: every move is a compare-and-swap in the ledger.
Source: platform.openai.com/docs/guides/batch, and recorded traffic.
"""

from enum import StrEnum
from typing import Final


class BatchStatus(StrEnum):
    """OpenAI's own words; extensions never add one."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


_S = BatchStatus

MOVES: Final[dict[BatchStatus, frozenset[BatchStatus]]] = {
    _S.VALIDATING: frozenset({_S.IN_PROGRESS, _S.FAILED, _S.CANCELLING, _S.EXPIRED}),
    _S.IN_PROGRESS: frozenset({_S.FINALIZING, _S.CANCELLING, _S.EXPIRED, _S.FAILED}),
    _S.FINALIZING: frozenset({_S.COMPLETED, _S.EXPIRED}),
    _S.CANCELLING: frozenset({_S.CANCELLED}),
    _S.FAILED: frozenset(),
    _S.COMPLETED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
}

TERMINAL: Final = frozenset(status for status, after in MOVES.items() if not after)
CANCELLABLE: Final = frozenset(
    status for status, after in MOVES.items() if BatchStatus.CANCELLING in after
)

# The timestamp column that a move into a status sets.
TIMESTAMP: Final[dict[BatchStatus, str]] = {
    _S.IN_PROGRESS: "in_progress_at",
    _S.FINALIZING: "finalizing_at",
    _S.COMPLETED: "completed_at",
    _S.FAILED: "failed_at",
    _S.EXPIRED: "expired_at",
    _S.CANCELLING: "cancelling_at",
    _S.CANCELLED: "cancelled_at",
}


def may_move(before: BatchStatus, after: BatchStatus) -> bool:
    """Whether the graph has an edge from `before` to `after`."""
    return after in MOVES[before]


def sources_of(after: BatchStatus) -> frozenset[BatchStatus]:
    """Every status from which a batch may move to `after`."""
    return frozenset(before for before, targets in MOVES.items() if after in targets)
