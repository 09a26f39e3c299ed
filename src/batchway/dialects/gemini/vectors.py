"""The vectors in Google's answers, whichever method or batch they are of.

    {"predictions": [{"embeddings": {"values": [...], "statistics": {"token_count": 8, ...}}}]}
    {"embedding": {"values": [...]}, "usageMetadata": {"promptTokenCount": 8}, "truncated": false}
    {"embedding": {"values": [...]}, "tokenCount": "8"}

The first is `predict`'s and that of a row of the older models, the second `embedContent`'s and that
of a row of Gemini's as seen in 2026, the third that of a row as documented. Pure.
"""

from collections.abc import Sequence
from math import hypot
from typing import Any, Final, Generic, TypeVar

import msgspec

from batchway.dialects.answers.chat import Warned, count
from batchway.dialects.answers.embeddings import embeddings, size_of
from batchway.dialects.gemini.embeddings_parameters import EMBEDDINGS, EmbeddingModel
from batchway.dialects.gemini.error import no_answer, refused
from batchway.dialects.tolerant_json import UNREADABLE, object_in
from batchway.dialects.vectors.wanted import Wanted
from batchway.ports.dialect import Refused, Result

_NONE: Final = "The provider's answer holds no vector for each text."
_CUT: Final = Warned(
    "input", "A text is longer than the model takes: only its beginning was embedded."
)

# What a vector is read as: its JSON, or its numbers.
_Values = TypeVar("_Values", msgspec.Raw, list[float])
# An int64 is a string in Google's JSON, an int32 a number, and this count has been all three.
_Count = int | float | str


class _Statistics(msgspec.Struct, gc=False):
    token_count: _Count | None = None
    truncated: bool | None = None


class _Vector(msgspec.Struct, Generic[_Values], gc=False):
    values: _Values
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct, Generic[_Values], gc=False):
    embeddings: _Vector[_Values]


class _Usage(msgspec.Struct, gc=False):
    promptTokenCount: _Count | None = None  # noqa: N815 - Google's name


class _Answer(msgspec.Struct, Generic[_Values], gc=False):
    predictions: list[_Prediction[_Values]] | None = None
    embedding: _Vector[_Values] | None = None
    usageMetadata: _Usage | None = None  # noqa: N815 - Google's name
    tokenCount: _Count | None = None  # noqa: N815 - Google's name
    truncated: bool | None = None


_as_written: Final = msgspec.json.Decoder(_Answer[msgspec.Raw]).decode
_as_numbers: Final = msgspec.json.Decoder(_Answer[list[float]]).decode
_numbers: Final = msgspec.json.Decoder(list[float]).decode


def read_vectors(
    status: int, body: bytes, wanted: Wanted, *, model: str, limits: EmbeddingModel | None
) -> Result | Refused | None:
    """What an answer is, as `ports.Dialect.decode` gives it. Never raises."""
    if not 200 <= status < 300:
        return refused(status, body)
    # Only base64 needs the numbers: reading them takes longer than all else.
    decode = _as_numbers if wanted.base64 else _as_written
    try:
        answer: _Answer[Any] = decode(body)
    except UNREADABLE:
        return _without_vectors(status, body)
    found = [each.embeddings for each in answer.predictions or ()]
    if answer.embedding is not None:
        found = [answer.embedding]
    if not found:
        return _without_vectors(status, body)
    # Of another number, it cannot be told which text each is of.
    if len(found) not in {wanted.texts, wanted.rest}:
        return no_answer(_NONE)
    try:
        vectors = [_fitting(each.values, wanted.dimensions) for each in found]
        return embeddings(
            vectors,
            model=model,
            tokens=count(_tokens(answer, found)),
            base64=wanted.base64,
            warnings=_warnings(answer, found, wanted, limits),
        )
    except (ValueError, OverflowError):
        return no_answer(_NONE)


def _without_vectors(status: int, body: bytes) -> Refused | None:
    fields = object_in(body)
    if fields is None:
        return None
    return refused(status, body) if fields.get("error") else no_answer(_NONE)


def _fitting(
    vector: msgspec.Raw | list[float], dimensions: int | None
) -> msgspec.Raw | list[float]:
    """The vector, if need be cut to `dimensions` and scaled to length 1 again.

    So do the models themselves ("excessive values are truncated from the end"), where they are
    told: rows of the older ones cannot tell them, and jobs of `gemini-embedding-001` were seen that
    did not heed it. Raises `ValueError` for no vector and for one that is too short.
    """
    size = len(vector) if isinstance(vector, list) else size_of(vector)
    if size == 0 or (dimensions is not None and size < dimensions):
        raise ValueError("no vector, or too short a one")
    if dimensions is None or size == dimensions:
        return vector
    numbers = vector if isinstance(vector, list) else _numbers(vector)
    length = hypot(*numbers[:dimensions])
    return [number / (length or 1.0) for number in numbers[:dimensions]]


def _tokens(answer: _Answer[Any], found: Sequence[_Vector[Any]]) -> int:
    usage = answer.usageMetadata
    if usage is not None and usage.promptTokenCount is not None:
        return _number(usage.promptTokenCount)
    if answer.tokenCount is not None:
        return _number(answer.tokenCount)
    return sum(_tokens_of(each) for each in found)


def _tokens_of(vector: _Vector[Any]) -> int:
    return 0 if vector.statistics is None else _number(vector.statistics.token_count)


def _number(value: _Count | None) -> int:
    try:
        return int(value or 0)
    except (ValueError, OverflowError):
        return 0  # an odd count is no reason to withhold a vector


def _warnings(
    answer: _Answer[Any],
    found: Sequence[_Vector[Any]],
    wanted: Wanted,
    limits: EmbeddingModel | None,
) -> list[Warned]:
    warnings = [Warned(name, EMBEDDINGS.note(name)) for name in wanted.warnings]
    most = _tokens(answer, found) if len(found) == 1 else max(map(_tokens_of, found))
    if (
        answer.truncated
        or any(each.statistics is not None and each.statistics.truncated for each in found)
        or (limits is not None and most > limits.tokens)
    ):
        warnings.append(_CUT)
    return warnings
