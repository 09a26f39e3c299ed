"""`ports.Dialect` of embeddings at Google, for any bodies: its models differ in nothing else.

read_line --> Bodies (the model's) --> read_vectors --> joined
"""

from collections.abc import Callable

from batchway.dialects.gemini.embeddings_line import read_line
from batchway.dialects.gemini.embeddings_parameters import limits_of
from batchway.dialects.gemini.vectors import read_vectors
from batchway.dialects.vectors.dialect import VectorsDialect
from batchway.dialects.vectors.line import Line
from batchway.dialects.vectors.wanted import wanted_from
from batchway.ports.dialect import Encoded, Refused, Result, Unfaithful

# The requests of a line, and the bytes of its body.
Bodies = Callable[[Line, int], Encoded]


class EmbeddingsDialect(VectorsDialect):
    """Embeddings of one model, which takes `bodies`."""

    __slots__ = ("_bodies", "_limits", "_model")

    def __init__(self, *, model: str, bodies: Bodies) -> None:
        self._model = model
        self._bodies = bodies
        self._limits = limits_of(model)

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
