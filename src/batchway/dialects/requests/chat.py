"""OpenAI's chat request as typed values.

    body bytes --read_chat--> ChatRequest, or what is wrong with it

What may be anything (an object of a tool's) is `Any`; JSON schemas stay the bytes they are, see
`schemas`. Names that OpenAI's API does not know are refused, as it refuses them. Pure.
"""

from typing import Any, Final

import msgspec

from batchway.dialects.requests.problems import problem
from batchway.dialects.requests.schemas import NOTHING
from batchway.dialects.tolerant_json import UNREADABLE
from batchway.ports.dialect import Unfaithful


class _Strict(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    pass


# --------------------------------------------------------------------------- parts of messages


class TextPart(_Strict, tag_field="type", tag="text"):
    """Words."""

    text: str
    prompt_cache_breakpoint: Any = None


class ImageUrl(_Strict):
    """Where an image is: a data URL, or an address. `detail`: auto, low, high."""

    url: str
    detail: str | None = None


class ImagePart(_Strict, tag_field="type", tag="image_url"):
    """An image."""

    image_url: ImageUrl
    prompt_cache_breakpoint: Any = None


class AudioData(_Strict):
    """Base64, and `wav` or `mp3`."""

    data: str
    format: str


class AudioPart(_Strict, tag_field="type", tag="input_audio"):
    """Sound."""

    input_audio: AudioData
    prompt_cache_breakpoint: Any = None


class FileData(_Strict):
    """A file, as a data URL (`file_data`) or by the id of an upload."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(_Strict, tag_field="type", tag="file"):
    """A file such as a PDF."""

    file: FileData
    prompt_cache_breakpoint: Any = None


class RefusalPart(_Strict, tag_field="type", tag="refusal"):
    """What the assistant declined with."""

    refusal: str


UserPart = TextPart | ImagePart | AudioPart | FilePart
AssistantPart = TextPart | RefusalPart


# --------------------------------------------------------------------------- messages


class CalledFunction(_Strict):
    """A call: `arguments` are JSON as text, as the model wrote it."""

    name: str
    arguments: str = "{}"


class FunctionToolCall(_Strict, tag_field="type", tag="function"):
    """A call of a function."""

    id: str
    function: CalledFunction


class CustomToolCall(_Strict, tag_field="type", tag="custom"):
    """A call of a custom tool."""

    id: str
    custom: Any = None


class SystemMessage(_Strict, tag_field="role", tag="system"):
    """Instructions."""

    content: str | list[TextPart]
    name: str | None = None


class DeveloperMessage(_Strict, tag_field="role", tag="developer"):
    """Instructions, as newer models call them."""

    content: str | list[TextPart]
    name: str | None = None


class UserMessage(_Strict, tag_field="role", tag="user"):
    """A turn of the user."""

    content: str | list[UserPart]
    name: str | None = None


class AssistantMessage(_Strict, tag_field="role", tag="assistant"):
    """A turn of the model, perhaps copied from an earlier answer with all that it had."""

    content: str | list[AssistantPart] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[FunctionToolCall | CustomToolCall] | None = None
    function_call: CalledFunction | None = None
    audio: Any = None
    annotations: Any = None
    reasoning_content: str | None = None


class ToolMessage(_Strict, tag_field="role", tag="tool"):
    """What a call gave."""

    tool_call_id: str
    content: str | list[TextPart]


class FunctionMessage(_Strict, tag_field="role", tag="function"):
    """What a call gave, in the form before there were tools."""

    name: str
    content: str | None = None


Message = (
    SystemMessage
    | DeveloperMessage
    | UserMessage
    | AssistantMessage
    | ToolMessage
    | FunctionMessage
)


# --------------------------------------------------------------------------- tools and formats


class Function(_Strict):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NOTHING
    strict: bool | None = None


class FunctionTool(_Strict, tag_field="type", tag="function"):
    """A function, as a tool."""

    function: Function


class CustomTool(_Strict, tag_field="type", tag="custom"):
    """A tool whose input is any text."""

    custom: Any = None


class NamedFunction(_Strict):
    """A function by its name."""

    name: str


class NamedChoice(_Strict, tag_field="type", tag="function"):
    """This function is to be called."""

    function: NamedFunction


class AllowedTools(_Strict):
    """`mode` is `auto` or `required`; `tools` are references such as `NamedChoice` as JSON."""

    mode: str
    tools: list[Any]


class AllowedChoice(_Strict, tag_field="type", tag="allowed_tools"):
    """Only these tools may be called."""

    allowed_tools: AllowedTools


class CustomChoice(_Strict, tag_field="type", tag="custom"):
    """This custom tool is to be called."""

    custom: Any = None


ToolChoice = NamedChoice | AllowedChoice | CustomChoice


class TextFormat(_Strict, tag_field="type", tag="text"):
    """Any text."""


class JsonObjectFormat(_Strict, tag_field="type", tag="json_object"):
    """JSON."""


class JsonSchema(_Strict):
    """`schema` is a JSON schema, as JSON."""

    name: str = ""
    description: str | None = None
    schema: msgspec.Raw = NOTHING
    strict: bool | None = None


class JsonSchemaFormat(_Strict, tag_field="type", tag="json_schema"):
    """JSON of one schema."""

    json_schema: JsonSchema


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


# --------------------------------------------------------------------------- the request


class ChatRequest(_Strict):
    """The body of a chat line. `None` is a parameter that is not given, or null."""

    messages: list[Message]
    model: str | None = None
    audio: Any = None
    frequency_penalty: float | None = None
    function_call: Any = None
    functions: list[Function] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    metadata: dict[str, str] | None = None
    modalities: list[str] | None = None
    moderation: Any = None
    n: int | None = None
    parallel_tool_calls: bool | None = None
    prediction: Any = None
    presence_penalty: float | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: str | None = None
    reasoning_effort: str | None = None
    response_format: ResponseFormat | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: str | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: Any = None
    temperature: float | None = None
    tool_choice: str | ToolChoice | None = None
    tools: list[FunctionTool | CustomTool] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    user: str | None = None
    verbosity: str | None = None
    web_search_options: Any = None


_decode: Final = msgspec.json.Decoder(ChatRequest).decode


def read_chat(body: bytes) -> ChatRequest | Unfaithful:
    """The request that a line's body is; or its first parameter that is not as OpenAI takes it."""
    try:
        return _decode(body)
    except UNREADABLE as error:
        return problem(error)


def texts_of(content: str | list[TextPart]) -> list[str]:
    """The texts of a message that has nothing else."""
    return [content] if isinstance(content, str) else [part.text for part in content]
