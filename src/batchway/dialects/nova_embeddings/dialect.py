"""Texts for Amazon Nova Multimodal Embeddings as bodies of InvokeModel.

    {"schemaVersion": "nova-multimodal-embed-v1", "taskType": "SINGLE_EMBEDDING",
     "singleEmbeddingParams": {"embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 256,
                               "text": {"truncationMode": "NONE", "value": "a"}}}

    {"embeddings": [{"embeddingType": "TEXT", "embedding": [...]}]}

A body has one text, so a line of several becomes as many. What a text is embedded for is required
(`vectors.uses`). Bodies have no count of tokens. Source:
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
"""

from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.bedrock.embeddings import Found, InvokedEmbeddings, Wire
from batchway.dialects.nova_embeddings.parameters import EMBEDDINGS, MODELS
from batchway.dialects.requests.embeddings import read_typed_embeddings
from batchway.dialects.vectors.limits import Limits
from batchway.dialects.vectors.line import Line

_PURPOSES: Final = {
    "search_document": "GENERIC_INDEX",
    "search_query": "GENERIC_RETRIEVAL",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


class _Text(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    value: str
    truncation_mode: str = "NONE"


class _Single(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    embedding_purpose: str
    text: _Text
    embedding_dimension: int | UnsetType = UNSET


class _Body(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    single_embedding_params: _Single
    schema_version: str = "nova-multimodal-embed-v1"
    task_type: str = "SINGLE_EMBEDDING"


# What a vector is read as: its JSON, or its numbers.
_Values = TypeVar("_Values", msgspec.Raw, list[float])


class _Vector(msgspec.Struct, Generic[_Values], gc=False):
    embedding: _Values
    truncatedCharLength: Any = None  # noqa: N815 - Amazon's name


class _Answer(msgspec.Struct, Generic[_Values], gc=False):
    embeddings: list[_Vector[_Values]]


_encode: Final = msgspec.json.Encoder().encode
_as_written: Final = msgspec.json.Decoder(_Answer[msgspec.Raw]).decode
_as_numbers: Final = msgspec.json.Decoder(_Answer[list[float]]).decode


def _bodies(line: Line, limits: Limits | None) -> tuple[bytes, ...]:  # noqa: ARG001 - `Wire`'s
    purpose = _PURPOSES[line.use]
    size: int | UnsetType = line.wanted.dimensions or UNSET
    return tuple(_encode(_Body(_Single(purpose, _Text(text), size))) for text in line.texts)


def _found(body: bytes, numbers: bool) -> Found:
    answer: _Answer[Any] = (_as_numbers if numbers else _as_written)(body)
    return Found(
        [each.embedding for each in answer.embeddings],
        cut=any(each.truncatedCharLength is not None for each in answer.embeddings),
    )


_WIRE: Final = Wire(
    read=read_typed_embeddings, table=EMBEDDINGS, models=MODELS, bodies=_bodies, found=_found
)


class NovaEmbeddingsDialect(InvokedEmbeddings):
    """Embeddings of a model of Nova's."""

    __slots__ = ()

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model, wire=_WIRE)
