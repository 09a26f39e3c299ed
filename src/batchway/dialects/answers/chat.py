"""OpenAI's chat completion, from what a dialect has read of an answer.

A dialect makes `Choice`s and a `Spent`; everything that is OpenAI's form is written here, once.
Pure.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.domain.batch import Usage
from batchway.ports.dialect import Result

# Sums of counts must fit the ledger's 64-bit columns.
_MOST_TOKENS: Final = 1 << 40


class CalledFunction(msgspec.Struct, frozen=True, gc=False):
    """`arguments` are JSON as text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """A call that the model makes."""

    id: str
    function: CalledFunction
    type: str = "function"


class Message(msgspec.Struct, frozen=True, gc=False):
    """What the model says. `annotations` are as OpenAI has them (`url_citation`), as JSON.

    `function_call` stands for `tool_calls` in answers to lines that have `functions` for `tools`.
    `reasoning_content` is not OpenAI's: it is what servers of open models call it.
    """

    content: str | None = None
    refusal: str | None = None
    role: str = "assistant"
    tool_calls: list[ToolCall] | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET
    annotations: list[Any] | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET


class Choice(msgspec.Struct, frozen=True, gc=False):
    """`finish_reason`: stop, length, tool_calls, content_filter; function_call for the old form."""

    index: int
    message: Message
    finish_reason: str
    logprobs: Any = None


class Spent(msgspec.Struct, frozen=True, gc=False):
    """Tokens: `cached` are of `inputs`, `reasoning` are of `outputs`."""

    inputs: int = 0
    outputs: int = 0
    cached: int = 0
    reasoning: int = 0

    @property
    def usage(self) -> Usage:
        """The same, as the ledger counts it."""
        return Usage(
            input_tokens=self.inputs,
            cached_tokens=self.cached,
            output_tokens=self.outputs,
            reasoning_tokens=self.reasoning,
        )


class Warned(msgspec.Struct, frozen=True, gc=False):
    """A parameter of the line that changed nothing, or a place in the answer, and why."""

    param: str
    message: str


# Answers say so by themselves: no line has asked for either.
UNSHOWN: Final = Warned(
    "choices[].message.content",
    "Images and other parts of the answer that chat completions have no place for are left out.",
)
ODD_END: Final = Warned(
    "choices[].finish_reason",
    "The model ended for a reason that chat completions have no word for: the answer may be cut.",
)


class Extension(msgspec.Struct, frozen=True, gc=False):
    """What Batchway adds to a body, under the name `batchway`."""

    warnings: list[Warned]


class _InputDetails(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: int = 0


class _OutputDetails(msgspec.Struct, frozen=True, gc=False):
    reasoning_tokens: int = 0


class _Usage(msgspec.Struct, frozen=True, gc=False):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _InputDetails
    completion_tokens_details: _OutputDetails


class _Completion(msgspec.Struct, frozen=True, gc=False):
    id: str
    created: int
    model: str
    choices: Sequence[Choice]
    usage: _Usage
    object: str = "chat.completion"
    batchway: Extension | UnsetType = UNSET


_encode: Final = msgspec.json.Encoder().encode


def completion(
    *,
    id: str,
    created: int,
    model: str,
    choices: Sequence[Choice],
    spent: Spent,
    warnings: Sequence[Warned] = (),
) -> Result:
    """The answer to a chat line. `created` is in Unix seconds; `id` is the provider's own."""
    body = _Completion(
        id=id if id.startswith("chatcmpl") else f"chatcmpl-{id}",
        created=created,
        model=model,
        choices=choices,
        usage=_Usage(
            prompt_tokens=spent.inputs,
            completion_tokens=spent.outputs,
            total_tokens=spent.inputs + spent.outputs,
            prompt_tokens_details=_InputDetails(spent.cached),
            completion_tokens_details=_OutputDetails(spent.reasoning),
        ),
        batchway=Extension(list(warnings)) if warnings else UNSET,
    )
    return Result(_encode(body), spent.usage)


def count(value: int | None) -> int:
    """A provider's count as one that can be added up; what is none is zero."""
    return value if value is not None and 0 <= value <= _MOST_TOKENS else 0
