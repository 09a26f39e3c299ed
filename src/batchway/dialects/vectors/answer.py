"""OpenAI's list of embeddings from an answer's vectors, if they are what the line wants. Pure."""

from collections.abc import Sequence

import msgspec

from batchway.dialects.answers.chat import Warned, count
from batchway.dialects.answers.embeddings import embeddings, size_of
from batchway.dialects.requests.parameters import Parameters
from batchway.dialects.vectors.wanted import Wanted
from batchway.ports.dialect import Result

Vectors = Sequence[msgspec.Raw] | Sequence[list[float]]


def answer_of(
    vectors: Vectors,
    wanted: Wanted,
    *,
    model: str,
    tokens: object,
    table: Parameters,
    more: Sequence[Warned] = (),
) -> Result | None:
    """The answer; `None` unless there is one vector for each text, each as long as was asked for.

    Of another number it could not be told which text each is of. `more` are warnings beside those
    about what the line has and `table` ignores. An odd count of `tokens` is no reason to withhold
    a vector: it is none.
    """
    if len(vectors) not in {wanted.texts, wanted.rest}:
        return None
    for vector in vectors:
        size = len(vector) if isinstance(vector, list) else size_of(vector)
        if not size or size != (wanted.dimensions or size):
            return None
    warnings = [Warned(name, table.note(name)) for name in wanted.warnings]
    try:
        return embeddings(
            list(vectors),
            model=model,
            tokens=count(tokens if isinstance(tokens, int) else None),
            base64=wanted.base64,
            warnings=[*warnings, *more],
        )
    except OverflowError:
        return None  # a number that no float of 32 bits can hold
