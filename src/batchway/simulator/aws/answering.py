"""What a family makes of a body: the answer, whose it is, and what it counts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchway.simulator.languages.instances import instance
from batchway.simulator.online.answers import Answer, Output, answer
from batchway.simulator.online.endpoints import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A body that was answered. `digest` tells whose the answer is."""

    response: dict[str, Any]
    digest: str
    input_tokens: int
    output_tokens: int = 0


def chat(messages: list[Any], *, model: str, cap: int | None) -> Answer:
    """The simulator's answer to messages of OpenAI's."""
    return answer(Endpoint.CHAT, {"messages": messages, "max_tokens": cap}, model=model)


def calls(
    schemas: Mapping[str, Mapping[str, Any]], worked: Answer, *, forced: bool, name: str | None
) -> list[tuple[str, Any]]:
    """The tools that the model calls, with their arguments: none, unless it has to or is marked.

    Marks in the prompt: `[[fake:call]]`, `[[fake:calls]]`.
    """
    prompt = worked.prompts[0].text
    if not schemas or not (forced or "[[fake:call" in prompt):
        return []
    fit = [tool for tool in schemas if name in (None, tool)]
    count = 2 if "[[fake:calls]]" in prompt else 1
    number = int(worked.digest[:4], 16)
    return [
        (tool, instance(schemas[tool], text=worked.digest, number=number + index))
        for index, tool in ((index, fit[(number + index) % len(fit)]) for index in range(count))
    ]


def held(schema: Mapping[str, Any], worked: Answer) -> str:
    """The text of an answer that a schema holds."""
    value = instance(schema, text=worked.digest, number=int(worked.digest[:4], 16))
    return json.dumps(value, ensure_ascii=False)


def ended(output: Output, stops: list[str]) -> tuple[str, str | None]:
    """The text up to the first of some stop sequences, and which one that was."""
    for stop in stops:
        if stop and stop in output.text:
            return output.text.partition(stop)[0], stop
    return output.text, None


def canned(family: str, text: str) -> dict[str, Any]:
    """The same answer to everything, in a family's words: where lines are not worked out."""
    blocks = {"role": "assistant", "content": [{"text": text}]}
    match family:
        case "anthropic":
            return {
                "id": "msg_bdrk_discarded",
                "type": "message",
                "role": "assistant",
                "model": "discarded",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
        case "nova" | "converse":
            usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
            return {"output": {"message": blocks}, "stopReason": "end_turn", "usage": usage}
        case "openai" | "mistral-chat":
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            return {"id": "discarded", "choices": [choice], "usage": usage}
        case "llama":
            counts = {"prompt_token_count": 1, "generation_token_count": 1}
            return {"generation": text, **counts, "stop_reason": "stop"}
        case _:
            return {"outputs": [{"text": text, "stop_reason": "stop"}]}
