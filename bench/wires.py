"""Lines of about 1 KB on each wire, and what providers answer: `bench.dialects`, `bench.clouds`.

Three kinds of chat in turn (plain, with two tools, with a schema to keep to), and texts to embed.
All differ in length and words; the same seed gives the same bytes. Tools and schema are the same in
all, as in most batches. Answers are as the vendors' pages and captures have them, with the fields
that a dialect passes over. Owns no measuring.
"""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from bench.inputs import SENTENCES, SYSTEM, written

MODEL: Final = "bench-model"
KINDS: Final = ("plain", "tools", "schema")
_NUMBERS: Final = 768
_LARGE: Final = 1_024
_VERSION: Final = 1  # part of the file's name: raise it when the lines change, or caches lie

_TOOLS: Final = (
    {
        "name": "open_ticket",
        "description": "Open a ticket for the team that owns the product area.",
        "parameters": {
            "type": "object",
            "properties": {
                "area": {"type": "string", "enum": ["billing", "import", "login", "search"]},
                "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
                "summary": {"type": "string"},
            },
            "required": ["area", "urgency", "summary"],
        },
    },
    {
        "name": "find_customer",
        "description": "Find a customer by name or by number.",
        "parameters": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "number": {"type": "integer"}},
        },
    },
)
_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "area": {"type": "string", "enum": ["billing", "import", "login", "search"]},
        "urgency": {"type": "integer", "description": "From 1, can wait, to 5, now."},
        "summary": {"type": "string"},
        "missing": {"type": "array", "items": {"type": "string"}},
        "customer": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "seats": {"type": "integer"}},
            "required": ["name", "seats"],
            "additionalProperties": False,
        },
    },
    "required": ["area", "urgency", "summary", "missing", "customer"],
    "additionalProperties": False,
}


def chat_bodies(count: int, *, seed: int = 0) -> list[bytes]:
    """Bodies of chat lines, the three kinds in turn."""
    return [_json(_chat(dice, index)) for index, dice in _dices(count, seed)]


def plain_bodies(count: int, *, seed: int = 0) -> list[bytes]:
    """Bodies of chat lines that are all plain, for models that are given a prompt and no more."""
    return [_json(_chat(dice, 0)) for _, dice in _dices(count, seed)]


def unbound_bodies(count: int, *, seed: int = 0) -> list[bytes]:
    """Plain ones and those with tools in turn, for models that are bound to no schema."""
    return [_json(_chat(dice, index % 2)) for index, dice in _dices(count, seed)]


def mixed_file(count: int, *, model: str) -> Path:
    """The path of a batch file of `count` such lines, written the first time it is asked for.

    Each names its `user`, too: a parameter that is left out with a warning in its answer.
    """

    def lines() -> Iterator[bytes]:
        for index, dice in _dices(count, 0):
            line = {"custom_id": f"request-{index:07d}", "method": "POST"}
            body = {**_chat(dice, index), "model": model, "user": f"user-{index % 1_000}"}
            yield _json({**line, "url": "/v1/chat/completions", "body": body}) + b"\n"

    return written(f"mixed-{count}-{model}-v{_VERSION}", lines())


def responses_bodies(count: int, *, seed: int = 0) -> list[bytes]:
    """The same lines as `/v1/responses` has them."""
    return [_json(_response(_chat(dice, index))) for index, dice in _dices(count, seed)]


def embeddings_bodies(
    count: int, *, seed: int = 0, base64: bool = False, numbers: int = _NUMBERS
) -> list[bytes]:
    """Bodies of embeddings lines with one text of about 1 KB."""
    form = {"encoding_format": "base64"} if base64 else {}
    return [
        _json({"model": MODEL, "input": _words(dice, 15), "dimensions": numbers, **form})
        for _, dice in _dices(count, seed)
    ]


def large_embeddings_bodies(count: int, *, seed: int = 0) -> list[bytes]:
    """The same for models whose vectors have 1,024 numbers."""
    return embeddings_bodies(count, seed=seed, numbers=_LARGE)


