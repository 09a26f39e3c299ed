"""A chat completion as the Response that says the same.

    reasoning_content   an item of reasoning: its summary where one was asked for, else its content
    content, refusal    a message, with annotations and logprobs
    tool_calls          an item each
    finish_reason       the status: `length` and `content_filter` leave it incomplete

A completion has one message, so the items stand in this order whatever the order was. Ids are made
of the completion's: the same answer has the same ids whenever it is read. Owns the reading of the
completion and the writing of the Response. Pure.

Source: openai.types.responses.Response, SDK 3.54
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.answers.chat import Extension, Warned
from batchway.dialects.responses.parameters import RESPONSES
from batchway.dialects.responses.places import in_responses
from batchway.dialects.responses.repeated import Repeated
from batchway.domain.batch import Usage
from batchway.ports.dialect import Result

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CITATION: Final = "url_citation"
_NOTHING: Final = msgspec.Raw()

# --------------------------------------------------------------------------- the completion


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: Any = None


class _Call(msgspec.Struct, gc=False):
    id: Any = None
    function: _Function | None = None


class _Said(msgspec.Struct, gc=False):
    """Servers of open models call what was thought `reasoning_content`, some newer `reasoning`.

    What is `Any` has been seen in other types than it should have: an answer that was paid for is
    not lost for it.
    """

    content: Any = None
    refusal: Any = None
    tool_calls: list[_Call] | None = None
    annotations: msgspec.Raw = _NOTHING
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(msgspec.Struct, gc=False):
    message: _Said | None = None
    finish_reason: Any = None
    logprobs: msgspec.Raw = _NOTHING


class _Extended(msgspec.Struct, gc=False):
    warnings: list[Warned] = []


class _Completion(msgspec.Struct, gc=False):
    choices: list[_Choice]
    id: Any = None
    created: Any = None
    model: Any = None
    usage: msgspec.Raw = _NOTHING
    service_tier: Any = None
    batchway: _Extended | None = None


class _Annotation(msgspec.Struct, gc=False):
    type: str = ""
    url_citation: dict[str, Any] | None = None


class _Top(msgspec.Struct, gc=False):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Token(msgspec.Struct, gc=False):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[_Top] = []


class _Logprobs(msgspec.Struct, gc=False):
    content: list[_Token] | None = None


class _CacheDetails(msgspec.Struct, gc=False):
    cache_write_tokens: int | None = None


class _ToldUsage(msgspec.Struct, gc=False):
    prompt_tokens_details: _CacheDetails | None = None


# --------------------------------------------------------------------------- the Response


class _Text(msgspec.Struct, kw_only=True, gc=False):
    type: str = "output_text"
    text: str
    annotations: list[Any]
    logprobs: list[_Token] | UnsetType = UNSET


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
_read: Final = msgspec.json.Decoder(_Completion).decode
_read_logprobs: Final = msgspec.json.Decoder(_Logprobs).decode
_read_usage: Final = msgspec.json.Decoder(_ToldUsage).decode
_read_annotations: Final = msgspec.json.Decoder(list[_Annotation] | None).decode

_PLAIN: Final = _TextConfig(format=_Format("text"))
_TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})


def response(result: Result, kept: Repeated, *, model: str, at: int) -> bytes | None:
    """The Response of a chat completion, in one line; `None` when there is no message in it.

    `model` and `at` (in Unix seconds) are for completions that do not say whose they are, or of
    when.
    """
    completion = _completion(result.body)
    choice = completion.choices[0] if completion is not None and completion.choices else None
    if completion is None or choice is None or choice.message is None:
        return None
    named, created, tier = completion.id, completion.created, completion.service_tier
    name = named.removeprefix("chatcmpl-") if isinstance(named, str) else ""
    output = _items(choice.message, choice.logprobs, name, summarised=kept.summary is not None)
    reason = _INCOMPLETE.get(str(choice.finish_reason))
    if reason is not None and output:
        output[-1].status = "incomplete"
    body = _Response(
        id=f"resp_{name}",
        created_at=created if isinstance(created, int | float) and created else at,
        status="completed" if reason is None else "incomplete",
        incomplete_details=None if reason is None else _Incomplete(reason),
        max_output_tokens=kept.max_output_tokens,
        model=completion.model if isinstance(completion.model, str) else model,
        output=output,
        parallel_tool_calls=kept.parallel_tool_calls,
        reasoning=_Effort(effort=kept.effort, summary=kept.summary),
        service_tier=tier if isinstance(tier, str) and tier in _TIERS else UNSET,
        temperature=kept.temperature,
        text=_text(kept),
        tool_choice=kept.tool_choice,
        tools=[_Tool(name=function) for function in kept.functions],
        top_logprobs=UNSET if kept.top_logprobs is None else kept.top_logprobs,
        top_p=kept.top_p,
        usage=_usage(completion.usage, result.usage),
        metadata=kept.metadata,
        batchway=_warnings(kept, completion.batchway),
    )
    return _encode(body)


def _completion(body: bytes) -> _Completion | None:
    try:
        return _read(body)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, RecursionError):
        pass
    # Some clients read what this decoder refuses, half a character as an escape for one.
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return _read(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _items(said: _Said, logprobs: msgspec.Raw, name: str, *, summarised: bool) -> list[_Item]:
    items: list[_Item] = []
    thought = said.reasoning_content or said.reasoning
    if isinstance(thought, str) and thought:
        items.append(_reasoning(thought, f"rs_{name}", summarised=summarised))
    parts: list[_Text | _Refusal] = []
    text, refusal = _text_of(said.content), said.refusal
    if text or (text is not None and not refusal and not said.tool_calls):
        found = _annotations(said.annotations)
        parts.append(_Text(text=text, annotations=found, logprobs=_tokens(logprobs)))
    if isinstance(refusal, str) and refusal:
        parts.append(_Refusal(refusal=refusal))
    if parts:
        items.append(_Message(id=f"msg_{name}", content=parts))
    for index, call in enumerate(said.tool_calls or ()):
        function = call.function
        if function is not None:
            items.append(
                _FunctionCall(
                    id=f"fc_{name}_{index}",
                    call_id=_call_id(call.id, name, index),
                    name=function.name,
                    arguments=_json_text(function.arguments),
                )
            )
    return items


def _call_id(id: object, name: str, index: int) -> str:
    return id if isinstance(id, str) and id else f"call_{name}_{index}"


def _reasoning(thought: str, id: str, *, summarised: bool) -> _Reasoning:
    if summarised:
        return _Reasoning(id=id, summary=[_Thought(type="summary_text", text=thought)])
    return _Reasoning(id=id, summary=[], content=[_Thought(type="reasoning_text", text=thought)])


def _text_of(content: Any) -> str | None:
    """The text of a message; some servers of open models give it in parts, as requests have it."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join([text for text in texts if isinstance(text, str)])


