"""OpenAI's Responses request as typed values.

    body bytes --read_responses--> ResponsesRequest, or what is wrong with it
    an item, a tool, a choice of tools --read_item, read_tool, read_choice--> it, or its kind

What stands in `input` and `tools` is read one by one: of most kinds only the name is known here
(`Unread`), and what becomes of those is a dialect's to say. JSON schemas stay the bytes they are.
Names that OpenAI's API does not know are refused, as it refuses them. Pure.

Source: openai.types.responses.response_create_params, SDK 3.54;
developers.openai.com/api/reference/resources/responses/methods/create
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from batchway.dialects.requests.chat import (
    AudioData,
    JsonObjectFormat,
    RefusalPart,
    TextFormat,
)
from batchway.dialects.requests.problems import problem
from batchway.dialects.requests.schemas import NOTHING, bytes_of
from batchway.dialects.tolerant_json import UNREADABLE
from batchway.ports.dialect import Unfaithful


class _Strict(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    pass


# --------------------------------------------------------------------------- parts of messages


class CacheBreakpoint(_Strict, omit_defaults=True):
    """What stands before it is worth keeping in the prompt cache."""

    mode: str
    ttl: str | None = None


class InputText(_Strict, tag_field="type", tag="input_text"):
    """Words of the caller's."""

    text: str
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class InputImage(_Strict, tag_field="type", tag="input_image"):
    """An image: a data URL or an address (`image_url`), or the id of an upload."""

    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class InputFile(_Strict, tag_field="type", tag="input_file"):
    """A file: a data URL (`file_data`), an address (`file_url`), or the id of an upload."""

    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: str | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class InputAudio(_Strict, tag_field="type", tag="input_audio"):
    """Sound."""

    input_audio: AudioData


class OutputText(_Strict, tag_field="type", tag="output_text"):
    """Words of the model's, perhaps copied from an earlier answer with all that they had."""

    text: str
    annotations: Any = None
    logprobs: Any = None


Part = InputText | InputImage | InputFile | InputAudio | OutputText | RefusalPart
OutputPart = InputText | InputImage | InputFile


# --------------------------------------------------------------------------- items of `input`

_Status = Literal["in_progress", "completed", "incomplete"]


class Message(_Strict):
    """A turn. `type` may be missing."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]
    type: Literal["message"] = "message"
    id: str | None = None
    status: _Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class Caller(_Strict):
    """Who made a call: `direct` is the model, `program` is code that it wrote."""

    type: str
    caller_id: str | None = None


class FunctionCall(_Strict):
    """A call that the model made: `arguments` are JSON as text."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: _Status | None = None
    caller: Caller | None = None
    namespace: str | None = None
    asynchronous: bool | None = msgspec.field(default=None, name="async")


class FunctionCallOutput(_Strict):
    """What a call gave."""

    type: Literal["function_call_output"]
    output: str | list[OutputPart]
    call_id: str | None = None
    id: str | None = None
    status: _Status | None = None
    caller: Caller | None = None
    name: str | None = None
    namespace: str | None = None


class ReasoningItem(_Strict):
    """What the model thought in an earlier turn."""

    type: Literal["reasoning"]
    id: str | None = None
    summary: Any = None
    content: Any = None
    encrypted_content: str | None = None
    status: _Status | None = None


class Unread(msgspec.Struct, frozen=True, gc=False):
    """Something of a kind whose fields are not read; `kind` is as the line spells it."""

    kind: str


Item = Message | FunctionCall | FunctionCallOutput | ReasoningItem | Unread


# --------------------------------------------------------------------------- tools and formats


class FunctionTool(_Strict):
    """A function that the model may call; `parameters` is a JSON schema, or nothing."""

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: msgspec.Raw = NOTHING
    strict: bool | None = None
    allowed_callers: list[str] | None = None
    defer_loading: bool | None = None
    output_schema: Any = None
    asynchronous: bool | None = msgspec.field(default=None, name="async")


class NamedChoice(_Strict):
    """This function is to be called."""

    type: Literal["function"]
    name: str