def answers(wire: str, count: int, *, seed: int = 0) -> list[bytes]:
    """What a provider with this wire answers to the lines of the same number, seed and kind."""
    make = _WIRES[wire]
    return [_json(make(index, dice)) for index, dice in _dices(count, seed)]


def _dices(count: int, seed: int) -> Iterator[tuple[int, random.Random]]:
    for index in range(count):
        yield index, random.Random(f"{seed}/{index}")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _words(dice: random.Random, sentences: int) -> str:
    return " ".join(dice.choices(SENTENCES, k=sentences))


def _kind(index: int) -> str:
    return KINDS[index % len(KINDS)]


# --------------------------------------------------------------------------- lines


def _chat(dice: random.Random, index: int) -> dict[str, Any]:
    kind = _kind(index)
    sentences = dice.randint(7, 9) if kind == "plain" else dice.randint(1, 2)
    system = SYSTEM if kind == "plain" else SYSTEM[:100]
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": f"Case {dice.randrange(10**9):09d}. "},
        ],
        "max_tokens": 64 + index % 4 * 64,
        "temperature": 0.2,
    }
    body["messages"][1]["content"] += _words(dice, sentences)
    if kind == "tools":
        body["tools"] = [{"type": "function", "function": tool} for tool in _TOOLS]
        body["tool_choice"] = "auto"
    if kind == "schema":
        schema = {"name": "triage", "strict": True, "schema": _SCHEMA}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _response(chat: dict[str, Any]) -> dict[str, Any]:
    system, user = chat["messages"]
    body: dict[str, Any] = {
        "model": MODEL,
        "instructions": system["content"],
        "input": [{"role": "user", "content": user["content"]}],
        "max_output_tokens": chat["max_tokens"],
        "temperature": chat["temperature"],
    }
    if "tools" in chat:
        body["tools"] = [{"type": "function", "strict": False, **tool} for tool in _TOOLS]
        body["tool_choice"] = "auto"
    if "response_format" in chat:
        form = chat["response_format"]["json_schema"]
        body["text"] = {"format": {"type": "json_schema", **form}}
    return body


# --------------------------------------------------------------------------- answers


def _said(index: int, dice: random.Random) -> str:
    """The words of an answer, where it has any."""
    if _kind(index) == "plain":
        return _words(dice, 6)
    return json.dumps(
        {
            "area": "import",
            "urgency": dice.randint(1, 5),
            "summary": _words(dice, 4),
            "missing": ["file size", "browser"],
            "customer": {"name": "Zoë Müller", "seats": dice.randint(1, 500)},
        },
        ensure_ascii=False,
    )


def _arguments(dice: random.Random) -> dict[str, Any]:
    return {"area": "billing", "urgency": dice.randint(1, 5), "summary": _words(dice, 4)}


def _gemini(index: int, dice: random.Random) -> dict[str, Any]:
    part: dict[str, Any] = {"text": _said(index, dice)}
    if _kind(index) == "tools":
        part = {"functionCall": {"name": "open_ticket", "args": _arguments(dice)}}
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": [part]},
                "finishReason": "STOP",
                "avgLogprobs": -dice.random(),
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 240,
            "candidatesTokenCount": 120,
            "thoughtsTokenCount": 40,
            "totalTokenCount": 400,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 240}],
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 120}],
        },
        "modelVersion": "gemini-2.5-flash",
        "createTime": "2026-11-01T18:13:16.826166Z",
        "responseId": f"hJ{dice.randrange(10**15):015d}",
    }


def _anthropic(index: int, dice: random.Random) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": _said(index, dice)}
    if _kind(index) == "tools":
        block = {
            "type": "tool_use",
            "id": f"toolu_vrtx_{dice.randrange(10**15):015d}",
            "name": "open_ticket",
            "input": _arguments(dice),
        }
    return {
        "id": f"msg_vrtx_{dice.randrange(10**15):015d}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [block],
        "stop_reason": "tool_use" if block["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 240,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 120,
        },
    }


