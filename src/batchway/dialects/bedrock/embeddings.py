"""`ports.Dialect` for embeddings in one family of InvokeModel bodies.

    read --> line_of --> beyond (the model's limits) --> bodies (the family's)
    found (the family's) --> answer_of --> joined

Owns the order of the steps; what a family's bodies and answers look like is its `Wire`.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from batchway.dialects.answers.chat import Warned
from batchway.dialects.bedrock.error import no_answer, refused
from batchway.dialects.requests.embeddings import EmbeddingsRequest
from batchway.dialects.requests.parameters import Parameters
from batchway.dialects.tolerant_json import UNREADABLE, object_in
from batchway.dialects.vectors.answer import Vectors, answer_of
from batchway.dialects.vectors.dialect import VectorsDialect
from batchway.dialects.vectors.limits import Limits, beyond, limits_of
from batchway.dialects.vectors.line import Line, line_of
from batchway.dialects.vectors.wanted import wanted_from
from batchway.ports.dialect import Encoded, Refused, Result, Unfaithful

_NONE: Final = "The provider's answer does not hold a vector of the right length for each text."
_CUT: Final = Warned(
    "input", "A text is longer than the model takes: only its beginning was embedded."
)


class Found(msgspec.Struct, frozen=True, gc=False):
    """What is in an answer. `tokens` is the provider's count of them, whatever it is; `cut` whether
    it says that it has left out an end of the text.
    """

    vectors: Vectors
    tokens: object = None
    cut: bool = False


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A family's bodies.

    `read` reads a line, `table` says what becomes of its parameters, `models` are the limits of the
    family's models. `bodies` are the requests of a line for a model of such limits, of which each
    has at most `texts`. `found` is what is in an answer, numbers read if its second argument says
    so: it raises what msgspec does for JSON of another form.
    """

    read: Callable[[bytes], EmbeddingsRequest | Unfaithful]
    table: Parameters
    models: Sequence[Limits]
    bodies: Callable[[Line, Limits | None], tuple[bytes, ...]]
    found: Callable[[bytes, bool], Found]
    texts: int = 1


class InvokedEmbeddings(VectorsDialect):
    """Embeddings of one model. What is not known of it by its name has no limits here."""

    __slots__ = ("_limits", "_model", "_wire")

    def __init__(self, *, model: str, wire: Wire) -> None:
        self._model = model
        self._wire = wire
        self._limits = limits_of(model, wire.models)

    def encode(
        self,
        body: bytes,
        *,
        named: str,  # noqa: ARG002 - the port's: the model is in the address or the job
    ) -> Encoded | Unfaithful:
        """See `ports.Dialect`."""
        wire = self._wire
        line = line_of(wire.read(body), wire.table)
        if isinstance(line, Unfaithful):
            return line
        problem = beyond(line, self._limits)
        if problem is not None:
            return problem
        wanted = line.wanted
        context = wanted.of(len(line.texts), most=wire.texts).context
        return Encoded(wire.bodies(line, self._limits), context, wanted.warnings)

    def decode(
        self,
        status: int,
        body: bytes,
        context: bytes,
        *,
        at: int = 0,  # noqa: ARG002 - the port's: vectors have no time
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        if not 200 <= status < 300:
            return refused(status, body)
        wanted = wanted_from(context)
        try:
            # Only base64 needs the numbers: reading them takes longer than all else.
            found = self._wire.found(body, wanted.base64)
        except UNREADABLE:
            return _without_vectors(body)
        answer = answer_of(
            found.vectors,
            wanted,
            model=self._model,
            tokens=found.tokens,
            table=self._wire.table,
            more=(_CUT,) if found.cut else (),
        )
        return answer or _without_vectors(body)


def _without_vectors(body: bytes) -> Refused | None:
    """Titan's multimodal model says what went wrong as `message` of a 200."""
    fields = object_in(body)
    if fields is None:
        return None
    message = fields.get("message")
    return no_answer(message if isinstance(message, str) and message else _NONE)
