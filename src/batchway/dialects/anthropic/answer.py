"""Claude's message as OpenAI's chat completion.

    text                  content; `url_citation` annotations where it cites pages of the web
    thinking              reasoning_content, where the platform shows it
    tool_use              tool_calls, or the one function_call of a line that has `functions`
    stop_reason: refusal  finish_reason content_filter, and why as the message's refusal
    usage                 prompt_tokens with what the cache held and took, thinking as reasoning

Blocks of tools that Anthropic runs itself are never asked for, and passed over; an answer with
blocks that are not known says that they are left out. Sources:
https://platform.claude.com/docs/en/api/messages/create,
https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons,
https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from batchway.dialects.answers.chat import (
    ODD_END,
    UNSHOWN,
    CalledFunction,
    Choice,
    Message,
    Spent,
    ToolCall,
    Warned,
    completion,
    count,
)
from batchway.dialects.tolerant_json import read_by, text_of
from batchway.ports.dialect import Result

_DECLINED: Final = "The model declined to answer."
# What is not shown, and calls of tools of Anthropic's and what they gave.
_PASSED_OVER: Final = frozenset({"redacted_thinking", "server_tool_use"})
_OF_TOOLS: Final = "_tool_result"
_FINISHES: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Citation(msgspec.Struct, gc=False):
    url: str | None = None
    title: str | None = None


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    citations: list[_Citation] | None = None


class _Details(msgspec.Struct, gc=False):
    category: str | None = None
    explanation: str | None = None


class _Output(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _Output | None = None


class Answer(msgspec.Struct, gc=False):
    """A message, or an object that is none: `content` is what every message has."""

    content: list[_Block] | None = None
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_details: _Details | None = None
    usage: _Usage | None = None


# Not strict: a count that passed through a platform's table may come back as 5.0, or as text.
_decode: Final = msgspec.json.Decoder(Answer, strict=False).decode


def read_answer(body: bytes) -> Answer | None:
    """The message that a body is; `None` where it is no object of that form."""
    return read_by(_decode, body)


def result_of(
    answer: Answer, *, model: str, legacy: bool, at: int, warnings: Sequence[Warned]
) -> Result:
    """The completion. `model` stands for one that is not named, `legacy` asks for function_call."""
    text = thought = ""
    unshown = False
    calls: list[ToolCall] = []
    annotations: list[Any] = []
    for block in answer.content or ():
        match block.type:
            case "text":
                annotations += _annotations(block, len(text))
                text += block.text
            case "thinking":
                thought += block.thinking
            case "tool_use":
                arguments = text_of(block.input)
                calls.append(ToolCall(block.id, CalledFunction(block.name, arguments)))
            case kind:
                unshown = unshown or not (kind in _PASSED_OVER or kind.endswith(_OF_TOOLS))
    reason = answer.stop_reason or ""
    told = [*warnings]
    if unshown:
        told.append(UNSHOWN)
    if reason and reason not in _FINISHES:
        told.append(ODD_END)
    finish = _FINISHES.get(reason, "tool_calls" if calls else "stop")
    refused = finish == "content_filter"
    single = calls[0].function if legacy and calls else None
    if single is not None and finish == "tool_calls":
        finish = "function_call"
    message = Message(
        content=text if text or not (calls or refused) else None,
        refusal=_refusal(answer.stop_details) if refused else None,
        tool_calls=calls if calls and single is None else UNSET,
        function_call=single or UNSET,
        annotations=annotations or UNSET,
        reasoning_content=thought or UNSET,
    )
    return completion(
        id=answer.id,
        created=at,
        model=answer.model or model,
        choices=[Choice(0, message, finish)],
        spent=_spent(answer.usage or _Usage()),
        warnings=told,
    )


def _spent(usage: _Usage) -> Spent:
    cached = count(usage.cache_read_input_tokens)
    output = usage.output_tokens_details or _Output()
    return Spent(
        inputs=count(usage.input_tokens) + cached + count(usage.cache_creation_input_tokens),
        outputs=count(usage.output_tokens),
        cached=cached,
        reasoning=count(output.thinking_tokens),
    )


def _refusal(details: _Details | None) -> str:
    if details is None:
        return _DECLINED
    category = f" ({details.category})" if details.category else ""
    return details.explanation or f"{_DECLINED[:-1]}{category}."


def _annotations(block: _Block, start: int) -> list[Any]:
    """What a text cites of the web. Other citations have no address, and none is ever asked for."""
    end = start + len(block.text)
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "url": cited.url,
                "title": cited.title or "",
                "start_index": start,
                "end_index": end,
            },
        }
        for cited in block.citations or ()
        if cited.url
    ]
