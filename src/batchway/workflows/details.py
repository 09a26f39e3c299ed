"""Why a batch waits, told by several runners at once and shown as one text.

Owns joining and writing `status_details`. Does not own anybody's words.
"""

from typing import Final

from batchway.domain.batch import Batch
from batchway.ports import Batches

_MOST_CHARACTERS: Final = 1_000


class StatusDetails:
    """The details of one batch while this process runs it."""

    def __init__(self, *, batches: Batches, batch: Batch) -> None:
        self._batches = batches
        self._batch_id = batch.id
        self._sentences: dict[str, str] = {}
        self._written = batch.status_details

    def tell(self, source: str, sentence: str | None) -> None:
        """What holds `source` up at present, `None` for nothing."""
        if sentence is None:
            self._sentences.pop(source, None)
        else:
            self._sentences[source] = sentence

    async def write(self) -> None:
        """Show it, if it is not what is shown already. Raises `Unavailable`."""
        # Ten jobs that wait for the same provider have the same to say.
        text = " ".join(dict.fromkeys(self._sentences.values()))[:_MOST_CHARACTERS] or None
        if text != self._written:
            await self._batches.describe(self._batch_id, text)
            self._written = text
