"""Vectors: `embedContent`, the older `predict`, and what their rows hold.

Owns both shapes; the vectors are the simulator's. Sources:
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api,
https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/batch-prediction-genai-embeddings.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from batchway.simulator.google.refusals import Refused
from batchway.simulator.online.answers import expected_embedding


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TASKS: Final = _names(
    "RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY CLASSIFICATION CLUSTERING "
    "QUESTION_ANSWERING FACT_VERIFICATION CODE_RETRIEVAL_QUERY"
)
_INSTANCE: Final = frozenset({"content", "task_type", "taskType", "title"})
_PARAMETERS: Final = frozenset({"outputDimensionality", "autoTruncate"})
# Texts in a `predict`: one for gemini-embedding-001.
_MOST: Final = 250


def text_of(request: Mapping[str, Any]) -> str:
    """The text of a request for one vector, in camelCase. Raises `Refused`."""
    parts = (request.get("content") or {}).get("parts") or []
    texts = [part["text"] for part in parts if part.get("text")]
    if not texts:
        raise Refused(400, "The text content is empty.")
    return "\n".join(texts)


def embedded(request: Mapping[str, Any], *, model: str, dimensions: int) -> dict[str, Any]:
    """The answer to a request for one vector, in camelCase. Raises `Refused`."""
    text = text_of(request)
    options: Mapping[str, Any] = {**request, **(request.get("embedContentConfig") or {})}
    size = _size(options.get("outputDimensionality"), dimensions)
    _task(options.get("taskType"))
    return {
        "embedding": {"values": expected_embedding(text, model, size)},
        "usageMetadata": {"promptTokenCount": _tokens(text)},
        "truncated": False,
    }


def embedded_many(body: Mapping[str, Any], *, model: str, dimensions: int) -> dict[str, Any]:
    """The answer to a `batchEmbedContents` in camelCase, as google-genai 3.6 sends it."""
    answers = [
        embedded(request, model=model, dimensions=dimensions)
        for request in body.get("requests") or []
    ]
    if not answers:
        raise Refused(400, "At least one request is required.")
    spent = sum(answer["usageMetadata"]["promptTokenCount"] for answer in answers)
    return {
        "embeddings": [answer["embedding"] for answer in answers],
        "usageMetadata": {"promptTokenCount": spent},
    }


def predicted(body: Any, *, model: str, dimensions: int) -> dict[str, Any]:
    """The answer to a `predict`: `{"instances": [...], "parameters": {...}}`. Raises `Refused`."""
    known = {"instances", "parameters", "labels"}
    if not isinstance(body, dict):
        raise Refused(400, "Invalid JSON payload received.")
    fields = cast("dict[str, Any]", body)
    for name in fields:
        if name not in known:
            raise Refused(
                400, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
            )
    instances = fields.get("instances")
    parameters = fields.get("parameters") or {}
    if not isinstance(instances, list) or not instances:
        raise Refused(400, "Empty instances.")
    given = cast("list[Any]", instances)
    if len(given) > _MOST:
        raise Refused(
            400, f"{len(given)} instance(s) is more than the maximum of {_MOST} instance(s)."
        )
    for name in parameters:
        if name not in _PARAMETERS:
            raise Refused(400, f"Invalid parameter: {name}.")
    predictions = [
        instance_answer(
            instance, model=model, dimensions=parameters.get("outputDimensionality") or dimensions
        )
        for instance in given
    ]
    return {
        "predictions": predictions,
        "metadata": {"billableCharacterCount": sum(len(instance["content"]) for instance in given)},
    }


def instance_answer(
    instance: Any, *, model: str, dimensions: int, further: bool = False
) -> dict[str, Any]:
    """The prediction for one instance. `further` names are let through, as in a batch."""
    fields: Mapping[str, Any] = (
        cast("dict[str, Any]", instance) if isinstance(instance, dict) else {}
    )
    content = fields.get("content")
    if not isinstance(content, str) or not content:
        raise Refused(400, "The text content is empty.")
    unknown = [name for name in fields if name not in _INSTANCE]
    if unknown and not further:
        raise Refused(400, f"Invalid instance: unknown name {unknown[0]!r}.")
    _task(fields.get("task_type") or fields.get("taskType"))
    return {
        "embeddings": {
            "statistics": {"token_count": _tokens(content), "truncated": False},
            "values": expected_embedding(content, model, _size(None, dimensions)),
        }
    }


def _size(given: Any, default: int) -> int:
    size = default if given is None else given
    if not isinstance(size, int) or not 1 <= size <= 3072:
        raise Refused(400, "Invalid output_dimensionality: it is from 1 to 3072.")
    return size


def _task(given: Any) -> None:
    if given not in (None, "") and given not in _TASKS:
        raise Refused(400, f"Unsupported task type: {given}.")


def _tokens(text: str) -> int:
    return max(1, (len(text) + 3) // 4)
