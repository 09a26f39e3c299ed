"""OpenAI's list of embeddings, from vectors. Pure."""

import struct
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.answers.chat import Extension, Warned
from batchway.domain.batch import Usage
from batchway.ports.dialect import Result


class _Embedding(msgspec.Struct, frozen=True, gc=False):
    index: int
    embedding: msgspec.Raw
    object: str = "embedding"


class _Usage(msgspec.Struct, frozen=True, gc=False):
    prompt_tokens: int
    total_tokens: int


class _List(msgspec.Struct, frozen=True, gc=False):
    data: Sequence[_Embedding]
    model: str
    usage: _Usage
    object: str = "list"
    batchway: Extension | UnsetType = UNSET


class _Read(msgspec.Struct, gc=False):
    data: list[_Embedding]
    model: str = ""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Read).decode


def packed(vector: Sequence[float]) -> bytes:
    """A vector as base64 of little-endian floats of 32 bits, as a JSON string."""
    return b'"' + b64encode(struct.pack(f"<{len(vector)}f", *vector)) + b'"'


def embeddings(
    vectors: Sequence[Sequence[float]],
    *,
    model: str,
    tokens: int,
    base64: bool,
    warnings: Sequence[Warned] = (),
) -> Result:
    """The answer to an embeddings line, in the order of its texts."""
    items = [
        _Embedding(index, msgspec.Raw(packed(vector) if base64 else _encode(vector)))
        for index, vector in enumerate(vectors)
    ]
    return _listed(items, model=model, tokens=tokens, warnings=warnings)


def joined(results: Sequence[Result], *, warnings: Sequence[Warned] = ()) -> Result:
    """One answer of several, in their order: what each of them says of vectors stays byte for byte.

    Each is a `Result` of `embeddings`. Usages are added up.
    """
    lists = [_decode(result.body) for result in results]
    items = [
        _Embedding(index, item.embedding)
        for index, item in enumerate(item for each in lists for item in each.data)
    ]
    tokens = sum(result.usage.input_tokens for result in results)
    return _listed(items, model=lists[0].model, tokens=tokens, warnings=warnings)


def _listed(
    items: Sequence[_Embedding], *, model: str, tokens: int, warnings: Sequence[Warned]
) -> Result:
    body = _List(
        data=items,
        model=model,
        usage=_Usage(prompt_tokens=tokens, total_tokens=tokens),
        batchway=Extension(list(warnings)) if warnings else UNSET,
    )
    return Result(_encode(body), Usage(input_tokens=tokens))
