"""Claude: the types of Anthropic's SDK, and an echo."""

from typing import Any, Final

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from tests.unit.dialects.bodies import JSON
from tests.unit.dialects.families import Family, Heard, called, only
from tests.unit.dialects.strict_types import strict

from batchway.dialects.anthropic.dialect import BEDROCK, AnthropicDialect

_check: Final = strict(MessageCreateParamsNonStreaming)


def sent_to_claude(body: JSON) -> None:
    """What the SDK's types say; the API of 2023 takes sampling, which those of 2026 have not."""
    fields = {"model": "in the address", **body}
    fields.pop("anthropic_version", None)
    assert fields.pop("anthropic_beta", ["effort-2025-11-24"]) == ["effort-2025-11-24"]
    for name in ("temperature", "top_p"):
        sampling: Any = fields.pop(name, 0)
        assert 0 <= sampling <= 1
    _check(fields)


def claude_echo(body: JSON) -> tuple[Heard, JSON]:
    """What Claude was told, and an answer that repeats the last of it."""
    heard: Heard = []
    if "system" in body:
        heard.append(("system", body["system"]))
    calls: list[JSON] = []
    for turn in body["messages"]:
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            match block["type"]:
                case "text":
                    heard.append((turn["role"], block["text"]))
                case "tool_use":
                    calls.append(block)
                    heard.append(("call", called(block["id"], block["name"], block["input"])))
                case _:
                    heard.append(("result", f"{block['tool_use_id']} {block['content']}"))
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [
            {"type": "text", "text": heard[-1][1]},
            *({"type": "tool_use", **only(call, "id", "name", "input")} for call in calls),
        ],
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 5, "cache_read_input_tokens": 2},
    }
    return heard, answer


ANTHROPIC: Final = Family(
    chats={
        "claude 4.5": AnthropicDialect(model="claude-sonnet-4-5"),
        "claude 4.5, bedrock": AnthropicDialect(
            model="us.anthropic.claude-opus-4-5-20251101-v1:0", version=BEDROCK
        ),
        "claude 4.6, own API": AnthropicDialect(model="claude-opus-4-6", version=None, urls=True),
    },
    sent=sent_to_claude,
    echo=claude_echo,
    ids=True,
    mute={},
)
