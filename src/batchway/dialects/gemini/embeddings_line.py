"""An embeddings line at Google: what models take of it, how many texts a request. Pure."""

from collections.abc import Sequence
from typing import Final

from batchway.dialects.gemini.embeddings_parameters import EMBEDDINGS, EmbeddingModel
from batchway.dialects.requests.embeddings import read_embeddings
from batchway.dialects.vectors.line import Line, line_of
from batchway.ports.dialect import Unfaithful

# Google's, of one request of the `predict` method: texts, and their tokens together. A text has
# never more tokens than bytes. (get-text-embeddings, "API limits", 2026-11)
_MOST_INSTANCES: Final = 250
_MOST_TOKENS: Final = 20_000


def read_line(body: bytes, limits: EmbeddingModel | None) -> Line | Unfaithful:
    """What a line asks of a model; or the first parameter that cannot be said there."""
    line = line_of(read_embeddings(body), EMBEDDINGS)
    if isinstance(line, Unfaithful):
        return line
    dimensions = line.wanted.dimensions
    if dimensions is not None and limits is not None and dimensions > limits.numbers:
        why = f"Vectors of {limits.prefix}* models have at most {limits.numbers:,} numbers."
        return Unfaithful("dimensions", why)
    return line


def texts_a_request(texts: Sequence[str], *, line_bytes: int) -> int:
    """How many of them go into each request of the `predict` method, in their order."""
    most = min(len(texts), _MOST_INSTANCES)
    if line_bytes <= _MOST_TOKENS:
        return most
    sizes = [len(text) if text.isascii() else len(text.encode()) for text in texts]
    while most > 1 and any(
        sum(sizes[start : start + most]) > _MOST_TOKENS for start in range(0, len(sizes), most)
    ):
        most = (most + 1) // 2
    return most
