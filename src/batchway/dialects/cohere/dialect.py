"""Embeddings of Cohere's models as bodies of InvokeModel.

    {"texts": ["a", "b"], "input_type": "search_document", "truncate": "NONE",
     "embedding_types": ["float"], "output_dimension": 256}

    {"embeddings": {"float": [[...], [...]]}, "id": "...", "texts": ["a", "b"], ...}
    {"embeddings": [[...], [...]], ...}                        where no `embedding_types` were named

A body has up to 96 texts. What a text is embedded for is required (`vectors.uses`). Answers have no
count of tokens, only a header of InvokeModel has: usage is 0. Sources:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html
"""

from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.bedrock.embeddings import Found, InvokedEmbeddings, Wire
from batchway.dialects.cohere.parameters import EMBEDDINGS, MODELS
from batchway.dialects.requests.embeddings import read_typed_embeddings
from batchway.dialects.vectors.limits import Limits
from batchway.dialects.vectors.line import Line

_MOST_TEXTS: Final = 96


class _Body(msgspec.Struct, frozen=True, gc=False):
    texts: list[str]
    input_type: str
    output_dimension: int | UnsetType = UNSET
    truncate: str = "NONE"
    embedding_types: tuple[str] = ("float",)


# What a vector is read as: its JSON, or its numbers.
_Values = TypeVar("_Values", msgspec.Raw, list[float])


class _ByType(msgspec.Struct, Generic[_Values], gc=False, rename={"floats": "float"}):
    floats: list[_Values]


class _Answer(msgspec.Struct, Generic[_Values], gc=False):
    embeddings: _ByType[_Values] | list[_Values]


_encode: Final = msgspec.json.Encoder().encode
_as_written: Final = msgspec.json.Decoder(_Answer[msgspec.Raw]).decode
_as_numbers: Final = msgspec.json.Decoder(_Answer[list[float]]).decode


def _bodies(line: Line, limits: Limits | None) -> tuple[bytes, ...]:
    texts = line.texts
    size: int | UnsetType = line.wanted.dimensions or UNSET
    if limits is not None and limits.fixed:
        size = UNSET
    return tuple(
        _encode(_Body(texts[start : start + _MOST_TEXTS], line.use, size))
        for start in range(0, len(texts), _MOST_TEXTS)
    )


def _found(body: bytes, numbers: bool) -> Found:
    answer: _Answer[Any] = (_as_numbers if numbers else _as_written)(body)
    held = answer.embeddings
    return Found(held.floats if isinstance(held, _ByType) else held)


_WIRE: Final = Wire(
    read=read_typed_embeddings,
    table=EMBEDDINGS,
    models=MODELS,
    bodies=_bodies,
    found=_found,
    texts=_MOST_TEXTS,
)


class CohereEmbeddingsDialect(InvokedEmbeddings):
    """Embeddings of one of Cohere's models. One whose name is not known is spoken to as v4."""

    __slots__ = ()

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model, wire=_WIRE)