def _json_text(arguments: Any) -> str:
    """Arguments as JSON in a text; some servers of open models give the JSON itself, or none."""
    if isinstance(arguments, str):
        return arguments
    return "{}" if arguments is None else _encode(arguments).decode()


def _annotations(raw: msgspec.Raw) -> list[Any]:
    """Citations: in chat, what they say stands in an object named as their type."""
    if not bytes(raw):
        return []
    try:
        found = _read_annotations(raw)
    except msgspec.MsgspecError:
        return []
    return [
        {"type": _CITATION, **each.url_citation}
        for each in found or ()
        if each.type == _CITATION and each.url_citation is not None
    ]


def _tokens(raw: msgspec.Raw) -> list[_Token] | UnsetType:
    """Logprobs; the bytes of a token are required in a Response."""
    if not bytes(raw):
        return UNSET
    try:
        tokens = _read_logprobs(raw).content
    except msgspec.MsgspecError:
        return UNSET
    if tokens is None:
        return UNSET
    for token in tokens:
        for each in (token, *token.top_logprobs):
            if each.bytes is None:
                each.bytes = list(each.token.encode())
    return tokens


def _usage(raw: msgspec.Raw, usage: Usage) -> _Usage | None:
    """Tokens as the completion tells them; nothing where it tells nothing."""
    told = bytes(raw)
    if not told.startswith(b"{"):
        return None
    return _Usage(
        input_tokens=usage.input_tokens,
        input_tokens_details=_InputDetails(
            cached_tokens=usage.cached_tokens, cache_write_tokens=_cache_writes(told)
        ),
        output_tokens=usage.output_tokens,
        output_tokens_details=_OutputDetails(reasoning_tokens=usage.reasoning_tokens),
        total_tokens=usage.total_tokens,
    )


def _cache_writes(told: bytes) -> int:
    if b"cache_write_tokens" not in told:
        return 0
    try:
        details = _read_usage(told).prompt_tokens_details
    except msgspec.MsgspecError:
        return 0
    return 0 if details is None else details.cache_write_tokens or 0


def _text(kept: Repeated) -> _TextConfig:
    if kept.format == "text" and kept.verbosity is None:
        return _PLAIN
    return _TextConfig(
        # The type of a schema's format requires the schema, which is not kept.
        format=UNSET if kept.format == "json_schema" else _Format(kept.format),
        verbosity=UNSET if kept.verbosity is None else kept.verbosity,
    )


def _warnings(kept: Repeated, extended: _Extended | None) -> Extension | UnsetType:
    warnings = [Warned(name, RESPONSES.note(name)) for name in kept.warnings]
    if extended is not None:
        warnings += [Warned(in_responses(each.param), each.message) for each in extended.warnings]
    return Extension(warnings) if warnings else UNSET
