"""Answers of Converse, and of Amazon Nova's own body, as OpenAI's chat completions.

    text, citationsContent   content; `url_citation` annotations where a page of the web is cited
    reasoningContent         reasoning_content, where it is shown
    toolUse                  tool_calls; or the content, where the answer was asked for as a call
    stopReason               finish_reason
    usage                    prompt_tokens with what the cache held and took

An answer has no id, no time and no model: the id is made of its bytes. Never raises. Sources:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html. Pure.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

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

_FINISHED: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
}
# What stands for thoughts that a model does not show.
_REDACTED: Final = "[REDACTED]"


class _Words(msgspec.Struct, gc=False):
    text: str = ""
    url: str | None = None


class _Location(msgspec.Struct, gc=False):
    web: _Words | None = None


class _Citation(msgspec.Struct, gc=False):
    title: str | None = None
    location: _Location | None = None


class _Cited(msgspec.Struct, gc=False):
    content: list[_Words] | None = None
    citations: list[_Citation] | None = None


class _Thoughts(msgspec.Struct, rename="camel", gc=False):
    reasoning_text: _Words | None = None


class _Call(msgspec.Struct, rename="camel", gc=False):
    tool_use_id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")


class _Block(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    tool_use: _Call | None = None
    reasoning_content: _Thoughts | None = None
    citations_content: _Cited | None = None


class _Message(msgspec.Struct, gc=False):
    content: list[_Block] | None = None


class _Output(msgspec.Struct, gc=False):
    message: _Message | None = None


class _Usage(msgspec.Struct, rename="camel", gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    # Nova's names of the same, in its own body.
    cache_read_input_token_count: int | None = None
    cache_write_input_token_count: int | None = None


class _Answer(msgspec.Struct, rename="camel", gc=False):
    output: _Output | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


_decode: Final = msgspec.json.Decoder(_Answer, strict=False).decode


class NoAnswer(msgspec.Struct, frozen=True, gc=False):
    """A 2xx that answers nothing. `code` is the provider's word for why, or empty."""

    code: str
    message: str


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What is to be known of the request.

    `legacy` had `functions`: a call is a `function_call`. `by_tool` had a schema, for which the
    input of a call is the answer. `at` is in Unix seconds; `warnings` are what was left out.
    """

    model: str
    legacy: bool
    by_tool: bool
    at: int
    warnings: list[Warned]


def read_answer(body: bytes, asked: Asked) -> Result | NoAnswer | None:
    """The completion that a body is; `None` if it is no such object."""
    answer = read_by(_decode, body)
    message = None if answer is None or answer.output is None else answer.output.message
    if answer is None or message is None:
        return None
    reading = _Reading()
    for block in message.content or ():
        reading.add(block)
    reason = answer.stop_reason or ""
    if reason not in _FINISHED and reason and reading.empty:
        return NoAnswer(reason, "The model broke its answer off before the first word.")
    name = blake2b(body, digest_size=12).hexdigest()
    warnings = [*asked.warnings]
    if reading.unshown:
        warnings.append(UNSHOWN)
    if reason and reason not in _FINISHED:
        warnings.append(ODD_END)
    return completion(
        id=name,
        created=asked.at,
        model=asked.model,
        choices=[reading.choice(reason, asked)],
        spent=_spent(answer.usage),
        warnings=warnings,
    )


class _Reading:
    """What has been read of an answer."""

    __slots__ = ("_annotations", "_calls", "_text", "_thoughts", "unshown")

    def __init__(self) -> None:
        self.unshown = False  # whether there is anything else
        self._text = ""
        self._thoughts = ""
        self._calls: list[ToolCall] = []
        self._annotations: list[Any] = []

    @property
    def empty(self) -> bool:
        return not (self._text or self._calls or self.unshown)

    def add(self, block: _Block) -> None:
        """One more block."""
        if block.text is not None:
            self._text += block.text
        elif block.tool_use is not None:
            call = block.tool_use
            written = text_of(call.input)
            function = CalledFunction(call.name, "{}" if written == "null" else written)
            self._calls.append(ToolCall(call.tool_use_id, function))
        elif block.reasoning_content is not None:
            thoughts = block.reasoning_content.reasoning_text
            if thoughts is not None and thoughts.text != _REDACTED:
                self._thoughts += thoughts.text
        elif block.citations_content is not None:
            self._cite(block.citations_content)
        else:
            self.unshown = True

    def _cite(self, cited: _Cited) -> None:
        start = len(self._text)
        self._text += "".join([part.text for part in cited.content or ()])
        for citation in cited.citations or ():
            web = None if citation.location is None else citation.location.web
            if web is not None and web.url:
                citation_of = {
                    "url": web.url,
                    "title": citation.title or "",
                    "start_index": start,
                    "end_index": len(self._text),
                }
                self._annotations.append({"type": "url_citation", "url_citation": citation_of})

    def choice(self, reason: str, asked: Asked) -> Choice:
        """All of it."""
        calls, text, thoughts = self._calls, self._text, self._thoughts
        finish = _FINISHED.get(reason, "tool_calls" if calls else "stop")
        if asked.by_tool and calls:
            # What it said beside the call is how it got there.
            text, thoughts, calls = calls[0].function.arguments, thoughts + text, []
            finish = "stop" if finish == "tool_calls" else finish
        if asked.legacy and finish == "tool_calls":
            finish = "function_call"
        one_call = asked.legacy and bool(calls)
        blocked = finish == "content_filter" and not text and not calls
        message = Message(
            content=text or (None if calls or blocked else ""),
            refusal=f"The answer was blocked: {reason}." if blocked else None,
            # A request of that time takes one call; further ones stand where they stand today.
            tool_calls=calls if calls and not (one_call and len(calls) == 1) else UNSET,
            function_call=calls[0].function if one_call else UNSET,
            annotations=self._annotations or UNSET,
            reasoning_content=thoughts or UNSET,
        )
        return Choice(0, message, finish)


def _spent(usage: _Usage | None) -> Spent:
    """Tokens. `inputTokens` leaves out what the cache held and took, and `totalTokens` does not:
    where the two agree all the same, as of OpenAI's models, the cache's are in it already.

    https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
    """
    if usage is None:
        return Spent()
    cached = count(usage.cache_read_input_tokens) or count(usage.cache_read_input_token_count)
    wrote = count(usage.cache_write_input_tokens) or count(usage.cache_write_input_token_count)
    inputs, outputs = count(usage.input_tokens), count(usage.output_tokens)
    total = count(usage.total_tokens)
    if total != inputs + outputs or cached + wrote > inputs:
        inputs += cached + wrote
    return Spent(inputs=inputs, outputs=outputs, cached=cached)