class AllowedChoice(_Strict):
    """Only these tools may be called; `tools` name them."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[msgspec.Raw]


Choice = NamedChoice | AllowedChoice | Literal["none", "auto", "required"] | Unread


class JsonSchemaFormat(_Strict, tag_field="type", tag="json_schema"):
    """JSON of one schema."""

    name: str
    schema: msgspec.Raw
    description: str | None = None
    strict: bool | None = None


class TextConfig(_Strict):
    """How the text of the answer is to be."""

    format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(_Strict):
    """How much the model is to think, and what is to be told of it."""

    context: str | None = None
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    mode: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


# --------------------------------------------------------------------------- the request


class ResponsesRequest(_Strict):
    """The body of a Responses line. `None` is a parameter that is not given, or null.

    `read_item`, `read_tool` and `read_choice` read what is raw; `given` tells whether it is there.
    """

    input: str | list[msgspec.Raw] | None = None
    model: str | None = None
    access_programs: Any = None
    background: bool | None = None
    background_options: Any = None
    context_management: Any = None
    conversation: Any = None
    image: Any = None
    include: list[str] | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    moderation: Any = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: Any = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: str | None = None
    reasoning: Reasoning | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: Any = None
    temperature: float | None = None
    text: TextConfig | None = None
    tool_choice: msgspec.Raw = NOTHING
    tools: list[msgspec.Raw] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None


_decode: Final = msgspec.json.Decoder(ResponsesRequest).decode


def read_responses(body: bytes) -> ResponsesRequest | Unfaithful:
    """The request that a line's body is; or its first parameter that is not as OpenAI takes it."""
    try:
        if not body.isascii():
            body.decode()  # the decoder does not look into what stays raw
        if b"\r" in body or b"\n" in body:
            body = msgspec.json.format(body, indent=-1)  # what stays raw is sent in one line
        return _decode(body)
    except UNREADABLE as error:
        return problem(error)


def given(raw: msgspec.Raw) -> bool:
    """Whether raw JSON is there at all, and not null."""
    return bool(bytes_of(raw))


def is_object(raw: msgspec.Raw) -> bool:
    """Whether raw JSON is an object."""
    return bytes(raw).lstrip(b" \t").startswith(b"{")


# --------------------------------------------------------------------------- one by one


class _Kind(msgspec.Struct, gc=False):
    type: str | None = None
    role: msgspec.Raw = NOTHING


_kind: Final = msgspec.json.Decoder(_Kind).decode
_word: Final = msgspec.json.Decoder(Literal["none", "auto", "required"]).decode

_ITEMS: Final[Mapping[str, Callable[[msgspec.Raw], Item]]] = {
    "message": msgspec.json.Decoder(Message).decode,
    "function_call": msgspec.json.Decoder(FunctionCall).decode,
    "function_call_output": msgspec.json.Decoder(FunctionCallOutput).decode,
    "reasoning": msgspec.json.Decoder(ReasoningItem).decode,
}
_read_function: Final = msgspec.json.Decoder(FunctionTool).decode
_CHOICES: Final[Mapping[str, Callable[[msgspec.Raw], NamedChoice | AllowedChoice]]] = {
    "function": msgspec.json.Decoder(NamedChoice).decode,
    "allowed_tools": msgspec.json.Decoder(AllowedChoice).decode,
}


def read_item(raw: msgspec.Raw, place: str) -> Item | Unfaithful:
    """An item of `input`; one without a type is a message, or where it has no role a reference."""
    try:
        head = _kind(raw)
        kind = head.type or ("message" if bytes(head.role) else "item_reference")
        decode = _ITEMS.get(kind)
        return Unread(kind) if decode is None else decode(raw)
    except UNREADABLE as error:
        return _at(place, problem(error))


def read_tool(raw: msgspec.Raw, place: str) -> FunctionTool | Unread | Unfaithful:
    """A tool; all but functions are unread."""
    try:
        kind = _kind(raw).type
        return _read_function(raw) if kind == "function" else Unread(kind or "")
    except UNREADABLE as error:
        return _at(place, problem(error))


def read_choice(raw: msgspec.Raw, place: str) -> Choice | Unfaithful:
    """What is said about which tool to call; `raw` is given."""
    try:
        if not is_object(raw):
            return _word(raw)
        kind = _kind(raw).type or ""
        decode = _CHOICES.get(kind)
        return Unread(kind) if decode is None else decode(raw)
    except UNREADABLE as error:
        return _at(place, problem(error))


def _at(place: str, found: Unfaithful) -> Unfaithful:
    inner = found.param
    return Unfaithful(f"{place}.{inner}" if inner else place, found.why)
