"""Why a batch waits, told by several runners at once and shown as one text.

    waits       what holds it up now, every runner's sentence once
    goes on     nothing; `waited_for` remembers the last reason

Owns joining and writing `status_details`. Does not own the words of any runner, or what stays of
them when the batch has ended (`results.endings`).
"""

from typing import Final

from batchway.domain.batch import Batch
from batchway.ports import Batches

_MOST_CHARACTERS: Final = 1_000


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
