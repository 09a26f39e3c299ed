"""The bodies of the `predict` method for a line of texts.

    {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 256}}

Owns how many texts go into a request. Source:
https://docs.cloud.google.com/gemini-enterprise-agent-platform/reference/models/text-embeddings-api
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.gemini.embeddings_line import Line, texts_a_request
from batchway.ports.dialect import Encoded


class _Instance(msgspec.Struct, frozen=True, gc=False):
    content: str


class _Parameters(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    output_dimensionality: int


class _Predict(msgspec.Struct, frozen=True, gc=False):
    instances: list[_Instance]
    parameters: _Parameters | UnsetType = UNSET


_encode: Final = msgspec.json.Encoder().encode


def predict_bodies(line: Line, line_bytes: int) -> Encoded:
    """The requests of a line whose body has `line_bytes`: one, unless it is too large for that."""
    texts, wanted = line.texts, line.wanted
    size = texts_a_request(texts, line_bytes=line_bytes)
    dimensions = wanted.dimensions
    parameters = UNSET if dimensions is None else _Parameters(dimensions)
    bodies = tuple(
        _encode(_Predict([_Instance(text) for text in texts[start : start + size]], parameters))
        for start in range(0, len(texts), size)
    )
    kept = msgspec.structs.replace(wanted, texts=size, rest=len(texts) % size or size)
    return Encoded(bodies, kept.context, wanted.warnings)
