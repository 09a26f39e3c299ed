"""Claude on somebody's platform: Anthropic's Messages with an `anthropic_version` in the body.

Owns what is refused, in Anthropic's words, and the JSON of the answer; not how a platform wraps a
refusal, which fields and versions it knows (`House`), or where the model is named. Marks in the
prompt, as for Gemini: `[[fake:refusal]]`, `[[fake:pause]]`, `[[fake:call]]`, `[[fake:calls]]`,
`[[fake:cite]]`, `[[fake:cached]]`.
Sources: https://docs.anthropic.com/en/api/messages,
https://platform.claude.com/docs/en/api/versioning.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from batchway.simulator.languages.instances import instance
from batchway.simulator.languages.prompts import of_claude
from batchway.simulator.online.answers import Answer, Output, answer
from batchway.simulator.online.endpoints import Endpoint


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The version that drops sampling, which Anthropic's SDKs send since their 2.0.
_NEWER: Final = "2026-10-21"
_SAMPLING: Final = ("temperature", "top_p", "top_k")


class Unfit(Exception):
    """A 400; `str` of it is Anthropic's message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A platform that Claude runs on.

    `ids` is what its ids have between `msg_` and their digits.
    """

    name: str
    ids: str
    versions: frozenset[str]
    fields: frozenset[str]
    refuses: Mapping[str, str] = field(default_factory=dict[str, str])


_BLOCKS: Final = _names(
    "text image document tool_use tool_result thinking redacted_thinking "
    "search_result server_tool_use web_search_tool_result"
)


def check(body: object, house: House) -> dict[str, Any]:
    """The body, when it is fit to be answered. Raises `Unfit`."""
    if not isinstance(body, dict):
        raise Unfit("The request body is not valid JSON.")
    fields = cast("dict[str, Any]", body)
    if fields.get("anthropic_version") is None:
        raise Unfit("anthropic_version: Field required")
    version = fields["anthropic_version"]
    if version not in house.versions:
        raise Unfit(f'anthropic_version: "{version}" is not a valid version')
    for name in fields:
        if name not in house.fields or (version == _NEWER and name in _SAMPLING):
            raise Unfit(f"{name}: Extra inputs are not permitted")
        if name in house.refuses and fields[name]:
            raise Unfit(house.refuses[name])
    tokens = fields.get("max_tokens")
    if tokens is None:
        raise Unfit("max_tokens: Field required")
    if not isinstance(tokens, int) or tokens < 1:
        raise Unfit("max_tokens: Input should be greater than or equal to 1")
    _sampling(fields)
    _messages(fields.get("messages"), house, newer=version == _NEWER)
    _tools(fields)
    thinking = fields.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < 1024:
            raise Unfit(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
            )
        if budget >= tokens:
            raise Unfit("`max_tokens` must be greater than `thinking.budget_tokens`.")
    return fields


def worked_out(body: Mapping[str, Any], *, model: str) -> Answer:
    """The simulator's answer to a checked body."""
    asked = {"messages": of_claude(body), "max_tokens": body.get("max_tokens")}
    return answer(Endpoint.CHAT, asked, model=model)


def message(body: Mapping[str, Any], *, model: str, worked: Answer, house: House) -> dict[str, Any]:
    """The answer to a checked body."""
    prompt, output = worked.prompts[0].text, worked.outputs[0]
    content, reason, stop = _content(body, prompt, output, worked.digest, house)
    if (body.get("thinking") or {}).get("type") in ("enabled", "adaptive"):
        content.insert(
            0,
            {
                "type": "thinking",
                "thinking": f"Thinking of {worked.digest}.",
                "signature": "c2lnbmVk",
            },
        )
    cached = worked.prompt_tokens // 2 if "[[fake:cached]]" in prompt else 0
    return {
        "model": model,
        "id": f"msg_{house.ids}_{worked.digest}",
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": stop,
        "usage": {
            "input_tokens": worked.prompt_tokens - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": output.tokens,
        },
    }


def _content(
    body: Mapping[str, Any], prompt: str, output: Output, digest: str, house: House
) -> tuple[list[dict[str, Any]], str, str | None]:
    """The blocks, why they end and at which stop sequence."""
    if "[[fake:refusal]]" in prompt:
        return [], "refusal", None
    number = int(digest[:4], 16)
    tools = body.get("tools") or []
    choice = body.get("tool_choice") or {}
    forced = choice.get("type") in ("any", "tool")
    if tools and choice.get("type") != "none" and (forced or "[[fake:call" in prompt):
        fit = [tool for tool in tools if choice.get("name") in (None, tool["name"])]
        count = 2 if "[[fake:calls]]" in prompt else 1
        if choice.get("disable_parallel_tool_use"):
            count = 1
        blocks: list[dict[str, Any]] = []
        for index in range(count):
            tool = fit[(number + index) % len(fit)]
            given = instance(tool["input_schema"], text=digest, number=number + index)
            blocks.append(
                {
                    "type": "tool_use",
                    "id": f"toolu_{house.ids}_{digest}{index}",
                    "name": tool["name"],
                    "input": given,
                }
            )
        return blocks, "tool_use", None
    text = output.text
    reason = "max_tokens" if output.finish == "length" else "end_turn"
    form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    if form.get("type") == "json_schema":
        text = json.dumps(instance(form["schema"], text=digest, number=number), ensure_ascii=False)
    for stop in body.get("stop_sequences") or []:
        if stop in text:
            return [{"type": "text", "text": text.partition(stop)[0]}], "stop_sequence", stop
    block: dict[str, Any] = {"type": "text", "text": text}
    if "[[fake:cite]]" in prompt:
        block["citations"] = [
            {
                "type": "web_search_result_location",
                "url": "https://example.com/source",
                "title": "A source",
                "cited_text": text[:10],
                "encrypted_index": "Zm9v",
            }
        ]
    if "[[fake:pause]]" in prompt:
        reason = "pause_turn"
    return [block], reason, None


