"""The bodies of Gemini's embedding models.

    online, embedContent   {"content": {"parts": [{"text": "a"}]}, "embedContentConfig": {...}}
    online, predict        {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {...}}
    batch                  {"content": {"parts": [{"text": "a"}]}, "output_dimensionality": 256}

`embedContent` and a row of a batch make one vector, of however many parts: the texts of a line go
apart. Which method a model has is data (`embeddings_parameters.online_method`).

A row has its dimensions beside `content`, though the page shows them in an `embed_content_config`:
one user's jobs were refused for that key (LiteLLM's `vertex_ai/files/transformation.py`, 2026-09),
another's ran and did not heed it.
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.gemini.embeddings_dialect import EmbeddingsDialect
from batchway.dialects.gemini.embeddings_line import Line
from batchway.dialects.gemini.embeddings_parameters import online_method
from batchway.dialects.gemini.predict import predict_bodies
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
        predicts = online_method(model) == "predict"
        super().__init__(
            model=model, bodies=_rows if batch else predict_bodies if predicts else _calls
        )


def _calls(line: Line, line_bytes: int) -> Encoded:  # noqa: ARG001 - of `predict` alone
    wanted = line.wanted
    config = UNSET if wanted.dimensions is None else _Config(wanted.dimensions)
    bodies = tuple(_encode(_Online(_Content((_Part(text),)), config)) for text in line.texts)
    return Encoded(bodies, wanted.context, wanted.warnings)


def _rows(line: Line, line_bytes: int) -> Encoded:  # noqa: ARG001 - of `predict` alone
    wanted = line.wanted
    dimensions = UNSET if wanted.dimensions is None else wanted.dimensions
    bodies = tuple(_encode(_Row(_Content((_Part(text),)), dimensions)) for text in line.texts)
    return Encoded(bodies, wanted.context, wanted.warnings)
