"""The bodies of Converse, and of Amazon Nova's InvokeModel, as typed values: only what is written.

Names are those of botocore's service model of bedrock-runtime (1.44.8), in camel case on the wire.
Bytes stand in base64, which both APIs have in JSON. Sources:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html.
"""

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType


class _Wire(Struct, rename="camel", gc=False):
    pass


class S3Location(_Wire):
    """An object: `s3://bucket/key`."""

    uri: str


class Source(Struct, rename={"data": "bytes", "stored": "s3Location"}, gc=False):
    """Where a file's bytes are: here, in base64, or in S3. One of the two."""

    data: str | UnsetType = UNSET
    stored: S3Location | UnsetType = UNSET


class Media(_Wire):
    """An image, a video or sound; `format` is as a file's ending, such as `png`."""

    format: str
    source: Source


class Document(_Wire):
    """A file to be read; its `name` is unique in a request."""

    format: str
    name: str
    source: Source


class Text(_Wire):
    """Words: of the instructions, or of a result."""

    text: str


class ToolUse(_Wire):
    """A call that the model made."""

    tool_use_id: str
    name: str
    input: dict[str, Any]


class ToolResult(_Wire):
    """What a call gave."""

    tool_use_id: str
    content: list[Text]


class Block(_Wire):
    """One of its fields."""

    text: str | UnsetType = UNSET
    image: Media | UnsetType = UNSET
    document: Document | UnsetType = UNSET
    video: Media | UnsetType = UNSET
    audio: Media | UnsetType = UNSET
    tool_use: ToolUse | UnsetType = UNSET
    tool_result: ToolResult | UnsetType = UNSET


class Message(_Wire):
    """A turn of `user` or `assistant`."""

    role: str
    content: list[Block]


class InputSchema(_Wire):
    """A JSON schema of an object."""

    json: Raw


class ToolSpec(_Wire):
    """A function."""

    name: str
    input_schema: InputSchema
    description: str | UnsetType = UNSET
    strict: bool | UnsetType = UNSET


class Tool(_Wire):
    """A tool."""

    tool_spec: ToolSpec


class ToolConfig(_Wire):
    """`tool_choice` is one of `{"auto": {}}`, `{"any": {}}` and `{"tool": {"name": ...}}`."""

    tools: list[Tool]
    tool_choice: dict[str, dict[str, str]] | UnsetType = UNSET


class ReasoningConfig(_Wire):
    """How long Nova 2 thinks: `low`, `medium` or `high`."""

    max_reasoning_effort: str
    type: str = "enabled"


class InferenceConfig(_Wire):
    """How answers are sampled. `reasoning_config` stands here in Nova's own body only."""

    max_tokens: int | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    stop_sequences: list[str] | UnsetType = UNSET
    reasoning_config: ReasoningConfig | UnsetType = UNSET


class JsonSchema(_Wire):
    """`schema` is a JSON schema as text."""

    schema: str
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class Structure(_Wire):
    """What an answer's text is bound to."""

    json_schema: JsonSchema


class TextFormat(_Wire):
    """The form of an answer's text."""

    structure: Structure
    type: str = "json_schema"


class OutputConfig(_Wire):
    """The form of an answer."""

    text_format: TextFormat


class ConverseRequest(_Wire):
    """A body of Converse. The model stands in the address, or in the job."""

    messages: list[Message]
    system: list[Text] | UnsetType = UNSET
    inference_config: InferenceConfig | UnsetType = UNSET
    tool_config: ToolConfig | UnsetType = UNSET
    output_config: OutputConfig | UnsetType = UNSET
    additional_model_request_fields: dict[str, Any] | UnsetType = UNSET


class NovaRequest(_Wire):
    """A body of InvokeModel for Amazon Nova."""

    messages: list[Message]
    system: list[Text] | UnsetType = UNSET
    inference_config: InferenceConfig | UnsetType = UNSET
    tool_config: ToolConfig | UnsetType = UNSET
    schema_version: str = "messages-v1"