def _openai(index: int, dice: random.Random) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _said(index, dice), "refusal": None}
    if _kind(index) == "tools":
        called = {"name": "open_ticket", "arguments": json.dumps(_arguments(dice))}
        call = {"id": f"call_{dice.randrange(10**15):015d}", "type": "function"}
        message["content"] = None
        message["tool_calls"] = [{**call, "function": called}]
    return {
        "id": f"chatcmpl-{dice.randrange(10**15):015d}",
        "object": "chat.completion",
        "created": 1_793_500_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 240,
            "completion_tokens": 120,
            "total_tokens": 360,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _blocks(index: int, dice: random.Random) -> list[dict[str, Any]]:
    if _kind(index) == "tools":
        called = {"name": "open_ticket", "input": _arguments(dice)}
        return [{"toolUse": {"toolUseId": f"tooluse_{dice.randrange(10**15):015d}", **called}}]
    return [{"text": _said(index, dice)}]


def _converse(index: int, dice: random.Random) -> dict[str, Any]:
    return {
        "metrics": {"latencyMs": dice.randint(400, 4_000)},
        "output": {"message": {"content": _blocks(index, dice), "role": "assistant"}},
        "stopReason": "tool_use" if _kind(index) == "tools" else "end_turn",
        "usage": {
            "cacheReadInputTokens": 0,
            "cacheWriteInputTokens": 0,
            "inputTokens": 240,
            "outputTokens": 120,
            "totalTokens": 360,
        },
    }


def _llama(_index: int, dice: random.Random) -> dict[str, Any]:
    return {
        "generation": _words(dice, 6),
        "prompt_token_count": 240,
        "generation_token_count": 120,
        "stop_reason": "stop",
    }


def _mistral(_index: int, dice: random.Random) -> dict[str, Any]:
    return {"outputs": [{"text": _words(dice, 6), "stop_reason": "stop"}]}


def _deepseek(_index: int, dice: random.Random) -> dict[str, Any]:
    text = f"{_words(dice, 3)}\n</think>\n\n{_words(dice, 3)}"
    return {"choices": [{"text": text, "stop_reason": "stop"}]}


def _vector(dice: random.Random, numbers: int = _NUMBERS) -> list[float]:
    return [float(f"{dice.gauss(0, 0.036):.9g}") for _ in range(numbers)]


def _titan(_index: int, dice: random.Random) -> dict[str, Any]:
    vector = _vector(dice, _LARGE)
    return {
        "embedding": vector,
        "embeddingsByType": {"float": vector},
        "inputTextTokenCount": 240,
    }


def _cohere(_index: int, dice: random.Random) -> dict[str, Any]:
    return {
        "embeddings": {"float": [_vector(dice, _LARGE)]},
        "id": f"5c0c1b2e-{dice.randrange(10**12):012d}",
        "response_type": "embeddings_by_type",
        "texts": [_words(dice, 15).lower()],
    }


def _nova(_index: int, dice: random.Random) -> dict[str, Any]:
    return {"embeddings": [{"embeddingType": "TEXT", "embedding": _vector(dice, _LARGE)}]}


def _embedding(index: int, dice: random.Random) -> dict[str, Any]:
    return {"embedding": {"values": _vector(dice)}, "usageMetadata": {"promptTokenCount": 240}}


def _predictions(index: int, dice: random.Random) -> dict[str, Any]:
    statistics = {"token_count": 240, "truncated": False}
    return {"predictions": [{"embeddings": {"statistics": statistics, "values": _vector(dice)}}]}


_WIRES: Final[dict[str, Callable[[int, random.Random], dict[str, Any]]]] = {
    "openai": _openai,
    "gemini": _gemini,
    "anthropic": _anthropic,
    "embedding": _embedding,
    "predictions": _predictions,
    "converse": _converse,
    "llama": _llama,
    "mistral": _mistral,
    "deepseek": _deepseek,
    "titan": _titan,
    "cohere": _cohere,
    "nova embedding": _nova,
}
