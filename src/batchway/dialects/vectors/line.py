"""An embeddings line: its texts, and what their vectors have to be. Pure."""

from typing import Final

import msgspec

from batchway.dialects.requests.embeddings import (
    EmbeddingsRequest,
    TypedEmbeddingsRequest,
    read_embeddings,
    texts_of,
)
from batchway.dialects.requests.parameters import Parameters
from batchway.dialects.vectors.uses import DOCUMENT, use_of
from batchway.dialects.vectors.wanted import Wanted
from batchway.ports.dialect import Size, Unfaithful

# OpenAI's, of the texts of one request. A line becomes no more requests than that.
_MOST_TEXTS: Final = 2_048


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line's texts, at least one and none empty, and what their vectors have to be if each goes
    alone. `listed` is whether it has a list of them, `use` what they are embedded for.
    """

    texts: list[str]
    wanted: Wanted
    listed: bool
    use: str = DOCUMENT

    def place(self, index: int) -> str:
        """Where a text of it stands."""
        return f"input[{index}]" if self.listed else "input"


def line_of(request: EmbeddingsRequest | Unfaithful, table: Parameters) -> Line | Unfaithful:
    """What a request asks of any model; or the first parameter that cannot be said by `table`."""
    if isinstance(request, Unfaithful):
        return request
    ignored = table.check(request)
    if isinstance(ignored, Unfaithful):
        return ignored
    texts = texts_of(request)
    if isinstance(texts, Unfaithful):
        return texts
    if len(texts) > _MOST_TEXTS:
        return Unfaithful(
            "input", f"OpenAI's API takes at most {_MOST_TEXTS:,} texts in a request."
        )
    dimensions = request.dimensions
    use = use_of(request) if isinstance(request, TypedEmbeddingsRequest) else DOCUMENT
    if isinstance(use, Unfaithful):
        return use
    wanted = Wanted(base64=request.base64, dimensions=dimensions, warnings=ignored)
    line = Line(texts, wanted, isinstance(request.input, list), use)
    if not all(texts):
        return Unfaithful(
            line.place(texts.index("")), "It is an empty text, which cannot be embedded."
        )
    if dimensions is not None and dimensions < 1:
        return Unfaithful("dimensions", "It must be at least 1.")
    return line


def measured(body: bytes) -> Size:
    """The size of a line; a guess at its tokens is a quarter of its bytes. Never raises."""
    request = read_embeddings(body)
    inputs = 1
    if not isinstance(request, Unfaithful) and isinstance(request.input, list):
        inputs = len(request.input)
    return Size(tokens=len(body) // 4 + 1, inputs=max(1, inputs))
