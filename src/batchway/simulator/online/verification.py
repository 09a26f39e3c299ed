"""Whether a response is the right answer to its own request: what the journeys and chaos tests ask.

Owns the comparison. It reads every text, vector, score, finish reason and token count, and leaves
alone what the simulator does not derive from the request (ids, times, further members), so that it
holds for a response that passed through a gateway.
"""

import base64
import binascii
import struct
from collections.abc import Mapping
from typing import Any, Final, assert_never, cast

from batchway.simulator.online.answers import (
    DEFAULT_DIMENSIONS,
    Answer,
    answer,
    expected_embedding,
    expected_moderation,
    model_of,
)
from batchway.simulator.online.endpoints import Endpoint, endpoint_named

# Base64 vectors went through 32-bit floats, which hold about seven digits.
_TOLERANCE: Final = 1e-6


def verify(
    endpoint: str,
    request_body: Mapping[str, Any],
    response_body: object,
    *,
    model: str | None = None,
) -> str | None:
    """Return None for the right answer, else one sentence saying what differs.

    `model` is the upstream model where a route or an Azure deployment renamed the body's own.

    Raises:
        ValueError: the endpoint is not one of the simulator's.
    """
    known = endpoint_named(endpoint)
    upstream = model or model_of(known, request_body)
    right = answer(known, request_body, model=upstream)
    if not isinstance(response_body, Mapping):
        return f"The response is not an object but {_short(response_body)}."
    response = cast("Mapping[str, Any]", response_body)
    if response.get("error") is not None:
        return f"The response is an error: {response['error']!r}."
    try:
        expected, got = _compared(known, right, request_body, response, upstream)
    except (KeyError, IndexError, TypeError, ValueError, binascii.Error, struct.error) as error:
        return f"The response lacks the shape of {known} ({error!r})."
    for name, value in expected.items():
        if not _same(value, got[name]):
            return f"The {name} should be {_short(value)} and is {_short(got[name])}."
    return None


def _compared(
    endpoint: Endpoint,
    right: Answer,
    request: Mapping[str, Any],
    response: Mapping[str, Any],
    model: str,
) -> tuple[dict[str, Any], dict[str, Any]]:
    texts = [output.text for output in right.outputs]
    finishes = [output.finish for output in right.outputs]
    usage = response["usage"] if endpoint is not Endpoint.MODERATIONS else {}
    match endpoint:
        case Endpoint.CHAT | Endpoint.COMPLETIONS:
            choices = sorted(response["choices"], key=lambda choice: choice["index"])
            chat = endpoint is Endpoint.CHAT
            return (
                {
                    "text": texts,
                    "finish reason": finishes,
                    "prompt tokens": right.prompt_tokens,
                    "completion tokens": right.output_tokens,
                },
                {
                    "text": [
                        choice["message"]["content"] if chat else choice["text"]
                        for choice in choices
                    ],
                    "finish reason": [choice["finish_reason"] for choice in choices],
                    "prompt tokens": usage["prompt_tokens"],
                    "completion tokens": usage["completion_tokens"],
                },
            )
        case Endpoint.RESPONSES:
            return (
                {
                    "text": texts,
                    "status": "completed" if finishes == ["stop"] else "incomplete",
                    "input tokens": right.prompt_tokens,
                    "output tokens": right.output_tokens,
                },
                {
                    "text": [
                        part["text"]
                        for item in response["output"]
                        if item["type"] == "message"
                        for part in item["content"]
                    ],
                    "status": response["status"],
                    "input tokens": usage["input_tokens"],
                    "output tokens": usage["output_tokens"],
                },
            )
        case Endpoint.EMBEDDINGS:
            dimensions = request.get("dimensions") or DEFAULT_DIMENSIONS
            items = sorted(response["data"], key=lambda item: item["index"])
            return (
                {
                    "vectors": [
                        expected_embedding(prompt.text, model, dimensions)
                        for prompt in right.prompts
                    ],
                    "prompt tokens": right.prompt_tokens,
                },
                {
                    "vectors": [_vector(item["embedding"]) for item in items],
                    "prompt tokens": usage["prompt_tokens"],
                },
            )
        case Endpoint.MODERATIONS:
            return (
                {"results": [expected_moderation(prompt.text, model) for prompt in right.prompts]},
                {"results": response["results"]},
            )
        case _:
            assert_never(endpoint)


def _vector(embedding: object) -> list[float]:
    if isinstance(embedding, str):
        raw = base64.b64decode(embedding, validate=True)
        return list(struct.unpack(f"<{len(raw) // 4}f", raw))
    return [float(number) for number in cast("list[float]", embedding)]


def _same(expected: object, got: object) -> bool:
    if isinstance(expected, float) and isinstance(got, float | int):
        return abs(expected - got) <= _TOLERANCE
    if isinstance(expected, list) and isinstance(got, list):
        mine, theirs = cast("list[object]", expected), cast("list[object]", got)
        return len(mine) == len(theirs) and all(map(_same, mine, theirs))
    return expected == got


def _short(value: object) -> str:
    # The digest comes first in a text, so its beginning tells whose answer it is.
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
