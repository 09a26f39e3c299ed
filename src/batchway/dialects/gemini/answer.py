"""Gemini's answers as OpenAI's chat completions.

    candidates         choices; words joined, thoughts apart, calls with ids
    finishReason       finish_reason: calls count before STOP, a truncation before calls
    promptFeedback     a prompt that was blocked is a choice that refuses
    usageMetadata      usage: thoughts are of the output, results of Gemini's own tools of the input

An answer in which every candidate broke off without a word is no answer: asked again, the model may
give one. Answers of batch jobs hold nulls where online ones hold nothing. Never raises. Pure.
Source: https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/GenerateContentResponse
"""

from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from batchway.dialects.answers.chat import (
    CalledFunction,
    Choice,
    Message,
    Spent,
    ToolCall,
    Warned,
    completion,
    count,
)
from batchway.dialects.gemini.citations import CitationMetadata, GroundingMetadata, annotations_of
from batchway.dialects.tolerant_json import read_by, text_of
from batchway.domain.timestamps import unix_seconds
from batchway.ports.dialect import Result


class _FunctionCall(msgspec.Struct, rename="camel", gc=False):
    name: str | None = None
    args: Raw = Raw(b"{}")
    id: str | None = None


class _Blob(msgspec.Struct, gc=False):
    """That there is one is enough."""


