"""The bodies of Gemini's embedding models.

    online   {"content": {"parts": [{"text": "a"}]}, "embedContentConfig": {...}}    embedContent
    batch    {"content": {"parts": [{"text": "a"}]}, "output_dimensionality": 256}

Both make one vector, of however many parts: the texts of a line go apart. Not all of these models
have `embedContent`: `gemini-embedding-001` is documented with `predict` (`text_embeddings`).

A row has its dimensions beside `content`, though the page shows them in an `embed_content_config`:
one user's jobs were refused for that key (LiteLLM's `vertex_ai/files/transformation.py`, 2026-09),
another's ran and did not heed it. Sources:
https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models/embedContent,
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/embeddings/batch-prediction-genai-embeddings
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.gemini.embeddings_dialect import EmbeddingsDialect
from batchway.dialects.vectors.line import Line
from batchway.ports.dialect import Encoded


class _Part(msgspec.Struct, frozen=True, gc=False):
    text: str


class _Content(msgspec.Struct, frozen=True, gc=False):
    parts: tuple[_Part]


class _Config(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    output_dimensionality: int


class _Online(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    content: _Content
    embed_content_config: _Config | UnsetType = UNSET


class _Row(msgspec.Struct, frozen=True, gc=False):
    content: _Content
    output_dimensionality: int | UnsetType = UNSET


_encode: Final = msgspec.json.Encoder().encode


class GeminiEmbeddingsDialect(EmbeddingsDialect):
    """Embeddings of one of Gemini's models; `batch` for the rows of its batch jobs."""

    __slots__ = ()

    def __init__(self, *, model: str, batch: bool) -> None:
        super().__init__(model=model, bodies=_rows if batch else _calls)


def _calls(line: Line, line_bytes: int) -> Encoded:  # noqa: ARG001 - the older models'
    wanted = line.wanted
    config = UNSET if wanted.dimensions is None else _Config(wanted.dimensions)
    bodies = tuple(_encode(_Online(_Content((_Part(text),)), config)) for text in line.texts)
    return Encoded(bodies, wanted.context, wanted.warnings)


def _rows(line: Line, line_bytes: int) -> Encoded:  # noqa: ARG001 - the older models'
    wanted = line.wanted
    dimensions = UNSET if wanted.dimensions is None else wanted.dimensions
    bodies = tuple(_encode(_Row(_Content((_Part(text),)), dimensions)) for text in line.texts)
    return Encoded(bodies, wanted.context, wanted.warnings)
