"""Why a batch waits, told by several runners at once and shown as one text; and what stays of it.

    waits       what holds it up now, every runner's sentence once
    goes on     nothing; `waited_for` remembers the last reason
    expired     what it waited for when its window ended, else what it waited for before
    cancelled   what it waited for when it was cancelled
    completed   nothing, unless lines failed: then what held them up at the end
    failed      nothing: its `errors` say why

Owns joining, writing and keeping `status_details`. Does not own anybody's words, beyond taking off
what they promise for a future that an ended batch does not have.
"""

import logging
import re
from typing import Final

from batchway.domain.batch import Batch
from batchway.domain.status import BatchStatus
from batchway.ports import Batches
from batchway.telemetry import event

_log: Final = logging.getLogger(__name__)

_MOST_CHARACTERS: Final = 1_000
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


class StatusDetails:
    """The details of one batch while this process runs it.

    While there is something to tell, or the work is all at a provider (`rests`), the batch's id is
    in `held_up`, which all batches share.
    """

    def __init__(self, *, batches: Batches, batch: Batch, held_up: set[str] | None = None) -> None:
        self._batches = batches
        self._held_up = set[str]() if held_up is None else held_up
        self._batch_id = batch.id
        self._sentences: dict[str, str] = {}
        self._written = batch.status_details
        self._kept = False
        self._rests = False

    def rests(self, rests: bool) -> None:
        """Whether this process has nothing to do but wait for a provider's jobs."""
        self._rests = rests
        self._note()

    def keep(self) -> None:
        """From here on a reason gives way to another only: the batch is being ended."""
        self._kept = True

    def tell(self, source: str, sentence: str | None) -> None:
        """What holds `source` up at present, `None` for nothing."""
        if sentence is None:
            self._sentences.pop(source, None)
        else:
            self._sentences[source] = sentence
        self._note()

    def _note(self) -> None:
        if self._sentences or self._rests:
            self._held_up.add(self._batch_id)
        else:
            self._held_up.discard(self._batch_id)

    async def write(self) -> None:
        """Show it, if it is not what is shown already. Raises `Unavailable`."""
        # Ten jobs that wait for the same provider have the same to say.
        text = " ".join(dict.fromkeys(self._sentences.values()))[:_MOST_CHARACTERS] or None
        if text != self._written and not (self._kept and text is None):
            await self._batches.describe(self._batch_id, text)
            self._written = text
