"""What a response repeats of its request, and the warnings: kept from encoding to decoding.

A response of OpenAI's repeats most of its request. Between the two, only a line's context is kept,
and in memory for each line of a job: so instructions and schemas are not repeated, and what is has
no more than `MOST_KEPT` bytes. A plain request keeps none. Owns what that is, and its form. Pure.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from batchway.dialects.requests.chat import JsonObjectFormat
from batchway.dialects.requests.responses import JsonSchemaFormat, ResponsesRequest, given
from batchway.dialects.tolerant_json import UNREADABLE

MOST_KEPT: Final = 400

_AUTO: Final = msgspec.Raw(b'"auto"')


class Repeated(msgspec.Struct, omit_defaults=True, gc=False):
    """The parameters of a request as its response gives them; `functions` are names of tools.

    `format` is the kind of `text.format`. `metadata` is `None` where it was too long to be kept.
    """

    warnings: list[str] = []
    functions: list[str] = []
    tool_choice: msgspec.Raw = _AUTO
    parallel_tool_calls: bool = True
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    top_logprobs: int | None = None
    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None
    format: str = "text"
    metadata: dict[str, str] | None = {}


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Repeated).decode
_NONE: Final = Repeated()
_EMPTY: Final = b"{}"


def repeated(
    request: ResponsesRequest, *, functions: Sequence[str], warnings: Sequence[str]
) -> Repeated:
    """What the response to a request repeats. What is too long to be kept is a warning more."""
    kept = Repeated(warnings=list(warnings))
    if functions:
        kept.functions = list(functions)
        if given(request.tool_choice):
            kept.tool_choice = request.tool_choice
        if request.parallel_tool_calls is False:
            kept.parallel_tool_calls = False
    kept.temperature = request.temperature
    kept.top_p = request.top_p
    kept.max_output_tokens = request.max_output_tokens
    kept.top_logprobs = request.top_logprobs
    if request.reasoning is not None:
        kept.effort = request.reasoning.effort
        kept.summary = request.reasoning.summary or request.reasoning.generate_summary
    if request.text is not None:
        kept.verbosity = request.text.verbosity
        if isinstance(request.text.format, JsonObjectFormat):
            kept.format = "json_object"
        elif isinstance(request.text.format, JsonSchemaFormat):
            kept.format = "json_schema"
    if request.metadata:
        kept.metadata = request.metadata
        if len(_encode(kept)) > MOST_KEPT:
            kept.metadata = None
            kept.warnings.append("metadata")
    if kept.functions and len(_encode(kept)) > MOST_KEPT:
        kept.functions = []
        kept.tool_choice = _AUTO
        kept.warnings.append("tools")
    return kept


def to_context(kept: Repeated, inner: bytes) -> bytes:
    """The context of a line: what is repeated, and the chat dialect's own context."""
    head = _encode(kept)
    if head == _EMPTY:
        head = b""
    return head + b"\n" + inner if head or inner else b""


def from_context(context: bytes) -> tuple[Repeated, bytes]:
    """What `to_context` made one of."""
    head, _, inner = context.partition(b"\n")
    if not head:
        return _NONE, inner
    try:
        return _decode(head), inner
    except UNREADABLE:
        return _NONE, context  # none of ours: a line that an earlier release has sent
