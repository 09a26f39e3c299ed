"""The bodies of Google's older text embedding models, such as `text-embedding-005`.

    online   the `predict` method, many texts a request
    batch    {"content": "a"}      one text a row

A row cannot ask for dimensions: its vector is cut to them when it comes back. Source of the row:
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/embeddings/batch-prediction-genai-embeddings
"""

from typing import Final

import msgspec

from batchway.dialects.gemini.embeddings_dialect import EmbeddingsDialect
from batchway.dialects.gemini.embeddings_line import Line
from batchway.dialects.gemini.predict import predict_bodies
from batchway.ports.dialect import Encoded


class _Row(msgspec.Struct, frozen=True, gc=False):
    content: str


_encode: Final = msgspec.json.Encoder().encode


class TextEmbeddingsDialect(EmbeddingsDialect):
    """Embeddings of one of the older models; `batch` for the rows of its batch jobs."""

    __slots__ = ()

    def __init__(self, *, model: str, batch: bool) -> None:
        super().__init__(model=model, bodies=_rows if batch else predict_bodies)


def _rows(line: Line, line_bytes: int) -> Encoded:  # noqa: ARG001 - of `predict` alone
    bodies = tuple(_encode(_Row(text)) for text in line.texts)
    return Encoded(bodies, line.wanted.context, line.wanted.warnings)
