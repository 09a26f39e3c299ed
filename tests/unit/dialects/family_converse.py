"""Converse and Amazon Nova's own body: botocore's model, a schema of Nova's pages, and an echo."""

from typing import Final

from tests.unit.dialects.bodies import JSON
from tests.unit.dialects.converse_shapes import sent_to_converse
from tests.unit.dialects.families import Family, Heard, called
from tests.unit.dialects.nova_schema import sent_to_nova

from batchway.dialects.converse.dialect import ConverseDialect, NovaDialect

_OPEN_MODEL: Final = "qwen.qwen3-vl-235b-a22b"


def converse_echo(body: JSON) -> tuple[Heard, JSON]:
    """What the model was told, and an answer that repeats the last of it."""
    heard = [("system", block["text"]) for block in body.get("system", ())]
    calls: list[JSON] = []
    for turn in body["messages"]:
        for block in turn["content"]:
            if "text" in block:
                heard.append((turn["role"], block["text"]))
            elif "toolUse" in block:
                call = block["toolUse"]
                calls.append(block)
                heard.append(("call", called(call["toolUseId"], call["name"], call["input"])))
            else:
                result = block["toolResult"]
                (said,) = result["content"]
                heard.append(("result", f"{result['toolUseId']} {said['text']}"))
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": heard[-1][1]}, *calls]}},
        "stopReason": "tool_use" if calls else "end_turn",
        "usage": {
            "inputTokens": 7,
            "outputTokens": 5,
            "totalTokens": 14,
            "cacheReadInputTokens": 2,
            "cacheWriteInputTokens": 0,
        },
        "metrics": {"latencyMs": 1},
    }
    return heard, answer


CONVERSE: Final = Family(
    chats={
        "converse, open model": ConverseDialect(model=_OPEN_MODEL, batch=False),
        "converse, claude": ConverseDialect(
            model="us.anthropic.claude-sonnet-4-5-20250929-v1:0", batch=False
        ),
        "converse, nova": ConverseDialect(model="us.amazon.nova-2-lite-v1:0", batch=False),
    },
    sent=sent_to_converse,
    echo=converse_echo,
    ids=True,
    mute={"converse, batch": ConverseDialect(model=_OPEN_MODEL, batch=True)},
)
NOVA: Final = Family(
    chats={
        "nova": NovaDialect(model="amazon.nova-pro-v1:0"),
        "nova 2": NovaDialect(model="us.amazon.nova-2-lite-v1:0"),
    },
    sent=sent_to_nova,
    echo=converse_echo,
    ids=True,
    mute={},
)
