"""Embeddings of Amazon Titan's models as bodies of InvokeModel.

    {"inputText": "a", "dimensions": 256}                                    Text V2
    {"inputText": "a"}                                                       G1 - Text
    {"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 256}}    Multimodal G1

    {"embedding": [...], "inputTextTokenCount": 8}

A body has one text, so a line of several becomes as many. Vectors of V2 have the length 1 as
OpenAI's do (`normalize` is true unless it is told otherwise), and come a second time in
`embeddingsByType`. Sources:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html
"""

from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.bedrock.embeddings import Found, InvokedEmbeddings, Wire
from batchway.dialects.requests.embeddings import read_embeddings
from batchway.dialects.titan.parameters import EMBEDDINGS, MODELS, MULTIMODAL
from batchway.dialects.vectors.limits import Limits
from batchway.dialects.vectors.line import Line


class _Config(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    output_embedding_length: int


class _Body(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    input_text: str
    dimensions: int | UnsetType = UNSET
    embedding_config: _Config | UnsetType = UNSET


# What a vector is read as: its JSON, or its numbers.
_Values = TypeVar("_Values", msgspec.Raw, list[float])


class _Answer(msgspec.Struct, Generic[_Values], gc=False):
    embedding: _Values
    inputTextTokenCount: Any = None  # noqa: N815 - Amazon's name


_encode: Final = msgspec.json.Encoder().encode
_as_written: Final = msgspec.json.Decoder(_Answer[msgspec.Raw]).decode
_as_numbers: Final = msgspec.json.Decoder(_Answer[list[float]]).decode


def _bodies(line: Line, limits: Limits | None) -> tuple[bytes, ...]:
    size: int | UnsetType = line.wanted.dimensions or UNSET
    config: _Config | UnsetType = UNSET
    if limits is MULTIMODAL and size is not UNSET:
        size, config = UNSET, _Config(size)
    elif limits is not None and limits.fixed:
        size = UNSET
    return tuple(_encode(_Body(text, size, config)) for text in line.texts)


def _found(body: bytes, numbers: bool) -> Found:
    answer: _Answer[Any] = (_as_numbers if numbers else _as_written)(body)
    return Found([answer.embedding], answer.inputTextTokenCount)


_WIRE: Final = Wire(
    read=read_embeddings, table=EMBEDDINGS, models=MODELS, bodies=_bodies, found=_found
)


class TitanEmbeddingsDialect(InvokedEmbeddings):
    """Embeddings of one of Titan's models. One whose name is not known is spoken to as V2."""

    __slots__ = ()

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model, wire=_WIRE)
