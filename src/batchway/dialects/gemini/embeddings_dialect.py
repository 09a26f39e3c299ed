"""`ports.Dialect` of embeddings at Google, for any bodies: its models differ in nothing else.

read_line --> Bodies (the model's) --> read_vectors --> joined
"""

from collections.abc import Callable, Sequence

from batchway.dialects.answers.embeddings import joined
from batchway.dialects.gemini.embeddings_line import Line, measured, read_line, wanted_from
from batchway.dialects.gemini.embeddings_parameters import limits_of
from batchway.dialects.gemini.vectors import read_vectors
from batchway.ports.dialect import Encoded, Refused, Result, Size, Unfaithful

# The requests of a line, and the bytes of its body.
Bodies = Callable[[Line, int], Encoded]


class EmbeddingsDialect:
    """Embeddings of one model, which takes `bodies`."""

    __slots__ = ("_bodies", "_limits", "_model")

    def __init__(self, *, model: str, bodies: Bodies) -> None:
        self._model = model
        self._bodies = bodies
        self._limits = limits_of(model)

    @property
    def faithful(self) -> bool:
        """It is not: tokens of OpenAI's models mean nothing to another."""
        return False

    def encode(
        self,
        body: bytes,
        *,
        named: str,  # noqa: ARG002 - the port's: the model is in the address
    ) -> Encoded | Unfaithful:
        """See `ports.Dialect`."""
        line = read_line(body, self._limits)
        return line if isinstance(line, Unfaithful) else self._bodies(line, len(body))

    def decode(
        self,
        status: int,
        body: bytes,
        context: bytes,
        *,
        at: int = 0,  # noqa: ARG002 - the port's: vectors have no time
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        wanted = wanted_from(context)
        return read_vectors(status, body, wanted, model=self._model, limits=self._limits)

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
