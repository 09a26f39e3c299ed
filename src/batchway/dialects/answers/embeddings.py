"""OpenAI's list of embeddings, from vectors.

A vector stays what the provider wrote, a JSON array of numbers, byte for byte: turning text into
floats and back would take ten times as long as all else. Only base64 reads the numbers. Pure.
"""

import struct
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.answers.chat import Extension, Warned
from batchway.domain.batch import Usage
from batchway.ports.dialect import Result

_SPACE: Final = b" \n\r\t"
_IN_NUMBERS_AND_BETWEEN: Final = b"0123456789.-+eE" + _SPACE


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
    batchway: Extension | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Read).decode
_floats: Final = msgspec.json.Decoder(list[float]).decode


def size_of(vector: msgspec.Raw) -> int:
    """How many numbers a JSON value holds that should be an array of them; 0 if it is none."""
    written = bytes(vector)
    frame = written.translate(None, _IN_NUMBERS_AND_BETWEEN)
    commas = len(frame) - 2
    if frame != b"[" + b"," * commas + b"]":
        return 0
    return commas + 1 if commas or written.translate(None, _SPACE) != b"[]" else 0


def packed(vector: Sequence[float]) -> bytes:
    """A vector as base64 of little-endian floats of 32 bits, as a JSON string.

    Raises:
        OverflowError: a number is too large for that.
    """
    return b'"' + b64encode(struct.pack(f"<{len(vector)}f", *vector)) + b'"'


def embeddings(
    vectors: Sequence[msgspec.Raw | list[float]],
    *,
    model: str,
    tokens: int,
    base64: bool,
    warnings: Sequence[Warned] = (),
) -> Result:
    """The answer to an embeddings line, in the order of its texts.

    A vector that stays as it is written has a `size_of`. Raises what `packed` does.
    """
    write = _packed if base64 else _written
    items = [_Embedding(index, write(vector)) for index, vector in enumerate(vectors)]
    return _listed(items, model=model, tokens=tokens, warnings=warnings)


def joined(results: Sequence[Result]) -> Result:
    """One answer of several, in their order: what each of them says of vectors stays byte for byte.

    Each is a `Result` of `embeddings`. Usages are added up; a warning of several is said once.
    """
    lists = [_decode(result.body) for result in results]
    items = [
        _Embedding(index, item.embedding)
        for index, item in enumerate(item for each in lists for item in each.data)
    ]
    warnings = {
        warned.param: warned
        for each in lists
        if each.batchway is not None
        for warned in each.batchway.warnings
    }
    tokens = sum(result.usage.input_tokens for result in results)
    return _listed(items, model=lists[0].model, tokens=tokens, warnings=list(warnings.values()))


def _packed(vector: msgspec.Raw | list[float]) -> msgspec.Raw:
    return msgspec.Raw(packed(vector if isinstance(vector, list) else _floats(vector)))


def _written(vector: msgspec.Raw | list[float]) -> msgspec.Raw:
    """Without the line breaks that Google's servers put between numbers unless asked not to."""
    if isinstance(vector, list):
        return msgspec.Raw(_encode(vector))
    written = bytes(vector)
    if b"\n" in written or b"\r" in written:
        return msgspec.Raw(written.translate(None, _SPACE))
    return vector


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
