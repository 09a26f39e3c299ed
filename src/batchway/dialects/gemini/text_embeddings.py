"""The bodies of Google's older text embedding models, such as `text-embedding-005`.

    online   {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {...}}    predict
    batch    {"content": "a"}

A request of `predict` takes many texts, a row takes one. `gemini-embedding-001` has `predict` too,
and no other method that is documented; its rows are Gemini's (`embeddings`).

A row cannot ask for dimensions: its vector is cut to them when it comes back. Sources:
https://docs.cloud.google.com/gemini-enterprise-agent-platform/reference/models/text-embeddings-api,
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/embeddings/batch-prediction-genai-embeddings
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.gemini.embeddings_dialect import EmbeddingsDialect
from batchway.dialects.gemini.embeddings_line import texts_a_request
from batchway.dialects.vectors.line import Line
from batchway.ports.dialect import Encoded


class _Instance(msgspec.Struct, frozen=True, gc=False):
    content: str


class _Parameters(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    output_dimensionality: int


class _Predict(msgspec.Struct, frozen=True, gc=False):
    instances: list[_Instance]
    parameters: _Parameters | UnsetType = UNSET


_encode: Final = msgspec.json.Encoder().encode


class TextEmbeddingsDialect(EmbeddingsDialect):
    """Embeddings of a model that has `predict`; `batch` for the rows of an older one's jobs."""

    __slots__ = ()

    def __init__(self, *, model: str, batch: bool) -> None:
        super().__init__(model=model, bodies=_rows if batch else _requests)


def _requests(line: Line, line_bytes: int) -> Encoded:
    """One request, unless the line is too large for that."""
    texts, wanted = line.texts, line.wanted
    size = texts_a_request(texts, line_bytes=line_bytes)
    dimensions = wanted.dimensions
    parameters = UNSET if dimensions is None else _Parameters(dimensions)
    bodies = tuple(
        _encode(_Predict([_Instance(text) for text in texts[start : start + size]], parameters))
        for start in range(0, len(texts), size)
    )
    return Encoded(bodies, wanted.of(len(texts), most=size).context, wanted.warnings)


def _rows(line: Line, line_bytes: int) -> Encoded:  # noqa: ARG001 - of requests alone
    bodies = tuple(_encode(_Instance(text)) for text in line.texts)
    return Encoded(bodies, line.wanted.context, line.wanted.warnings)
