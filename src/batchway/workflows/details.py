"""Why a batch waits, told by several runners at once and shown as one text.

    waits       what holds it up now, every runner's reason once
    goes on     nothing; `waited_for` remembers the last reason

Owns joining and writing `status_details`. Does not own the words of any runner, or what stays of
them when the batch has ended (`results.endings`).
"""

from batchway.domain.batch import Batch
from batchway.domain.reason import Reason, text_of
from batchway.ports import Batches


class StatusDetails:
    """The details of one batch while this process runs it.

    While there is something to tell, or the work is all at a provider (`rests`), the batch's id is
    in `held_up`, which all batches share.
    """

    def __init__(self, *, batches: Batches, batch: Batch, held_up: set[str] | None = None) -> None:
        self._batches = batches
        self._held_up = set[str]() if held_up is None else held_up
        self._batch_id = batch.id
        self._reasons: dict[str, tuple[Reason, ...]] = {}
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

    def tell(self, source: str, *reasons: Reason | None) -> None:
        """What holds `source` up at present; `None`, or nothing, if nothing does."""
        told = tuple(reason for reason in reasons if reason is not None)
        if told:
            self._reasons[source] = told
        else:
            self._reasons.pop(source, None)
        self._note()

    def _note(self) -> None:
        if self._reasons or self._rests:
            self._held_up.add(self._batch_id)
        else:
            self._held_up.discard(self._batch_id)

    async def write(self) -> None:
        """Show it, if it is not what is shown already. Raises `Unavailable`."""
        reasons = [reason for told in self._reasons.values() for reason in told]
        text = text_of(reasons)
        if text != self._written and not (self._kept and text is None):
            await self._batches.describe(self._batch_id, reasons)
            self._written = text