class _Part(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    thought: bool | None = None
    function_call: _FunctionCall | None = None
    inline_data: _Blob | None = None


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Token(msgspec.Struct, rename="camel", gc=False):
    token: str | None = None
    log_probability: float | None = None


class _Tokens(msgspec.Struct, gc=False):
    candidates: list[_Token] | None = None


class _Logprobs(msgspec.Struct, rename="camel", gc=False):
    chosen_candidates: list[_Token] | None = None
    top_candidates: list[_Tokens] | None = None


class _Candidate(msgspec.Struct, rename="camel", gc=False):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    logprobs_result: _Logprobs | None = None
    citation_metadata: CitationMetadata | None = None
    grounding_metadata: GroundingMetadata | None = None


class _Feedback(msgspec.Struct, rename="camel", gc=False):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Usage(msgspec.Struct, rename="camel", gc=False):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None


class _Error(msgspec.Struct, gc=False):
    """That there is one is enough."""


class _Response(msgspec.Struct, rename="camel", gc=False):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    create_time: str | None = None
    error: _Error | None = None


# Not strict: int64s are strings in Google's JSON where its servers write them so.
_decode: Final = msgspec.json.Decoder(_Response, strict=False).decode

_FINISHED: Final = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
_UNSHOWN: Final = Warned(
    "choices[].message.content",
    "Images and sound in an answer are left out: chat completions have no place for them.",
)
_NO_REASON: Final = frozenset({"", "FINISH_REASON_UNSPECIFIED"})


class NoAnswer(msgspec.Struct, frozen=True, gc=False):
    """A 2xx that answers nothing. `code` is the provider's word for why, or empty."""

    code: str
    message: str


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What is to be known of the request. `legacy` had `functions`: a call is a `function_call`.

    `model` and `at` (Unix seconds) are for answers that do not say theirs. `warnings` are what was
    left out of the request.
    """

    model: str
    legacy: bool
    at: int
    warnings: list[Warned]


def read_answer(body: bytes, asked: Asked) -> Result | NoAnswer | None:
    """The completion that a body is; `None` if it is no such object, or an error."""
    response = read_by(_decode, body)
    if response is None or response.error is not None:
        return None
    try:
        return _completion(response, body, asked)
    except (msgspec.MsgspecError, RecursionError):
        return None  # arguments of a call that are no JSON


def _completion(response: _Response, body: bytes, asked: Asked) -> Result | NoAnswer:
    warnings = asked.warnings
    name = response.response_id or blake2b(body, digest_size=12).hexdigest()
    candidates = response.candidates
    if candidates:
        reading = _Reading(name, asked.legacy)
        choices = [reading.choice(index, each) for index, each in enumerate(candidates)]
        if reading.unshown:
            warnings = [*warnings, _UNSHOWN]
        if reading.broken == len(choices):
            first = candidates[0]
            return NoAnswer(
                first.finish_reason or "",
                first.finish_message or "The model broke its answer off before the first word.",
            )
    else:
        feedback = response.prompt_feedback
        if feedback is None or not feedback.block_reason:
            return NoAnswer("", "The provider's answer holds no candidates.")
        refusal = (
            feedback.block_reason_message or f"The prompt was blocked: {feedback.block_reason}."
        )
        choices = [Choice(0, Message(refusal=refusal), "content_filter")]
    return completion(
        id=name,
        created=unix_seconds(response.create_time) or asked.at,
        model=response.model_version or asked.model,
        choices=choices,
        spent=_spent(response.usage_metadata),
        warnings=warnings,
    )


class _Reading:
    """Reads the candidates of one answer; ids of calls count through all of them."""

    __slots__ = ("_answer", "_calls", "_legacy", "broken", "unshown")

    def __init__(self, answer: str, legacy: bool) -> None:
        self.broken = 0  # candidates without a word, for no reason that OpenAI has a word for
        self.unshown = False  # whether there are images or sound
        self._answer = answer
        self._legacy = legacy
        self._calls = 0

    def choice(self, index: int, candidate: _Candidate) -> Choice:
        content = candidate.content
        parts = (content.parts if content is not None else None) or []
        if any(part.inline_data is not None for part in parts):
            self.unshown = True
        texts = ["" if part.thought else part.text or "" for part in parts]
        thoughts = "".join([part.text or "" for part in parts if part.thought])
        calls = [self._call(part.function_call) for part in parts if part.function_call is not None]
        text = texts[0] if len(texts) == 1 else "".join(texts)
        reason = candidate.finish_reason or ""
        finish = _FINISHED.get(reason, "stop")
        if calls and finish == "stop":
            finish = "function_call" if self._legacy else "tool_calls"
        refusal: str | None = None
        if not text and not calls:
            if finish == "content_filter":
                refusal = candidate.finish_message or f"The answer was blocked: {reason}."
            elif reason not in _FINISHED and reason not in _NO_REASON and not self.unshown:
                self.broken += 1
        one_call = self._legacy and bool(calls)
        message = Message(
            content=text or (None if calls or refusal else ""),
            refusal=refusal,
            # A request of that time takes one call; further ones stand where they stand today.
            tool_calls=calls if calls and not (one_call and len(calls) == 1) else UNSET,
            function_call=calls[0].function if one_call else UNSET,
            annotations=(
                UNSET
                if candidate.grounding_metadata is None and candidate.citation_metadata is None
                else annotations_of(
                    candidate.grounding_metadata, candidate.citation_metadata, texts
                )
                or UNSET
            ),
            reasoning_content=thoughts or UNSET,
        )
        logprobs = candidate.logprobs_result
        return Choice(index, message, finish, None if logprobs is None else _logprobs(logprobs))

    def _call(self, call: _FunctionCall) -> ToolCall:
        name = call.id or f"call_{self._answer}_{self._calls}"
        self._calls += 1
        return ToolCall(name, CalledFunction(call.name or "", _compact(call.args)))


def _compact(args: Raw) -> str:
    text = text_of(Raw(msgspec.json.format(bytes(args), indent=-1)))
    return "{}" if text == "null" else text


def _logprobs(result: _Logprobs) -> dict[str, Any]:
    tops = result.top_candidates or []
    content = [
        {
            **_token(chosen),
            "top_logprobs": (
                [_token(each) for each in tops[step].candidates or ()] if step < len(tops) else []
            ),
        }
        for step, chosen in enumerate(result.chosen_candidates or ())
    ]
    return {"content": content, "refusal": None}


def _token(token: _Token) -> dict[str, Any]:
    text = token.token or ""
    return {
        "token": text,
        "logprob": token.log_probability or 0.0,
        "bytes": list(text.encode()),
    }


def _spent(usage: _Usage | None) -> Spent:
    if usage is None:
        return Spent()
    thoughts = count(usage.thoughts_token_count)
    return Spent(
        inputs=count(usage.prompt_token_count) + count(usage.tool_use_prompt_token_count),
        outputs=count(usage.candidates_token_count) + thoughts,
        cached=count(usage.cached_content_token_count),
        reasoning=thoughts,
    )