def _sampling(fields: Mapping[str, Any]) -> None:
    temperature = fields.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise Unfit("temperature: range: 0..1")
    if not all(str(stop).strip() for stop in fields.get("stop_sequences") or []):
        raise Unfit("stop_sequences: each stop sequence must contain non-whitespace")


def _messages(messages: Any, house: House, *, newer: bool) -> None:
    if messages is None:
        raise Unfit("messages: Field required")
    if not isinstance(messages, list) or not messages:
        raise Unfit("messages: at least one message is required")
    open_calls: set[str] = set()
    for index, given in enumerate(cast("list[Any]", messages)):
        place = f"messages.{index}"
        if not isinstance(given, dict):
            raise Unfit(f"{place}: Input should be an object")
        message = cast("dict[str, Any]", given)
        if message.get("role") not in ("user", "assistant"):
            raise Unfit(f"{place}.role: Input should be 'user' or 'assistant'")
        for name in message:
            if name not in ("role", "content"):
                raise Unfit(f"{place}.{name}: Extra inputs are not permitted")
        blocks = _blocks(message.get("content"), place)
        results = {block.get("tool_use_id") for block in blocks if _type(block) == "tool_result"}
        if open_calls - results:
            raise Unfit(
                f"{place}: `tool_use` ids were found without `tool_result` blocks immediately "
                f"after: {', '.join(sorted(open_calls - results))}."
            )
        if results - open_calls:
            raise Unfit(
                f"{place}: unexpected `tool_use_id` found in `tool_result` blocks; each needs a "
                "corresponding `tool_use` block in the previous message."
            )
        for number, block in enumerate(blocks):
            _block(block, f"{place}.content.{number}", house)
            if newer:
                _newer(block, message["role"], f"{place}.content.{number}")
        open_calls = {block["id"] for block in blocks if _type(block) == "tool_use"}


def _blocks(content: Any, place: str) -> list[Any]:
    if isinstance(content, list):
        return cast("list[Any]", content)
    if not isinstance(content, str):
        raise Unfit(f"{place}.content: Input should be a valid list")
    if not content.strip():
        raise Unfit(f"{place}: text content blocks must be non-empty")
    return []


def _block(block: Any, place: str, house: House) -> None:
    kind = _type(block)
    if kind not in _BLOCKS:
        raise Unfit(f"{place}: Input tag '{kind}' found using 'type' does not match any tag")
    if kind == "text" and not str(block.get("text", "")).strip():
        raise Unfit(f"{place}: text content blocks must be non-empty")
    if kind in ("image", "document") and (block.get("source") or {}).get("type") == "url":
        raise Unfit(f"{place}.source: URL sources are not supported on {house.name}")


def _newer(block: Any, role: str, place: str) -> None:
    """What the version of 2026-10-21 refuses."""
    if role == "assistant" and _type(block) == "document":
        raise Unfit(f"{place}: `document` blocks are not permitted in `assistant` messages")
    if role == "user" and _type(block) == "text" and block.get("citations"):
        raise Unfit(f"{place}.citations: Extra inputs are not permitted")


def _tools(fields: Mapping[str, Any]) -> None:
    tools: Any = fields.get("tools") or []
    names = {tool.get("name") for tool in tools}
    for index, tool in enumerate(tools):
        if tool.get("type") in (None, "custom"):
            schema = tool.get("input_schema")
            if not isinstance(schema, dict):
                raise Unfit(f"tools.{index}.custom.input_schema: Field required")
            if cast("dict[str, Any]", schema).get("type") != "object":
                raise Unfit(f"tools.{index}.custom.input_schema.type: Field required")
    choice = fields.get("tool_choice") or {}
    if choice and not tools and choice.get("type") != "none":
        raise Unfit("tool_choice may only be specified while providing tools")
    if choice.get("type") == "tool" and choice.get("name") not in names:
        raise Unfit(f"tool_choice.name: there is no tool '{choice.get('name')}'")


def _type(block: Any) -> str:
    return str(block.get("type", "")) if isinstance(block, dict) else ""
