"""The JSON of successful answers, in OpenAI's shapes.

Owns member names and their order. The content comes from `answers`; ids and the time are given.
Source: https://github.com/openai/openai-openapi
"""

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from batchway.simulator.online.answers import (
    DEFAULT_DIMENSIONS,
    Answer,
    Output,
    expected_embedding,
    expected_moderation,
)
from batchway.simulator.online.endpoints import Endpoint


def render(
    endpoint: Endpoint,
    answer: Answer,
    *,
    body: Mapping[str, Any],
    model: str,
    unique: str,
    created: int,
) -> dict[str, Any]:
    """The whole response body; `unique` is 32 hex digits that make its ids."""
    match endpoint:
        case Endpoint.CHAT:
            return _chat(answer, model, unique, created)
        case Endpoint.COMPLETIONS:
            return _completion(answer, model, unique, created)
        case Endpoint.RESPONSES:
            return _response(answer, body, model, unique, created)
        case Endpoint.EMBEDDINGS:
            return _embeddings(answer, body, model)
        case Endpoint.MODERATIONS:
            return {
                "id": f"modr-{unique}",
                "model": model,
                "results": [expected_moderation(prompt.text, model) for prompt in answer.prompts],
            }
        case _:
            assert_never(endpoint)


def models(names: Sequence[str]) -> dict[str, Any]:
    """The list of models."""
    return {"object": "list", "data": [model(name) for name in names]}


def model(name: str) -> dict[str, Any]:
    """One model."""
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "batchway"}


def _chat(answer: Answer, model: str, unique: str, created: int) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{unique}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": index,
                "message": {
                    "role": "assistant",
                    "content": output.text,
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": output.finish,
            }
            for index, output in enumerate(answer.outputs)
        ],
        "usage": {
            **_usage(answer),
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def _completion(answer: Answer, model: str, unique: str, created: int) -> dict[str, Any]:
    return {
        "id": f"cmpl-{unique}",
        "object": "text_completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "text": output.text,
                "index": index,
                "logprobs": None,
                "finish_reason": output.finish,
            }
            for index, output in enumerate(answer.outputs)
        ],
        "usage": _usage(answer),
    }


def _response(
    answer: Answer, body: Mapping[str, Any], model: str, unique: str, created: int
) -> dict[str, Any]:
    output = answer.outputs[0]
    cut = output.finish == "length"
    return {
        "id": f"resp_{unique}",
        "object": "response",
        "created_at": created,
        "status": "incomplete" if cut else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": model,
        "output": [_message(output, unique)],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": bool(body.get("store", True)),
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": {
            "input_tokens": answer.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.prompt_tokens + answer.output_tokens,
        },
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _message(output: Output, unique: str) -> dict[str, Any]:
    return {
        "id": f"msg_{unique}",
        "type": "message",
        "status": "completed" if output.finish == "stop" else "incomplete",
        "content": [
            {"type": "output_text", "annotations": [], "logprobs": [], "text": output.text}
        ],
        "role": "assistant",
    }


def _embeddings(answer: Answer, body: Mapping[str, Any], model: str) -> dict[str, Any]:
    dimensions = body.get("dimensions") or DEFAULT_DIMENSIONS
    packed = body.get("encoding_format") == "base64"
    data: list[dict[str, Any]] = []
    for index, prompt in enumerate(answer.prompts):
        vector = expected_embedding(prompt.text, model, dimensions)
        data.append(
            {
                "object": "embedding",
                "index": index,
                # Little-endian 32-bit floats: what the official SDKs ask for unless told otherwise.
                "embedding": base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
                if packed
                else vector,
            }
        )
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": answer.prompt_tokens, "total_tokens": answer.prompt_tokens},
    }


def _usage(answer: Answer) -> dict[str, int]:
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.prompt_tokens + answer.output_tokens,
    }
