"""A chat completion as the Response that says the same.

    reasoning_content   an item of reasoning: its summary where one was asked for, else its content
    content, refusal    a message, with annotations and logprobs
    tool_calls          an item each
    finish_reason       the status: `length` and `content_filter` leave it incomplete

A completion has one message, so the items stand in this order whatever the order was. Ids are made
of the completion's: the same answer has the same ids whenever it is read. Owns the writing of the
Response; reading the completion is `completion`'s. Pure.

Source: openai.types.responses.Response, SDK 3.54
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.answers.chat import Extension, Warned
from batchway.dialects.responses.completion import (
    CalledFunction,
    Citation,
    Completion,
    Token,
    read_completion,
)
from batchway.dialects.responses.parameters import RESPONSES
from batchway.dialects.responses.places import in_responses
from batchway.dialects.responses.repeated import Repeated
from batchway.domain.batch import Usage
from batchway.ports.dialect import Result

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


class _Cited(msgspec.Struct, kw_only=True, gc=False):
    type: str = "url_citation"
    start_index: int
    end_index: int
    title: str
    url: str


class _Text(msgspec.Struct, kw_only=True, gc=False):
    type: str = "output_text"
    text: str
    annotations: list[_Cited]
    logprobs: list[Token] | UnsetType = UNSET


class _Refusal(msgspec.Struct, kw_only=True, gc=False):
    type: str = "refusal"
    refusal: str


class _Message(msgspec.Struct, kw_only=True, gc=False):
    id: str
    type: str = "message"
    status: str = "completed"
    role: str = "assistant"
    content: list[_Text | _Refusal]


class _FunctionCall(msgspec.Struct, kw_only=True, gc=False):
    id: str
    type: str = "function_call"
    status: str = "completed"
    call_id: str
    name: str
    arguments: str


class _Thought(msgspec.Struct, kw_only=True, gc=False):
    type: str
    text: str


class _Reasoning(msgspec.Struct, kw_only=True, gc=False):
    id: str
    type: str = "reasoning"
    status: str = "completed"
    summary: list[_Thought]
    content: list[_Thought] | UnsetType = UNSET


class _InputDetails(msgspec.Struct, kw_only=True, gc=False):
    cached_tokens: int
    cache_write_tokens: int


class _OutputDetails(msgspec.Struct, kw_only=True, gc=False):
    reasoning_tokens: int


class _Usage(msgspec.Struct, kw_only=True, gc=False):
    input_tokens: int
    input_tokens_details: _InputDetails
    output_tokens: int
    output_tokens_details: _OutputDetails
    total_tokens: int


class _Incomplete(msgspec.Struct, gc=False):
    reason: str


class _Tool(msgspec.Struct, kw_only=True, gc=False):
    type: str = "function"
    name: str
    parameters: None = None
    strict: None = None


class _Effort(msgspec.Struct, kw_only=True, gc=False):
    effort: str | None
    summary: str | None


class _Format(msgspec.Struct, gc=False):
    type: str


class _TextConfig(msgspec.Struct, kw_only=True, gc=False):
    format: _Format | UnsetType = UNSET
    verbosity: str | UnsetType = UNSET


_Item = _Message | _FunctionCall | _Reasoning


class _Response(msgspec.Struct, kw_only=True, gc=False):
    id: str
    object: str = "response"
    created_at: int | float
    status: str
    background: bool = False
    error: None = None
    incomplete_details: _Incomplete | None
    max_output_tokens: int | None
    model: str
    output: Sequence[_Item]
    parallel_tool_calls: bool
    previous_response_id: None = None
    reasoning: _Effort
    service_tier: str | UnsetType = UNSET
    temperature: float | None
    text: _TextConfig
    tool_choice: msgspec.Raw
    tools: Sequence[_Tool]
    top_logprobs: int | UnsetType = UNSET
    top_p: float | None
    truncation: str = "disabled"
    usage: _Usage | None
    metadata: dict[str, str] | None
    batchway: Extension | UnsetType = UNSET


_encode: Final = msgspec.json.Encoder().encode

_PLAIN: Final = _TextConfig(format=_Format("text"))
_TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})


def response(result: Result, kept: Repeated, *, model: str, at: int) -> bytes | None:
    """The Response of a chat completion, in one line; `None` when there is no message in it.

    `model` and `at` (in Unix seconds) are for completions that do not say whose they are, or of
    when.
    """
    completion = read_completion(result.body)
    if completion is None:
        return None
    output = _items(completion, summarised=kept.summary is not None)
    reason = _INCOMPLETE.get(completion.finish_reason)
    if reason is not None and output:
        output[-1].status = "incomplete"
    tier = completion.service_tier
    body = _Response(
        id=f"resp_{completion.id}",
        created_at=completion.created or at,
        status="completed" if reason is None else "incomplete",
        incomplete_details=None if reason is None else _Incomplete(reason),
        max_output_tokens=kept.max_output_tokens,
        model=completion.model or model,
        output=output,
        parallel_tool_calls=kept.parallel_tool_calls,
        reasoning=_Effort(effort=kept.effort, summary=kept.summary),
        service_tier=tier if tier in _TIERS else UNSET,
        temperature=kept.temperature,
        text=_text(kept),
        tool_choice=kept.tool_choice,
        tools=[_Tool(name=function) for function in kept.functions],
        top_logprobs=UNSET if kept.top_logprobs is None else kept.top_logprobs,
        top_p=kept.top_p,
        usage=_usage(completion, result.usage) if completion.told_usage else None,
        metadata=kept.metadata,
        batchway=_warnings(kept, completion.warnings),
    )
    return _encode(body)


def _items(completion: Completion, *, summarised: bool) -> list[_Item]:
    name, said = completion.id, completion.said
    items: list[_Item] = []
    if thought := said.thought:
        items.append(_reasoning(thought, f"rs_{name}", summarised=summarised))
    parts: list[_Text | _Refusal] = []
    text, refusal = said.text, said.refusal
    if text or (text is not None and not refusal and not said.tool_calls):
        cited = [_citation(each) for each in said.citations]
        tokens = completion.tokens
        parts.append(
            _Text(text=text, annotations=cited, logprobs=UNSET if tokens is None else tokens)
        )
    if isinstance(refusal, str) and refusal:
        parts.append(_Refusal(refusal=refusal))
    if parts:
        items.append(_Message(id=f"msg_{name}", content=parts))
    for index, call in enumerate(said.tool_calls or ()):
        if call.function is not None:
            items.append(_call(call.id, call.function, name, index))
    return items


def _citation(citation: Citation) -> _Cited:
    return _Cited(
        start_index=citation.start_index,
        end_index=citation.end_index,
        title=citation.title or "",
        url=citation.url,
    )


def _reasoning(thought: str, id: str, *, summarised: bool) -> _Reasoning:
    if summarised:
        return _Reasoning(id=id, summary=[_Thought(type="summary_text", text=thought)])
    return _Reasoning(id=id, summary=[], content=[_Thought(type="reasoning_text", text=thought)])


def _call(id: object, function: CalledFunction, name: str, index: int) -> _FunctionCall:
    arguments = function.arguments
    if not isinstance(arguments, str):
        arguments = "{}" if arguments is None else _encode(arguments).decode()
    return _FunctionCall(
        id=f"fc_{name}_{index}",
        call_id=id if isinstance(id, str) and id else f"call_{name}_{index}",
        name=function.name,
        arguments=arguments,
    )


def _usage(completion: Completion, usage: Usage) -> _Usage:
    return _Usage(
        input_tokens=usage.input_tokens,
        input_tokens_details=_InputDetails(
            cached_tokens=usage.cached_tokens, cache_write_tokens=completion.cache_writes
        ),
        output_tokens=usage.output_tokens,
        output_tokens_details=_OutputDetails(reasoning_tokens=usage.reasoning_tokens),
        total_tokens=usage.total_tokens,
    )


def _text(kept: Repeated) -> _TextConfig:
    if kept.format == "text" and kept.verbosity is None:
        return _PLAIN
    return _TextConfig(
        # The type of a schema's format requires the schema, which is not kept.
        format=UNSET if kept.format == "json_schema" else _Format(kept.format),
        verbosity=UNSET if kept.verbosity is None else kept.verbosity,
    )


def _warnings(kept: Repeated, inner: Sequence[Warned]) -> Extension | UnsetType:
    if not kept.warnings and not inner:
        return UNSET
    own = [Warned(name, RESPONSES.note(name)) for name in kept.warnings]
    return Extension([*own, *(Warned(in_responses(each.param), each.message) for each in inner)])
