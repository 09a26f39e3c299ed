"""What an ended batch says of itself: in its log line, in its `status_details`, in its lines.

    expired     what it waited for when its window ended, else what it waited for before
    cancelled   what it waited for when it was cancelled
    completed   nothing: each failed line has its own error
    failed      nothing: its `errors` say why

What a reason promised for later is not in what is kept (`domain.reason`): an ended batch does
nothing any more. Does not own the words of a reason.
"""

import logging
from typing import Final

from batchway.domain.batch import Batch
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.status import BatchStatus
from batchway.telemetry import event

_log: Final = logging.getLogger(__name__)


def kept_reason(batch: Batch, ending: BatchStatus | None = None) -> Reason | None:
    """What stays in `status_details` of a batch that ends so, by default as it has ended.

    Of what was kept already nothing is taken away, so asking again changes nothing.
    """
    details, waited_for = batch.status_details, batch.waited_for
    if waited_for is None and details is not None:
        waited_for = Reason(kind=ReasonKind.OTHER, sentence=details)
    match ending or batch.status:
        case BatchStatus.EXPIRED:
            return waited_for
        case BatchStatus.CANCELLED:
            return None if details is None else waited_for
        case _:
            return None


def because(sentence: str, reason: Reason | None) -> str:
    """What happened to a batch or a line, and what had held the batch up."""
    return sentence if reason is None else f"{sentence} What held the batch up: {reason}"


def tell_end(
    batch: Batch, ending: BatchStatus, *, now: float, **fields: str | int | Reason | None
) -> None:
    """Log that a batch has ended so, how long after its creation, and why."""
    took = int(now) - batch.created_at
    event(
        _log,
        f"batch {ending.value}",
        level=logging.INFO,
        batch=batch.id,
        seconds=took,
        **fields,
    )
