"""What an ended batch says of itself: in its log line, in its `status_details`, in its lines.

    expired     what it waited for when its window ended, else what it waited for before
    cancelled   what it waited for when it was cancelled
    completed   nothing, unless lines failed: then what held them up at the end
    failed      nothing: its `errors` say why

Does not own the words of a reason, beyond taking off what they promise for a future that an ended
batch does not have.
"""

import logging
import re
from typing import Final

from batchway.domain.batch import Batch
from batchway.domain.status import BatchStatus
from batchway.telemetry import event

_log: Final = logging.getLogger(__name__)

# "; it is tried again at least once a minute.", " Batchway goes on trying.", and their like.
_PROMISES: Final = re.compile(
    r"(?:;|(?<=[.!?]))\s[^.;]*\b(?:goes on|will go on|go on|tried again|tries again|trying|"
    r"will be (?:tried|asked|looked)|asked again|is probed|once a minute)\b[^.;]*(?=\.|;)\.?"
)


def kept_reason(batch: Batch, ending: BatchStatus | None = None) -> str | None:
    """What stays in `status_details` of a batch that ends so, by default as it has ended.

    Of what was kept already nothing is taken away, so asking again changes nothing.
    """
    details = batch.status_details
    match ending or batch.status:
        case BatchStatus.EXPIRED:
            reason = details or batch.waited_for
        case BatchStatus.CANCELLED:
            reason = details
        case _:
            reason = None
    return past(reason)


def past(reason: str | None) -> str | None:
    """A reason without its promises: an ended batch tries nothing again."""
    if reason is None:
        return None
    text = _PROMISES.sub(".", reason)
    return " ".join(re.sub(r"([.!?])\.+", r"\1", text).split()) or None


def because(sentence: str, reason: str | None) -> str:
    """What happened to a batch or a line, and what had held the batch up."""
    return sentence if reason is None else f"{sentence} What held the batch up: {reason}"


def tell_end(batch: Batch, ending: BatchStatus, *, now: float, **fields: str | int | None) -> None:
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
