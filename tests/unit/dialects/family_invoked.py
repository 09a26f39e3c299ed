"""InvokeModel's bodies: open models by OpenAI's types, Llama, Mistral and DeepSeek by schemas."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from tests.unit.dialects.bodies import JSON
from tests.unit.dialects.families import Family, Heard, called, only
from tests.unit.dialects.invoked_schemas import (
    Turns,
    sent_to_llama,
    sent_to_mistral,
    sent_to_r1,
    turns_of_llama,
    turns_of_mistral,
    turns_of_r1,
)
from tests.unit.dialects.strict_types import strict

from batchway.dialects.deepseek.dialect import DeepSeekDialect
from batchway.dialects.llama.dialect import LlamaDialect
from batchway.dialects.mistral.chat_dialect import MistralChatDialect
from batchway.dialects.mistral.prompt_dialect import MistralPromptDialect
from batchway.dialects.openai.open_dialect import OpenModelDialect

_check: Final = strict(CompletionCreateParamsNonStreaming)


def sent_to_open_models(body: JSON) -> None:
    """What OpenAI's types say of a body, which names no model and asks for no stream."""
    assert not {"model", "stream", "functions", "function_call"} & set(body)
    _check({"model": "in the address", **body})


def _chat_echo(body: JSON, *, ids: bool) -> tuple[Heard, JSON]:
    """What a model was told by messages, and an answer that repeats the last of it."""
    heard: Heard = []
    calls: list[JSON] = []
    for message in body["messages"]:
        content = message.get("content")
        if message["role"] == "tool":
            heard.append(("result", f"{message['tool_call_id'] if ids else ''} {content}"))
            continue
        if content:
            heard.append((message["role"], content))
        for call in message.get("tool_calls", ()):
            function = call["function"]
            arguments = json.loads(function["arguments"])
            given = call["id"] if ids else ""
            heard.append(("call", called(given, function["name"], arguments)))
            new = call["id"] if ids else f"call_r1_{len(calls)}"
            calls.append({"id": new, "type": "function", "function": function})
    message = {"role": "assistant", "content": heard[-1][1], "tool_calls": calls or None}
    reason = "tool_calls" if calls else "stop"
    answer = {
        "id": "chatcmpl-r1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 2},
        },
    }
    return heard, answer


def open_echo(body: JSON) -> tuple[Heard, JSON]:
    """With thoughts before the words."""
    heard, answer = _chat_echo(body, ids=True)
    answer["choices"][0]["message"]["content"] = f"<reasoning>Hm</reasoning>{heard[-1][1]}"
    return heard, answer


def mistral_echo(body: JSON) -> tuple[Heard, JSON]:
    """Ids are Mistral's own."""
    heard, answer = _chat_echo(body, ids=False)
    (choice,) = answer["choices"]
    choice["stop_reason"] = choice.pop("finish_reason")
    return heard, only(answer, "choices", "usage")


def _asked_nothing(body: JSON) -> tuple[Heard, JSON]:
    """The echo of models that take no functions: they have `PROMPTED` for it."""
    raise AssertionError(f"{len(body)} members of a body without functions")


OPEN: Final = Family(
    chats={
        "open, gpt-oss": OpenModelDialect(model="openai.gpt-oss-120b-1:0"),
        "open, vision": OpenModelDialect(model="qwen.qwen3-vl-235b-a22b"),
    },
    sent=sent_to_open_models,
    echo=open_echo,
    ids=True,
    mute={},
)
MISTRAL: Final = Family(
    chats={
        "mistral, chat": MistralChatDialect(model="mistral.mistral-large-2407-v1:0"),
        "mistral, pixtral": MistralChatDialect(model="us.mistral.pixtral-large-2502-v1:0"),
    },
    sent=sent_to_mistral,
    echo=mistral_echo,
    ids=False,
    mute={"mistral, prompt": MistralPromptDialect(model="mistral.mixtral-8x7b-instruct-v0:1")},
)
LLAMA: Final = Family(
    chats={},
    sent=sent_to_llama,
    echo=_asked_nothing,
    ids=False,
    mute={
        "llama 3": LlamaDialect(model="meta.llama3-8b-instruct-v1:0"),
        "llama 4": LlamaDialect(model="us.meta.llama4-scout-17b-instruct-v1:0"),
    },
)
R1: Final = Family(
    chats={},
    sent=sent_to_r1,
    echo=_asked_nothing,
    ids=False,
    mute={"deepseek r1": DeepSeekDialect(model="us.deepseek.r1-v1:0")},
)


def _words(text: str) -> JSON:
    return {"generation": text, "prompt_token_count": 9, "generation_token_count": 5}


def _outputs(text: str) -> JSON:
    return {"outputs": [{"text": f" {text}", "stop_reason": "stop"}]}


def _choices(text: str) -> JSON:
    return {"choices": [{"text": f"Hm</think>\n\n{text}", "stop_reason": "stop"}]}


# Models that are told a prompt: how it is read back, and how an answer says a text.
PROMPTED: Final[Mapping[str, tuple[Callable[[str], Turns], Callable[[str], dict[str, Any]]]]] = {
    "llama 3": (turns_of_llama, _words),
    "llama 4": (turns_of_llama, _words),
    "mistral, prompt": (turns_of_mistral, _outputs),
    "deepseek r1": (turns_of_r1, _choices),
}
