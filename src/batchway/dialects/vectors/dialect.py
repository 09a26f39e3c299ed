"""`ports.Dialect` of embeddings, as far as it is the same for every wire."""

from collections.abc import Sequence

from batchway.dialects.answers.embeddings import joined
from batchway.dialects.vectors.line import measured
from batchway.ports.dialect import Result, Size


class VectorsDialect:
    """A dialect of embeddings, whose bodies each have some of a line's texts, in their order."""

    __slots__ = ()

    @property
    def faithful(self) -> bool:
        """It is not: tokens of OpenAI's models mean nothing to another."""
        return False

    def join(
        self,
        results: Sequence[Result],
        context: bytes,  # noqa: ARG002 - the port's: each result has been made with it
    ) -> Result:
        """See `ports.Dialect`."""
        return joined(results)

    def measure(self, body: bytes) -> Size:
        """See `ports.Dialect`."""
        return measured(body)
